"""What Prometheus reads, and the table of it in docs/operations/metrics.md.

No label names a message, a purchase order or a provider: each has a small, fixed set of values.
"""

import platform
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import product
from operator import attrgetter
from typing import Final, Literal, get_args, get_origin, get_type_hints

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.api.operation import refusals
from gateway.api.partitions import Partition, partitions
from gateway.api.prap_actions import ToEnter
from gateway.api.problems import GONE, path_template
from gateway.api.security import REASONS
from gateway.api.surroundings import Surroundings
from gateway.api.webhooks.counts import Counts
from gateway.engine.clock_watch import ClockWatch
from gateway.engine.log import Draft
from gateway.engine.observer import Observer
from gateway.engine.step import Decided
from gateway.engine.workers import Workers
from gateway.reading.model import ReadModel
from gateway.rules.events import OUTBOUND, DeadLetter, Event, Outcome, OutcomeStatus
from gateway.rules.messages import INBOUND
from producers import dead_letters, outcomes
from schemas.codec import decode

_LETTER: Final = frozenset({DeadLetter.__name__})


@dataclass(frozen=True, slots=True)
class MetricOf:
    """A metric. name: as Prometheus shows it. labels: the names of its labels."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str


MESSAGES: Final = MetricOf(
    "gateway_messages_total",
    "counter",
    ("topic", "status", "code"),
    "Messages decided, by inbound topic, by what came of them, and by the code of a refusal.",
)
EVENTS: Final = MetricOf(
    "gateway_events_total",
    "counter",
    ("record", "kind", "status"),
    "What was decided, by outbound record: breaches (Breach) by kind and status, sanctions "
    "(SanctionNotification) by failure and status, cancellations (CancellationEvent) by whether a session "
    "was attended, and all others alike.",
)
OUTCOME: Final = MetricOf(
    "gateway_outcome_seconds",
    "histogram",
    ("topic",),
    "How long after a message arrived its outcome was on the log, by inbound topic; for one that waited for "
    "its referral, after that arrived. Not counted with --clock log.",
)
LAST_DECISION: Final = MetricOf(
    "gateway_last_decision_timestamp_seconds",
    "gauge",
    (),
    "When a step was committed last, in seconds since 1970; 0: none since the start.",
)
DECISIONS: Final = MetricOf(
    "gateway_decisions_total",
    "counter",
    (),
    "Messages and deadlines decided, and committed.",
)
DEAD_LETTERS: Final = MetricOf(
    "gateway_dead_letters_total",
    "counter",
    ("code",),
    "Records that went to gateway.dead-letters, by why.",
)
RECORDS_OUT: Final = MetricOf("gateway_records_out_total", "counter", ("topic",), "Records put on topics.")
COMMIT: Final = MetricOf(
    "gateway_commit_seconds",
    "histogram",
    (),
    "How long a step took to commit; its count is that of the steps. The next step is decided meanwhile, "
    "so it is never less than that takes.",
)
RESTORE: Final = MetricOf(
    "gateway_restore_seconds",
    "histogram",
    (),
    "How long a partition took to claim and restore; its count is that of the claims.",
)
DROPPED: Final = MetricOf(
    "gateway_partitions_dropped_total",
    "counter",
    (),
    "How often something went wrong on a partition and what was not committed was dropped.",
)
LOST: Final = MetricOf(
    "gateway_partitions_lost_total",
    "counter",
    (),
    "How often another process claimed a partition that was owned here.",
)
CONFIGURED: Final = MetricOf(
    "gateway_partitions_configured", "gauge", (), "How many partitions the log has; 0: not known yet."
)
ASSIGNED: Final = MetricOf(
    "gateway_partitions_assigned", "gauge", (), "How many partitions this process is to work on."
)
OWNED: Final = MetricOf(
    "gateway_partitions_owned", "gauge", (), "How many of them are claimed, restored and being decided."
)
READY: Final = MetricOf(
    "gateway_partition_ready", "gauge", ("partition",), "1 where what arrives is being decided, else 0."
)
RECORDS_LOST: Final = MetricOf(
    "gateway_partition_records_lost",
    "gauge",
    ("partition",),
    "1 where undecided records are lost, and nothing is decided until that is accepted, else 0.",
)
PAUSED: Final = MetricOf(
    "gateway_partition_paused_timestamp_seconds",
    "gauge",
    ("partition",),
    "Since when an operator has paused it, in seconds since 1970; 0: it is not paused.",
)
LAG_RECORDS: Final = MetricOf(
    "gateway_partition_lag_records",
    "gauge",
    ("partition",),
    "Records that have arrived and are not decided; absent where the partition is not owned. On the embedded "
    "log those not yet read are counted for all partitions together.",
)
LAG_SECONDS: Final = MetricOf(
    "gateway_partition_lag_seconds",
    "gauge",
    ("partition",),
    "How long ago the oldest record that is read and not decided arrived; absent with --clock log.",
)
PURCHASE_ORDERS: Final = MetricOf(
    "gateway_partition_purchase_orders", "gauge", ("partition",), "Purchase orders kept in memory."
)
HELD: Final = MetricOf(
    "gateway_partition_held_messages", "gauge", ("partition",), "Messages that wait for their referral."
)
NEXT_DEADLINE: Final = MetricOf(
    "gateway_partition_next_deadline_timestamp_seconds",
    "gauge",
    ("partition",),
    "When something falls due next, in seconds since 1970; one in the past is overdue. Absent where nothing "
    "will, and with --clock log.",
)
OVERDUE: Final = MetricOf(
    "gateway_partition_overdue_deadlines",
    "gauge",
    ("partition",),
    "Deadlines that are due and not decided, at the most, and no more than 10,000 of them. On Kafka each is "
    "so for GATEWAY_GRACE_S. Absent with --clock log.",
)
REFUSED: Final = MetricOf(
    "gateway_callers_refused_total",
    "counter",
    ("reason",),
    "Requests to the API that were refused because of who asked, or how often (rate), by why.",
)
REQUESTS: Final = MetricOf(
    "gateway_http_requests_total",
    "counter",
    ("path", "status"),
    "Requests over HTTP, by kind of path and by status.",
)
REQUEST: Final = MetricOf(
    "gateway_http_request_seconds",
    "histogram",
    ("path",),
    "How long requests took, those that wait for an outcome or for instructions included.",
)
OPEN: Final = MetricOf("gateway_http_requests_open", "gauge", (), "Requests under way, streams among them.")
PROJECTION: Final = MetricOf(
    "gateway_projection_behind_records",
    "gauge",
    (),
    "Records on the log that answers of the API do not know of yet; absent where that is not known.",
)
BROKERS: Final = MetricOf(
    "gateway_brokers_reachable",
    "gauge",
    (),
    "1 where a broker answered when it was last looked for, every ten seconds, else 0; absent on an embedded "
    "log.",
)
PRAP_UNMARKED: Final = MetricOf(
    "gateway_prap_actions_unmarked",
    "gauge",
    (),
    "Actions for PRaP that nobody has marked as entered, no more than 10,000 of them; absent where the API "
    "is not served.",
)
PRAP_OVERDUE: Final = MetricOf(
    "gateway_prap_actions_overdue",
    "gauge",
    (),
    "Those of them that should have been entered (GATEWAY_PRAP_ENTER_WITHIN_WORKING_DAYS).",
)
KEYS_AGE: Final = MetricOf(
    "gateway_callers_keys_age_seconds",
    "gauge",
    (),
    "How long ago the keys of callers' tokens were fetched, which is done every 30 seconds; absent where the "
    "API is not served.",
)
FILE_BYTES: Final = MetricOf(
    "gateway_file_bytes",
    "gauge",
    ("file",),
    "How large the embedded log is (log), or on Kafka the read model (projection), with what SQLite keeps "
    "beside it.",
)
DISK_FREE: Final = MetricOf(
    "gateway_disk_free_bytes", "gauge", ("file",), "How much room the disk of that file has for the gateway."
)
CLOCK_LEAPT: Final = MetricOf(
    "gateway_clock_leapt_seconds",
    "gauge",
    (),
    "By how much this machine's clock has leapt since it was last right, against one that can't be set: "
    "back, below 0. Absent with --clock log.",
)
CLOCK_AHEAD: Final = MetricOf(
    "gateway_clock_ahead_seconds",
    "gauge",
    (),
    "How far this machine's clock is ahead of the latest instant that was decided here: behind it, below 0. "
    "Absent with --clock log, and until something was decided.",
)
WEBHOOKS: Final = MetricOf(
    "gateway_webhooks",
    "gauge",
    ("status",),
    "Webhooks by how they stand: active, failing or paused; the same in each process. Absent where none can "
    "be made.",
)
DELIVERIES: Final = MetricOf(
    "gateway_webhook_deliveries_total",
    "counter",
    ("result",),
    "Deliveries to webhooks that this process has tried, by what came of them: taken or failed. Absent "
    "likewise.",
)
BUILD: Final = MetricOf("gateway_build_info", "gauge", ("version", "python"), "1; what runs here.")

#: In the order of the table.
METRICS: Final = (
    MESSAGES,
    EVENTS,
    OUTCOME,
    DECISIONS,
    LAST_DECISION,
    DEAD_LETTERS,
    RECORDS_OUT,
    COMMIT,
    RESTORE,
    DROPPED,
    LOST,
    CONFIGURED,
    ASSIGNED,
    OWNED,
    READY,
    RECORDS_LOST,
    PAUSED,
    LAG_RECORDS,
    LAG_SECONDS,
    PURCHASE_ORDERS,
    HELD,
    NEXT_DEADLINE,
    OVERDUE,
    REFUSED,
    REQUESTS,
    REQUEST,
    OPEN,
    PROJECTION,
    BROKERS,
    PRAP_UNMARKED,
    PRAP_OVERDUE,
    KEYS_AGE,
    FILE_BYTES,
    DISK_FREE,
    CLOCK_LEAPT,
    CLOCK_AHEAD,
    WEBHOOKS,
    DELIVERIES,
    BUILD,
)

_COMMIT_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_OUTCOME_BUCKETS_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 3_600)
_REQUEST_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_RESTORE_BUCKETS_S: Final = (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60)


def _kind_field(record: type) -> str | None:
    return next(
        (name for name in get_type_hints(record) if name != "status" and _values(record, name) != [""]), None
    )


def _values(record: type, name: str | None) -> list[str]:
    """All that a field of some fixed values may have, as they are shown; ['']: it is none."""
    of = get_type_hints(record).get(name or "")
    values = (True, False) if of is bool else get_args(of) if get_origin(of) is Literal else ()
    # OTHER is never written.
    return [_shown(name or "", value) for value in values if value != "OTHER"] or [""]


def _shown(name: str, value: str | bool) -> str:
    """A value as it is shown: of a yes or a no the field's name, or nothing."""
    return value if isinstance(value, str) else name.upper() if value else f"NOT_{name.upper()}"


#: By outbound record the field that says what kind it is: the first that has one of some fixed values, or is
#: a yes or a no, and is not the status; None: it has none.
_KIND_FIELD: Final = {record: _kind_field(record) for record in OUTBOUND.values() if record is not Outcome}
_TOPIC_OF: Final = {record: topic for topic, record in OUTBOUND.items()}


#: By outbound record the fields that an event is counted by: its kind, its status, both, or none.
_FIELDS: Final = {
    record: [name for name in (kind, "status") if name is not None and _values(record, name) != [""]]
    for record, kind in _KIND_FIELD.items()
}
#: By outbound record what gives an event's values of `_FIELDS`: of one field the value, of two a pair.
_COUNTED: Final[dict[type, Callable[[Event], object]]] = {
    record: attrgetter(*fields) if fields else lambda _: None for record, fields in _FIELDS.items()
}


def _labels(record: type, values: object) -> tuple[str, str]:
    """What `_COUNTED` gave of an event, as the labels `kind` and `status`."""
    found = dict(zip(_FIELDS[record], values if isinstance(values, tuple) else (values,), strict=False))
    kind = _KIND_FIELD[record]
    return "" if kind is None else _shown(kind, found[kind]), found.get("status", "")


class Metrics(Observer):
    """Counts what the engine does. A step is counted as a whole, when it has been committed.

    now: the wall clock (UTC milliseconds), where that is the log's.
    """

    def __init__(self, version: str, now: Callable[[], int] | None = None) -> None:
        self._now = now
        # A second series for each is of use to nobody. (The function lacks types.)
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._messages = _counter(MESSAGES, self.registry)
        self._events = _counter(EVENTS, self.registry)
        self._outcome = Histogram(
            OUTCOME.name, OUTCOME.meaning, OUTCOME.labels, registry=self.registry, buckets=_OUTCOME_BUCKETS_S
        )
        self._decisions = _counter(DECISIONS, self.registry)
        self._last_decision = Gauge(LAST_DECISION.name, LAST_DECISION.meaning, registry=self.registry)
        self._dead_letters = _counter(DEAD_LETTERS, self.registry)
        self._records_out = _counter(RECORDS_OUT, self.registry)
        self._commit = Histogram(
            COMMIT.name, COMMIT.meaning, registry=self.registry, buckets=_COMMIT_BUCKETS_S
        )
        self._restore = Histogram(
            RESTORE.name, RESTORE.meaning, registry=self.registry, buckets=_RESTORE_BUCKETS_S
        )
        self._dropped = _counter(DROPPED, self.registry)
        self._lost = _counter(LOST, self.registry)
        self._refused = _counter(REFUSED, self.registry)
        self._requests = _counter(REQUESTS, self.registry)
        self._request = Histogram(
            REQUEST.name, REQUEST.meaning, REQUEST.labels, registry=self.registry, buckets=_REQUEST_BUCKETS_S
        )
        self._series: dict[tuple[str, str], tuple[Counter, Histogram]] = {}
        #: Counted here, and read when metrics are collected: a library's gauge takes a lock each time.
        self._open = 0
        Gauge(OPEN.name, OPEN.meaning, registry=self.registry).set_function(lambda: self._open)
        build = Gauge(BUILD.name, BUILD.meaning, BUILD.labels, registry=self.registry)
        build.labels(version, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)
        # From the start, so that the first one shows as a rise.
        for code in get_args(get_type_hints(DeadLetter)["code"]):
            self._dead_letters.labels(code)
        for topic in (*OUTBOUND, dead_letters.TOPIC):
            self._records_out.labels(topic)
        for reason in REASONS:
            self._refused.labels(reason)
        for topic in INBOUND:
            for status in get_args(OutcomeStatus):
                for refusal in refusals([topic]) if status == "REFUSED" else [""]:
                    self._messages.labels(topic, status, refusal)
        for record, kind in _KIND_FIELD.items():
            for labels in product(_values(record, kind), _values(record, "status")):
                self._events.labels(record.__name__, *labels)
        self._outcome_of = {topic: self._outcome.labels(topic) for topic in INBOUND}

    def expect(self, paths: Iterable[str]) -> None:
        """Show from the start that these kinds of paths have not been asked, nor failed."""
        for path in paths:
            self._request.labels(path)
            for status in HTTPStatus.OK, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE:
                self._requests.labels(path, str(status.value))

    def refused(self, reason: str) -> None:
        """Count a caller who was refused; one of REASONS."""
        self._refused.labels(reason).inc()

    @property
    def gate(self) -> Middleware:
        """What counts the requests that pass it."""
        clock = time.perf_counter

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            path = path_template(request) or "unknown"
            began_s = clock()
            self._open += 1
            status = "gone"  # whoever asked, before there was an answer
            try:
                answer = await handler(request)
                if answer.status != GONE:
                    status = str(answer.status)
            finally:
                self._open -= 1
                self._answered(path, status, clock() - began_s)
            return answer

        return count

    def _answered(self, path: str, status: str, seconds: float) -> None:
        kept = self._series.get((path, status))
        if kept is None:  # to be looked up by its labels takes longer than to be counted
            kept = self._requests.labels(path, status), self._request.labels(path)
            self._series[path, status] = kept
        kept[0].inc()
        kept[1].observe(seconds)

    def claimed(self, seconds: float) -> None:
        """Count a claim."""
        self._restore.observe(seconds)

    def committed(self, decided: Decided, seconds: float) -> None:
        """Count what a step has decided, and what goes out with it: one pass, and a lock for each series."""
        self._commit.observe(seconds)
        self._decisions.inc(decided.decisions)
        self._last_decision.set_to_current_time()
        now = None if self._now is None else self._now()
        put: list[str] = []
        came: list[tuple[str, str, str | None]] = []
        went: list[tuple[type[Event], object]] = []
        for output in decided.commit.outputs:
            if isinstance(output, Draft):
                put.append(output.topic)
                if output.topic == dead_letters.TOPIC:
                    self._dead_letters.labels(_code(output)).inc()
                continue
            event = output[0]
            if isinstance(event, Outcome):
                came.append((event.topic, event.status, event.code))
                if now is not None and event.status != "HELD":  # that is none yet
                    # It is decided as of when the message arrived.
                    self._outcome_of[event.topic].observe(max(now - event.decided_at, 0) / 1_000)
            else:
                went.append((type(event), _COUNTED[type(event)](event)))
        # To count a list takes less time than to count one by one.
        records_out = Tally(put)
        for (topic, status, code), count in Tally(came).items():
            self._messages.labels(topic, status, code or "").inc(count)
            records_out[outcomes.TOPIC] += count
        for (record, values), count in Tally(went).items():
            self._events.labels(record.__name__, *_labels(record, values)).inc(count)
            records_out[_TOPIC_OF[record]] += count
        for topic, count in records_out.items():
            self._records_out.labels(topic).inc(count)

    def dropped(self) -> None:
        """Count it."""
        self._dropped.inc()

    def lost(self) -> None:
        """Count it."""
        self._lost.inc()


def _code(letter: Draft) -> str:
    """Why a record went to the dead letters."""
    read = decode(letter.value, _LETTER, largest=None)
    return read.code if isinstance(read, DeadLetter) else "UNDECODABLE"


class PartitionGauges(Collector):
    """How things stand when somebody asks. now: the wall clock, where that is the log's.

    model: what fills the projection, where the API is served. clock: what watches the wall clock. around:
    what else the gateway needs. to_enter: what is to be entered on PRaP, where the API is served.
    """

    def __init__(
        self,
        workers: Workers,
        now: Callable[[], int] | None,
        model: ReadModel | None = None,
        clock: ClockWatch | None = None,
        around: Surroundings | None = None,
        to_enter: ToEnter | None = None,
    ) -> None:
        self._to_enter = to_enter
        self._clock = clock
        self._workers = workers
        self._now = now
        self._model = model
        self._around = around or Surroundings()

    def collect(self) -> Iterable[Metric]:
        """The gauges of the moment."""
        found = partitions(self._workers, self._now)
        yield GaugeMetricFamily(CONFIGURED.name, CONFIGURED.meaning, self._workers.configured)
        yield GaugeMetricFamily(ASSIGNED.name, ASSIGNED.meaning, len(found))
        yield GaugeMetricFamily(OWNED.name, OWNED.meaning, sum(each.trouble is None for each in found))
        yield _gauge(READY, found, lambda each: each.trouble is None)
        yield _gauge(RECORDS_LOST, found, lambda each: each.lost)
        yield _gauge(PAUSED, found, lambda each: each.paused.at / 1_000 if each.paused else 0)
        yield _gauge(LAG_RECORDS, found, lambda each: each.undecided)
        yield _gauge(LAG_SECONDS, found, lambda each: each.behind_s)
        yield _gauge(PURCHASE_ORDERS, found, lambda each: each.purchase_orders)
        yield _gauge(HELD, found, lambda each: each.held)
        yield _gauge(NEXT_DEADLINE, found, lambda e: None if e.next_due_at is None else e.next_due_at / 1_000)
        yield _gauge(OVERDUE, found, lambda each: each.overdue)
        yield from self._of_surroundings()
        if self._model is not None and self._model.behind is not None:
            yield GaugeMetricFamily(PROJECTION.name, PROJECTION.meaning, self._model.behind)
        if self._to_enter is not None:
            unmarked, overdue = self._to_enter.counted
            yield GaugeMetricFamily(PRAP_UNMARKED.name, PRAP_UNMARKED.meaning, unmarked)
            yield GaugeMetricFamily(PRAP_OVERDUE.name, PRAP_OVERDUE.meaning, overdue)
        if self._clock is not None:
            yield GaugeMetricFamily(CLOCK_LEAPT.name, CLOCK_LEAPT.meaning, self._clock.leapt_s)
            if (ahead_s := self._clock.ahead_s) is not None:
                yield GaugeMetricFamily(CLOCK_AHEAD.name, CLOCK_AHEAD.meaning, ahead_s)

    def _of_surroundings(self) -> Iterator[Metric]:
        around = self._around
        if around.brokers is not None:
            yield GaugeMetricFamily(BROKERS.name, BROKERS.meaning, int(not around.brokers))
        if around.keyring is not None:
            yield GaugeMetricFamily(KEYS_AGE.name, KEYS_AGE.meaning, around.keyring.age_s)
        size, room = (
            GaugeMetricFamily(each.name, each.meaning, labels=each.labels) for each in (FILE_BYTES, DISK_FREE)
        )
        for each in around.stored():
            size.add_metric([each.name], each.bytes)
            room.add_metric([each.name], each.room)
        yield from (size, room)


class WebhookGauges(Collector):
    """How webhooks stand when somebody asks."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Those of the moment."""
        stands = GaugeMetricFamily(WEBHOOKS.name, WEBHOOKS.meaning, labels=WEBHOOKS.labels)
        tried = CounterMetricFamily(DELIVERIES.name, DELIVERIES.meaning, labels=DELIVERIES.labels)
        for family, counted in (stands, self._counts.webhooks), (tried, self._counts.deliveries):
            for label, count in counted.items():
                family.add_metric([label], count)
            yield family


def table() -> str:
    """METRICS as the table in docs/operations/metrics.md (Markdown)."""
    rows = [f"| `{one.name}` | {one.kind} | {', '.join(one.labels)} | {one.meaning} |" for one in METRICS]
    return "\n".join(("| metric | kind | labels | what |", "| --- | --- | --- | --- |", *rows))


def _counter(metric: MetricOf, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name, metric.meaning, metric.labels, registry=registry)


def _gauge(
    metric: MetricOf, found: Iterable[Partition], value: Callable[[Partition], float | None]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for each in found:
        if (number := value(each)) is not None:
            family.add_metric([str(each.number)], number)
    return family
