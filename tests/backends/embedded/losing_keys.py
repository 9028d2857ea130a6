"""A process that appends to a log, or that forgets a purchase order and is killed on the way.

python -m tests.backends.embedded.losing_keys append FILE NUMBER COUNT
python -m tests.backends.embedded.losing_keys forget FILE STATEMENTS

STATEMENTS: after so many statements on the log and the keys it kills itself.
"""

import asyncio
import os
import signal
import sys
from itertools import count
from pathlib import Path

from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.engine.log import Commit, Draft, Erased
from tests.log.reading import WP11, owned, step

FORGOTTEN, KEPT = b"somebody", b"somebody else"


async def prepared(log: EmbeddedLog) -> None:
    """Two purchase orders are known; of PO1 something is decided, and something is not."""
    await log.append([Draft(WP11, b"PO1", b"decided"), Draft(WP11, b"PO1", b"undecided")])
    claim, restored = await owned(log)
    positions = dict.fromkeys(restored.positions, 2)
    await claim.commit(step(positions, states={"PO1": FORGOTTEN, "PO2": KEPT}))


async def forget(log: EmbeddedLog) -> None:
    """Forget PO1."""
    claim, restored = await owned(log)
    made = step(restored.positions, states={"PO1": None})
    await claim.commit(Commit((), made.states, made.positions, 1, erased={"PO1": Erased(0, made.positions)}))


async def _append(path: Path, number: str, records: int) -> None:
    log = await open_embedded(path)
    for each in range(records):
        await log.append([Draft(WP11, b"PO1", b"%s/%d" % (number.encode(), each))])
    await log.close()


async def _forget(path: Path, statements: int) -> None:
    log = await open_embedded(path, own=True)
    done = count()

    def look(_: str) -> None:
        if next(done) == statements:
            os.kill(os.getpid(), signal.SIGKILL)

    for db in (log.file.db, log.file.vault.store.db):
        db.set_trace_callback(look)
    await forget(log)
    os._exit(0)  # as if killed when it is done: nothing is put in order


if __name__ == "__main__":
    _, what, file, *more = sys.argv
    if what == "append":
        asyncio.run(_append(Path(file), more[0], int(more[1])))
    else:
        asyncio.run(_forget(Path(file), int(more[0])))
