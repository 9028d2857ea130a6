"""A long log is read in parts, and decided as a whole."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from msgspec import msgpack

from gateway.engine.inbox import Inbox
from gateway.engine.log import INBOUND_TOPICS, Draft
from gateway.engine.step import StepSize
from gateway.engine.worker import Worker
from tests.backends.embedded.opening import opened
from tests.backends.embedded.watching import work_for
from tests.engine.letters import NINE
from tests.engine.plain_wiring import DEAD_LETTERS, PLAIN, TOPIC_OF_EVENT, UNDECODABLE
from tests.engine.small_programmes import POLICIES, SmallProgramme
from tests.log.reading import SESSIONS, WP11, draft, followed, owned
from tests.patience import PATIENCE_S

OUTBOUND = (*TOPIC_OF_EVENT.values(), DEAD_LETTERS)


async def test_a_long_run_of_one_topic_is_worked_through(path: Path) -> None:
    """Far more than there is room for, and others behind it that may not be decided before."""
    async with opened(path, clock="log") as log:
        run = [Draft(WP11, b"PO1", UNDECODABLE, (("type", b"Wp11"),), NINE) for _ in range(300)]
        behind = [Draft(SESSIONS, b"PO1", UNDECODABLE, (("type", b"GroupObjection"),), NINE + 1)]
        await log.append([*run, *behind, *run[:0]])
        small = StepSize(decisions=5, waiting=7)
        async with asyncio.timeout(PATIENCE_S):
            await Worker(log, 0, POLICIES, PLAIN, until=NINE + 1, step=small).run(asyncio.Event())
        places = [dict(record.headers)["place"] for record in await followed(log, [DEAD_LETTERS])]
    assert len(places) == 301
    assert (places[-1] or b"").startswith(SESSIONS.encode())


@pytest.mark.parametrize("seed", range(12))
async def test_a_log_that_is_read_in_small_parts_is_decided_as_a_whole(path: Path, seed: int) -> None:
    """And with owners that come and go; what comes out is what replay says."""
    programme = SmallProgramme(seed * 31)
    window, waiting, decisions = ((1, 1, 1), (2, 3, 1), (3, 1, 5), (50, 4, 2))[seed % 4]
    size = StepSize(decisions=decisions, waiting=waiting)
    async with opened(path, clock="log", partitions=programme.partitions, window=window) as log:
        await log.append(draft for _, draft in programme.script)
        for partition in range(programme.partitions):
            worker = partial(Worker, log, partition, POLICIES, PLAIN, until=programme.until, step=size)
            for moment in range(2, 9, 2):
                await work_for(log, worker(), moment)
            await worker().run(asyncio.Event())
        records = await followed(log, OUTBOUND)
    came: dict[bytes | None, list[tuple[str, bytes | None]]] = {}
    for record in records:
        if record.topic != DEAD_LETTERS:
            came.setdefault(record.key, []).append((record.topic, record.value))
    said: dict[bytes | None, list[tuple[str, bytes | None]]] = {}
    for event in programme.events:
        pair = (TOPIC_OF_EVENT[type(event)], msgpack.encode(event))
        said.setdefault(event.po_number.encode(), []).append(pair)
    assert came == said


@pytest.mark.parametrize("window", [1, 5, 7, 8_000])
async def test_records_of_one_instant_are_taken_by_topic_however_the_log_is_read(
    path: Path, window: int
) -> None:
    """As a feed puts them, which stamps all it brings with one instant: a kill must not change the order."""
    async with opened(path, clock="log", window=window) as log:
        topics = [INBOUND_TOPICS[-1 - number % 4] for number in range(40)]
        await log.append(
            Draft(topic, b"PO1", UNDECODABLE, (("type", b"Wp11"),), NINE + number // 20)
            for number, topic in enumerate(topics)
        )
        worker = partial(
            Worker, log, 0, POLICIES, PLAIN, until=NINE + 1, step=StepSize(decisions=3, waiting=2)
        )
        await work_for(log, worker(), 12)
        await worker().run(asyncio.Event())
        places = [
            (dict(record.headers)["place"] or b"").decode() for record in await followed(log, [DEAD_LETTERS])
        ]
    came = [place.rsplit("-", 2)[0] for place in places]
    assert came == [topic for _ in range(2) for topic in INBOUND_TOPICS for _ in range(5)]


async def test_a_read_takes_no_more_than_a_few_megabytes_of_a_topic_and_the_next_goes_on(path: Path) -> None:
    """Whoever sends large records fills no memory with them."""
    sent = [b"%d" % number * 500 for number in range(10)]
    async with opened(path, read_bytes=1_200) as log:
        await log.append([draft(WP11, value) for value in sent])
        claim, _ = await owned(log)
        room = dict.fromkeys(INBOUND_TOPICS, 100)
        reads = [await claim.read(room, 0) for _ in range(4)]
    assert [len(batch.records) for batch in reads] == [3, 3, 3, 1]
    assert [record.value for batch in reads for record in batch.records] == sent
    assert [batch.reached[WP11] >= batch.ends[WP11] for batch in reads] == [False, False, False, True]


@pytest.mark.parametrize("window", [1, 4, 8_000])
async def test_what_is_not_read_yet_is_never_counted_too_low_and_is_none_at_the_end(
    path: Path, window: int
) -> None:
    async with opened(path, partitions=2, window=window) as log:
        await log.append(draft(INBOUND_TOPICS[number % 3], b"%d" % number) for number in range(20))
        claim, restored = await owned(log)
        inbox = Inbox(restored.positions, 100)
        left, counted = 20, []
        while left or inbox.unread:
            found = await claim.read(dict.fromkeys(INBOUND_TOPICS, 2), 0)
            inbox.add(found)
            left -= len(found.records)
            counted.append((left, inbox.unread))
    assert all(unread >= left for left, unread in counted)
    assert counted[-1] == (0, 0)
