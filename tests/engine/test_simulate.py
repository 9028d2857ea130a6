"""The engine under random schedules of faults; and the same schedules find an engine that is broken."""

from collections.abc import Mapping

import pytest

from gateway.engine.inbox import Inbox
from gateway.engine.log import Batch, Commit, Record
from tests.engine import simulate
from tests.engine.simulate import Rig, run_schedules
from tests.engine.simulated import Fault, LogAway, SimulatedClaim

#: So many schedules must be enough to find any of the broken parts below.
FEW = 300


def test_after_any_schedule_of_faults_the_output_equals_the_faultless_run() -> None:
    """A thousand schedules: none missing, none twice, the same bytes, and the same is kept."""
    report = run_schedules(range(1, 1_001))
    assert report.failed == {}
    assert report.schedules == 1_000
    for fault in Fault:
        assert report.struck[fault] >= 100, f"{fault.name} hardly ever struck"


def test_a_schedule_is_the_same_each_time() -> None:
    """The number of a schedule that failed is enough to see it fail again."""
    first, again = run_schedules(range(40, 60)), run_schedules(range(40, 60))
    assert (first.struck, first.messages) == (again.struck, again.messages)


class NeverFenced(SimulatedClaim):
    """Whoever was replaced may go on committing."""

    def fence(self) -> None:
        """Nobody is refused."""


class OutputsFirst(SimulatedClaim):
    """A commit is two transactions: what goes out, then what is kept."""

    def take_effect(self, step: Commit) -> None:
        """It may fail between the two."""
        self.put_out(step)
        if self.log.faults.strikes(Fault.COMMIT_FAILED):
            raise LogAway("commit")
        self.keep(step)


class StateFirst(SimulatedClaim):
    """A commit is two transactions: what is kept, then what goes out."""

    def take_effect(self, step: Commit) -> None:
        """It may fail between the two."""
        self.keep(step)
        if self.log.faults.strikes(Fault.COMMIT_FAILED):
            raise LogAway("commit")
        self.put_out(step)


class StatesApart(SimulatedClaim):
    """A step's states are not in the transaction of its positions."""

    def keep(self, step: Commit) -> None:
        """The states may be lost."""
        lost = self.log.faults.strikes(Fault.COMMIT_FAILED)
        super().keep(Commit((), {} if lost else step.states, step.positions, step.decided_to))


class NothingForgotten(SimulatedClaim):
    """What is forgotten comes back with the next restore."""

    def keep(self, step: Commit) -> None:
        """Deletions are passed over."""
        states = {po_number: state for po_number, state in step.states.items() if state is not None}
        super().keep(Commit(step.outputs, states, step.positions, step.decided_to))


class QuietTooSoon(SimulatedClaim):
    """The log says that nothing is to come from before now, when something is."""

    def _look(self, room: Mapping[str, int]) -> Batch:
        batch = super()._look(room)
        return Batch(batch.records, batch.reached, batch.ends, self.log.ground.now, batch.partial)


class EndsTooLow(SimulatedClaim):
    """The log says that a topic has been read to its end when it only lags."""

    def _look(self, room: Mapping[str, int]) -> Batch:
        batch = super()._look(room)
        return Batch(batch.records, batch.reached, batch.reached, batch.quiet_at, batch.partial)


class NoSilence(Inbox):
    """Deadlines fall due by what has been read so far, whatever may still come."""

    def quiet_until(self) -> int:
        """As if nothing could ever come from the past."""
        return 2**62


class SilenceOfOneTopic(Inbox):
    """A deadline falls due when one topic is quiet, not all of them."""

    def quiet_until(self) -> int:
        """What the furthest of them has been heard to."""
        return max(self._heard_to(topic, waiting) for topic, waiting in self._waiting.items())


class NoWaiting(Inbox):
    """A topic that lags behind is not waited for."""

    def first(self) -> Record | None:
        """The earliest of what happens to be there."""
        waiting = [records[0] for records in self._waiting.values() if records]
        return min(waiting, key=lambda record: record.timestamp, default=None)


class PositionsOfTheRead(Inbox):
    """Positions are where reading has come to, not deciding."""

    def add(self, batch: Batch) -> None:
        """What has been read counts as decided."""
        super().add(batch)
        self.positions = dict(self._reached)


class PartForTheWhole(Inbox):
    """A read that went only up to some earlier moment is taken for all there is."""

    def add(self, batch: Batch) -> None:
        """Nothing is said to be in part."""
        super().add(Batch(batch.records, batch.reached, batch.ends, batch.quiet_at))


class GoesOnAfterFailure(SimulatedClaim):
    """A commit that raised is taken for one that took effect, and what is in memory goes on."""

    async def commit(self, step: Commit) -> None:
        """Whatever came of it."""
        try:
            await super().commit(step)
        except LogAway:
            return


class TriesAgain(SimulatedClaim):
    """A commit that raised is sent again."""

    async def commit(self, step: Commit) -> None:
        """Once more, if need be."""
        try:
            await super().commit(step)
        except LogAway:
            await super().commit(step)


@pytest.mark.parametrize(
    "rig",
    [
        *(
            Rig(claim=broken)
            for broken in (
                NeverFenced,
                OutputsFirst,
                StateFirst,
                StatesApart,
                NothingForgotten,
                QuietTooSoon,
                EndsTooLow,
                GoesOnAfterFailure,
                TriesAgain,
            )
        ),
        *(
            Rig(inbox=broken)
            for broken in (NoSilence, SilenceOfOneTopic, NoWaiting, PositionsOfTheRead, PartForTheWhole)
        ),
    ],
    ids=lambda rig: (rig.inbox if rig.claim is SimulatedClaim else rig.claim).__name__,
)
def test_a_broken_part_is_found_within_a_few_hundred_schedules(rig: Rig) -> None:
    """Were it not, that the schedules pass would mean nothing."""
    assert any(run_schedules(range(first, first + 20), rig).failed for first in range(0, FEW, 20))


def test_the_number_of_a_schedule_that_failed_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """And the command ends with exit code 1."""
    code = simulate.main(["--schedules", "20", "--processes", "1"], Rig(claim=NeverFenced))
    assert code == 1
    assert "failed: python -m tests.engine.simulate --schedules 1 --seed 7\n" in capsys.readouterr().out


def test_when_no_schedule_fails_the_faults_survived_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """And the command ends with exit code 0."""
    code = simulate.main(["--schedules", "20", "--processes", "1", "--seed", "1000"])
    said = capsys.readouterr().out
    assert code == 0
    assert "0 failed" in said
    assert Fault.COMMIT_IN_DOUBT in said
