"""One module for each outbound topic: from an event to topic, key, headers and bytes."""

from producers.by_event import DRAFTS, RECORDS, draft
from producers.trace import headers_of_trace, span_id_of, trace_id_of, trace_ids_of_order, traceparent_of

__all__ = [
    "DRAFTS",
    "RECORDS",
    "draft",
    "headers_of_trace",
    "span_id_of",
    "trace_id_of",
    "trace_ids_of_order",
    "traceparent_of",
]
