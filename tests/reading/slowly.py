"""A process that fills the copy of a log a few rows at a time, and is to be killed: `… FOLDER ENOUGH`.

Once the copy has so many referrals, it waits for ever with the next ones put and not committed.
"""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Event

from gateway.reading.copy_file import CopyFile
from gateway.reading.following import Following
from tests.reading.filling import a_log


class Waiting(CopyFile):
    """One that waits before the commit after that of so many referrals."""

    enough: int
    kept = 0

    def keep_positions(self, positions: Mapping[str, int]) -> None:
        """Keep them, or wait."""
        if self.kept >= self.enough:
            Event().wait()
        super().keep_positions(positions)
        self.kept = self.referrals()


async def work(folder: Path, enough: int) -> None:
    """Follow for ever."""
    async with a_log(folder / "gateway.db", most=2) as log:
        file = Waiting(folder / "projection")
        file.enough = enough
        await Following(log, file).run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2])))
