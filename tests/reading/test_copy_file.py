"""The file of a copy may be thrown away, damaged, another log's: it is made anew, or says what to do."""

import asyncio
import errno
import io
import os
import random
import sqlite3
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.engine.log import Changes, LogError, Record
from gateway.reading.copy_file import APPLICATION_ID, VERSION, CopyFile, view_of
from gateway.reading.filling import TOPICS, fill
from gateway.reading.following import Following
from gateway.rules.messages import PROVIDERS_TOPIC
from tests.cli.running import Json, life, referral, started
from tests.patience import PATIENCE_S, in_the_end
from tests.reading.filling import Rows, a_log, decide, fill_up, filled, following, rows

ROOT = Path(__file__).parents[2]


async def a_filled_one(folder: Path, lines: list[Json]) -> Rows:
    """A log on which these are decided, and what a copy of it holds."""
    async with a_log(folder / "gateway.db") as log:
        await decide(log, lines)
        return await filled(log, folder / "projection")


async def again(folder: Path, harm: Callable[[Path], None]) -> tuple[Rows, Rows]:
    """What a copy holds before and after it is harmed and filled once more."""
    async with a_log(folder / "gateway.db") as log:
        await decide(log, life())
        before = await filled(log, folder / "projection")
        harm(folder / "projection")
        return before, await filled(log, folder / "projection")


def deleted(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def scrambled(path: Path) -> None:
    """All but what says whose it is."""
    path.write_bytes(path.read_bytes()[:100] + random.Random(1).randbytes(path.stat().st_size - 100))


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def of_a_later_version(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.execute("DROP TABLE referral")
    db.close()


def of_an_earlier_version(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {VERSION - 1}")
    db.execute("ALTER TABLE booking ADD COLUMN dropped_since INTEGER")
    db.close()


@pytest.mark.parametrize(
    "harm",
    [deleted, emptied, of_a_later_version, of_an_earlier_version],
    ids=lambda harm: harm.__name__.replace("_", " "),
)
async def test_a_file_that_is_gone_or_of_another_version_is_made_anew(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    before, after = await again(tmp_path, harm)
    assert before == after
    assert before["referral"]


@pytest.mark.parametrize("harm", [scrambled, cut_in_half], ids=lambda harm: harm.__name__.replace("_", " "))
async def test_a_damaged_file_is_reported_and_made_anew_when_it_is_deleted(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:

    def harm_and_delete(path: Path) -> None:
        harm(path)
        with pytest.raises(LogError, match="is damaged, or no projection; delete it where it is one"):
            CopyFile(path)
        deleted(path)

    before, after = await again(tmp_path, harm_and_delete)
    assert before == after


async def test_a_file_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    accounts, letter = tmp_path / "accounts", tmp_path / "letter"
    db = sqlite3.connect(accounts)
    db.execute("CREATE TABLE account (name)")
    db.close()
    letter.write_bytes(b"This is a letter.\n" * 1000)
    for path in (accounts, letter):
        before = path.read_bytes()
        with pytest.raises(LogError, match=r"no(t a)? projection"):
            CopyFile(path)
        assert path.read_bytes() == before


async def test_a_copy_of_another_log_is_emptied(tmp_path: Path) -> None:
    await a_filled_one(tmp_path, life())
    async with a_log(tmp_path / "other.db") as log:
        log.name = "another log"
        await decide(log, [referral(po_number="PO-OTHER")])
        assert [row[0] for row in (await filled(log, tmp_path / "projection"))["referral"]] == ["PO-OTHER"]


async def test_a_copy_whose_place_in_the_log_is_gone_is_emptied(tmp_path: Path) -> None:
    """The log is a shorter one by the same name."""
    await a_filled_one(tmp_path, life())
    async with a_log(tmp_path / "other.db") as log:
        await decide(log, [referral(po_number="PO-OTHER")])
        assert [row[0] for row in (await filled(log, tmp_path / "projection"))["referral"]] == ["PO-OTHER"]


async def test_a_copy_goes_on_from_where_it_stood(tmp_path: Path) -> None:
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, life())
        before = await filled(log, tmp_path / "projection")
        db = log.file.db
        db.execute("UPDATE inbound SET value = x'00'")  # what is read again now would be another message
        db.execute("UPDATE outbound SET value = x'00'")
        assert await filled(log, tmp_path / "projection") == before


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """There is personal data in it."""
    await a_filled_one(tmp_path, life())
    for path in tmp_path.glob("projection*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_two_processes_do_not_share_one(tmp_path: Path) -> None:
    one = CopyFile(tmp_path / "projection")
    with pytest.raises(LogError, match="another gateway uses the projection"):
        CopyFile(tmp_path / "projection")
    one.close()
    CopyFile(tmp_path / "projection").close()


async def test_of_what_was_forgotten_no_message_is_left_whatever_is_read_first(tmp_path: Path) -> None:
    """On Kafka the topics have no common order: what came of a message, and that, may be read before it."""
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, life())
        reader = await log.changes(TOPICS, {})
        changes = await reader.read(0)
    assert not changes.behind
    sent: list[Record] = []
    others: list[Record] = []
    for each in changes.records:
        (sent if each.topic == PROVIDERS_TOPIC else others).append(each)
    assert sent
    gone = {str(each.key, "utf-8"): None for each in sent if each.key}
    file = CopyFile(tmp_path / "projection")
    fill(file, Changes(others, changes.states, {}, 0), 1)
    fill(file, Changes([], gone, {}, 0), 1)
    fill(file, Changes(sent, {}, {}, 0), 1)
    assert rows(tmp_path / "projection")["inbound"] != []
    file.drop_undecided()
    file.close()
    assert not any(rows(tmp_path / "projection").values())


async def test_how_far_it_is_behind_can_be_seen(tmp_path: Path) -> None:
    async with a_log(tmp_path / "gateway.db", most=3) as log:
        await decide(log, [referral(po_number=f"PO{number}") for number in range(10)])
        seen: list[int] = []

        class Watched(CopyFile):
            def keep_positions(self, positions: Mapping[str, int]) -> None:
                super().keep_positions(positions)
                if made.behind is not None:
                    seen.append(made.behind)

        file = Watched(tmp_path / "projection")
        made = Following(log, file)
        assert (made.behind, made.trouble) == (None, "it has not been read yet")
        await made.run(asyncio.Event(), until_filled=True)
        file.close()
    assert len(seen) > 5
    assert seen == sorted(seen, reverse=True)
    assert (made.behind, made.trouble) == (0, None)


class Failing(CopyFile):
    """One that fails on demand while it is filled, time after time; None: not this time."""

    def __init__(self, path: Path, troubles: list[Exception | None]) -> None:
        super().__init__(path)
        self.troubles = troubles

    def keep_positions(self, positions: Mapping[str, int]) -> None:
        if self.troubles and (trouble := self.troubles.pop(0)) is not None:
            raise trouble
        super().keep_positions(positions)


@pytest.mark.parametrize("at_hand", [0, 600], ids=["in a thread", "at hand"])
async def test_a_disk_that_fails_is_logged_and_tried_again(
    tmp_path: Path, logged: io.StringIO, at_hand: int
) -> None:
    """Nothing is lost by it, and nothing taken in twice."""
    full = sqlite3.OperationalError("database or disk is full")
    file = Failing(tmp_path / "projection", [full, OSError("Qz"), None, sqlite3.DatabaseError()])
    async with a_log(tmp_path / "gateway.db", most=3) as log:
        await decide(log, life())
        seen: set[str | None] = set()
        async with following(log, file, again_s=0.001, at_hand=at_hand) as made:

            def through() -> bool:
                seen.add(made.trouble)
                return made.filled.is_set() and made.trouble is None

            await in_the_end(through)
        assert file.troubles == []
        assert any(trouble is not None and "tried again by itself" in trouble for trouble in seen)
        file.close()
        assert rows(tmp_path / "projection") == rows(tmp_path / "gateway.db")
    assert "projection.dropped" in logged.getvalue()
    assert "Qz" not in logged.getvalue()


async def test_what_was_written_is_tidied_again_after_that_has_failed(
    tmp_path: Path, logged: io.StringIO
) -> None:
    """Else what is written would pile up beside the file until the gateway ends. It is logged once."""
    troubles: list[Exception] = [
        OSError(errno.EMFILE, "Qz"),
        sqlite3.OperationalError("unable to open database file"),
        OSError(errno.ENOSPC, "Qz"),
    ]
    tidied = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Untidy(CopyFile):
        def checkpoint(self) -> None:
            if troubles:
                raise troubles.pop()
            super().checkpoint()
            loop.call_soon_threadsafe(tidied.set)

    file = Untidy(tmp_path / "projection")
    async with a_log(tmp_path / "gateway.db") as log, following(log, file, tidy_s=0.001):
        async with asyncio.timeout(PATIENCE_S):
            await tidied.wait()
    file.close()
    assert logged.getvalue().count("projection.untidy") == 1
    assert "Qz" not in logged.getvalue()


def test_what_is_written_is_tidied_without_being_asked_when_it_is_much(tmp_path: Path) -> None:
    file = CopyFile(tmp_path / "projection", most_untidy=256)  # pages of 4 KiB
    for number in range(20):
        with file.db as db:
            db.execute("BEGIN IMMEDIATE")
            written = [(number, f"{number}-{row}", bytes(3_000)) for row in range(100)]
            db.executemany("INSERT INTO state (partition, po_number, state) VALUES (?, ?, ?)", written)
    assert (tmp_path / "projection-wal").stat().st_size < 3_000_000
    file.close()


async def test_one_that_is_killed_while_it_is_filled_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    lines = [referral(po_number=f"PO{number:03}") for number in range(300)]
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, lines)
    expected = rows(tmp_path / "gateway.db")
    for enough in (20, 120, 200):
        words = ("-m", "tests.reading.slowly", str(tmp_path), str(enough))
        with started(*words, cwd=ROOT, command=[sys.executable]) as one:
            async with asyncio.timeout(PATIENCE_S):
                while referrals_in(tmp_path / "projection") < enough:
                    assert one.poll() is None
                    await asyncio.sleep(0.002)
            one.kill()
            one.wait()
        assert enough <= referrals_in(tmp_path / "projection") < len(lines)
    async with a_log(tmp_path / "gateway.db") as log:
        assert await filled(log, tmp_path / "projection") == expected


def referrals_in(path: Path) -> int:
    """How many a projection has at the moment; none where it is not made yet."""
    if not path.exists():
        return 0
    db = sqlite3.connect(path)
    try:
        return int(db.execute("SELECT count(*) FROM referral").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        db.close()


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    file = CopyFile(tmp_path / "projection")
    file.close()
    db = sqlite3.connect(tmp_path / "projection")
    assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    db.close()


@pytest.mark.parametrize("end", ["", "-wal", ".lock"])
def test_a_projection_that_others_can_write_is_refused(tmp_path: Path, end: str) -> None:
    path = tmp_path / "projection"
    CopyFile(path).close()
    beside = tmp_path / f"projection{end}"
    beside.touch()
    beside.chmod(0o606)
    with pytest.raises(LogError, match="can be written by every user of this machine; run chmod o-w on it"):
        CopyFile(path)


@pytest.mark.parametrize("read", [False, True])
async def test_what_is_erased_leaves_the_disk_with_the_next_checkpoint(tmp_path: Path, read: bool) -> None:
    """Whatever SQLite was built with; where somebody reads the copy, with the one after that."""
    known, special = referral(), referral("2016-03-15T09:00:00Z", special_customer_record=True)
    known["value"]["participant"] = {"surname": "Featherstonehaugh"}
    special["value"] |= {"message_id": "special", "po_revision": 2}
    path = tmp_path / "projection"
    file = CopyFile(path)

    def left() -> bool:
        names = (path, tmp_path / "projection-wal")
        return any(b"Featherstonehaugh" in name.read_bytes() for name in names if name.exists())

    assert file.db.execute("PRAGMA secure_delete").fetchone() == (1,)
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, [known])
        await fill_up(log, file)
        file.checkpoint()
        assert left()
        view = file.view()
        if read:
            view.execute("BEGIN")
            view.execute("SELECT count(*) FROM state").fetchone()
        await decide(log, [special])
        await fill_up(log, file)
        file.checkpoint()
        assert left() == read
        view.close()
        file.checkpoint()
        assert not left()
    file.close()


async def test_a_copy_is_read_beside_whoever_uses_it(tmp_path: Path) -> None:
    await a_filled_one(tmp_path, life())
    file = CopyFile(tmp_path / "projection")
    view = view_of(tmp_path / "projection")
    assert view.execute("SELECT po_number FROM referral").fetchall() == [("PO1",)]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        view.execute("DELETE FROM referral")
    view.close()
    file.close()


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("PRAGMA user_version = 1", "is no projection of this version; move it away, or delete it"),
        ("PRAGMA application_id = 1", "is no projection of this version; move it away, or delete it"),
        (None, "is damaged, or no projection; delete it where it is one"),
    ],
)
def test_another_file_is_not_read_beside(tmp_path: Path, sql: str | None, why: str) -> None:
    path = tmp_path / "projection"
    CopyFile(path).close()
    if sql is None:
        path.write_bytes(b"something else" * 1_000)
    else:
        db = sqlite3.connect(path)
        db.execute(sql)
        db.close()
    with pytest.raises(LogError, match=why):
        view_of(path)
