"""Topic gateway.breaches: time limits missed, and what cleared them."""

from typing import Final

from gateway.engine.log import Draft
from gateway.rules.events import Breach
from producers.cloud_event import draft_keyed_by_po_number

TOPIC: Final = "gateway.breaches"


def draft(event: Breach, traceparent: str | None) -> Draft:
    """The record to put on the topic; `traceparent`: that of the message that caused the event."""
    return draft_keyed_by_po_number(
        TOPIC, event, traceparent, provider_id=event.provider_id, status=standing(event)
    )


def standing(event: Breach) -> str:
    """Which limit was missed, and whether that still stands, such as SESSION_LATE RAISED."""
    return f"{event.breach} {event.status}"
