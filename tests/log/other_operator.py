"""Another process that handles dead letters, a few at a time, until it is killed or has handled all.

    python -m tests.log.other_operator KIND PLACE PARTITIONS LETTERS

The letters are 1 to LETTERS: every fourth is discarded, the others are put back, each with its number as
value. Those that this process has handled are printed when that is done.
"""

import asyncio
import random
import sys

from gateway.engine.log import Log, LogBusy
from tests.log.other_process import opened
from tests.log.reading import WP11, draft

AT_A_TIME = 3
LONGEST_PAUSE_S = 0.5


async def work(log: Log, letters: int) -> None:
    """Handle all, in order; what was handled by another is passed over."""
    number = 1
    while number <= letters:
        some = [str(letter) for letter in range(number, min(number + AT_A_TIME, letters + 1))]
        try:
            done = await log.handle(
                {letter: draft(WP11, letter.encode()) if int(letter) % 4 else None for letter in some}
            )
        except LogBusy:
            # Each that begins ends what the others are at. By turns, somebody comes through.
            await asyncio.sleep(random.uniform(0, LONGEST_PAUSE_S))
            continue
        print(*sorted(done), flush=True)
        number += AT_A_TIME


async def main() -> None:
    """Open the log that is named, and work on it."""
    kind, place, partitions, letters = sys.argv[1:]
    log = await opened(kind, place, int(partitions))
    try:
        await work(log, int(letters))
    finally:
        await log.close()


if __name__ == "__main__":
    asyncio.run(main())
