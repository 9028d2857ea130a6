"""Topic provider.session-records: what a provider records, from acceptance to expenses."""

from typing import Final

from consumers.keyed_by_po_number import read_keyed
from gateway.engine.log import Record
from gateway.rules.messages import INBOUND, PROVIDERS_TOPIC, Message
from schemas.codec import Unreadable

TOPIC: Final = PROVIDERS_TOPIC
RECORDS: Final = frozenset(record.__name__ for record in INBOUND[TOPIC])


def read(record: Record) -> Message | Unreadable:
    """The message that the record holds, or why there is none. Never raises."""
    return read_keyed(record, RECORDS)
