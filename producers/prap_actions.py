"""Topic prap.actions: what is to be entered on PRaP."""

from typing import Final, Literal

from gateway.engine.log import Draft
from gateway.rules.events import PrapAction
from producers.cloud_event import draft_keyed_by_po_number

TOPIC: Final = "prap.actions"
#: How an action stands: `status` of its record. It goes out as the first, and a mark makes it the second.
Standing = Literal["OPEN", "ENTERED"]
OPEN: Final[Standing] = "OPEN"
ENTERED: Final[Standing] = "ENTERED"


def draft(event: PrapAction, traceparent: str | None) -> Draft:
    """The record to put on the topic; `traceparent`: that of the message that caused the event."""
    return draft_keyed_by_po_number(TOPIC, event, traceparent, message_id=event.event_id, status=OPEN)
