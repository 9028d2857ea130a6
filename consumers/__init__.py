"""One module for each inbound topic: from bytes to a message, or to why there is none."""

from collections.abc import Callable
from typing import Final

from consumers import referrals, session_records, updates, wp11
from gateway.engine.log import Record
from gateway.rules.messages import Message
from schemas.codec import Unreadable

Reader = Callable[[Record], Message | Unreadable]

#: The reader of each inbound topic.
READERS: Final[dict[str, Reader]] = {
    referrals.TOPIC: referrals.read,
    wp11.TOPIC: wp11.read,
    updates.TOPIC: updates.read,
    session_records.TOPIC: session_records.read,
}
