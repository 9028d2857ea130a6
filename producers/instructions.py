"""Topic provider.instructions: what a provider is to do next."""

from typing import Final

from gateway.engine.log import Draft
from gateway.rules.events import Instruction
from producers.cloud_event import draft_keyed_by_po_number

TOPIC: Final = "provider.instructions"


def draft(event: Instruction, traceparent: str | None) -> Draft:
    """The record to put on the topic; `traceparent`: that of the message that caused the event."""
    return draft_keyed_by_po_number(TOPIC, event, traceparent, provider_id=event.provider_id)
