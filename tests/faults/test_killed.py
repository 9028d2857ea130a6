"""SIGKILL at each step of a commit."""

import random
import signal

import pytest

from tests.faults.faulty import POINTS
from tests.faults.scene import FOR_EVER, IN_SMALL_STEPS, TO_THE_END, Scene, sample

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_any_step_of_a_commit_it_decides_each_message_once(
    bootstrap: str, topic_prefix: str, point: str
) -> None:
    """Twice on the way; the third process comes to the end."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    rng = random.Random(seed)
    async with Scene(bootstrap, topic_prefix) as scene:
        await scene.feed(sample(60, seed))
        for _ in range(2):
            times = str(rng.randint(1, 6))
            process = await scene.start("--killed-at", point, times, *TO_THE_END, command=IN_SMALL_STEPS)
            assert await process.ended() == -signal.SIGKILL
        await scene.finish()
        await scene.check()


@pytest.mark.parametrize("point", ["before commit", "after commit"])
async def test_killed_while_deadlines_fall_due_without_any_message_it_decides_each_once(
    bootstrap: str, topic_prefix: str, point: str
) -> None:
    """All messages are decided before; what the processes commit after that is deadlines only."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    async with Scene(bootstrap, topic_prefix) as scene:
        await scene.feed(sample(60, seed))
        process = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
        await scene.until_decided()
        await process.stop()
        for _ in range(2):
            process = await scene.start("--killed-at", point, "1", *TO_THE_END, command=IN_SMALL_STEPS)
            assert await process.ended() == -signal.SIGKILL
        await scene.finish()
        await scene.check()
