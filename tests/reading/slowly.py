"""A process that fills the projection of a log a few rows at a time, and is to be killed: `… FOLDER ENOUGH`.

Once the projection has so many referrals, it waits for ever with the next ones put and not committed.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Event

from gateway.backends.embedded import changes as sqlite_changes
from gateway.reading.following import Following
from gateway.reading.tables import ProjectionFile
from tests.reading.filling import a_log


def end_at(enough: int) -> None:
    """Wait before the commit after that."""
    keep_positions, kept = ProjectionFile.keep_positions, 0

    def or_wait(file: ProjectionFile, positions: Mapping[str, int]) -> None:
        nonlocal kept
        if kept >= enough:
            Event().wait()
        keep_positions(file, positions)
        (kept,) = file.db.execute("SELECT count(*) FROM referral").fetchone()

    setattr(ProjectionFile, "keep_positions", or_wait)  # noqa: B010 - for this process alone


async def work(folder: Path) -> None:
    """Follow for ever."""
    async with a_log(folder / "gateway.db") as log:
        await Following(log, ProjectionFile(folder / "projection")).run(asyncio.Event())


if __name__ == "__main__":
    setattr(sqlite_changes, "MOST", 2)  # noqa: B010 - a constant, but for this
    end_at(int(sys.argv[2]))
    asyncio.run(work(Path(sys.argv[1])))
