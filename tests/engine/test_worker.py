"""A worker reads, decides and commits by turns: one step ahead, and until told to stop."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.engine.log import (
    Batch,
    Commit,
    Headers,
    Lost,
)
from gateway.engine.worker import Worker
from tests.engine.letters import (
    NINE,
    acceptance,
    referral,
)
from tests.engine.plain_wiring import PLAIN, RAISES, as_draft
from tests.engine.simulated import Ground, LogAway, SimulatedClaim, SimulatedLog
from tests.engine.small_programmes import POLICIES
from tests.engine.working import (
    ONE_BY_ONE,
    outcomes,
    worked,
)
from tests.patience import PATIENCE_S, in_the_end


async def test_told_to_stop_the_worker_ends_after_the_step_it_is_in_and_lets_go() -> None:
    stop = asyncio.Event()
    released: list[int] = []

    class Stopping(SimulatedClaim):
        """Says stop in the middle of the first commit."""

        async def commit(self, step: Commit) -> None:
            stop.set()
            await super().commit(step)

        async def release(self) -> None:
            released.append(self.epoch)

    ground = Ground(1)
    for number in range(3):
        ground.put(as_draft(referral(f"PO{number}")), NINE)
    log = SimulatedLog(ground)
    log.claim_type = Stopping
    await Worker(log, 0, POLICIES, PLAIN, step=ONE_BY_ONE).run(stop)
    assert len(outcomes(ground)) == 1
    assert released == [1]


async def test_it_waits_for_what_arrives_only_where_nothing_is_left_to_decide() -> None:
    waits: list[float] = []
    stop = asyncio.Event()

    class Waiting(SimulatedClaim):
        """Notes how long the worker is ready to wait."""

        async def read(self, room: Mapping[str, int], wait_s: float) -> Batch:
            waits.append(wait_s)
            if len(waits) == 4:
                stop.set()
            return await super().read(room, wait_s)

    ground = Ground(1)
    for number in range(2):
        ground.put(as_draft(referral(f"PO{number}")), NINE)
    log = SimulatedLog(ground)
    log.claim_type = Waiting
    await Worker(log, 0, POLICIES, PLAIN, wait_s=9, step=ONE_BY_ONE).run(stop)
    assert waits == [0, 0, 0, 9]


async def test_while_a_step_is_committed_the_next_is_decided() -> None:
    """It is committed after it; where the first fails, nothing of the second has happened either.

    The first step has three events, the second two.
    """
    order: list[str] = []
    next_is_decided = asyncio.Event()

    def trace(headers: Headers) -> str | None:
        """Asked for as each message is decided."""
        name = (headers[0][1] or b"").decode()
        order.append(f"decides {name}")
        if name == "ReferralAccepted":
            next_is_decided.set()
        return None

    class Slow(SimulatedClaim):
        """The first step is committed when the next one has been decided; that fails at first."""

        async def commit(self, step: Commit) -> None:
            order.append(f"begins {len(step.outputs)} at {self.epoch}")
            if len(step.outputs) == 3:
                async with asyncio.timeout(PATIENCE_S):
                    await next_is_decided.wait()
                next_is_decided.clear()
            if self.epoch == 1:
                raise LogAway("commit")
            await super().commit(step)
            order.append("done")

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(as_draft(acceptance()), NINE + 1)
    log = SimulatedLog(ground, clock="log")
    log.claim_type = Slow
    await worked(ground, log=log, wiring=replace(PLAIN, trace=trace), until=NINE + 1, size=ONE_BY_ONE)
    assert order == [
        *("decides Referral", "begins 3 at 1", "decides ReferralAccepted"),
        *("decides Referral", "begins 3 at 2", "decides ReferralAccepted", "done", "begins 2 at 2", "done"),
    ]
    assert [outcome[:2] for outcome in outcomes(ground)] == [("r1", "APPLIED"), ("a1", "APPLIED")]


async def test_a_commit_that_takes_long_is_said_to_be_trouble_until_it_is_done() -> None:
    stop, held_up = asyncio.Event(), asyncio.Event()

    class HeldUp(SimulatedClaim):
        """The first commit waits."""

        async def commit(self, step: Commit) -> None:
            await held_up.wait()
            await super().commit(step)

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    log = SimulatedLog(ground)
    log.claim_type = HeldUp
    one = Worker(log, 0, POLICIES, PLAIN, slow_commit_s=0.01)
    working = asyncio.create_task(one.run(stop))
    await in_the_end(lambda: "a step has been waiting for the log" in (one.trouble or ""))
    assert outcomes(ground) == []
    held_up.set()
    await in_the_end(lambda: one.trouble is None and outcomes(ground))
    stop.set()
    await working


async def test_who_lost_its_partition_ends_even_where_the_rules_raise_at_the_same_time() -> None:
    """Were it to claim again, it would take the partition from the new owner."""

    class Replaced(SimulatedClaim):
        """Another claims while the first step is being committed."""

        async def commit(self, step: Commit) -> None:
            self.kept.epoch += 1
            await asyncio.sleep(0)
            await super().commit(step)

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(as_draft(acceptance(message_id=f"{RAISES}-1")), NINE + 1)
    log = SimulatedLog(ground, clock="log")
    log.claim_type = Replaced
    with pytest.raises(Lost):
        await worked(ground, log=log, until=NINE + 1, size=ONE_BY_ONE)
    assert ground.kept[0].epoch == 2
