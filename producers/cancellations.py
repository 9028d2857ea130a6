"""Topic jobcentre.cancellations: referrals that ended without a start, for the Jobcentre."""

from typing import Final

from gateway.engine.log import Draft
from gateway.rules.events import CancellationEvent
from producers.cloud_event import draft_keyed_by_po_number

TOPIC: Final = "jobcentre.cancellations"


def draft(event: CancellationEvent, traceparent: str | None) -> Draft:
    """The record to put on the topic; `traceparent`: that of the message that caused the event."""
    return draft_keyed_by_po_number(TOPIC, event, traceparent, jobcentre_id=event.jobcentre_id)
