"""The gateway whole, on the embedded log: what goes in as a programme comes out as replay decides it."""

import asyncio
from collections import defaultdict
from pathlib import Path

import pytest

from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.engine.log import Draft
from gateway.engine.workers import Workers
from gateway.intake.feed import feed
from gateway.intake.lines import read_lines
from gateway.processes.wiring import WIRING
from gateway.replay.decisions import replay
from gateway.replay.event_lines import to_line
from gateway.rules import policy
from gateway.sample import programme
from producers.read_back import OUTBOUND_TOPICS, read_event
from schemas.codec import encode
from schemas.json import parse, parse_instant

END = parse_instant("2018-06-01T00:00:00Z")
CAUSE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def decide_all(log: EmbeddedLog) -> None:
    """Decide what is in the log, and what is due by the end."""
    await Workers(log, policy.shipped(), WIRING, until=END).run(asyncio.Event())


@pytest.mark.parametrize("partitions", [1, 3, 12])
async def test_a_programme_comes_out_as_replay_decides_it(tmp_path: Path, partitions: int) -> None:
    """In order within each purchase order, whatever partition it is on: none missing, none twice."""
    lines = list(programme(150, seed=partitions))
    expected: defaultdict[str, list[bytes]] = defaultdict(list)
    for event in replay(read_lines(lines), policy.shipped(), END):
        expected[event.po_number].append(to_line(event))
    log = await open_embedded(tmp_path / "gateway.db", partitions=partitions, clock="log", own=True)
    try:
        await feed(log, lines, keep_time=True, checked=lambda: None)
        await decide_all(log)
        decided: defaultdict[str, list[bytes]] = defaultdict(list)
        used = set()
        async for record in log.follow(OUTBOUND_TOPICS, from_start=True, wait=False):
            decided[(record.key or b"").decode()].append(to_line(read_event(record)))
            used.add(record.partition)
    finally:
        await log.close()
    assert decided == expected
    assert used == set(range(partitions))


async def test_trace_context_is_carried_from_cause_to_effect(tmp_path: Path) -> None:
    """Also through a message's waiting for its referral; what no message causes has none."""
    wp11 = {
        "message_id": "w1",
        "po_number": "PO1",
        "jobcentre_id": "JCP-LEEDS",
        "interview_on": "2016-03-20",
        "wants_to_join": True,
        "issued_on": "2016-03-20",
    }
    referral = {
        "message_id": "r1",
        "po_number": "PO1",
        "po_revision": 1,
        "action_plan_annotation": "Work Programme Information Session-Voluntary",
        "referred_on": "2016-03-14",
        "provider_id": "PRV01",
        "contract_package_area": "CPA07",
        "jobcentre_id": "JCP-LEEDS",
        "benefit": "JSA",
        "participant": {},
    }
    drafts = [
        Draft(topic, b"PO1", encode(parse(name, value)), headers, parse_instant(at))
        for at, topic, name, value, headers in (
            ("2016-03-20T10:00:00Z", "jobcentre.wp11", "Wp11", wp11, (("traceparent", CAUSE),)),
            ("2016-03-21T10:00:00Z", "prap.referrals", "Referral", referral, ()),
        )
    ]
    log = await open_embedded(tmp_path / "gateway.db", clock="log", own=True)
    try:
        await log.append(drafts)
        await decide_all(log)
        traced = []
        async for record in log.follow(OUTBOUND_TOPICS, from_start=True, wait=False):
            headers = dict(record.headers)
            if "traceparent" in headers:
                traced.append((headers["ce_type"], headers["traceparent"]))
    finally:
        await log.close()
    assert [name for name, _ in traced] == [b"Outcome", b"Instruction", b"Outcome"]
    assert all(trace and trace.startswith(CAUSE[:36]) and trace.endswith(b"-01") for _, trace in traced)
    assert len({trace for _, trace in traced} | {CAUSE}) == 4
