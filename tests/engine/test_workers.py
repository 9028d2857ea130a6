"""Which partitions a process works on, as assignments come and partitions are lost."""

import asyncio
import io
import json
from collections.abc import Mapping

import pytest
import structlog

from gateway.engine.away import Away
from gateway.engine.log import (
    INBOUND_TOPICS,
    Assignment,
    Commit,
    LogBusy,
    Loss,
    Lost,
    PartitionPaused,
    RecordsLost,
)
from gateway.engine.partitioner import partition_for
from gateway.engine.pausing import Pause
from gateway.engine.workers import Workers
from gateway.system import telemetry
from tests.engine.letters import MINUTE, NINE, T4, acceptance, referral
from tests.engine.plain_wiring import PLAIN
from tests.engine.simulated import Ground, SimulatedClaim, SimulatedLog
from tests.engine.small_programmes import POLICIES
from tests.engine.working import ONE_BY_ONE, came_out, script
from tests.patience import PATIENCE_S, in_the_end


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


class Losing(Assigning):
    """A log of which the records of some partitions are lost."""

    def __init__(self, partitions: int, *lost: int) -> None:
        super().__init__(partitions)
        self.lost = set(lost)

    async def claim(self, partition: int) -> SimulatedClaim:
        """Raises where they are."""
        if partition in self.lost:
            self.claims.append(partition)
            raise RecordsLost(partition, [Loss("jobcentre.wp11", 3, 7, "offsets 3 to 6 were deleted")])
        return await super().claim(partition)


async def test_a_partition_whose_records_are_lost_stands_alone_until_that_is_accepted() -> None:
    """It is looked at again and again, and then worked on."""
    log, stop = Losing(2, 1), asyncio.Event()
    workers = Workers(log, POLICIES, PLAIN, lost_again_s=0)
    running = asyncio.create_task(workers.run(stop))
    await log.assign(0, 1)
    await in_the_end(lambda: workers.is_lost(1) and log.claims.count(1) > 2)
    assert not workers.is_lost(0)
    assert "accept-loss 1" in (workers.trouble(1) or "")
    log.lost.clear()
    await until_owned(workers, 0, 1)
    assert not workers.is_lost(1)
    stop.set()
    await running


@pytest.mark.parametrize(("of_several", "assigned"), [(False, (0, 1)), (True, (1,))])
async def test_where_all_is_lost_they_end(of_several: bool, assigned: tuple[int, ...]) -> None:
    """One of several leaves it to the others; one that is alone ends only where nothing is left at all."""
    log = Losing(2, *assigned)
    workers = Workers(log, POLICIES, PLAIN, of_several=of_several)
    running = asyncio.create_task(workers.run(asyncio.Event()))
    await log.assign(*assigned)
    with pytest.raises(RecordsLost):
        async with asyncio.timeout(PATIENCE_S):
            await running


async def test_one_that_is_alone_goes_on_where_others_may_have_what_is_left() -> None:
    log, stop = Losing(2, 1), asyncio.Event()
    workers = Workers(log, POLICIES, PLAIN, lost_again_s=0)
    running = asyncio.create_task(workers.run(stop))
    await log.assign(1)
    await in_the_end(lambda: log.claims.count(1) > 2)
    assert not running.done()
    stop.set()
    await running


def test_that_the_log_is_away_is_said_once_however_many_wait() -> None:
    stream = io.StringIO()
    telemetry.configure("info", stream)
    now_s = 10.0
    away = Away(lambda: now_s)
    for who in (0, 1, 0):
        away.began(who, LogBusy("no broker answers"))
    away.ended(0)
    now_s = 12.5
    away.ended(1)
    away.ended(1)
    structlog.reset_defaults()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line.get("error"), line.get("after_s")) for line in lines] == [
        ("log.away", "no broker answers", None),
        ("log.back", None, 2.5),
    ]


PAUSE = Pause("a drill", "ops", 1_700_000_000_000)


async def test_a_paused_partition_is_let_go_and_claimed_when_it_is_resumed() -> None:
    """The others go on meanwhile."""
    log, stop = Assigning(2), asyncio.Event()
    workers = Workers(log, POLICIES, PLAIN, pauses_again_s=0)
    running = asyncio.create_task(workers.run(stop))
    await log.assign(0, 1)
    await until_owned(workers, 0, 1)
    await log.pause(1, PAUSE)
    await until_owned(workers, 0)
    assert workers.paused(1) == PAUSE
    assert workers.trouble(1) == (
        "paused since 2023-11-14T22:13:20.000Z by ops (a drill); `gateway partitions resume 1` lets it go on"
    )
    assert workers.trouble(0) is None
    await log.resume(1, "ops", PAUSE.at)
    await until_owned(workers, 0, 1)
    assert log.claims == [0, 1, 1]
    stop.set()
    await running


async def test_a_partition_that_was_paused_before_the_start_is_not_claimed_at_all() -> None:
    log, stop = Assigning(2), asyncio.Event()
    await log.pause(0, PAUSE)
    workers = Workers(log, POLICIES, PLAIN)
    running = asyncio.create_task(workers.run(stop))
    await log.assign(0, 1)
    await until_owned(workers, 1)
    assert log.claims == [1]
    stop.set()
    await running


class Forgetful(Assigning):
    """A log that does not say at first which partitions are paused."""

    def __init__(self) -> None:
        super().__init__(1)
        self.says: Exception | None = LogBusy("no broker answers")

    async def pauses(self) -> Mapping[int, Pause]:
        """Only once it is allowed."""
        if self.says is not None:
            raise self.says
        return await super().pauses()


async def test_nothing_is_claimed_until_it_is_known_what_is_paused() -> None:
    """And what is known stays, where the log does not say it later."""
    log, stop = Forgetful(), asyncio.Event()
    workers = Workers(log, POLICIES, PLAIN, pauses_again_s=0)
    running = asyncio.create_task(workers.run(stop))
    await log.assign(0)
    await in_the_end(lambda: "no broker answers" in (workers.trouble(0) or ""))
    assert log.claims == []
    log.says = None
    await until_owned(workers, 0)
    await log.pause(0, PAUSE)
    await until_owned(workers)
    log.says = TimeoutError()
    await asyncio.sleep(0)
    assert workers.paused(0) == PAUSE
    stop.set()
    await running


async def test_what_is_to_be_decided_to_its_end_can_not_be_where_a_partition_is_paused() -> None:
    log = SimulatedLog(Ground(2))
    await log.pause(1, PAUSE)
    with pytest.raises(PartitionPaused, match="partition 1 is paused since"):
        await Workers(log, POLICIES, PLAIN, until=0).run(asyncio.Event())


class SlowToMove(SimulatedClaim):
    """The other partition comes to rest between the first commit that puts something there and the next."""

    async def commit(self, step: Commit) -> None:
        """Late, where it is such a one."""
        if self.kept.decided_to and any(draft.topic in INBOUND_TOPICS for draft in step.records()):
            for _ in range(20):
                await asyncio.sleep(0)
        await super().commit(step)


async def test_nothing_falls_due_by_the_end_before_all_that_was_put_elsewhere_has_been_moved() -> None:
    belongs = partition_for(b"PO1", 2)
    assert partition_for(b"PO2", 2) == belongs
    arrivals = script(
        (NINE, referral("PO2", "r2")),
        (NINE, acceptance("PO2", "a2")),
        (NINE, referral("PO1", "r1")),
        (NINE + MINUTE, acceptance("PO1", "a1")),
    )
    came = []
    for partition in (belongs, 1 - belongs):
        ground = Ground(2)
        for at, draft in arrivals:
            ground.put(draft, at, belongs if draft.key == b"PO2" else partition)
        log = SimulatedLog(ground, clock="log")
        log.claim_type = SlowToMove
        await Workers(log, POLICIES, PLAIN, until=T4, step=ONE_BY_ONE).run(asyncio.Event())
        came.append(came_out(ground))
    assert came[0]
    assert sorted(came[1]) == sorted(came[0])
