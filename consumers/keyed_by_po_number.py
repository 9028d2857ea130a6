"""What all inbound topics share: Avro values, keyed by the purchase order's number."""

from typing import cast

from gateway.engine.log import Record
from gateway.rules.messages import Message
from schemas.codec import Unreadable, decode

_KEY_MISMATCH = Unreadable("KEY_MISMATCH", "The key is not the po_number of the record in UTF-8.")


def read_keyed(record: Record, expected: frozenset[str]) -> Message | Unreadable:
    """The message of a record with one of the expected names, or why there is none. Never raises.

    A key that isn't the po_number would have put the message on another partition than its referral's.
    """
    if record.unreadable is not None:
        return Unreadable("UNDECODABLE", record.unreadable)
    decoded = decode(record.value, expected)
    if isinstance(decoded, Unreadable):
        return decoded
    message = cast(Message, decoded)  # what else has a schema is not expected on an inbound topic
    return message if record.key == message.po_number.encode() else _KEY_MISMATCH
