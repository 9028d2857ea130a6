"""One module for each inbound topic: from bytes to a message, or to why there is none."""

from typing import Final

from consumers import referrals, session_records, updates, wp11
from consumers.drafting import InUpload, caller_of, columns_of, draft, upload_of

#: What reads a record, by its topic.
READERS: Final = {
    referrals.TOPIC: referrals.read,
    wp11.TOPIC: wp11.read,
    updates.TOPIC: updates.read,
    session_records.TOPIC: session_records.read,
}

__all__ = ["READERS", "InUpload", "caller_of", "columns_of", "draft", "upload_of"]
