"""One module for each outbound topic: from an event to topic, key, headers and bytes."""

from producers.by_event import DRAFTS, RECORDS, draft
from producers.trace import headers_of_trace, trace_id_of, traceparent_of

__all__ = ["DRAFTS", "RECORDS", "draft", "headers_of_trace", "trace_id_of", "traceparent_of"]
