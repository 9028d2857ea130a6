"""`gateway run`, which commits so many steps and no more: it is to be killed.

python -m tests.engine.short_lived small|usual MOST run ... : the size of its steps, and the most of them.
Small ones are of so few messages that there is a commit every moment.
"""

import asyncio
import sys
from itertools import count
from typing import Final

from gateway.backends.embedded.log import EmbeddedClaim
from gateway.engine.log import Commit
from gateway.engine.step import StepSize
from tests.small_steps import run_in_steps_of

SIZES: Final = {"small": StepSize(decisions=25, waiting=50), "usual": StepSize()}


def end_at(most: int) -> None:
    """Wait for ever before the commit that would be one too many."""
    commit, numbers = EmbeddedClaim.commit, count(1)

    async def or_wait(claim: EmbeddedClaim, decided: Commit) -> None:
        if next(numbers) > most:
            await asyncio.Event().wait()
        await commit(claim, decided)

    setattr(EmbeddedClaim, "commit", or_wait)  # noqa: B010 - for this process alone


if __name__ == "__main__":
    end_at(int(sys.argv[2]))
    run_in_steps_of(SIZES[sys.argv[1]], sys.argv[3:])
