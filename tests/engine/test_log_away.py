"""A log that is away, busy or lost: what is tried again, and what ends the work."""

import asyncio
from collections.abc import Mapping

import pytest

from gateway.engine.log import (
    Batch,
    Commit,
    LogBusy,
    LogError,
    Lost,
    Restored,
)
from gateway.engine.worker import LONGEST_BACKOFF_S, MOST_ATTEMPTS, Worker
from tests.engine.letters import (
    NINE,
    acceptance,
    referral,
)
from tests.engine.plain_wiring import PLAIN, as_draft
from tests.engine.simulated import Ground, LogAway, SimulatedClaim, SimulatedLog
from tests.engine.small_programmes import POLICIES
from tests.engine.working import (
    ONE_BY_ONE,
    outcomes,
    script,
    worked,
)
from tests.patience import PATIENCE_S


class Unsteady(SimulatedLog):
    """A log whose first claims fail."""

    failures = 0

    async def claim(self, partition: int) -> SimulatedClaim:
        """Fails so many times."""
        if self.failures:
            self.failures -= 1
            raise LogAway("claim")
        return await super().claim(partition)


async def test_a_log_that_is_away_is_tried_again_ever_more_slowly_up_to_a_limit() -> None:
    """However long it is away."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    ground = Ground(1, script((NINE, referral())), until=NINE)
    log = Unsteady(ground)
    log.failures = 3_000
    await worked(ground, log=log, pause=pause)
    assert len(pauses) == 3_000
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == LONGEST_BACKOFF_S
    assert len(outcomes(ground)) == 1


async def test_a_log_that_is_busy_is_tried_again() -> None:
    """Another process writes to it; that ends."""

    class Busy(SimulatedClaim):
        """So it is at the first commit."""

        async def commit(self, step: Commit) -> None:
            if self.epoch == 1:
                raise LogBusy("another process has been writing")
            await super().commit(step)

    ground = Ground(1, script((NINE, referral())), until=NINE)
    log = SimulatedLog(ground)
    log.claim_type = Busy
    await worked(ground, log=log)
    assert len(outcomes(ground)) == 1


@pytest.mark.parametrize(("failures", "decided"), [(MOST_ATTEMPTS - 1, 1), (MOST_ATTEMPTS, 0)])
async def test_where_somebody_waits_for_the_end_it_gives_up_after_some_attempts(
    failures: int, decided: int
) -> None:
    """And raises what went wrong."""
    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    log = Unsteady(ground, clock="log")
    log.failures = failures
    try:
        await worked(ground, log=log, until=NINE)
    except LogAway:
        assert not decided
    assert len(outcomes(ground)) == decided


async def test_told_to_stop_it_does_not_wait_for_the_end_of_a_pause() -> None:
    """The log is away, and the next attempt would be made in an hour."""
    pausing = asyncio.Event()

    async def an_hour(_: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    log = Unsteady(Ground(1))
    log.failures = 3_000
    stop = asyncio.Event()
    work = asyncio.create_task(Worker(log, 0, POLICIES, PLAIN, pause=an_hour).run(stop))
    await pausing.wait()
    stop.set()
    async with asyncio.timeout(PATIENCE_S):
        await work


async def test_the_worker_says_why_nothing_is_decided() -> None:
    troubles: list[str | None] = []

    async def pause(_: float) -> None:
        troubles.append(one.trouble)

    ground = Ground(1)
    log = Unsteady(ground, clock="log")
    log.failures = 1
    one = Worker(log, 0, POLICIES, PLAIN, until=NINE, pause=pause)
    assert one.trouble == "it is not claimed yet"
    await one.run(asyncio.Event())
    assert troubles == ["the last attempt failed (LogAway); it is tried again by itself"]
    assert one.trouble is None


async def test_after_a_commit_that_raised_what_was_committed_is_the_truth() -> None:
    """Here it had taken effect, so it is not decided again."""

    class InDoubt(SimulatedClaim):
        """The first commit takes effect and raises."""

        async def commit(self, step: Commit) -> None:
            await super().commit(step)
            if self.epoch == 1:
                raise LogAway("commit, which took effect")

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(as_draft(acceptance()), NINE + 1)
    log = SimulatedLog(ground, clock="log")
    log.claim_type = InDoubt
    await worked(ground, log=log, until=NINE + 1, size=ONE_BY_ONE)
    assert [outcome[:2] for outcome in outcomes(ground)] == [("r1", "APPLIED"), ("a1", "APPLIED")]


@pytest.mark.parametrize("error", [LogError("the disk is full"), Lost("another owner")])
@pytest.mark.parametrize("where", ["restore", "read", "commit", "claim"])
async def test_a_log_that_can_not_be_used_or_has_another_owner_ends_the_work(
    error: Exception, where: str
) -> None:
    """That is for the process to say; trying again would not help."""
    released: list[int] = []

    class Broken(SimulatedClaim):
        """Raises there."""

        async def restore(self) -> Restored:
            raise_at("restore")
            return await super().restore()

        async def read(self, room: Mapping[str, int], wait_s: float) -> Batch:
            raise_at("read")
            return await super().read(room, wait_s)

        async def commit(self, step: Commit) -> None:
            raise_at("commit")
            await super().commit(step)

        async def release(self) -> None:
            released.append(self.epoch)

    class BrokenLog(SimulatedLog):
        """Raises there."""

        async def claim(self, partition: int) -> SimulatedClaim:
            raise_at("claim")
            return await super().claim(partition)

    def raise_at(place: str) -> None:
        if place == where:
            raise error

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    log = BrokenLog(ground, clock="log")
    log.claim_type = Broken
    with pytest.raises(type(error)):
        await worked(ground, log=log, until=NINE)
    assert released == ([] if where == "claim" else [1])
    assert ground.outbound == []
