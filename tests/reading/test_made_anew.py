"""A projection that is damaged, or emptied, while it is asked is made anew, and says so until it is whole."""

import asyncio
import io
import random
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.backends.embedded.log import EmbeddedLog
from gateway.engine.log import ChangeReader, Changes, PositionsGone
from gateway.reading.following import Following
from gateway.reading.tables import ProjectionFile
from gateway.reading.view import View
from tests.api.running import Client, sandbox
from tests.cli.running import life
from tests.patience import PATIENCE_S, in_the_end
from tests.reading.filling import a_log, caught_up, decide, rows

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


async def mended(asking: Client) -> set[str]:
    """Wait until referrals can be asked for, whose numbers these are; all else meanwhile is a 503."""
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await asking.get("/v1/referrals?limit=100")).status != 200:
            assert answer.status == 503, answer.body
            assert answer.code in {"PROJECTION_UNREADABLE", "STARTING"}
            assert answer.headers["Retry-After"] == "1"
            await asyncio.sleep(0.01)
    return {each["po_number"] for each in answer.json["referrals"]}


async def test_one_that_was_damaged_before_the_start_is_made_anew(tmp_path: Path, told: io.StringIO) -> None:
    """A gateway is ready only then."""
    path = tmp_path / "gateway.db.projection"
    async with sandbox(tmp_path / "gateway.db") as made:
        expected = await mended(made.client())
    before = rows(path)
    damage(path)
    async with sandbox(tmp_path / "gateway.db") as made:  # which waits until it is ready
        answer = await made.client().get("/v1/referrals?limit=100")
        assert answer.status == 200
        assert {each["po_number"] for each in answer.json["referrals"]} == expected
    assert rows(path) == before
    assert "projection.unreadable" in told.getvalue()


async def test_one_that_is_damaged_while_it_is_asked_is_made_anew(tmp_path: Path, told: io.StringIO) -> None:
    path = tmp_path / "gateway.db.projection"
    async with sandbox(tmp_path / "gateway.db") as made:
        asking, before = made.client(), rows(path)
        damage(path)
        answer = await asking.get("/v1/referrals")
        assert (answer.status, answer.code) == (503, "PROJECTION_UNREADABLE")
        expected = await mended(asking)
        assert {"UC-MANDATORY", "UC-VOLUNTARY"} <= expected
        await made.ready()
        assert rows(path) == before
        assert (await asking.record("UC-MANDATORY", "after")).status == 200
    assert '"error": "SQLITE_CORRUPT' in told.getvalue()


class Lost:
    """A reader that finds, once it is told to, that the log is not the one it was."""

    def __init__(self, reader: ChangeReader, gone: asyncio.Event) -> None:
        self._reader = reader
        self._gone = gone

    async def read(self, wait_s: float) -> Changes:
        if self._gone.is_set():
            self._gone.clear()
            raise PositionsGone("the log is another one")
        return await self._reader.read(0.01)

    async def close(self) -> None:
        await self._reader.close()


async def test_one_that_is_emptied_counts_as_filled_when_it_is_whole_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, whole = asyncio.Event(), True
    changes = EmbeddedLog.changes

    async def lost(log: EmbeddedLog, topics: tuple[str, ...], positions: Mapping[str, int]) -> Lost:
        return Lost(await changes(log, topics, positions), gone)

    monkeypatch.setattr(EmbeddedLog, "changes", lost)
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, life())
        file = ProjectionFile(tmp_path / "projection")
        view = View(file)
        stop = asyncio.Event()
        made = Following(log, file, lambda: whole)
        running = asyncio.create_task(made.run(stop))
        async with asyncio.timeout(PATIENCE_S):
            await made.filled.wait()
        before = rows(tmp_path / "projection")
        whole = False
        gone.set()
        await in_the_end(lambda: not made.filled.is_set())
        assert made.trouble == "it is being made anew from the log"
        await caught_up(log, made)
        assert not made.filled.is_set()
        assert made.trouble == "it is being made anew from the log"
        whole = True
        async with asyncio.timeout(PATIENCE_S):
            await made.filled.wait()
        await in_the_end(lambda: made.trouble is None)
        assert rows(tmp_path / "projection") == before
        assert view.referral("PO1") is not None
        stop.set()
        await running
        view.close()
        file.close()
