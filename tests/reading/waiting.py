"""A process that decides a log in small steps, and is to be killed: `… PATH UNTIL STEPS`.

After so many steps it says so, and waits for ever in the middle of the next one, with all of it written and
nothing committed.
"""

import asyncio
import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Event

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import Listing
from gateway.engine.step import StepSize
from gateway.engine.workers import Workers
from gateway.processes.wiring import WIRING
from gateway.reading.tables import LogTables
from gateway.rules.policy import shipped
from gateway.system import telemetry


class Waiting(LogTables):
    """Tables that wait when they have been written so many times."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def put(self, db: sqlite3.Connection, partition: int, listings: Mapping[str, Listing]) -> None:
        """Write them."""
        super().put(db, partition, listings)
        self._steps -= 1
        if self._steps < 0:
            print("waits", flush=True)
            Event().wait()


async def work(path: Path, until: int, steps: int) -> None:
    """Decide all there is."""
    log = await open_embedded(path, clock="log", own=True, tables=Waiting(steps))
    await Workers(log, shipped(), WIRING, until=until, step=StepSize(decisions=7)).run(asyncio.Event())
    await log.close()
    print("ends", flush=True)


if __name__ == "__main__":
    telemetry.configure("error", sys.stderr)
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
