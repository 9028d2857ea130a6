"""A log that is decided part by part, and projections of it."""

import asyncio
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.engine.log import Log
from gateway.engine.workers import Workers
from gateway.intake.feed import feed
from gateway.processes.wiring import WIRING
from gateway.reading.following import Following
from gateway.reading.tables import ProjectionFile
from gateway.rules.policy import shipped
from schemas.json import parse_instant
from tests.cli.running import Json
from tests.patience import PATIENCE_S

TABLES: Final = ("referral", "event", "instruction", "message", "booking", "plan")
Rows = dict[str, list[tuple[Any, ...]]]


def rows(path: Path) -> Rows:
    """All that a projection holds, table by table."""
    db = sqlite3.connect(path)
    try:
        return {table: sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES}
    finally:
        db.close()


def differences(one: Rows, other: Rows) -> Rows:
    """The rows that only one of two projections has."""
    return {
        table: [row for row in one[table] + other[table] if (row in one[table]) != (row in other[table])]
        for table in TABLES
        if one[table] != other[table]
    }


@asynccontextmanager
async def a_log(path: Path, *, partitions: int = 1) -> AsyncIterator[EmbeddedLog]:
    """An embedded log whose time is that of its messages."""
    log = await open_embedded(path, partitions=partitions, clock="log", own=True)
    try:
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def following(log: Log, path: Path) -> AsyncIterator[Following]:
    """A projection that is kept filled for as long as the block lasts."""
    file = ProjectionFile(path)
    made, stop = Following(log, file), asyncio.Event()
    running = asyncio.create_task(made.run(stop))
    try:
        yield made
    finally:
        stop.set()
        await running
        file.close()


async def caught_up(log: EmbeddedLog, projection: Following) -> None:
    """Wait until a projection has all there is."""
    async with asyncio.timeout(PATIENCE_S):
        await projection.reach(await log.ends())


async def filled(log: Log, path: Path) -> Rows:
    """Fill a projection with all there is, and what it holds then."""
    file = ProjectionFile(path)
    try:
        await Following(log, file).run(asyncio.Event(), until_filled=True)
    finally:
        file.close()
    return rows(path)


async def decide(log: EmbeddedLog, lines: Sequence[Json]) -> None:
    """Put messages on the log and decide them, and what is due by the last line."""
    await feed(log, [json.dumps(line).encode() for line in lines], keep_time=True, checked=lambda: None)
    until = parse_instant(lines[-1]["at"])
    await Workers(log, shipped(), WIRING, until=until).run(asyncio.Event())


def in_parts(lines: list[Json], draw: random.Random) -> list[list[Json]]:
    """Lines in parts of random length; lines of one instant stay together."""
    parts: list[list[Json]] = [[]]
    for line in lines:
        if parts[-1] and parts[-1][-1]["at"] != line["at"] and draw.random() < 0.04:
            parts.append([])
        parts[-1].append(line)
    return parts
