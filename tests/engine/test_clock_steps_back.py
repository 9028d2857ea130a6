"""A clock that steps back brings no time back."""

from gateway.engine.log import Commit
from tests.engine.letters import (
    NINE,
    T1,
    T3,
    acceptance,
    referral,
    wp11,
)
from tests.engine.plain_wiring import as_draft
from tests.engine.simulated import Ground, SimulatedClaim, SimulatedLog
from tests.engine.working import (
    ONE_BY_ONE,
    outcomes,
    script,
    worked,
)


async def test_a_message_dated_before_what_was_decided_is_decided_at_that_instant() -> None:
    """A clock that stepped back brings no time back: the deadline stays fallen due, the message is late."""
    ground = Ground(1, script((NINE, referral())), until=T3)
    await worked(ground)
    ground.put(as_draft(wp11()), T3 - 5_000)
    await worked(ground)
    assert outcomes(ground)[-1] == ("w1", "REFUSED", "REFERRAL_CANCELLED", T3)


async def test_after_a_restore_time_goes_on_from_what_was_decided() -> None:
    """Not from what the clock says."""
    ground = Ground(1)
    ground.kept[0].decided_to = T3
    ground.put(as_draft(referral()), NINE)
    await worked(ground, until=NINE)
    assert outcomes(ground) == [("r1", "APPLIED", None, T3)]


async def test_a_clock_that_steps_back_among_deadlines_of_one_instant_does_not_stop_the_worker() -> None:
    """One of them has fallen due; the next message, dated before them, comes after the others too."""
    ground = Ground(1)
    for name in ("PO1", "PO2", "PO3"):
        ground.put(as_draft(referral(name, f"r-{name}")), NINE)
    await worked(ground, until=NINE, size=ONE_BY_ONE)
    ground.now = T1
    log = SimulatedLog(ground)

    class StepsBack(SimulatedClaim):
        """When the first deadline has fallen due, the clock goes back and a message comes."""

        async def commit(self, step: Commit) -> None:
            await super().commit(step)
            if ground.now == T1:
                ground.now = T1 - 60_000
                ground.put(as_draft(acceptance("PO1")), T1 - 60_000)

    log.claim_type = StepsBack
    await worked(ground, log=log, until=NINE, size=ONE_BY_ONE)
    breaches = [record for record in ground.outbound if record.topic == "gateway.breaches"]
    assert len(breaches) == 3 + 1
    assert outcomes(ground)[-1] == ("a1", "APPLIED", None, T1)
