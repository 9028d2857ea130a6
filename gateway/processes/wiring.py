"""What the engine is handed: how a record is read, and how one is made of an event."""

from typing import Final

import consumers
import producers
from gateway.engine.log import Draft, Record
from gateway.engine.step import Wiring
from gateway.reading.tables import listing
from gateway.rules.messages import Message
from producers import dead_letters
from schemas.codec import Unreadable

_FAILED: Final = Unreadable(
    "FAILED", "The rules failed on this message twice; report it as a bug of the gateway."
)


def _read(record: Record) -> Message | Draft:
    message = consumers.READERS[record.topic](record)
    return dead_letters.draft(record, message) if isinstance(message, Unreadable) else message


def _failed(record: Record) -> Draft:
    return dead_letters.draft(record, _FAILED)


WIRING: Final = Wiring(_read, _failed, producers.traceparent_of, producers.draft, listing)
