"""The embedded log: one file, its lock, its errors, and others who write it at the same time."""

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from msgspec import msgpack

from gateway.backends.embedded import file as sqlite_file
from gateway.backends.embedded import log as sqlite
from gateway.backends.embedded.file import APPLICATION_ID, VERSION
from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.engine import step as engine_step
from gateway.engine.inbox import Inbox
from gateway.engine.log import INBOUND_TOPICS, Draft, LogError
from gateway.engine.worker import Worker
from tests.engine.letters import NINE, T1, T3, referral, wp11
from tests.engine.plain_wiring import DEAD_LETTERS, PLAIN, TOPIC_OF_EVENT, UNDECODABLE, as_draft
from tests.engine.simulate import silence
from tests.engine.small_programmes import POLICIES, SmallProgramme
from tests.log.reading import OUT, PLENTY, SESSIONS, WP11, draft, followed, owned, read_to_end, step, values
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[3]
OUTBOUND = (*TOPIC_OF_EVENT.values(), DEAD_LETTERS)


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    with silence():
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is to be."""
    return tmp_path / "gateway.db"


@asynccontextmanager
async def opened(path: Path, **how: Any) -> AsyncIterator[EmbeddedLog]:
    """The log in that file, closed at the end."""
    log = await open_embedded(path, **how)
    try:
        yield log
    finally:
        await log.close()


async def refused(path: Path, **how: Any) -> str:
    """What is said when the file can't be opened as a log."""
    with pytest.raises(LogError) as caught:
        await open_embedded(path, **how)
    return str(caught.value)


# ------------------------------------------------------------------------------ whose it is


async def test_a_second_process_that_would_decide_on_the_same_file_is_refused(path: Path) -> None:
    """It is told what to do; whoever only feeds or follows may come in. When the first dies, it is free."""
    first = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.engine.holding_the_log", str(path)),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert first.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await first.stdout.readline() == b"open\n"
        said = await refused(path, own=True)
        assert said == f"another gateway runs on the log {path}; stop it first, or name another log"
        async with opened(path) as log:
            await log.append([draft(WP11, b"a")])
    finally:
        first.kill()
        await first.communicate()
    async with opened(path, own=True) as log:
        assert values(await followed(log, [WP11])) == [b"a"]


async def test_a_file_that_was_refused_can_be_opened_when_it_is_free(path: Path) -> None:
    async with opened(path, own=True):
        await refused(path, own=True)
        await refused(path, own=True)
    async with opened(path, own=True):
        pass


# ------------------------------------------------------------------------------ what is no log


async def test_a_log_is_made_where_there_is_none_with_so_many_partitions(path: Path) -> None:
    async with opened(path, partitions=7) as log:
        assert await log.partitions() == 7
    async with opened(path, partitions=3) as log:
        assert await log.partitions() == 7


@pytest.mark.parametrize("partitions", [0, -1, 1_001])
async def test_a_log_can_not_be_made_with_any_number_of_partitions(path: Path, partitions: int) -> None:
    assert "1 to 1000 partitions" in await refused(path, partitions=partitions)
    assert not path.exists()


async def test_a_folder_that_is_missing_is_named(path: Path) -> None:
    said = await refused(path.parent / "missing" / "gateway.db")
    assert said == f"there is no folder {path.parent / 'missing'} for the log; make it first"
    assert "missing" in await refused(path.parent / "missing" / "gateway.db", own=True)


@pytest.mark.parametrize(
    "content", [b"hello", b"hello, world\n" * 1_000, b"SQLite format 3\x00" + b"?" * 500]
)
async def test_a_file_of_another_kind_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert await refused(path) == f"{path} is not a gateway log; name another file"
    assert path.read_bytes() == content


@pytest.mark.parametrize("statement", ["CREATE TABLE people (name)", "PRAGMA application_id = 252006673"])
async def test_another_program_s_database_is_left_as_it_is(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as other:
        other.execute(statement)
    other.close()
    before = path.read_bytes()
    assert await refused(path) == f"{path} is not a gateway log; name another file"
    assert path.read_bytes() == before


async def test_a_folder_is_no_log(path: Path) -> None:
    path.mkdir()
    assert str(path) in await refused(path)


async def test_a_file_from_a_later_version_is_refused_and_left_as_it_is(path: Path) -> None:
    async with opened(path) as log:
        await log.append([draft(WP11, b"a")])
    later = sqlite3.connect(path)
    later.execute(f"PRAGMA user_version = {1 << 8 | VERSION + 1}")
    later.close()
    assert await refused(path) == f"the log {path} was written by a later version; upgrade the gateway"
    later = sqlite3.connect(path)
    later.execute(f"PRAGMA user_version = {1 << 8 | VERSION}")
    later.close()
    async with opened(path) as log:
        assert values(await followed(log, [WP11])) == [b"a"]


async def test_the_file_says_that_it_is_a_gateway_log(path: Path) -> None:
    """To file(1), for one."""
    async with opened(path):
        pass
    assert int.from_bytes(path.read_bytes()[68:72], "big") == APPLICATION_ID


async def test_a_damaged_file_is_said_to_be_damaged(path: Path) -> None:
    async with opened(path) as log:
        await log.append([draft(WP11, b"x" * 3_000) for _ in range(20)])
    content = bytearray(path.read_bytes())
    content[3 * 4096 :] = b"\xa5" * (len(content) - 3 * 4096)
    path.write_bytes(content)
    with pytest.raises(LogError, match="is damaged; restore it from a backup"):
        async with opened(path) as log:
            await followed(log, [WP11])


async def test_a_log_that_was_closed_says_so(path: Path) -> None:
    async with opened(path) as log:
        claim, restored = await owned(log)
    for act in (log.append([draft(WP11, b"a")]), claim.commit(step(restored.positions)), log.claim(0)):
        with pytest.raises(LogError, match="has been closed"):
            await act


async def test_inbound_and_outbound_topics_can_not_be_followed_together(path: Path) -> None:
    """They have no common order."""
    async with opened(path) as log:
        with pytest.raises(LogError, match="name one kind"):
            await followed(log, [WP11, OUT])


async def test_a_record_dated_before_the_newest_is_refused_and_none_of_those_with_it_is_put(
    path: Path,
) -> None:
    """Time does not go back, also where the senders date the records."""
    async with opened(path) as log:
        await log.append([draft(WP11, b"a", timestamp=NINE)])
        with pytest.raises(LogError, match="use a new log"):
            await log.append([draft(WP11, b"b", timestamp=NINE + 5), draft(WP11, b"c", timestamp=NINE - 1)])
        await log.append([draft(WP11, b"d", timestamp=NINE)])
        assert values(await followed(log, [WP11])) == [b"a", b"d"]


# ------------------------------------------------------------------------------ what can't be written


async def test_when_the_disk_is_full_nothing_is_lost_and_work_goes_on_when_there_is_room(path: Path) -> None:
    """The limit is put on the file itself here."""
    async with opened(path) as log:
        claim, restored = await owned(log)
        await claim.commit(step(restored.positions, draft(OUT, b"1"), states={"PO1": b"1"}, decided_to=1))
        pages = log.file.db.execute("PRAGMA page_count").fetchone()[0]
        log.file.db.execute(f"PRAGMA max_page_count = {pages + 3}")
        large = [draft(WP11, b"x" * 4_000) for _ in range(50)]
        with pytest.raises(LogError, match=r"the disk is full.*make room"):
            await log.append(large)
        states = {"PO1": b"2", "PO2": b"y" * 100_000}
        with pytest.raises(LogError, match=r"the disk is full.*make room"):
            await claim.commit(step(restored.positions, draft(OUT, b"2"), states=states, decided_to=2))
        claim, restored = await owned(log)
        assert (restored.states, restored.decided_to) == ({"PO1": b"1"}, 1)
        assert values(await followed(log, [OUT])) == [b"1"]
        assert await followed(log, [WP11]) == []
        log.file.db.execute("PRAGMA max_page_count = 100000")
        await claim.commit(step(restored.positions, draft(OUT, b"2"), states=states, decided_to=2))
        assert await log.append(large) == 50
        assert values(await followed(log, [OUT])) == [b"1", b"2"]


async def run_to_a_full_disk(command: Iterable[str]) -> dict[str, Any]:
    """What `filling_the_disk` says of itself."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        said, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    result: dict[str, Any] = json.loads(said)
    return result


def check_nothing_was_lost(result: dict[str, Any]) -> None:
    """Each step whole or not at all, up to the last that succeeded."""
    done = result["done"]
    assert done > 3
    assert result["state"] == result["decided_to"] == done
    assert result["outputs"] == [number for number in range(1, done + 1) for _ in range(7)]
    assert result["appended"] in (3 * done, 3 * (done + 1))


async def test_when_a_file_may_not_grow_nothing_is_lost(tmp_path: Path) -> None:
    """As where a quota is used up."""
    result = await run_to_a_full_disk(
        (sys.executable, "-m", "tests.engine.filling_the_disk", str(tmp_path), "1600000")
    )
    assert "can't be read or written; check the disk" in result["said"]
    check_nothing_was_lost(result)


def _own_mounts() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    tried = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _own_mounts(), reason="this system lets nobody mount a small disk of their own")
async def test_on_a_disk_that_is_really_full_nothing_is_lost(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=4m none "$0" && exec "$1" -m tests.engine.filling_the_disk "$0"'
    result = await run_to_a_full_disk(("unshare", "-rm", "sh", "-c", script, str(tmp_path), sys.executable))
    assert "the disk is full, so nothing more can be written" in result["said"]
    check_nothing_was_lost(result)


async def test_a_file_that_can_not_be_written_can_be_followed_and_says_so_when_written(path: Path) -> None:
    async with opened(path) as log:
        await log.append([draft(WP11, b"a")])
        claim, restored = await owned(log)
        log.file.db.execute("PRAGMA query_only = ON")
        for act in (log.append([draft(WP11, b"b")]), claim.commit(step(restored.positions)), log.claim(0)):
            with pytest.raises(LogError, match="can't be written; allow it, or name another file"):
                await act
        assert values(await followed(log, [WP11])) == [b"a"]


async def test_a_read_only_file_can_be_followed_and_says_so_when_written() -> None:
    """In a folder where nothing can be written, it can't even be opened, and that is said too."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder, closed_folder = Path(name) / "open", Path(name) / "closed"
        for one in (folder, closed_folder):
            one.mkdir()
            async with opened(one / "gateway.db") as log:
                await log.append([draft(WP11, b"a")])
            (one / "gateway.db").chmod(0o444)
        folder.chmod(0o777)
        closed_folder.chmod(0o555)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.engine.only_reading", str(folder), str(closed_folder)),
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
        closed_folder.chmod(0o755)
        result = json.loads(said)
        what_to_do = "can't be written; allow it, or name another file"
        assert result["appended"] == result["claimed"] == f"the log {folder / 'gateway.db'} {what_to_do}"
        assert result["opened"] == f"the log {closed_folder / 'gateway.db'} {what_to_do}"
        assert result["made"].startswith(f"the log {closed_folder / 'new.db'} can't be ")
        assert result["there"] == 1


# ------------------------------------------------------------------------------ others write as well


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
        reads = _Reads(log)
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


class _Reads:
    """Waits until the log has been looked at so many times more."""

    def __init__(self, log: EmbeddedLog) -> None:
        self._count = 0
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        run = log.file.run

        async def counted(work: Any) -> Any:
            try:
                return await run(work)
            finally:
                self._count += 1
                self._changed.set()

        log.file.run = counted  # type: ignore[method-assign]

    async def so_many(self, more: int) -> None:
        """Until then."""
        until = self._count + more
        async with asyncio.timeout(PATIENCE_S):
            while self._count < until:
                self._changed.clear()
                await self._changed.wait()


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


async def test_whoever_has_waited_a_minute_for_a_feed_says_so_and_loses_nothing(path: Path) -> None:
    with patch.object(sqlite_file, "BUSY_MS", 50):
        async with opened(path) as log, opened(path) as other:
            claim, restored = await owned(log)
            feed = Feed(other, [draft(WP11, b"a")])
            await feed.begin()
            with pytest.raises(LogError, match="another process has been writing"):
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
        reader = sqlite3.connect(path, check_same_thread=False)
        seen = []

        def look(statement: str) -> None:
            parts = (
                "SELECT group_concat(CAST(value AS TEXT)) FROM outbound",
                "SELECT group_concat(CAST(state AS TEXT)) FROM state",
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


# ------------------------------------------------------------------------------ long logs, small windows


async def test_a_long_run_of_one_topic_is_worked_through(path: Path) -> None:
    """Far more than there is room for, and others behind it that may not be decided before."""
    async with opened(path, clock="log") as log:
        run = [Draft(WP11, b"PO1", UNDECODABLE, (("type", b"Wp11"),), NINE) for _ in range(300)]
        behind = [Draft(SESSIONS, b"PO1", UNDECODABLE, (("type", b"GroupObjection"),), NINE + 1)]
        await log.append([*run, *behind, *run[:0]])
        with patch.object(engine_step, "CAPACITY", 7), patch.object(engine_step, "STEP", 5):
            async with asyncio.timeout(PATIENCE_S):
                await Worker(log, 0, POLICIES, PLAIN, until=NINE + 1).run(asyncio.Event())
        places = [dict(record.headers)["place"] for record in await followed(log, [DEAD_LETTERS])]
    assert len(places) == 301
    assert places[-1].startswith(SESSIONS.encode())


@pytest.mark.parametrize("seed", range(12))
async def test_a_log_that_is_read_in_small_parts_is_decided_as_a_whole(path: Path, seed: int) -> None:
    """And with owners that come and go; what comes out is what replay says."""
    programme = SmallProgramme(seed * 31)
    sizes = ((1, 1, 1), (2, 3, 1), (3, 1, 5), (50, 4, 2))[seed % 4]
    window, capacity, size = sizes
    with (
        patch.object(sqlite, "WINDOW", window),
        patch.object(engine_step, "CAPACITY", capacity),
        patch.object(engine_step, "STEP", size),
    ):
        async with opened(path, clock="log", partitions=programme.partitions) as log:
            await log.append(draft for _, draft in programme.script)
            for partition in range(programme.partitions):
                for moment in range(2, 9, 2):
                    await _work_for(log, partition, programme.until, moment)
                await Worker(log, partition, POLICIES, PLAIN, until=programme.until).run(asyncio.Event())
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


async def _work_for(log: EmbeddedLog, partition: int, until: int, moments: int) -> None:
    """Let a worker work for so many turns of the log, and drop it in the middle of the next."""
    work = asyncio.create_task(Worker(log, partition, POLICIES, PLAIN, until=until).run(asyncio.Event()))
    reads = _Reads(log)
    waiting = asyncio.ensure_future(reads.so_many(moments))
    await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (work, waiting):
        task.cancel()
    await asyncio.gather(work, waiting, return_exceptions=True)


@pytest.mark.parametrize("window", [1, 5, 7, 8_000])
async def test_records_of_one_instant_are_taken_by_topic_however_the_log_is_read(
    path: Path, window: int
) -> None:
    """As a feed puts them, which stamps all it brings with one instant: a kill must not change the order."""
    async with opened(path, clock="log") as log:
        topics = [INBOUND_TOPICS[-1 - number % 4] for number in range(40)]
        await log.append(
            Draft(topic, b"PO1", UNDECODABLE, (("type", b"Wp11"),), NINE + number // 20)
            for number, topic in enumerate(topics)
        )
        with (
            patch.object(sqlite, "WINDOW", window),
            patch.object(engine_step, "CAPACITY", 2),
            patch.object(engine_step, "STEP", 3),
        ):
            await _work_for(log, 0, NINE + 1, 12)
            await Worker(log, 0, POLICIES, PLAIN, until=NINE + 1).run(asyncio.Event())
        places = [dict(record.headers)["place"].decode() for record in await followed(log, [DEAD_LETTERS])]
    came = [place.rsplit("-", 2)[0] for place in places]
    assert came == [topic for _ in range(2) for topic in INBOUND_TOPICS for _ in range(5)]


async def test_what_is_in_the_log_is_there_when_it_is_opened_again(path: Path) -> None:
    async with opened(path) as log:
        await log.append([as_draft(referral(), None, NINE)])
    async with opened(path, clock="log") as log:
        await Worker(log, 0, POLICIES, PLAIN, until=T1).run(asyncio.Event())
    async with opened(path) as log:
        assert len(await followed(log, OUTBOUND)) == 4


async def test_a_read_takes_no_more_than_a_few_megabytes_of_a_topic_and_the_next_goes_on(path: Path) -> None:
    """Whoever sends large records fills no memory with them."""
    sent = [b"%d" % number * 500 for number in range(10)]
    async with opened(path) as log:
        await log.append([draft(WP11, value) for value in sent])
        claim, _ = await owned(log)
        room = dict.fromkeys(INBOUND_TOPICS, 100)
        with patch.object(sqlite, "READ_BYTES", 1_200):
            reads = [await claim.read(room, 0) for _ in range(4)]
    assert [len(batch.records) for batch in reads] == [3, 3, 3, 1]
    assert [record.value for batch in reads for record in batch.records] == sent
    assert [batch.reached[WP11] >= batch.ends[WP11] for batch in reads] == [False, False, False, True]


@pytest.mark.parametrize("window", [1, 4, 8_000])
async def test_what_is_not_read_yet_is_told_never_as_too_few_and_as_none_at_the_end(
    path: Path, window: int
) -> None:
    async with opened(path, partitions=2) as log:
        await log.append(draft(INBOUND_TOPICS[number % 3], b"%d" % number) for number in range(20))
        claim, restored = await owned(log)
        inbox = Inbox(restored.positions, 100)
        left, told = 20, []
        with patch.object(sqlite, "WINDOW", window):
            while left or inbox.unread:
                found = await claim.read(dict.fromkeys(INBOUND_TOPICS, 2), 0)
                inbox.add(found)
                left -= len(found.records)
                told.append((left, inbox.unread))
    assert all(unread >= left for left, unread in told)
    assert told[-1] == (0, 0)


async def test_following_a_topic_where_little_happens_goes_past_what_other_topics_have(path: Path) -> None:
    """It does not read them again and again: each look begins where the last one ended."""
    async with opened(path) as log:
        claim, restored = await owned(log)
        await claim.commit(step(restored.positions, *[Draft(OUT, b"PO1", b"x")] * 2_500))
        looked: list[int] = []
        log.file.db.set_trace_callback(
            lambda sql: (
                looked.append(int(sql.split("offset > ")[1].split()[0])) if "offset > " in sql else None
            )
        )
        followed_topic = log.follow([DEAD_LETTERS], from_start=True, wait=True)
        waiting = asyncio.ensure_future(anext(followed_topic))
        async with asyncio.timeout(PATIENCE_S):
            while len(looked) < 4:  # noqa: ASYNC110 - the log tells of no look
                await asyncio.sleep(0)
        waiting.cancel()
    assert looked[0] == 0
    assert set(looked[1:]) == {2_500}


async def test_one_file_has_one_lock_whatever_link_it_is_named_by(path: Path) -> None:
    """Two gateways on it would take the partitions from one another."""
    async with opened(path):
        pass
    link = path.with_name("link.db")
    link.symlink_to(path)
    log = await open_embedded(path, own=True)
    try:
        with pytest.raises(LogError, match="another gateway runs on the log"):
            await open_embedded(link, own=True)
    finally:
        await log.close()


async def test_a_name_that_means_something_to_sqlite_is_that_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log in memory would lose all that was fed."""
    monkeypatch.chdir(tmp_path)
    async with opened(Path(":memory:")) as log:
        await log.append([draft(WP11, b"a")])
    async with opened(Path(":memory:")) as log:
        assert values(await followed(log, [WP11])) == [b"a"]


async def test_it_is_remembered_that_records_came_with_their_own_time(path: Path) -> None:
    """Such a log is run by its own clock only."""
    async with opened(path) as log:
        await log.append([draft(WP11, b"a")])
        assert not await log.keeps_time()
        await log.append([draft(WP11, b"a", timestamp=NINE * 2)])
    async with opened(path) as log:
        assert await log.keeps_time()


async def test_what_is_put_back_in_a_log_with_its_own_time_is_dated_by_its_newest_record(path: Path) -> None:
    """By the wall clock, all that is due until today would fall due."""
    async with opened(path) as log:
        await log.append([draft(WP11, b"a", timestamp=NINE)])
        await log.handle({"1": draft(WP11, b"back")})
        assert [record.timestamp for record in await followed(log, [WP11])] == [NINE, NINE]
        assert (await log.handled())["1"].at > NINE


async def test_a_log_that_was_made_before_letters_could_be_handled_is_used_as_it_is(path: Path) -> None:
    async with opened(path) as log:
        await log.append([draft(WP11, b"a")])
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE handled")
    db.close()
    async with opened(path) as log:
        assert await log.handled() == {}
        assert await log.handle({"1": None}) == {"1"}
        assert values(await followed(log, [WP11])) == [b"a"]


async def test_a_log_with_smaller_pages_is_used_as_it_is(path: Path) -> None:
    """The first logs have SQLite's own 4 KiB; as much is written beside the file before it is copied."""
    with patch.object(sqlite_file, "PAGE_BYTES", 4_096):
        async with opened(path) as log:
            await log.append([draft(WP11, b"a")])
    async with opened(path) as log:
        await log.append([draft(WP11, b"b")])
        page = log.file.db.execute("PRAGMA page_size").fetchone()[0]
        pages = log.file.db.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
        assert (page, page * pages) == (4_096, sqlite_file.CHECKPOINT_BYTES)
        assert values(await followed(log, [WP11])) == [b"a", b"b"]


async def test_a_new_log_has_large_pages(path: Path) -> None:
    async with opened(path) as log:
        page = log.file.db.execute("PRAGMA page_size").fetchone()[0]
        pages = log.file.db.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
    assert (page, page * pages) == (sqlite_file.PAGE_BYTES, sqlite_file.CHECKPOINT_BYTES)
