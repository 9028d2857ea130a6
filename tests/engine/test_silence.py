"""When a deadline falls due: what must have been read before, by the wall clock and by the log's."""

from collections.abc import Mapping

from gateway.engine.log import Batch
from tests.engine.letters import (
    DAY,
    NINE,
    T1,
    T2,
    T3,
    T4,
    D,
    acceptance,
    referral,
    wp11,
)
from tests.engine.simulated import Ground, SimulatedClaim, SimulatedLog
from tests.engine.working import (
    REFERRALS,
    WP11,
    came_out,
    event_ids,
    outcomes,
    script,
    worked,
)


async def test_a_deadline_falls_due_by_silence_when_the_clock_has_come_to_it() -> None:
    ground = Ground(1, script((NINE, referral())), until=T1, instants=[T1])
    await worked(ground)
    assert came_out(ground)[-1] == f"RAISED at {T1}"


async def test_a_deadline_does_not_fall_due_a_millisecond_before_its_instant() -> None:
    ground = Ground(1, script((NINE, referral())), until=T1 - 1)
    await worked(ground)
    assert came_out(ground)[-1] == f"APPLIED at {NINE}"


async def test_a_message_from_before_a_deadline_is_decided_before_it_even_after_an_outage() -> None:
    """The worker comes back a year later and decides as if it had been there."""
    ground = Ground(1, script((NINE, referral()), (T3 - 1, wp11())), until=T4 + DAY)
    ground.now = T4 + DAY
    ground.let_all_arrive()
    await worked(ground)
    assert ("w1", "APPLIED", None, T3 - 1) in outcomes(ground)
    assert came_out(ground)[-1] == f"RAISED at {T4}"


async def test_a_message_at_the_instant_of_a_deadline_comes_after_it() -> None:
    ground = Ground(1, script((NINE, referral()), (T3, wp11())), until=T4)
    await worked(ground)
    assert outcomes(ground)[-1] == ("w1", "REFUSED", "REFERRAL_CANCELLED", T3)


async def test_what_is_due_falls_due_in_order_between_the_messages() -> None:
    ground = Ground(1, script((NINE, referral()), (T2 + 5, acceptance())), until=T3)
    ground.let_all_arrive()
    ground.now = T3
    await worked(ground)
    assert [line.rsplit(" ", 1)[1] for line in came_out(ground)[3:]] == [
        str(at) for at in (T1, T2, T2 + 5, T2 + 5, T2 + 5, T3, T3, T3)
    ]


class Lagging(SimulatedClaim):
    """One topic can be read only after so many reads, though its end is known."""

    topic = WP11
    reads = 6

    def _look(self, room: Mapping[str, int]) -> Batch:
        type(self).reads -= 1
        return super()._look({**room, self.topic: 0} if self.reads > 0 else room)


async def test_a_deadline_waits_for_a_topic_that_lags() -> None:
    """The WP11 is in the log before the deadline, but it is read long after."""

    class Late(Lagging):
        """A lag of its own."""

    ground = Ground(1, script((NINE, referral()), (T3 - 1, wp11())), until=T3)
    ground.let_all_arrive()
    ground.now = T3
    log = SimulatedLog(ground)
    log.claim_type = Late
    await worked(ground, log=log)
    assert ("w1", "APPLIED", None, T3 - 1) in outcomes(ground)
    assert not any("Did Not Start" in line for line in came_out(ground))


async def test_a_later_message_waits_for_a_topic_that_lags() -> None:
    class Late(Lagging):
        """A lag of its own."""

        topic = REFERRALS

    ground = Ground(1, script((NINE, referral()), (NINE + 1, acceptance())), until=NINE + 1)
    ground.let_all_arrive()
    log = SimulatedLog(ground)
    log.claim_type = Late
    await worked(ground, log=log)
    assert [outcome[:2] for outcome in outcomes(ground)] == [("r1", "APPLIED"), ("a1", "APPLIED")]


async def test_with_the_clock_of_the_log_a_deadline_needs_a_record_at_or_after_it() -> None:
    """Time is what the records say; the last deadline is left to `until`."""
    ground = Ground(1, script((NINE, referral()), (T1, referral("PO2", "r2", referred_on=D + 2))))
    ground.let_all_arrive()
    ground.now = T3
    await worked(ground, until=T1)
    assert came_out(ground)[3] == f"RAISED at {T1}"
    assert len(came_out(ground)) == 7


async def test_until_lets_fall_due_what_is_due_at_that_very_instant_and_nothing_later() -> None:
    ground = Ground(1, script((NINE, referral())))
    ground.let_all_arrive()
    await worked(ground, until=T2)
    assert came_out(ground)[3:] == [f"RAISED at {T1}", f"RAISED at {T2}"]


async def test_until_ends_at_once_where_the_log_is_empty() -> None:
    ground = Ground(1)
    assert (await worked(ground, until=T2)).decided == 0


async def test_run_until_and_run_again_until_later_is_as_run_until_later() -> None:
    parts, whole = (Ground(1, script((NINE, referral()))) for _ in range(2))
    for ground in (parts, whole):
        ground.let_all_arrive()
    await worked(parts, until=T2)
    await worked(parts, until=T3)
    await worked(whole, until=T3)
    assert came_out(parts) == came_out(whole)
    assert event_ids(parts.outbound) == event_ids(whole.outbound)
