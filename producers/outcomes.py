"""Topic gateway.outcomes: what came of each message."""

from typing import Final

from gateway.engine.log import Draft
from gateway.rules.events import Outcome
from gateway.rules.messages import PROVIDERS_TOPIC
from producers.cloud_event import draft_keyed_by_po_number

TOPIC: Final = "gateway.outcomes"


def draft(event: Outcome, traceparent: str | None) -> Draft:
    """The record to put on the topic; `traceparent`: that of the message that caused the event."""
    return draft_keyed_by_po_number(
        TOPIC,
        event,
        traceparent,
        provider_id=event.provider_id if event.topic == PROVIDERS_TOPIC else None,
        message_id=event.message_id,
        status=event.status,
    )
