"""Which partitions a process works on, as assignments come and partitions are lost."""

import asyncio

import pytest

from gateway.engine.log import Assignment, Lost
from gateway.engine.workers import Workers
from tests.engine.plain_wiring import PLAIN
from tests.engine.simulated import Ground, SimulatedClaim, SimulatedLog
from tests.engine.small_programmes import POLICIES
from tests.patience import in_the_end


class Assigning(SimulatedLog):
    """A shared log, whose assignments a test makes; it counts the claims."""

    shared = True

    def __init__(self, partitions: int) -> None:
        super().__init__(Ground(partitions))
        self._newest = Assignment(0, frozenset())
        self._changed = asyncio.Condition()
        self.claims: list[int] = []

    async def assign(self, *partitions: int) -> None:
        """From now on these are this process's."""
        async with self._changed:
            self._newest = Assignment(self._newest.generation + 1, frozenset(partitions))
            self._changed.notify_all()

    async def assigned(self, after: int) -> Assignment:
        """The newest one, when it is later."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._newest.generation > after)
            return self._newest

    async def claim(self, partition: int) -> SimulatedClaim:
        """Counted."""
        self.claims.append(partition)
        return await super().claim(partition)


async def until_owned(workers: Workers, *partitions: int) -> None:
    """Wait until these, and no others, are worked on."""
    await in_the_end(lambda: _owned(workers, {*partitions}))


def _owned(workers: Workers, partitions: set[int]) -> bool:
    return workers.by_partition.keys() == partitions and not any(
        worker.trouble for worker in workers.by_partition.values()
    )


async def test_what_stays_assigned_is_not_claimed_again() -> None:
    """What is lost is let go, and what is won is claimed."""
    log, stop = Assigning(4), asyncio.Event()
    workers = Workers(log, POLICIES, PLAIN)
    running = asyncio.create_task(workers.run(stop))
    await log.assign(0, 1, 2)
    await until_owned(workers, 0, 1, 2)
    await log.assign(1, 2, 3)
    await until_owned(workers, 1, 2, 3)
    assert sorted(log.claims) == [0, 1, 2, 3]
    stop.set()
    await running


async def test_a_partition_that_goes_and_comes_back_is_claimed_again() -> None:
    log, stop = Assigning(2), asyncio.Event()
    workers = Workers(log, POLICIES, PLAIN)
    running = asyncio.create_task(workers.run(stop))
    await log.assign(0)
    await until_owned(workers, 0)
    await log.assign()
    await until_owned(workers)
    await log.assign(0)
    await until_owned(workers, 0)
    assert log.claims == [0, 0]
    stop.set()
    await running


async def test_who_was_fenced_out_claims_again_when_it_is_assigned_anew() -> None:
    """And leaves it to the other one until then."""
    log, stop = Assigning(1), asyncio.Event()
    workers = Workers(log, POLICIES, PLAIN)
    running = asyncio.create_task(workers.run(stop))
    await log.assign(0)
    await until_owned(workers, 0)
    log.ground.kept[0].epoch += 1
    await until_owned(workers)
    assert log.claims == [0]
    await log.assign(0)
    await until_owned(workers, 0)
    assert log.claims == [0, 0]
    stop.set()
    await running


async def test_who_was_fenced_out_and_stays_assigned_claims_again() -> None:
    """Else nobody would work on it: whoever fenced it out may have died before the group knew it."""
    log, stop = Assigning(1), asyncio.Event()
    workers = Workers(log, POLICIES, PLAIN, claim_again_s=0)
    running = asyncio.create_task(workers.run(stop))
    await log.assign(0)
    await until_owned(workers, 0)
    log.ground.kept[0].epoch += 1
    await in_the_end(lambda: log.claims == [0, 0])
    await until_owned(workers, 0)
    stop.set()
    await running


async def test_on_a_log_of_one_process_a_lost_partition_ends_it() -> None:
    """Somebody has opened the file in a way that it must not be opened."""
    log = SimulatedLog(Ground(1))
    workers = Workers(log, POLICIES, PLAIN)
    running = asyncio.create_task(workers.run(asyncio.Event()))
    await until_owned(workers, 0)
    log.ground.kept[0].epoch += 1
    with pytest.raises(Lost):
        await running
