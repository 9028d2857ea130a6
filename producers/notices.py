"""Topic jobcentre.notices: what the Jobcentre has to know or to do beside the rest."""

from typing import Final

from gateway.engine.log import Draft
from gateway.rules.events import Notice
from producers.cloud_event import draft_keyed_by_po_number

TOPIC: Final = "jobcentre.notices"


def draft(event: Notice, traceparent: str | None) -> Draft:
    """The record to put on the topic; `traceparent`: that of the message that caused the event."""
    return draft_keyed_by_po_number(TOPIC, event, traceparent, jobcentre_id=event.jobcentre_id)
