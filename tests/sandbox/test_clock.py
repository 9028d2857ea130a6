"""A sandbox's clock is moved, or it is said that it can't be at the moment."""

import sqlite3
from pathlib import Path

import pytest

from gateway.reading import following as following_room
from gateway.reading.tables import ProjectionFile
from gateway.sandbox import routes
from tests.api.running import sandbox


async def test_nobody_waits_for_ever_for_a_clock_that_can_not_be_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does who comes behind them; when it can be followed again, all goes on."""

    def fails(file: ProjectionFile, changes: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with sandbox(tmp_path / "sandbox.db") as made:
        asking = made.client()
        with monkeypatch.context() as stuck:
            stuck.setattr(routes, "SETTLED_S", 0.2)
            stuck.setattr(following_room, "fill", fails)
            for _ in range(2):
                moved = await asking.send("POST", "/sandbox/clock", {"at": "2016-03-20T00:00:00Z"})
                assert (moved.status, moved.code) == (503, "TRY_AGAIN")
                assert moved.headers["Retry-After"] == "1"
        await asking.clock("2016-03-20T00:00:00Z")
        await asking.clock("2016-03-21T00:00:00Z")
