"""The projection's file may be thrown away, damaged, another log's: it is made anew, or says what to do."""

import asyncio
import errno
import io
import os
import random
import sqlite3
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.engine.log import Changes, LogError, Record
from gateway.reading import filling as filling_room
from gateway.reading import following as following_room
from gateway.reading import tables as tables_room
from gateway.reading.filling import TOPICS, fill
from gateway.reading.following import Following
from gateway.reading.tables import APPLICATION_ID, VERSION, ProjectionFile
from gateway.rules.messages import PROVIDERS_TOPIC
from tests.cli.running import Json, life, referral, started
from tests.patience import PATIENCE_S
from tests.reading.filling import Rows, a_log, caught_up, decide, filled, following, rows

ROOT = Path(__file__).parents[2]
FORGOTTEN_AT = "2017-05-01T00:00:00Z"


async def a_filled_one(folder: Path, lines: list[Json]) -> Rows:
    """A log on which these are decided, and what its projection holds."""
    async with a_log(folder / "gateway.db") as log:
        await decide(log, lines)
        return await filled(log, folder / "projection")


async def again(folder: Path) -> Rows:
    """What the projection holds when the same log has been followed once more."""
    async with a_log(folder / "gateway.db") as log:
        return await filled(log, folder / "projection")


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
    db.execute("ALTER TABLE message ADD COLUMN dropped_since INTEGER")
    db.close()


@pytest.mark.parametrize(
    "harm",
    [deleted, emptied, of_a_later_version, of_an_earlier_version],
    ids=lambda harm: harm.__name__.replace("_", " "),
)
async def test_a_file_that_is_gone_or_of_another_version_is_made_anew(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    expected = await a_filled_one(tmp_path, life())
    harm(tmp_path / "projection")
    assert await again(tmp_path) == expected


@pytest.mark.parametrize("harm", [scrambled, cut_in_half], ids=lambda harm: harm.__name__.replace("_", " "))
async def test_a_damaged_file_is_told_and_made_anew_when_it_is_deleted(
    harm: Callable[[Path], None], tmp_path: Path
) -> None:
    expected = await a_filled_one(tmp_path, life())
    harm(tmp_path / "projection")
    with pytest.raises(LogError, match="is damaged, or no projection; delete it where it is one"):
        ProjectionFile(tmp_path / "projection")
    deleted(tmp_path / "projection")
    assert await again(tmp_path) == expected


async def test_a_file_that_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    accounts, letter = tmp_path / "accounts", tmp_path / "letter"
    db = sqlite3.connect(accounts)
    db.execute("CREATE TABLE account (name)")
    db.close()
    letter.write_bytes(b"This is a letter.\n" * 1000)
    for path in (accounts, letter):
        before = path.read_bytes()
        with pytest.raises(LogError, match=r"no(t a)? projection"):
            ProjectionFile(path)
        assert path.read_bytes() == before


async def test_a_projection_of_another_log_is_emptied(tmp_path: Path) -> None:
    """Also where that was made anew under the same name."""
    await a_filled_one(tmp_path, life())
    for file in tmp_path.glob("gateway.db*"):
        file.unlink()
    other = [referral(po_number="PO-OTHER")]
    assert [row[0] for row in (await a_filled_one(tmp_path, other))["referral"]] == ["PO-OTHER"]


async def test_a_projection_goes_on_from_where_it_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_filled_one(tmp_path, life())
    taken: list[Record] = []

    def watched(file: ProjectionFile, changes: Changes) -> filling_room.Filled:
        taken.extend(changes.records)
        return fill(file, changes)

    monkeypatch.setattr(following_room, "fill", watched)
    await again(tmp_path)
    assert taken == []


async def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """There is personal data in it."""
    await a_filled_one(tmp_path, life())
    for path in tmp_path.glob("projection*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


async def test_two_processes_do_not_share_one(tmp_path: Path) -> None:
    one = ProjectionFile(tmp_path / "projection")
    with pytest.raises(LogError, match="another gateway uses the projection"):
        ProjectionFile(tmp_path / "projection")
    one.close()
    ProjectionFile(tmp_path / "projection").close()


async def test_what_is_forgotten_leaves_nothing_behind(tmp_path: Path) -> None:
    """Also in a projection that is made after it was forgotten."""
    async with a_log(tmp_path / "gateway.db") as log:
        async with following(log, tmp_path / "followed") as projection:
            await decide(log, life())
            await caught_up(log, projection)
            before = rows(tmp_path / "followed")
            assert all(before[table] for table in before if table != "plan")
            await decide(log, [referral(FORGOTTEN_AT, po_number="PO-LATER", referred_on=FORGOTTEN_AT[:10])])
            await caught_up(log, projection)
        followed, anew = rows(tmp_path / "followed"), await filled(log, tmp_path / "anew")
    assert followed == anew
    assert {row[0] for row in followed["referral"] + followed["event"]} == {"PO-LATER"}
    assert "PO1" not in str(followed)


async def test_of_what_was_forgotten_no_message_is_left_whatever_is_read_first(tmp_path: Path) -> None:
    """On Kafka the topics have no common order: what came of a message, and that, may be read before it."""
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, life())
        reader = await log.changes(TOPICS, {})
        changes = await reader.read(0)
        await reader.close()
    assert not changes.behind
    sent: list[Record] = []
    others: list[Record] = []
    for each in changes.records:
        (sent if each.topic == PROVIDERS_TOPIC else others).append(each)
    assert sent
    gone = {str(each.key, "utf-8"): None for each in sent if each.key}
    file = ProjectionFile(tmp_path / "projection")
    fill(file, Changes(others, changes.states, {}, 0))
    fill(file, Changes([], gone, {}, 0))
    fill(file, Changes(sent, {}, {}, 0))
    assert rows(tmp_path / "projection")["message"] != []
    file.drop_undecided()
    file.close()
    assert rows(tmp_path / "projection")["message"] == []


async def test_how_far_it_is_behind_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.backends.embedded.changes.MOST", 3)
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, [referral(po_number=f"PO{number}") for number in range(10)])
        told: list[int | None] = []
        file = ProjectionFile(tmp_path / "projection")
        made = Following(log, file)

        def watched(file: ProjectionFile, changes: Changes) -> filling_room.Filled:
            told.append(made.behind)
            return fill(file, changes)

        monkeypatch.setattr(following_room, "fill", watched)
        assert (made.behind, made.trouble) == (None, "it has not been read yet")
        await made.run(asyncio.Event(), until_filled=True)
        file.close()
    behind = [each for each in told if each is not None]
    assert len(behind) > 5
    assert behind == sorted(behind, reverse=True)
    assert (made.behind, made.trouble) == (0, None)


async def test_a_disk_that_fails_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: io.StringIO
) -> None:
    """Nothing is lost by it, and nothing taken in twice."""
    monkeypatch.setattr(following_room, "AGAIN_S", 0.01)
    troubles = [
        sqlite3.OperationalError("database or disk is full"),
        OSError("Qz"),
        None,
        sqlite3.DatabaseError(),
    ]
    seen: list[str | None] = []

    def fails(file: ProjectionFile, changes: Changes) -> filling_room.Filled:
        trouble = troubles.pop(0) if troubles else None
        if trouble is not None:
            raise trouble
        return fill(file, changes)

    monkeypatch.setattr(following_room, "fill", fails)
    async with a_log(tmp_path / "gateway.db") as log:
        async with following(log, tmp_path / "projection") as projection:
            async with asyncio.timeout(PATIENCE_S):
                while projection.trouble is None or "again" not in projection.trouble:
                    await asyncio.sleep(0)
                    seen.append(projection.trouble)
            await decide(log, life())
            await caught_up(log, projection)
            seen.append(projection.trouble)
        assert seen[-1] is None
        monkeypatch.undo()
        assert rows(tmp_path / "projection") == await filled(log, tmp_path / "anew")
    assert "projection.dropped" in told.getvalue()
    assert "Qz" not in told.getvalue()


async def test_what_was_written_is_tidied_again_after_that_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: io.StringIO
) -> None:
    """Else what is written would pile up beside the file until the gateway ends. It is told once."""
    monkeypatch.setattr(following_room, "TIDY_S", 0.001)
    troubles: list[Exception] = [
        OSError(errno.EMFILE, "Qz"),
        sqlite3.OperationalError("unable to open database file"),
        OSError(errno.ENOSPC, "Qz"),
    ]
    tidied = asyncio.Event()
    checkpoint = ProjectionFile.checkpoint

    def fails(file: ProjectionFile) -> None:
        if troubles:
            raise troubles.pop()
        checkpoint(file)
        tidied.set()

    monkeypatch.setattr(ProjectionFile, "checkpoint", fails)
    async with a_log(tmp_path / "gateway.db") as log, following(log, tmp_path / "projection"):
        async with asyncio.timeout(PATIENCE_S):
            await tidied.wait()
    assert told.getvalue().count("projection.untidy") == 1
    assert "Qz" not in told.getvalue()


def test_what_is_written_is_tidied_without_being_asked_when_it_is_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables_room, "MOST_UNTIDY", 256)  # pages of 4 KiB
    file = ProjectionFile(tmp_path / "projection")
    for number in range(20):
        with file.db as db:
            db.execute("BEGIN IMMEDIATE")
            rows = [(f"{number}-{row}", bytes(3_000)) for row in range(100)]
            db.executemany("INSERT INTO plan VALUES (?, ?)", rows)
    assert (tmp_path / "projection-wal").stat().st_size < 3_000_000
    file.close()


async def test_one_that_is_killed_while_it_is_filled_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    lines = [referral(po_number=f"PO{number:03}") for number in range(300)]
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, lines)
        expected = await filled(log, tmp_path / "anew")
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
    assert await again(tmp_path) == expected


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
    file = ProjectionFile(tmp_path / "projection")
    file.close()
    db = sqlite3.connect(tmp_path / "projection")
    assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    db.close()
