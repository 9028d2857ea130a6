"""/metrics: what was decided, counted when it is committed, under labels that name nobody."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.api.callers.keyring import Keyring
from gateway.api.callers.sources import NotFetched, from_file
from gateway.api.metrics import METRICS, WebhookGauges
from gateway.api.surroundings import Surroundings
from gateway.api.webhooks.counts import Counts
from gateway.backends.embedded.log import EmbeddedClaim, open_embedded
from gateway.engine.log import Commit, Draft
from gateway.engine.step import StepSize
from gateway.intake.feed import feed
from gateway.reading.model import ReadModel
from gateway.rules.decide import decide
from gateway.rules.events import (
    Breach,
    BreachKind,
    BreachStatus,
    CancellationEvent,
    DeadLetter,
    Event,
    Outcome,
    SanctionNotification,
)
from gateway.sample import programme
from producers.read_back import OUTBOUND_TOPICS, read_event
from schemas.json import parse_instant
from tests.api.serving import Gateway, gateway
from tests.cli.running import Json, json_lines, record, referral
from tests.log.reading import followed

END = parse_instant("2018-06-01T00:00:00Z")

WP11 = record(
    "Wp11",
    "2016-03-14T09:00:00Z",
    topic="jobcentre.wp11",
    jobcentre_id="JCP-LEEDS",
    interview_on="2016-03-14",
    wants_to_join=True,
    issued_on="2016-03-14",
)


def its_referral() -> Json:
    """Of today, so that deadlines are ahead of it."""
    return referral(referred_on=datetime.now(UTC).date().isoformat())


Series = dict[tuple[str, ...], float]


async def counted(served: Gateway, name: str) -> Series:
    """The values of a metric by those of its labels, in the table's order; nothing that is still zero."""
    labels = next(metric.labels for metric in METRICS if metric.name == name.removesuffix("_count"))
    answer = await served.ask("/metrics")
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name and sample.value
    }


async def number(served: Gateway, name: str) -> float:
    """The value of a sample without labels."""
    answer = await served.ask("/metrics")
    families = text_string_to_metric_families(answer.text)
    return next(s.value for family in families for s in family.samples if s.name == name)


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A log with a believable programme on it, and two records that can't be decoded."""
    path = tmp_path / "gateway.db"
    log = await open_embedded(path, partitions=2, clock="log")
    await log.append([Draft("jobcentre.wp11", b"PO1", b"nonsense", (), 0)] * 2)
    await feed(log, list(programme(30, seed=5)), keep_time=True, checked=lambda: None)
    await log.close()
    return path


async def all_decided(served: Gateway) -> list[Event | DeadLetter]:
    """What is on the log when the workers have come to their end."""
    await served.end()
    return [read_event(record) for record in await followed(served.log, OUTBOUND_TOPICS)]


async def test_the_counts_are_what_is_on_the_log(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where commits failed meanwhile: what was dropped is not counted, and what came of it once."""
    as_it_is = EmbeddedClaim.commit
    failures = [ConnectionError("the first"), ConnectionError("the second")]

    async def unsteadily(claim: EmbeddedClaim, step: Commit) -> None:
        if failures:
            raise failures.pop()
        await as_it_is(claim, step)

    monkeypatch.setattr(EmbeddedClaim, "commit", unsteadily)
    async with gateway(path, until=END, step=StepSize(decisions=50)) as served:
        events = await all_decided(served)
        outcomes = [event for event in events if isinstance(event, Outcome)]
        assert len({outcome.code for outcome in outcomes}) > 2
        assert await counted(served, "gateway_messages_total") == Counter(
            (outcome.topic, outcome.status, outcome.code or "") for outcome in outcomes
        )
        records = await followed(served.log, OUTBOUND_TOPICS)
        assert await counted(served, "gateway_records_out_total") == Counter(
            (record.topic,) for record in records
        )
        assert await counted(served, "gateway_dead_letters_total") == {("UNDECODABLE",): 2}
        assert await number(served, "gateway_decisions_total") == served.workers.decided
        assert await number(served, "gateway_partitions_dropped_total") == 2
        assert await number(served, "gateway_restore_seconds_count") == 2 + 2
        assert await number(served, "gateway_commit_seconds_count") >= served.workers.decided / 50


async def test_what_is_decided_alone_after_a_failure_is_counted_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_is = decide
    decided = 0

    def fails_on_some(*given: Any) -> Any:
        nonlocal decided
        decided += 1
        if decided % 40 == 0:
            raise ValueError("a fault of the rules")
        return as_it_is(*given)

    monkeypatch.setattr("gateway.engine.purchase_orders.decide", fails_on_some)
    async with gateway(path, until=END) as served:
        outcomes = [event for event in await all_decided(served) if isinstance(event, Outcome)]
        assert await counted(served, "gateway_messages_total") == Counter(
            (outcome.topic, outcome.status, outcome.code or "") for outcome in outcomes
        )


async def test_how_each_partition_stands_is_reported(tmp_path: Path) -> None:
    async with gateway(tmp_path / "gateway.db", partitions=3) as served:
        await served.until(lambda answer: answer.status == 200)
        assert await number(served, "gateway_partitions_assigned") == 3
        assert await number(served, "gateway_partitions_owned") == 3
        every = {("0",): 1, ("1",): 1, ("2",): 1}
        assert await counted(served, "gateway_partition_ready") == every


async def test_what_was_decided_is_counted_by_record_kind_and_status(path: Path) -> None:
    async with gateway(path, until=END) as served:
        events = await all_decided(served)
        found = await counted(served, "gateway_events_total")
    expected: Counter[tuple[str, str, str]] = Counter()
    for event in events:
        match event:
            case Breach():
                expected["Breach", event.breach, event.status] += 1
            case SanctionNotification():
                expected["SanctionNotification", event.failure_type, event.status] += 1
            case CancellationEvent():
                attended = "ATTENDED" if event.attended else "NOT_ATTENDED"
                expected["CancellationEvent", attended, ""] += 1
    assert {labels[0] for labels in expected} == {"Breach", "SanctionNotification", "CancellationEvent"}
    assert expected.items() <= found.items()
    assert sum(found.values()) == sum(not isinstance(event, Outcome | DeadLetter) for event in events)


async def test_every_kind_is_there_before_the_first_of_it(tmp_path: Path) -> None:
    async with gateway(tmp_path / "gateway.db") as served:
        text = (await served.ask("/metrics")).text
    assert 'kind="OTHER"' not in text  # which is never written
    for kind, status in product({*get_args(BreachKind)} - {"OTHER"}, get_args(BreachStatus)):
        assert f'gateway_events_total{{kind="{kind}",record="Breach",status="{status}"}} 0.0' in text
    assert (
        'gateway_messages_total{code="UNKNOWN_REFERRAL",status="REFUSED",topic="jobcentre.wp11"} 0.0' in text
    )
    assert 'gateway_outcome_seconds_count{topic="jobcentre.wp11"} 0.0' in text
    assert "gateway_last_decision_timestamp_seconds 0.0" in text


async def test_an_outcome_is_timed_from_the_arrival_of_its_message(tmp_path: Path) -> None:
    async with gateway(tmp_path / "gateway.db") as served:
        await feed(served.log, [json_lines([WP11])], keep_time=False, checked=lambda: None)
        await served.until(lambda _: served.workers.decided == 1)
        # It is held for its referral, which is no outcome yet.
        assert await number(served, "gateway_partition_held_messages") == 1
        assert not await counted(served, "gateway_outcome_seconds_count")
        await feed(served.log, [json_lines([its_referral()])], keep_time=False, checked=lambda: None)
        await served.until(lambda _: served.workers.decided > 1)
        assert await number(served, "gateway_partition_held_messages") == 0
        topics = {("prap.referrals",): 1, ("jobcentre.wp11",): 1}
        assert await counted(served, "gateway_outcome_seconds_count") == topics
        assert await number(served, "gateway_last_decision_timestamp_seconds") > 0
        assert await number(served, "gateway_partition_next_deadline_timestamp_seconds") > 0
        assert await number(served, "gateway_partition_overdue_deadlines") == 0


async def test_messages_are_still_held_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with gateway(path) as served:
        await feed(served.log, [json_lines([WP11])], keep_time=False, checked=lambda: None)
        await served.until(lambda _: served.workers.decided == 1)
    async with gateway(path) as served:
        await served.until(lambda answer: answer.status == 200)
        assert await number(served, "gateway_partition_held_messages") == 1


async def test_what_the_gateway_needs_beside_its_partitions_is_shown(tmp_path: Path) -> None:
    async def no_keys() -> bytes:
        raise NotFetched("nobody is at https://login.example/jwks.json")

    path, keyring = tmp_path / "gateway.db", Keyring(no_keys)
    around = Surroundings({"log": path}, keyring, brokers="no broker answers", little_room=2**62)
    async with keyring, gateway(path, around=around) as served:
        await served.until(lambda answer: len(answer.json["warnings"]) == 2)
        ready = await served.ready()
        assert ready.status == 503
        assert "no broker answers" in ready.json["reasons"]
        room, keys = ready.json["warnings"]
        assert room.startswith("the disk of the log has ")
        assert keys.endswith("every caller gets 503: nobody is at https://login.example/jwks.json")
        assert await number(served, "gateway_brokers_reachable") == 0
        assert await number(served, "gateway_file_bytes") >= path.stat().st_size
        assert await number(served, "gateway_disk_free_bytes") > 0
        assert await number(served, "gateway_callers_keys_age_seconds") >= 0


async def test_every_metric_is_in_the_table_with_its_kind_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    table = {metric.name: (metric.kind, set(metric.labels)) for metric in METRICS}
    found: dict[str, tuple[str, set[str]]] = {}
    around = Surroundings({"log": path}, Keyring(from_file(path)), brokers="")
    async with gateway(path, model=Copying(), around=around) as served:
        served.metrics.registry.register(WebhookGauges(Counts()))
        # By the wall clock, so that times are among them.
        await feed(served.log, [json_lines([its_referral()])], keep_time=False, checked=lambda: None)
        await served.until(
            lambda _: "next_deadline_timestamp_seconds{" in generate_latest(served.metrics.registry).decode()
        )
        answer = await served.ask("/metrics")
    for family in text_string_to_metric_families(answer.text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        if not name.startswith("process_"):
            found[name] = (family.type, labels)
    assert found == table


class Copying(ReadModel):
    """A read model that is filled from a log on Kafka, as far as metrics know of it."""

    def __init__(self) -> None:
        super().__init__()
        self.behind, self.trouble = 0, None
        self.filled.set()

    async def reach(self, topics: Sequence[str]) -> None:
        """Nothing is behind."""

    def unreadable(self, error: sqlite3.Error) -> None:
        """Nobody reads it."""


async def test_no_label_names_a_message_a_purchase_order_or_a_provider(path: Path) -> None:
    async with gateway(path, until=END) as served:
        events = await all_decided(served)
        answer = await served.ask("/metrics")
    values = {
        value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        for value in sample.labels.values()
    }
    named = {
        named
        for event in events
        if isinstance(event, Outcome)
        for named in (event.po_number, event.message_id, event.provider_id)
    }
    assert named
    assert not values & named


async def test_whoever_asks_for_openmetrics_gets_it(tmp_path: Path) -> None:
    async with gateway(tmp_path / "gateway.db") as served:
        answer = await served.ask("/metrics", Accept="application/openmetrics-text; version=1.0.0")
        assert answer.type == "application/openmetrics-text"
        assert answer.text.endswith("# EOF\n")
        assert (await served.ask("/metrics")).type == "text/plain"
