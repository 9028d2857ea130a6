"""A process that fills the projection of a log a few rows at a time, until it is killed: `… FOLDER`."""

import asyncio
import sys
from pathlib import Path

from gateway.engine import sqlite_changes
from gateway.projection.following import Following
from gateway.projection.tables import ProjectionFile
from tests.projection.filling import a_log


async def work(folder: Path) -> None:
    """Follow for ever."""
    async with a_log(folder / "gateway.db") as log:
        await Following(log, ProjectionFile(folder / "projection")).run(asyncio.Event())


if __name__ == "__main__":
    setattr(sqlite_changes, "MOST", 2)  # noqa: B010 - a constant, but for this
    asyncio.run(work(Path(sys.argv[1])))
