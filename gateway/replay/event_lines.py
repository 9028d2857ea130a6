"""Events as JSON lines: the output of `replay` and `tail` (contracts: JSON, Replay)."""

from typing import Final

from msgspec.json import Encoder

from gateway.engine.log import DELIVERY_PLANS
from gateway.rules.events import OUTBOUND, DeadLetter, DeliveryPlan, Event
from schemas.json import format_instant, render

TOPIC_OF_EVENT: Final[dict[type, str]] = {event: topic for topic, event in OUTBOUND.items()} | {
    DeadLetter: "gateway.dead-letters"
}

_encode: Final = Encoder().encode


def to_line(event: Event | DeadLetter) -> bytes:
    """An event as a line of replay's output. A dead letter's key that is no text is shown as null."""
    key = _text(event.key) if isinstance(event, DeadLetter) else event.po_number
    record, value = type(event), render(event)
    return _line(value["decided_at"], TOPIC_OF_EVENT[record], record, key, value)


def plan_to_line(plan: DeliveryPlan, at: int) -> bytes:
    """A delivery plan as such a line. at: when it came, UTC milliseconds."""
    return _line(format_instant(at), DELIVERY_PLANS, DeliveryPlan, plan.provider_id, render(plan))


def _line(at: str, topic: str, record: type, key: str | None, value: object) -> bytes:
    return _encode({"at": at, "topic": topic, "type": record.__name__, "key": key, "value": value}) + b"\n"


def _text(key: bytes | None) -> str | None:
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        return None
