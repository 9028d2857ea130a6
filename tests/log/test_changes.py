"""Reading what changes on a shared log: all that is committed, once, from any position; and who it is."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from gateway.engine.log import (
    DELIVERY_PLANS,
    INBOUND_TOPICS,
    ChangeReader,
    Changes,
    Draft,
    PositionsGone,
    Record,
    SharedLog,
)
from gateway.engine.partitioner import partition_for
from tests.log.arrangement import SharedArrangement
from tests.log.reading import FIRST, OUT, SECOND, SESSIONS, WP11, draft, followed, owned, step, values
from tests.patience import PATIENCE_S

ACTIONS = "prap.actions"
DEAD_LETTERS = "gateway.dead-letters"


class View:
    """What a reader has given so far."""

    def __init__(self, reader: ChangeReader) -> None:
        self.reader = reader
        self.records: list[Record] = []
        self.states: dict[str, bytes | None] = {}
        self.positions: Mapping[str, int] = {}
        self.behind = 0

    async def read(self, wait_s: float = 1) -> Changes:
        """One more read."""
        changes = await self.reader.read(wait_s)
        self.records += changes.records
        self.states |= changes.states
        self.positions, self.behind = changes.positions, changes.behind
        return changes

    async def until(self, done: Callable[["View"], bool]) -> None:
        """Read until it is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not done(self):
                await self.read()

    async def until_end(self, log: SharedLog) -> None:
        """Read all that was committed before, and what is committed now as the last of each partition."""
        for partition in range(await log.partitions()):
            await commit(log, draft(OUT, b"end", b"end of %d" % partition), partition=partition)
        await self.until(lambda view: values(view.records).count(b"end") == 2 and view.behind == 0)
        self.records = [record for record in self.records if record.value != b"end"]


@asynccontextmanager
async def view(
    log: SharedLog, topics: Sequence[str] = (OUT,), positions: Mapping[str, int] | None = None
) -> AsyncIterator[View]:
    """A view that is kept of the log, and closed."""
    reader = await log.changes(topics, positions or {})
    try:
        yield View(reader)
    finally:
        await reader.close()


async def commit(
    log: SharedLog, *outputs: Draft, states: Mapping[str, bytes | None] | None = None, partition: int = 0
) -> None:
    """A step has been committed."""
    claim, restored = await owned(log, partition)
    await claim.commit(step(restored.positions, *outputs, states=states))
    await claim.release()


def places(records: Sequence[Record]) -> list[tuple[str, int, int]]:
    """Where the records stand."""
    return [(record.topic, record.partition, record.offset) for record in records]


async def test_what_was_committed_before_comes_whole_and_in_order(shared: SharedArrangement) -> None:
    """More than one read has room for, of two topics and two partitions."""
    log = await shared.open()
    for partition, key in enumerate((FIRST, SECOND)):
        outputs = [draft(OUT if n % 3 else ACTIONS, b"%d" % n, key) for n in range(1_500)]
        await commit(log, *outputs, partition=partition)
    async with view(log, (OUT, ACTIONS)) as seen:
        await seen.until_end(await shared.open())
    for partition in range(2):
        for topic in (OUT, ACTIONS):
            came = [r for r in seen.records if (r.topic, r.partition) == (topic, partition)]
            assert values(came) == [b"%d" % n for n in range(1_500) if (topic == OUT) == bool(n % 3)]
            assert [record.offset for record in came] == sorted({record.offset for record in came})


async def test_what_is_committed_later_comes_once(shared: SharedArrangement) -> None:
    """Whichever handle commits it, and with key, bytes and headers as they are."""
    log, other = await shared.open(), await shared.open()
    headers = (("ce_id", b"\x00\xff"), ("traceparent", b""))
    async with view(log) as seen:
        for number in range(5):
            await commit(other if number % 2 else log, Draft(OUT, FIRST, b"%d" % number, headers))
            await seen.read(0.01)
        await seen.until_end(other)
    assert values(seen.records) == [b"%d" % number for number in range(5)]
    assert {(record.key, record.headers) for record in seen.records} == {(FIRST, headers)}


async def test_other_topics_are_left_out(shared: SharedArrangement) -> None:
    log = await shared.open()
    await log.append([draft(WP11, b"in")])
    await commit(log, draft(ACTIONS, b"other"), draft(OUT, b"1"))
    async with view(log) as seen:
        await seen.until_end(log)
    assert values(seen.records) == [b"1"]


async def test_without_a_topic_there_are_only_states(shared: SharedArrangement) -> None:
    log = await shared.open()
    async with view(log, ()) as seen:
        await commit(log, draft(OUT, b"1"), states={"PO-1": b"a"})
        await seen.until(lambda view: bool(view.states))
    assert seen.records == []


async def test_inbound_topics_can_be_read_with_outbound_ones(shared: SharedArrangement) -> None:
    log, other = await shared.open(), await shared.open()
    async with view(log, (*INBOUND_TOPICS, OUT)) as seen:
        await other.append(draft(topic, topic.encode(), SECOND) for topic in INBOUND_TOPICS)
        await commit(log, draft(OUT, b"out"))
        await seen.until_end(log)
    assert sorted(values(seen.records), key=str) == sorted(
        (b"out", *(topic.encode() for topic in INBOUND_TOPICS)), key=str
    )


async def test_states_come_as_they_have_become(shared: SharedArrangement) -> None:
    """Those that were forgotten as None."""
    log = await shared.open()
    await commit(log, draft(OUT, b"1", b"PO-1"), states={"PO-1": b"old", "PO-3": b"kept"})
    await commit(log, draft(OUT, b"2", b"PO-2"), states={"PO-2": b"second"}, partition=1)
    async with view(log) as seen:
        await seen.until(lambda view: view.states == {"PO-1": b"old", "PO-2": b"second", "PO-3": b"kept"})
        await commit(log, draft(OUT, b"3", b"PO-1"), states={"PO-1": b"new", "PO-4": b"fourth"})
        await commit(log, draft(OUT, b"4", b"PO-2"), states={"PO-2": None}, partition=1)
        wanted = {"PO-1": b"new", "PO-2": None, "PO-3": b"kept", "PO-4": b"fourth"}
        await seen.until(lambda view: view.states == wanted)


async def test_a_state_comes_although_its_change_put_nothing_on_a_topic(shared: SharedArrangement) -> None:
    log = await shared.open()
    async with view(log) as seen:
        await commit(log, states={"PO-1": b"a", "PO-é": b"b"})
        await seen.until(lambda view: view.states == {"PO-1": b"a", "PO-é": b"b"})
        await commit(log, states={"PO-1": None})
        await seen.until(lambda view: view.states == {"PO-1": None, "PO-é": b"b"})


async def test_a_state_comes_although_its_change_put_out_only_a_dead_letter(
    shared: SharedArrangement,
) -> None:
    """Whose key may be anything, and is no purchase order's number."""
    log = await shared.open()
    letters = [draft(DEAD_LETTERS, b"1", b"\xff\xfe"), draft(DEAD_LETTERS, b"2", b"PO-1")]
    await commit(log, *letters, Draft(OUT, None, b"3"), states={"PO-1": b"a"})
    async with view(log, (OUT, DEAD_LETTERS)) as seen:
        await seen.until_end(log)
    assert len(seen.records) == 3
    assert {po_number: state for po_number, state in seen.states.items() if state} == {"PO-1": b"a"}
    assert seen.states.keys() <= {"PO-1", "end of 0", "end of 1"}


async def test_many_states_come_whole(shared: SharedArrangement) -> None:
    log = await shared.open()
    states = {f"PO-{number}": b"%d" % number for number in range(2_500)}
    await commit(log, states=states)
    async with view(log) as seen:
        await seen.until_end(log)
    assert {po_number: seen.states[po_number] for po_number in states} == states


async def test_whoever_goes_on_repeats_and_misses_nothing(shared: SharedArrangement) -> None:
    """From the positions after any read, with a handle of its own, while more is committed."""
    log = await shared.open()
    records: list[Record] = []
    states: dict[str, bytes | None] = {}
    positions: Mapping[str, int] = {}
    for turn in range(4):
        key = (FIRST, SECOND)[turn % 2]
        outputs = [draft(OUT, b"%d %d" % (turn, number), key) for number in range(40)]
        await commit(log, *outputs, states={f"PO-x{turn}": b"%d" % turn, "PO-x": None}, partition=turn % 2)
        async with view(await shared.open(), positions=positions) as seen:
            if turn < 3:
                await seen.read()
                await seen.read(0)
            else:
                await seen.until_end(log)
            records += seen.records
            states |= seen.states
            positions = seen.positions
    assert len(places(records)) == len(set(places(records)))
    for partition in range(2):
        came = [record for record in records if record.partition == partition]
        assert values(came) == [
            b"%d %d" % (turn, n) for turn in (partition, partition + 2) for n in range(40)
        ]
    assert {name: state for name, state in states.items() if state} == {
        f"PO-x{turn}": b"%d" % turn for turn in range(4)
    }


async def test_two_readers_do_not_disturb_each_other(shared: SharedArrangement) -> None:
    log = await shared.open()
    async with view(log) as one:
        await commit(log, draft(OUT, b"1"))
        await one.until(lambda view: values(view.records) == [b"1"])
        async with view(log) as other:
            await commit(log, draft(OUT, b"2"))
            await other.until(lambda view: values(view.records) == [b"1", b"2"])
        await commit(log, draft(OUT, b"3"))
        await one.until(lambda view: values(view.records) == [b"1", b"2", b"3"])


async def test_what_was_not_committed_never_comes(shared: SharedArrangement) -> None:
    """Here so much has been sent before it breaks that some of it is on its way."""
    log = await shared.open()

    def breaking() -> Iterator[Draft]:
        for number in range(40):
            yield draft(WP11, b"%d" % number * 50_000)
        raise KeyError("the file ends here")

    async with view(log, (WP11, OUT)) as seen:
        with pytest.raises(KeyError):
            await log.append(breaking())
        await log.append([draft(WP11, b"a")])
        await seen.until(lambda view: values(view.records) == [b"a"])
        await seen.until_end(log)
    assert values(seen.records) == [b"a"]


async def test_who_waits_is_woken_by_what_is_committed(shared: SharedArrangement) -> None:
    log = await shared.open()
    claim, restored = await owned(log)
    async with view(log) as seen:
        await seen.read(0)

        async def wait() -> None:
            while not seen.records:
                await seen.read(2 * PATIENCE_S)

        async with asyncio.timeout(PATIENCE_S):
            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            await claim.commit(step(restored.positions, draft(OUT, b"1")))
            await task
    assert values(seen.records) == [b"1"]


async def test_a_read_that_does_not_wait_lets_others_have_their_turn(shared: SharedArrangement) -> None:
    log = await shared.open()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with view(log) as seen:
        task = asyncio.create_task(count())
        for _ in range(10):
            await seen.read(0)
        task.cancel()
    assert turns >= 5


async def test_it_says_how_much_there_is_beyond(shared: SharedArrangement) -> None:
    """Never too little, and nothing where all has been read."""
    log = await shared.open()
    await commit(log, *(draft(OUT, b"%d" % number) for number in range(3_000)))
    async with view(log) as seen:
        await seen.read()
        assert seen.behind >= 3_000 - len(seen.records) > 0
        await seen.until(lambda view: view.behind == 0)
    assert len(seen.records) == 3_000


async def test_large_records_come_a_part_at_a_time(shared: SharedArrangement) -> None:
    """The log that tests simulate takes no notice of sizes."""
    log = await shared.open()
    large = bytes(range(256)) * 2_000
    for turn in range(4):
        await commit(log, *(draft(OUT, b"%d" % (turn * 10 + number) + large) for number in range(10)))
    most = 0
    async with view(log) as seen:
        async with asyncio.timeout(PATIENCE_S):
            while len(seen.records) < 40:
                changes = await seen.read()
                most = max(most, sum(len(record.value or b"") for record in changes.records))
    assert [int((value or b"").split(b"\0")[0]) for value in values(seen.records)] == [*range(40)]
    assert most < 40 * len(large)


async def test_positions_of_a_longer_log_are_gone(shared: SharedArrangement) -> None:
    log, another = await shared.open(), await shared.another()
    for number in range(3):
        await commit(log, draft(OUT, b"%d" % number), states={"PO-1": b"1"})
    async with view(log) as seen:
        await seen.until_end(log)
    with pytest.raises(PositionsGone, match="begin anew"):
        async with view(another, positions=seen.positions) as wrong:
            await wrong.read(0)
    async with view(log, positions=seen.positions) as right:
        await right.until_end(log)
    assert right.records == []


async def test_a_log_is_known_by_its_identity(shared: SharedArrangement) -> None:
    log, same, another = await shared.open(), await shared.open(), await shared.another()
    before = await log.identity()
    await commit(log, draft(OUT, b"1"))
    assert await same.identity() == before == await log.identity()
    assert await another.identity() != before
    assert before


async def test_delivery_plans_are_put_on_their_topic_by_key(shared: SharedArrangement) -> None:
    """Beside messages, all or none; they wait for nobody to decide them, and are the state of nothing."""
    log = await shared.open()
    keys = [f"PRV{number:02}".encode() for number in range(10)]
    plans = [Draft(DELIVERY_PLANS, key, b"plan of " + key, (("ce_id", key),)) for key in keys]
    async with view(log, (DELIVERY_PLANS,)) as seen:
        assert await log.append([draft(SESSIONS, b"1"), *plans]) == 11
        await seen.until(lambda view: len(view.records) == 10)
    assert seen.states == {}
    for records in (seen.records, await followed(log, [DELIVERY_PLANS])):
        assert {(r.key, r.value, r.headers) for r in records} == {(p.key, p.value, p.headers) for p in plans}
        assert all(record.partition == partition_for(record.key, 2) for record in records)
        assert {record.timestamp > 0 for record in records} == {True}
    assert values(await followed(log, [SESSIONS])) == [b"1"]
