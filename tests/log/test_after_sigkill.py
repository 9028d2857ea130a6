"""A process that owned a partition is killed: the next owner starts from its last committed step."""

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.log.arrangement import Arrangement
from tests.log.reading import OUT, followed, owned, values
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


async def killed_after(words: list[str], lines: int) -> tuple[int, int]:
    """Let another process work until it has said so many lines, and kill it.

    Gives the last step that it said it had committed, and the last that it had begun.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.log.other_process", *words, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    said: list[bytes] = []
    try:
        async with asyncio.timeout(PATIENCE_S):
            while len(said) < lines:
                line = await process.stdout.readline()
                assert line, "the other process ended by itself"
                said.append(line)
    finally:
        process.send_signal(signal.SIGKILL)
        rest, _ = await process.communicate()
    said += rest.splitlines(keepends=True)
    whole = [line.split() for line in said if line.endswith(b"\n")]
    begun = [int(number) for word, number in whole if word == b"begins"]
    done = [int(number) for word, number in whole if word == b"has"]
    return max(done, default=begun[0] - 1), begun[-1]


@pytest.mark.parametrize("arrangement", ["sqlite"], indirect=True)  # a simulated log has one process
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_after_sigkill_the_last_committed_step_is_restored_whole(
    arrangement: Arrangement, seed: int
) -> None:
    """That which it said was committed, or the one that was being committed when it died; three times."""
    words = arrangement.for_another_process()
    assert words is not None
    rng = random.Random(seed)
    log = await arrangement.open()
    last = 0
    for _ in range(3):
        done, begun = await killed_after([*words], rng.randint(3, 60))
        _, restored = await owned(log)
        now = int(restored.states["PO1"])
        assert done <= now <= begun
        assert now > last
        assert restored.decided_to == now
        kept = {f"PO-{number}": b"%d" % number for number in range(max(1, now - 2), now + 1)}
        assert restored.states == {"PO1": b"%d" % now, **kept}
        came = [int(value or b"0") for value in values(await followed(log, [OUT]))]
        assert came == [number for number in range(1, now + 1) for _ in range(20)]
        last = now
