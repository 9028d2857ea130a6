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

_TOO_LARGE: Final = Unreadable("TOO_LARGE", "What comes of this message is larger than the log takes.")


def _read(record: Record) -> Message | Draft:
    message = consumers.READERS[record.topic](record)
    return dead_letters.draft(record, message) if isinstance(message, Unreadable) else message


def _failed(record: Record) -> Draft:
    return dead_letters.draft(record, _FAILED)


def _too_large(record: Record) -> Draft:
    return dead_letters.draft(record, _TOO_LARGE)


WIRING: Final = Wiring(_read, _failed, _too_large, producers.traceparent_of, producers.draft, listing)
