"""For how long a test waits for what must happen: longer than the slowest machine that it runs on needs."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

#: In seconds. What has not happened by then has failed.
PATIENCE_S: Final = 120


def eventually(holds: Callable[[], object]) -> None:
    """Wait until that holds, where no event says so."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up_at, f"it does not hold after {PATIENCE_S} s"
        time.sleep(0.01)


async def in_the_end(holds: Callable[[], object]) -> None:
    """The same, while the tasks of this process go on."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0.001)
