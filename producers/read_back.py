"""An event read back from the record that it was put on its topic as."""

from typing import Final, cast

from gateway.engine.log import DELIVERY_PLANS, LogError, Record
from gateway.rules.events import OUTBOUND, DeadLetter, DeliveryPlan, Event
from producers import dead_letters
from producers.by_event import RECORDS
from schemas.codec import Unreadable, decode

DEAD_LETTERS: Final = dead_letters.TOPIC
#: What comes of messages.
OUTBOUND_TOPICS: Final[tuple[str, ...]] = (*OUTBOUND, DEAD_LETTERS)
#: What comes of messages, and what providers send to the Jobcentre through the gateway.
ALL_OUTBOUND_TOPICS: Final[tuple[str, ...]] = (*OUTBOUND_TOPICS, DELIVERY_PLANS)


def read_event(record: Record) -> Event | DeadLetter:
    """The event that a record of OUTBOUND_TOPICS holds. Raises LogError where it can't be read."""
    return cast(Event | DeadLetter, _read(record))


def read_plan(record: Record) -> DeliveryPlan:
    """The delivery plan that a record of its topic holds. Raises LogError where it can't be read."""
    return cast(DeliveryPlan, _read(record))


def _read(record: Record) -> object:
    event = decode(record.value, RECORDS[record.topic], largest=None)
    if isinstance(event, Unreadable):
        raise LogError(f"record {record.offset} of {record.topic} can't be read: {event.detail}")
    return event
