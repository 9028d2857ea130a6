"""The file of an embedded log: how it is made, and what is none."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.backends.embedded.file import APPLICATION_ID, CHECKPOINT_BYTES, PAGE_BYTES, VERSION
from gateway.engine.log import LogError, TooLarge
from gateway.engine.worker import Worker
from tests.backends.embedded.opening import opened, refused
from tests.engine.letters import NINE, T1, referral
from tests.engine.plain_wiring import DEAD_LETTERS, PLAIN, TOPIC_OF_EVENT, as_draft
from tests.engine.small_programmes import POLICIES
from tests.log.reading import WP11, draft, followed, owned, step, values

OUTBOUND = (*TOPIC_OF_EVENT.values(), DEAD_LETTERS)


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


async def test_a_file_from_before_the_first_release_is_refused_with_what_to_do_and_left_as_it_is(
    path: Path,
) -> None:
    """Its tables lack what the log is asked by."""
    with closing(sqlite3.connect(path)) as old:
        old.execute("CREATE TABLE inbound (offset INTEGER PRIMARY KEY, value BLOB) STRICT")
        old.execute("INSERT INTO inbound (value) VALUES (x'61')")
        old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        old.execute(f"PRAGMA user_version = {4 << 8 | 1}")
        old.commit()
    before = path.read_bytes()
    for own in (False, True):
        assert await refused(path, own=own) == (
            f"the log {path} was written before the first release, and can't be used any more; name another "
            "file with GATEWAY_LOG_URL, or move it away, and feed its messages again"
        )
    assert path.read_bytes() == before
    assert not [each for each in path.parent.iterdir() if each.name.endswith(("-wal", "-shm", "-journal"))]


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


async def test_what_is_in_the_log_is_there_when_it_is_opened_again(path: Path) -> None:
    async with opened(path) as log:
        await log.append([as_draft(referral(), None, NINE)])
    async with opened(path, clock="log") as log:
        await Worker(log, 0, POLICIES, PLAIN, until=T1).run(asyncio.Event())
    async with opened(path) as log:
        assert len(await followed(log, OUTBOUND)) == 4


async def test_a_name_that_means_something_to_sqlite_is_that_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log in memory would lose all that was fed."""
    monkeypatch.chdir(tmp_path)
    async with opened(Path(":memory:")) as log:
        await log.append([draft(WP11, b"a")])
    async with opened(Path(":memory:")) as log:
        assert values(await followed(log, [WP11])) == [b"a"]


async def test_a_log_with_smaller_pages_is_used_as_it_is(path: Path) -> None:
    """Somebody has restored it with SQLite's own 4 KiB; as much is written beside it before it is copied."""
    async with opened(path) as log:
        await log.append([draft(WP11, b"a")])
    with closing(sqlite3.connect(path)) as db:
        for statement in ("PRAGMA journal_mode = DELETE", "PRAGMA page_size = 4096", "VACUUM"):
            db.execute(statement)
    async with opened(path) as log:
        await log.append([draft(WP11, b"b")])
        page = log.file.db.execute("PRAGMA page_size").fetchone()[0]
        pages = log.file.db.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
        assert (page, page * pages) == (4_096, CHECKPOINT_BYTES)
        assert values(await followed(log, [WP11])) == [b"a", b"b"]


async def test_a_new_log_has_large_pages(path: Path) -> None:
    async with opened(path) as log:
        page = log.file.db.execute("PRAGMA page_size").fetchone()[0]
        pages = log.file.db.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
    assert (page, page * pages) == (PAGE_BYTES, CHECKPOINT_BYTES)


async def test_what_is_larger_than_sqlite_takes_is_distinguished_from_a_log_that_can_not_be_used(
    path: Path,
) -> None:
    """So that a worker makes a dead letter of it, and the process does not end."""
    async with opened(path) as log:
        claim, restored = await owned(log)
        await log.file.run(lambda: log.file.db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 100_000))
        large = step(restored.positions, draft("gateway.outcomes", b"1"), states={"PO1": bytes(200_000)})
        with pytest.raises(TooLarge, match="larger than the log"):
            await claim.commit(large)
        await claim.commit(step(restored.positions, draft("gateway.outcomes", b"2")))
        assert values(await followed(log, ["gateway.outcomes"])) == [b"2"]


@pytest.mark.parametrize("end", ["", "-wal", "-journal", ".lock"])
async def test_a_log_that_others_can_write_is_refused(path: Path, end: str) -> None:
    """Whoever wrote to it, or to what SQLite reads with it, could change any decision."""
    async with opened(path):
        pass
    beside = path.with_name(path.name + end)
    beside.touch()
    beside.chmod(0o606)
    assert await refused(path, own=True) == await refused(path)
    assert "can be written by every user of this machine; run chmod o-w on it" in await refused(path)
