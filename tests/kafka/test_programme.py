"""The gateway whole, on Kafka: real processes decide a programme, and somebody else's consumer reads it."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gateway.engine.partitioner import partition_for
from gateway.intake.lines import read_lines
from gateway.replay.decisions import replay
from gateway.replay.event_lines import to_line
from gateway.rules import policy
from gateway.sample import programme
from schemas.catalogue import SCHEMAS
from schemas.codec import header_of
from schemas.json import parse_instant
from tests.kafka.feeding import make, put
from tests.kafka.gateways import running, several, share
from tests.kafka.plain_consumer import Seen, read, undecided
from tests.patience import eventually

END = "2018-06-01T00:00:00Z"
INBOUND = ("prap.referrals", "jobcentre.wp11", "jobcentre.updates", "provider.session-records")
OUTBOUND = (
    "jobcentre.sessions",
    "jobcentre.attendance",
    "jobcentre.cancellations",
    "jobcentre.sanction-notifications",
    "jobcentre.notices",
    "prap.actions",
    "provider.instructions",
    "gateway.breaches",
    "gateway.outcomes",
    "gateway.dead-letters",
)
Line = dict[str, Any]
#: What came out, by purchase order and topic, in order.
CameOut = dict[tuple[str, str], list[Line]]


def expected(lines: list[bytes]) -> CameOut:
    """What replay decides, which is what comes out on the embedded log too (tests/test_embedded_log.py)."""
    events = replay(read_lines(lines), policy.shipped(), parse_instant(END))
    return ordered(json.loads(to_line(event)) for event in events)


def ordered(lines: Iterable[Line]) -> CameOut:
    came_out: CameOut = defaultdict(list)
    for line in lines:
        came_out[line["key"], line["topic"]].append(line)
    return came_out


def came_out(seen: list[Seen]) -> CameOut:
    return ordered(
        {
            "at": record.value["decided_at"],
            "topic": record.topic,
            "type": record.type,
            "key": record.key,
            "value": record.value,
        }
        for record in seen
    )


def assert_cloud_events(seen: list[Seen]) -> None:
    """Each record is a CloudEvent in Kafka's binary form, and its headers say what the record says."""
    for record in seen:
        assert record.headers == {
            "ce_specversion": "1.0",
            "ce_id": record.value["event_id"],
            "ce_source": "/work-programme/information-session-gateway",
            "ce_type": record.type,
            "ce_dataschema": f"urn:workprogramme:{record.type}:{header_of(SCHEMAS[record.type])[2:].hex()}",
            "ce_time": record.value["decided_at"],
            "ce_subject": record.key,
            "content-type": "application/avro",
        }


@pytest.mark.parametrize(
    ("partitions", "processes"),
    [
        pytest.param(
            partitions, processes, marks=() if (partitions, processes) == (12, 3) else pytest.mark.slow
        )
        for partitions in (1, 3, 12)
        for processes in (1, 2, 3)
    ],
)
def test_a_programme_comes_out_as_replay_decides_it(
    partitions: int, processes: int, bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """However many partitions and processes: none missing, none twice, in order for each purchase order.

    It is fed in two parts while they run. They are told to stop, and others decide the rest, the deadlines.
    """
    lines = list(programme(60, seed=partitions))
    make(bootstrap, topic_prefix, partitions)
    with several(processes, tmp_path, bootstrap, topic_prefix, "--clock", "log") as gateways:
        eventually(lambda: share(gateways, partitions))
        for part in (lines[: len(lines) // 2], lines[len(lines) // 2 :]):
            put(bootstrap, topic_prefix, part)
            eventually(lambda: not undecided(bootstrap, f"{topic_prefix}gateway", topic_prefix, INBOUND))
        for gateway in gateways:
            gateway.terminate()
        assert [gateway.ended() for gateway in gateways] == [0] * processes
        worked = [gateway.decided() > 0 for gateway in gateways]
        assert worked.count(True) == min(partitions, processes)
    with several(processes, tmp_path, bootstrap, topic_prefix, "--clock", "log", "--until", END) as gateways:
        assert [gateway.ended() for gateway in gateways] == [0] * processes
    seen = read(bootstrap, topic_prefix, OUTBOUND)
    assert came_out(seen) == expected(lines)
    assert_cloud_events(seen)
    assert all(record.partition == partition_for(record.key.encode(), partitions) for record in seen)


def test_workers_of_one_command_decide_it_as_well_and_end_in_good_order(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """A worker that has not ended ten seconds after SIGTERM would be killed, and the status be 1."""
    lines = list(programme(30, seed=5))
    make(bootstrap, topic_prefix, 4)
    arguments = ("--workers", "2", "--clock", "log")
    with running(tmp_path, bootstrap, topic_prefix, *arguments) as gateway:
        eventually(lambda: set(gateway.claims()) == set(range(4)))
        put(bootstrap, topic_prefix, lines)
        eventually(lambda: not undecided(bootstrap, f"{topic_prefix}gateway", topic_prefix, INBOUND))
        gateway.terminate()
        assert gateway.ended() == 0
        assert {line["worker"] for line in gateway.logged if line["event"] == "gateway.stopped"} == {0, 1}
    with running(tmp_path, bootstrap, topic_prefix, *arguments, "--until", END) as gateway:
        assert gateway.ended() == 0
    assert came_out(read(bootstrap, topic_prefix, OUTBOUND)) == expected(lines)
