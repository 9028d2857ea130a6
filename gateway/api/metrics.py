"""What Prometheus is told, and the table of it in docs/operations/metrics.md.

No label names a message, a purchase order or a provider: each has a small, fixed set of values.
"""

import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, get_args, get_type_hints

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
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.api.counts import Counts, counts_of
from gateway.api.partitions import Partition, partitions
from gateway.api.problems import GONE, path_template
from gateway.api.security import REASONS
from gateway.engine.deciders import Deciders
from gateway.engine.step import Decided
from gateway.engine.watch import Watch
from gateway.projection.followed import Followed
from gateway.rules.events import OUTBOUND, DeadLetter
from producers import dead_letters


@dataclass(frozen=True, slots=True)
class Told:
    """A metric. name: as Prometheus shows it. labels: what it is told apart by."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str


MESSAGES: Final = Told(
    "gateway_messages_total",
    "counter",
    ("topic", "status", "code"),
    "Messages decided, by inbound topic, by what came of them, and by the code of a refusal.",
)
DECISIONS: Final = Told(
    "gateway_decisions_total",
    "counter",
    (),
    "Messages and deadlines decided, and committed.",
)
DEAD_LETTERS: Final = Told(
    "gateway_dead_letters_total",
    "counter",
    ("code",),
    "Records that went to gateway.dead-letters, by why.",
)
RECORDS_OUT: Final = Told("gateway_records_out_total", "counter", ("topic",), "Records put on topics.")
COMMIT: Final = Told(
    "gateway_commit_seconds",
    "histogram",
    (),
    "How long a step took to commit; its count is that of the steps. The next step is decided meanwhile, "
    "so it is never less than that takes.",
)
RESTORE: Final = Told(
    "gateway_restore_seconds",
    "histogram",
    (),
    "How long a partition took to claim and restore; its count is that of the claims.",
)
DROPPED: Final = Told(
    "gateway_partitions_dropped_total",
    "counter",
    (),
    "How often something went wrong on a partition and what was not committed was dropped.",
)
LOST: Final = Told(
    "gateway_partitions_lost_total",
    "counter",
    (),
    "How often another process claimed a partition that was owned here.",
)
ASSIGNED: Final = Told(
    "gateway_partitions_assigned", "gauge", (), "How many partitions this process is to work on."
)
OWNED: Final = Told(
    "gateway_partitions_owned", "gauge", (), "How many of them are claimed, restored and being decided."
)
READY: Final = Told(
    "gateway_partition_ready", "gauge", ("partition",), "1 where what arrives is being decided, else 0."
)
LAG_RECORDS: Final = Told(
    "gateway_partition_lag_records",
    "gauge",
    ("partition",),
    "Records that have arrived and are not decided; absent where the partition is not owned. On the embedded "
    "log those not yet read are counted for all partitions together.",
)
LAG_SECONDS: Final = Told(
    "gateway_partition_lag_seconds",
    "gauge",
    ("partition",),
    "How long ago the oldest record that is read and not decided arrived; absent with --clock log.",
)
PURCHASE_ORDERS: Final = Told(
    "gateway_partition_purchase_orders", "gauge", ("partition",), "Purchase orders kept in memory."
)
REFUSED: Final = Told(
    "gateway_callers_refused_total",
    "counter",
    ("reason",),
    "Requests to the API that were refused because of who asked, or how often (rate), by why.",
)
REQUESTS: Final = Told(
    "gateway_http_requests_total",
    "counter",
    ("path", "status"),
    "Requests over HTTP, by kind of path and by status.",
)
REQUEST: Final = Told(
    "gateway_http_request_seconds",
    "histogram",
    ("path",),
    "How long requests took, those that wait for an outcome or for instructions included.",
)
OPEN: Final = Told("gateway_http_requests_open", "gauge", (), "Requests under way, streams among them.")
PROJECTION: Final = Told(
    "gateway_projection_behind_records",
    "gauge",
    (),
    "Records on the log that answers of the API do not know of yet; absent where that is not known.",
)
BUILD: Final = Told("gateway_build_info", "gauge", ("version", "python"), "1; what runs here.")

#: In the order of the table.
METRICS: Final = (
    MESSAGES,
    DECISIONS,
    DEAD_LETTERS,
    RECORDS_OUT,
    COMMIT,
    RESTORE,
    DROPPED,
    LOST,
    ASSIGNED,
    OWNED,
    READY,
    LAG_RECORDS,
    LAG_SECONDS,
    PURCHASE_ORDERS,
    REFUSED,
    REQUESTS,
    REQUEST,
    OPEN,
    PROJECTION,
    BUILD,
)

_COMMIT_BUCKETS_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_REQUEST_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_RESTORE_BUCKETS_S: Final = (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics(Watch):
    """Counts what the engine does. A step is counted as a whole, when it has been committed."""

    def __init__(self, version: str, *, deciders: int | None = None) -> None:
        """deciders: the number of the process that decides, where that is another one than this."""
        # A second series for each is of use to nobody. (The function lacks types.)
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._messages = _counter(MESSAGES, self.registry)
        self._decisions = _counter(DECISIONS, self.registry)
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
        #: Counted here, and told when it is asked for: a library's gauge takes a lock each time.
        self._open = 0
        Gauge(OPEN.name, OPEN.meaning, registry=self.registry).set_function(lambda: self._open)
        build = Gauge(BUILD.name, BUILD.meaning, BUILD.labels, registry=self.registry)
        build.labels(version, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)
        if deciders is not None:
            ProcessCollector(namespace="deciders", pid=lambda: deciders, registry=self.registry)
        # From the start, so that the first one shows as a rise.
        for code in get_args(get_type_hints(DeadLetter)["code"]):
            self._dead_letters.labels(code)
        for topic in (*OUTBOUND, dead_letters.TOPIC):
            self._records_out.labels(topic)
        for reason in REASONS:
            self._refused.labels(reason)

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

    def count(self, counts: Counts) -> None:
        """Count what the engine has done."""
        for seconds in counts.commits_s:
            self._commit.observe(seconds)
        for seconds in counts.claims_s:
            self._restore.observe(seconds)
        self._decisions.inc(counts.decisions)
        for topic, count in counts.records_out.items():
            self._records_out.labels(topic).inc(count)
        for code, count in counts.dead_letters.items():
            self._dead_letters.labels(code).inc(count)
        for came, count in counts.messages.items():
            self._messages.labels(*came).inc(count)
        self._dropped.inc(counts.dropped)
        self._lost.inc(counts.lost)

    def claimed(self, seconds: float) -> None:
        """Count a claim."""
        self._restore.observe(seconds)

    def committed(self, decided: Decided, seconds: float) -> None:
        """Count what a step has decided, and what goes out with it."""
        self.count(counts_of(decided, seconds))

    def dropped(self) -> None:
        """Count it."""
        self._dropped.inc()

    def lost(self) -> None:
        """Count it."""
        self._lost.inc()


class PartitionGauges(Collector):
    """How things stand when somebody asks. now: the wall clock, where that is the log's.

    following: what fills the projection, where the API is served.
    """

    def __init__(
        self, crew: Deciders, now: Callable[[], int] | None, following: Followed | None = None
    ) -> None:
        self._crew = crew
        self._now = now
        self._following = following

    def collect(self) -> Iterable[Metric]:
        """The gauges of the moment."""
        found = partitions(self._crew, self._now)
        yield GaugeMetricFamily(ASSIGNED.name, ASSIGNED.meaning, len(found))
        yield GaugeMetricFamily(OWNED.name, OWNED.meaning, sum(each.trouble is None for each in found))
        yield _gauge(READY, found, lambda each: each.trouble is None)
        yield _gauge(LAG_RECORDS, found, lambda each: each.undecided)
        yield _gauge(LAG_SECONDS, found, lambda each: each.behind_s)
        yield _gauge(PURCHASE_ORDERS, found, lambda each: each.purchase_orders)
        if self._following is not None and self._following.behind is not None:
            yield GaugeMetricFamily(PROJECTION.name, PROJECTION.meaning, self._following.behind)


def table() -> str:
    """METRICS as the table in docs/operations/metrics.md (Markdown)."""
    rows = [f"| `{one.name}` | {one.kind} | {', '.join(one.labels)} | {one.meaning} |" for one in METRICS]
    return "\n".join(("| metric | kind | labels | what |", "| --- | --- | --- | --- |", *rows))


def _counter(told: Told, registry: CollectorRegistry) -> Counter:
    return Counter(told.name, told.meaning, told.labels, registry=registry)


def _gauge(
    told: Told, found: Iterable[Partition], value: Callable[[Partition], float | None]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(told.name, told.meaning, labels=told.labels)
    for each in found:
        if (number := value(each)) is not None:
            family.add_metric([str(each.number)], number)
    return family
