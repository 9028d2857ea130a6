"""Others write to the file, or read it, at the same time."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import msgpack

from gateway.backends.embedded.log import EmbeddedLog
from gateway.engine.log import INBOUND_TOPICS, Draft, LogBusy
from gateway.engine.worker import Worker
from tests.backends.embedded.opening import opened
from tests.backends.embedded.watching import Reads
from tests.engine.letters import NINE, T3, referral, wp11
from tests.engine.plain_wiring import DEAD_LETTERS, PLAIN, TOPIC_OF_EVENT, as_draft
from tests.engine.small_programmes import POLICIES
from tests.log.reading import OUT, PLENTY, WP11, draft, followed, owned, read_to_end, step, values

OUTBOUND = (*TOPIC_OF_EVENT.values(), DEAD_LETTERS)


class Feed:
    """A feed of another process that has begun its transaction and is not done with it.

    Its records are stamped when the transaction begins; they can be seen when it ends.
    """

    def __init__(self, log: EmbeddedLog, drafts: list[Draft]) -> None:
        self._log = log
        self._drafts = drafts
        self._begun = threading.Event()
        self._may_end = threading.Event()
        self._task: asyncio.Task[int] | None = None

    def _slowly(self) -> Iterator[Draft]:
        yield from self._drafts
        self._begun.set()
        assert self._may_end.wait(60)

    async def begin(self) -> None:
        """All its records are in the transaction."""
        self._task = asyncio.ensure_future(self._log.append(self._slowly()))
        assert await asyncio.to_thread(self._begun.wait, 60)

    async def end(self) -> int:
        """It is committed."""
        assert self._task is not None
        self._may_end.set()
        return await self._task


async def test_no_deadline_falls_due_past_what_an_uncommitted_feed_may_bring(path: Path) -> None:
    """It is stamped a millisecond before the deadline and committed long after, and still comes first."""
    now = NINE
    async with opened(path, now=lambda: now) as log, opened(path, now=lambda: now) as other:
        stop = asyncio.Event()
        await log.append([as_draft(referral())])
        work = asyncio.create_task(Worker(log, 0, POLICIES, PLAIN, wait_s=0).run(stop))
        reads = Reads(log)
        await reads.so_many(10)
        now = T3 - 1
        await reads.so_many(10)  # T1 and T2 fall due: nothing is left that the feed would keep waiting
        feed = Feed(other, [as_draft(wp11())])
        await feed.begin()
        now = T3 + 1_000
        await reads.so_many(30)
        await feed.end()
        await reads.so_many(10)
        stop.set()
        await work
        events = [msgpack.decode(record.value or b"") for record in await followed(log, OUTBOUND)]
    assert [event["decided_at"] for event in events if event.get("message_id") == "w1"] == [T3 - 1]
    assert not any(event.get("reason") == "Did Not Start" for event in events)


async def test_while_another_process_writes_only_what_is_committed_counts_as_quiet(path: Path) -> None:
    now = NINE
    async with opened(path, now=lambda: now) as log, opened(path, now=lambda: now) as other:
        await log.append([draft(WP11, b"a")])
        claim, _ = await owned(log)
        await read_to_end(claim)
        feed = Feed(other, [draft(WP11, b"b")])
        await feed.begin()
        now = NINE + 60_000
        assert (await claim.read(PLENTY, 0)).quiet_at == NINE
        await feed.end()
        batch = await claim.read(PLENTY, 0)
        assert [record.timestamp for record in batch.records] == [NINE]
        assert batch.quiet_at == NINE + 60_000


async def test_a_commit_waits_for_a_feed_that_is_under_way(path: Path) -> None:
    async with opened(path) as log, opened(path) as other:
        claim, restored = await owned(log)
        feed = Feed(other, [draft(WP11, b"a")])
        await feed.begin()
        committing = asyncio.ensure_future(claim.commit(step(restored.positions, draft(OUT, b"1"))))
        await asyncio.wait([committing], timeout=0.05)
        assert not committing.done()
        await feed.end()
        await committing
        assert values(await followed(log, [OUT])) == [b"1"]


async def test_whoever_has_waited_too_long_for_a_feed_says_so_and_loses_nothing(path: Path) -> None:
    async with opened(path, busy_ms=50) as log, opened(path) as other:
        claim, restored = await owned(log)
        feed = Feed(other, [draft(WP11, b"a")])
        await feed.begin()
        with pytest.raises(LogBusy, match="another process has been writing"):
            await claim.commit(step(restored.positions, draft(OUT, b"1")))
        await feed.end()
        assert values(await followed(log, [OUT])) == []
        await claim.commit(step(restored.positions, draft(OUT, b"1")))
        assert values(await followed(log, [OUT])) == [b"1"]


async def test_nobody_sees_a_part_of_a_step_while_it_is_being_committed(path: Path) -> None:
    """At each statement of the commit another process looks, and sees what was there before it."""
    async with opened(path) as log:
        claim, restored = await owned(log)
        await claim.commit(step(restored.positions, draft(OUT, b"1"), states={"PO1": b"1"}, decided_to=1))
        reader = log.file.view()
        seen = []

        def look(statement: str) -> None:
            parts = (
                "SELECT group_concat(CAST(value AS TEXT)) FROM outbound",
                "SELECT group_concat(CAST(opened('state', po_number, state) AS TEXT)) FROM state",
                "SELECT sum(offset) FROM position",
                "SELECT decided_to FROM ownership",
            )
            seen.append((statement.split(" ", 1)[0], *(reader.execute(sql).fetchone()[0] for sql in parts)))

        log.file.db.set_trace_callback(look)
        await claim.commit(
            step(
                dict.fromkeys(INBOUND_TOPICS, 9),
                *(draft(OUT, b"%d" % number) for number in (2, 3)),
                states={"PO1": b"2", "PO2": b"2"},
                decided_to=2,
            )
        )
        log.file.db.set_trace_callback(None)
        assert {look[1:] for look in seen} == {("1", "1", 4, 1)}
        assert {look[0] for look in seen} >= {"BEGIN", "INSERT", "UPDATE", "COMMIT"}
        look("after")
        assert seen[-1] == ("after", "1,2,3", "2,2", 36, 2)
        reader.close()


async def test_a_reader_in_the_middle_of_reading_does_not_keep_a_step_from_being_committed(
    path: Path,
) -> None:
    """Nor does it see it before its own reading has ended."""
    async with opened(path) as log:
        claim, restored = await owned(log)
        await claim.commit(step(restored.positions, draft(OUT, b"1")))
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM outbound").fetchone() == (1,)
        await claim.commit(step(restored.positions, draft(OUT, b"2")))
        assert reader.execute("SELECT count(*) FROM outbound").fetchone() == (1,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM outbound").fetchone() == (2,)
        reader.close()
