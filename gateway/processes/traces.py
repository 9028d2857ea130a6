"""Traces by OTLP: a span for each event that is logged as one, when it has been committed.

A referral has a trace of its own, whose id comes from its purchase order's number: from its PRaP message to
its last event, what fell due in silence included. Where the message that led to an event came with a trace
context, the event is a span of that trace too: the one that the event's own `traceparent` names. The two are
linked to each other.

Importing this costs a second, so it is done only where traces are sent.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import structlog
from msgspec import Struct
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from gateway.engine.observer import Observer
from gateway.engine.step import Decided
from gateway.reading.log_lines import NAMES, LogLines, events_of
from gateway.system.telemetry import LONGEST_VALUE
from gateway.system.version import gateway_version
from producers import span_id_of, trace_ids_of_order

SERVICE: Final = "information-session-gateway"
#: Where an OTLP receiver takes traces, below its address.
PATH: Final = "/v1/traces"
#: How many spans wait for the collector at the most; what comes on top of them is dropped.
MOST_WAITING: Final = 8_192
AT_ONCE: Final = 512
#: How many spans an event has at the most.
MOST_OF_ONE: Final = 2
#: How long the collector may take for one request, and for what waits at the end of the process.
SEND_S: Final = 5.0
LAST_S: Final = 2.0
#: The event with which a referral's trace begins.
FIRST: Final = "referral.received"
_ALL: Final = dict.fromkeys(NAMES, "info")
#: What of a log line is not an attribute of its span.
_LEFT_OUT: Final = frozenset({"event", "trace_id"})


class Place(Struct, frozen=True):
    """Where a span belongs. other: the same event's span in another trace."""

    span: SpanContext
    parent: SpanContext | None
    other: SpanContext | None


class Traces(Observer):
    """Makes spans of what a step has decided.

    now: the wall clock (UTC milliseconds), where that is the log's. room: how many more spans may wait, by
    how many were made. Those that would be dropped are not made: that would take longer than to decide.
    """

    def __init__(
        self,
        provider: TracerProvider,
        ids: "GivenIds",
        now: Callable[[], int] | None,
        room: Callable[[int], int],
    ) -> None:
        self._tracer = provider.get_tracer(SERVICE, gateway_version())
        self._ids = ids
        self._now = now
        self._room = room
        self._made = 0
        self._dropping = False

    def committed(self, decided: Decided, seconds: float) -> None:
        """Make its spans, from when each thing was decided, or arrived, until now, and let them be sent."""
        lines = LogLines(_ALL)
        causes: dict[str, tuple[int, str | None]] = {}
        for event, cause in events_of(decided.commit.outputs):
            lines.add(event, cause)
            causes[event.event_id] = event.decided_at, cause
        now = None if self._now is None else self._now()
        dropped = 0
        for _, line in lines.take(rest=True):
            if self._room(self._made) < MOST_OF_ONE:
                dropped += 1
                continue
            event_id = line["letter"] if "letter" in line else line["event_id"]
            decided_at, cause = causes[event_id]
            ended_at = decided_at if now is None else max(now, decided_at)
            for place in _places(line["event"], event_id, line.get("po_number"), cause):
                self._span(place, line, decided_at * 1_000_000, ended_at * 1_000_000)
                self._made += 1
        if dropped and not self._dropping:
            structlog.get_logger("gateway").warning("traces.dropped", events=dropped)
        self._dropping = dropped > 0

    def _span(self, place: Place, line: Mapping[str, Any], began_ns: int, ended_ns: int) -> None:
        self._ids.given = place.span
        parent = Context()
        if place.parent is not None:
            parent = set_span_in_context(NonRecordingSpan(place.parent), parent)
        span = self._tracer.start_span(
            line["event"],
            parent,
            SpanKind.PRODUCER,
            {f"gateway.{name}": value for name, value in line.items() if name not in _LEFT_OUT},
            [] if place.other is None else [Link(place.other)],
            began_ns,
        )
        span.end(ended_ns)


def _places(name: str, event_id: str, po_number: str | None, cause: str | None) -> Iterator[Place]:
    """Where an event is a span: in its referral's trace, and in that of the message that led to it.

    cause: the trace context of that message. One that is not sampled has no span of the event.
    """
    span_id = span_id_of(event_id)
    own = caused = above = None
    if po_number is not None:
        trace_id, first_id = trace_ids_of_order(po_number)
        first = _context(trace_id, first_id)
        own, above = (first, None) if name == FIRST else (_context(trace_id, span_id), first)
    if cause is not None:
        sender = _context(int(cause[3:35], 16), int(cause[36:52], 16), int(cause[53:55], 16))
        caused = _context(sender.trace_id, span_id)
        if sender.trace_flags.sampled:
            # One that was read back from the event's own record names the event itself.
            yield Place(caused, None if sender.span_id == span_id else sender, own)
    if own is not None:
        yield Place(own, above, caused)


def _context(trace_id: int, span_id: int, flags: int = TraceFlags.SAMPLED) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))


class GivenIds(IdGenerator):
    """Gives a span the ids that were said beforehand: those of a span come from its event."""

    given: SpanContext

    def generate_trace_id(self) -> int:
        """See IdGenerator; not asked where there is a parent."""
        return self.given.trace_id

    def generate_span_id(self) -> int:
        """See IdGenerator."""
        return self.given.span_id


class Exporter(OTLPSpanExporter):
    """Sends spans, and logs when the collector stops taking them, and when it does again."""

    _failing = False
    #: How many were taken from those that wait.
    taken = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See SpanExporter."""
        self.taken += len(spans)
        result = super().export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed and not self._failing:
            structlog.get_logger("gateway").warning("traces.not_sent", spans=len(spans))
        elif self._failing and not failed:
            structlog.get_logger("gateway").info("traces.sent_again")
        self._failing = failed
        return result


@asynccontextmanager
async def traced(
    endpoint: str, now: Callable[[], int] | None, *, most_waiting: int = MOST_WAITING
) -> AsyncIterator[Traces]:
    """Who makes spans, which are sent from a thread of its own for as long as the block lasts.

    endpoint: the address of an OTLP receiver. now: see Traces. most_waiting: how many spans wait at the most.
    """
    ids = GivenIds()
    service = {"service.name": SERVICE, "service.version": gateway_version()}
    provider = TracerProvider(
        resource=Resource.create(service),
        id_generator=ids,
        span_limits=SpanLimits(max_span_attribute_length=LONGEST_VALUE),
        shutdown_on_exit=False,
    )
    exporter = Exporter(endpoint.rstrip("/") + PATH, timeout=SEND_S)
    at_once = min(AT_ONCE, most_waiting)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=most_waiting, max_export_batch_size=at_once)
    )
    try:
        yield Traces(provider, ids, now, lambda made: most_waiting - (made - exporter.taken))
    finally:
        # Not waited for without end: a collector that hangs must not keep the process from ending.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, LAST_S)
