"""Processes that come and go, freeze and come back."""

import random
import signal

import pytest

from tests.faults.scene import FOR_EVER, IN_SMALL_STEPS, TO_THE_END, Process, Scene, in_parts, sample

pytestmark = pytest.mark.slow


async def test_a_process_that_freezes_for_longer_than_its_session_and_wakes_up_commits_nothing_more(
    bootstrap: str, topic_prefix: str
) -> None:
    """Another one takes over meanwhile; then both go on, each with its own part."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    parts = in_parts(sample(200, seed), 4)
    async with Scene(bootstrap, topic_prefix) as scene:
        frozen = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
        await frozen.until("partition.claimed", 3)
        await scene.feed(parts[0])
        await frozen.until("step.committed", 2)
        frozen.send(signal.SIGSTOP)
        other = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
        await other.until("partition.claimed", 3)
        await scene.feed(parts[1])
        await scene.until_decided()
        frozen.send(signal.SIGCONT)
        await scene.feed(parts[2])
        await scene.until_decided()
        assigned = len(frozen.heard("partitions.assigned"))
        await frozen.until("partitions.assigned", assigned + (assigned == 1))
        await scene.feed(parts[3])
        await scene.until_decided()
        await other.stop()
        await frozen.stop()
        await scene.finish()
        await scene.check()


async def test_a_partition_that_goes_to_another_process_and_comes_back_is_decided_once(
    bootstrap: str, topic_prefix: str
) -> None:
    """There and back, by a clean end each time; and by a kill."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    parts = in_parts(sample(200, seed), 5)
    async with Scene(bootstrap, topic_prefix, partitions=2) as scene:
        stays = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
        await stays.until("partition.claimed", 2)
        await scene.feed(parts[0])
        for turn, lines in enumerate(parts[1:]):
            claimed = len(stays.heard("partition.claimed"))
            comes = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
            await comes.until("partition.claimed")
            await scene.feed(lines)
            await scene.until_decided()
            await (comes.kill() if turn % 2 else comes.stop())
            await stays.until("partition.claimed", claimed + 1)
        await stays.stop()
        await scene.finish()
        await scene.check()


async def test_ten_rebalances_in_a_minute_lose_and_double_nothing(bootstrap: str, topic_prefix: str) -> None:
    """One process stays; a second and a third come and go, told to stop or killed, while the feed goes on."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    rng = random.Random(seed)
    parts = in_parts(sample(400, seed), 6)
    async with Scene(bootstrap, topic_prefix, partitions=4) as scene:
        stays = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
        come: list[Process] = []
        for lines in parts:
            come.append(await scene.start(*FOR_EVER, command=IN_SMALL_STEPS))
            await scene.feed(lines)
            await come[-1].until("partitions.assigned")
            if len(come) == 2:
                goes = come.pop(rng.randrange(2))
                await (goes.kill() if rng.random() < 0.5 else goes.stop())
        # One who comes while another's going is being settled makes one rebalance of two.
        while len(stays.heard("partitions.assigned")) < 10:
            come.append(await scene.start(*FOR_EVER, command=IN_SMALL_STEPS))
            await come[-1].until("partitions.assigned")
            await come.pop(0).stop()
        await scene.until_decided()
        for process in (stays, *come):
            await process.stop()
        await scene.finish()
        await scene.check()


async def test_processes_that_end_by_themselves_decide_all_together(
    bootstrap: str, topic_prefix: str
) -> None:
    """Three with --until on four partitions, one of which is killed on the way.

    Its share is decided by the others, where they have not ended before the group gives it to them, or by
    whoever comes next.
    """
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    async with Scene(bootstrap, topic_prefix, partitions=4) as scene:
        await scene.feed(sample(300, seed))
        first = await scene.start(*TO_THE_END, command=IN_SMALL_STEPS)
        await first.until("step.committed")  # while it has all the partitions
        others = [await scene.start(*TO_THE_END, command=IN_SMALL_STEPS) for _ in range(2)]
        await others[0].until("partitions.assigned")
        await first.kill()
        for process in others:
            await process.well()
        await (await scene.start(*TO_THE_END)).well()
        await scene.check()


async def test_told_to_stop_in_any_state_it_ends_in_good_order(bootstrap: str, topic_prefix: str) -> None:
    """While it starts, joins the group, restores and decides."""
    async with Scene(bootstrap, topic_prefix) as scene:
        await scene.feed(sample(500, 1))
        for event in ("gateway.started", "partitions.assigned", "partition.claimed", "step.committed"):
            process = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
            await process.until(event)
            await process.stop()
            assert not process.heard("gateway.gave_up")
        await scene.finish()
        await scene.check()
