"""A copy that is damaged, or emptied, while it is asked is made anew, and says so until it is whole."""

import asyncio
import io
import random
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gateway.engine.log import Changes, PositionsGone
from gateway.reading.copy_file import CopyFile
from gateway.reading.following import Following
from gateway.reading.view import View
from tests.cli.running import life, referral
from tests.patience import PATIENCE_S, in_the_end
from tests.reading.filling import a_log, decide, following, rows
from tests.reading.shared_log import FileChanges, FileLog

#: The first page says what the file is, the second which log it is of.
TWO_PAGES = 8_192


def damage(path: Path) -> None:
    """Overwrite all but its first pages, once all that was written is in it."""
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    db.close()
    with path.open("r+b") as file:
        file.seek(TWO_PAGES)
        file.write(random.Random(1).randbytes(path.stat().st_size - TWO_PAGES))


async def whole(made: Following) -> None:
    """Wait until it has been filled."""
    async with asyncio.timeout(PATIENCE_S):
        await made.filled.wait()
    await in_the_end(lambda: made.trouble is None)


async def test_one_that_was_damaged_before_the_start_is_made_anew(
    tmp_path: Path, logged: io.StringIO
) -> None:
    """It counts as filled only then."""
    path = tmp_path / "copy"
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, life())
        file = CopyFile(path)
        async with following(log, file) as made:
            await whole(made)
        file.close()
        damage(path)
        file = CopyFile(path)
        async with following(log, file, again_s=0.001) as made:
            await whole(made)
            assert file.made_anew == 1
            assert rows(path) == rows(tmp_path / "gateway.db")
        file.close()
    assert '"error":"SQLITE_CORRUPT' in logged.getvalue()


async def test_one_that_is_damaged_while_it_is_asked_is_made_anew(
    tmp_path: Path, logged: io.StringIO
) -> None:
    """Who asks finds that out, and is answered again by the same view when it is whole."""
    path = tmp_path / "copy"
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, [*life(), *(referral(life()[-1]["at"], f"PO-{number}") for number in range(50))])
        file = CopyFile(path)
        async with following(log, file, again_s=0.001) as made:
            await whole(made)
            view = View(file)
            damage(path)
            with pytest.raises(sqlite3.DatabaseError) as caught:
                view.referrals(["PRV01"], None, None, 100)
            made.unreadable(caught.value)
            assert not made.filled.is_set()
            assert made.behind is None
            assert made.trouble == "its file was damaged, and it is being made anew from the log"
            await whole(made)
            assert len(view.referrals(["PRV01"], None, None, 100)) == 51
            view.close()
        assert rows(path) == rows(tmp_path / "gateway.db")
        file.close()
    assert "projection.unreadable" in logged.getvalue()


async def test_one_that_can_not_be_read_at_the_moment_is_not_made_anew(
    tmp_path: Path, logged: io.StringIO
) -> None:
    async with a_log(tmp_path / "gateway.db") as log:
        file = CopyFile(tmp_path / "copy")
        async with following(log, file) as made:
            await whole(made)
            made.unreadable(sqlite3.OperationalError("unable to open database file"))
            assert made.filled.is_set()
        assert file.made_anew == 0
        file.close()
    assert "projection.unreadable" in logged.getvalue()


class Lost(FileChanges):
    """A reader that finds, once it is to, that the log is not the one it was."""

    gone: asyncio.Event

    async def read(self, wait_s: float) -> Changes:
        if self.gone.is_set():
            self.gone.clear()
            raise PositionsGone("the log is another one")
        return await super().read(0.01)


class LosingLog(FileLog):
    """A log whose readers are such."""

    def __init__(self, log: FileLog, gone: asyncio.Event) -> None:
        super().__init__(log.file.path)
        self.file, self.changed = log.file, log.changed
        self._gone = gone

    async def changes(self, topics: Sequence[str], positions: Mapping[str, int]) -> Lost:
        reader = Lost(self, topics, positions)
        reader.gone = self._gone
        return reader


async def test_one_that_is_emptied_counts_as_filled_when_it_is_whole_again(tmp_path: Path) -> None:
    """That is when all that is on the log has been decided, too."""
    gone, decided = asyncio.Event(), True
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, life())
        file = CopyFile(tmp_path / "copy")
        view = View(file)
        async with following(LosingLog(log, gone), file, decided=lambda: decided) as made:
            await whole(made)
            before = rows(tmp_path / "copy")
            decided = False
            gone.set()
            await in_the_end(lambda: not made.filled.is_set())
            assert made.trouble == "it is being made anew from the log"
            await in_the_end(lambda: made.behind == 0)
            assert not made.filled.is_set()
            assert made.trouble == "it is being made anew from the log"
            decided = True
            await whole(made)
            assert rows(tmp_path / "copy") == before
            assert view.referral("PO1") is not None
        view.close()
        file.close()
