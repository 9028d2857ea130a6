"""The `gateway` command, which commits so many steps and no more: it is to be killed.

python -m tests.engine.short_lived small|usual MOST COMMAND... : the size of its steps, and the most of them.
Small ones are of so few messages that there is a commit every moment.
"""

import asyncio
import sys
from itertools import count

from gateway.backends.embedded import log as sqlite
from gateway.cli.main import main
from gateway.engine import step
from gateway.engine.log import Commit

DECISIONS_A_STEP = 25


def end_at(most: int) -> None:
    """Wait for ever before the commit that would be one too many."""
    commit, numbers = sqlite.EmbeddedClaim.commit, count(1)

    async def or_wait(claim: sqlite.EmbeddedClaim, decided: Commit) -> None:
        if next(numbers) > most:
            await asyncio.Event().wait()
        await commit(claim, decided)

    setattr(sqlite.EmbeddedClaim, "commit", or_wait)  # noqa: B010 - for this process alone


if __name__ == "__main__":
    size, most = sys.argv[1:3]
    del sys.argv[1:3]
    if size == "small":
        setattr(step, "STEP", DECISIONS_A_STEP)  # noqa: B010 - it is final for everybody else
        setattr(step, "CAPACITY", 2 * DECISIONS_A_STEP)  # noqa: B010
        setattr(sqlite, "WINDOW", 3 * DECISIONS_A_STEP)  # noqa: B010
    end_at(int(most))
    sys.exit(main())
