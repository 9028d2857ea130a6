"""What a log keeps about clocks: when something was decided last, and which time was accepted."""

from tests.log.arrangement import Arrangement
from tests.log.reading import owned, step


async def test_a_new_log_knows_of_no_time(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    assert await log.decided_to() is None
    assert await log.clock_accepted() is None


async def test_when_something_was_decided_last_on_any_partition(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    for partition, instants in ((0, (10, 5_000)), (1, (20,))):
        claim, restored = await owned(log, partition)
        for number, at in enumerate(instants):
            await claim.commit(step(restored.positions, states={f"PO{number}": b"x"}, decided_to=at))
        await claim.release()
    assert await (await arrangement.open()).decided_to() == 5_000


async def test_the_time_that_was_accepted_last(arrangement: Arrangement) -> None:
    """For all processes, and without disturbing who decides."""
    log, another = await arrangement.open(), await arrangement.open()
    claim, restored = await owned(log)
    await another.accept_clock(1_700_000_000_000)
    assert await log.clock_accepted() == 1_700_000_000_000
    await another.accept_clock(1_600_000_000_000)
    assert await log.clock_accepted() == 1_600_000_000_000
    await claim.commit(step(restored.positions, decided_to=7))
    assert await log.decided_to() == 7
    assert await log.handled() == {}
    await claim.release()
    claim, restored = await owned(log)
    assert restored.states == {}
