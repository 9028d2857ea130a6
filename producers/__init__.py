"""One module for each outbound topic: from an event to topic, key, headers and bytes."""

from producers.by_event import DRAFTS, draft
from producers.trace import traceparent_of

__all__ = ["DRAFTS", "draft", "traceparent_of"]
