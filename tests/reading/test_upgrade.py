"""A log of an earlier version is brought up to this one when it is opened, with all that it holds."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import LogError
from gateway.reading.tables import LogTables
from tests.api.running import sandbox
from tests.api.test_upload_outcomes import counts, waited
from tests.api.test_uploads import accepted, json_lines

FIRST = 3
#: From this version back to the first one.
DOWNGRADE = """
DROP INDEX outbound_outcome;
DROP INDEX booking_by_day;
DROP INDEX referral_by_jobcentre;
DROP INDEX referral_by_area;
DROP INDEX referral_by_reference;
ALTER TABLE referral DROP COLUMN reference;
DROP INDEX inbound_by_upload;
ALTER TABLE inbound DROP COLUMN upload;
ALTER TABLE inbound DROP COLUMN line"""


def schema(path: Path) -> set[tuple[str, ...]]:
    """All tables and indexes, and the columns of each."""
    with closing(sqlite3.connect(path)) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master")]
        return {
            (name, *row)
            for name in names
            for row in db.execute("SELECT name, type FROM pragma_table_info(?) ORDER BY cid", (name,))
        }


def downgrade(path: Path) -> None:
    """Make a file what it would be had the first version made it."""
    with closing(sqlite3.connect(path)) as db:
        for statement in DOWNGRADE.split(";"):
            db.execute(statement)
        partitions = db.execute("PRAGMA user_version").fetchone()[0] >> 8
        db.execute(f"PRAGMA user_version = {partitions << 8 | FIRST}")
        db.commit()


@asynccontextmanager
async def earlier(path: Path) -> AsyncIterator[None]:
    """A log of the first version."""
    async with sandbox(path) as before:
        assert (await before.client().record("UC-MANDATORY", "m0")).status == 200
    now = schema(path)
    downgrade(path)
    yield
    assert schema(path) == now


async def test_what_an_earlier_version_has_decided_can_be_asked_for_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    async with earlier(path), sandbox(path) as after:
        provider = after.client()
        assert (await provider.get("/v1/messages/m0")).json["status"] == "APPLIED"
        answer = await waited(provider, json_lines(accepted(1, "UC-MANDATORY")))
        assert counts(answer.json["outcomes"]) == {"records": 1, "refused": 1}


async def test_a_log_on_which_a_gateway_runs_is_not_brought_up(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    running = await open_embedded(path, own=True, tables=LogTables())
    downgrade(path)
    before = schema(path)
    with pytest.raises(LogError, match="another gateway runs on the log"):
        await open_embedded(path, tables=LogTables())
    assert schema(path) == before
    await running.close()
    later = await open_embedded(path, tables=LogTables())
    assert schema(path) != before
    await later.close()
