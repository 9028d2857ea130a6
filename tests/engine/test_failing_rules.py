"""What can't be read or decided goes to the dead letters, and blocks nothing else."""

from dataclasses import replace

import pytest
from msgspec import msgpack
from msgspec.structs import replace as with_changes

from gateway.engine.log import Commit, Draft, Record, TooLarge
from gateway.rules.events import Breach, Event
from gateway.rules.messages import Message, Participant
from tests.engine.letters import (
    NINE,
    T1,
    T2,
    acceptance,
    objection,
    referral,
)
from tests.engine.plain_wiring import DEAD_LETTERS, PLAIN, RAISES, UNDECODABLE, as_draft, event_draft
from tests.engine.simulated import Ground, SimulatedClaim, SimulatedLog
from tests.engine.working import (
    SESSIONS,
    came_out,
    outcomes,
    watched,
    worked,
)


async def test_a_record_that_can_not_be_decoded_goes_to_the_dead_letters_among_the_others() -> None:
    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(with_changes(as_draft(acceptance()), value=UNDECODABLE), NINE + 1)
    ground.put(as_draft(objection()), NINE + 2)
    await worked(ground, until=NINE + 2)
    assert came_out(ground)[2:4] == [f"APPLIED at {NINE}", "dead letter UNDECODABLE"]
    assert outcomes(ground)[-1] == ("o1", "APPLIED", None, NINE + 2)


async def test_a_record_on_which_the_rules_raise_twice_goes_to_the_dead_letters_and_blocks_nothing() -> None:
    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(as_draft(acceptance(message_id=f"{RAISES}-1")), NINE + 1)
    ground.put(as_draft(acceptance(message_id=f"{RAISES}-2")), NINE + 2)
    ground.put(as_draft(acceptance()), NINE + 3)
    await worked(ground, until=NINE + 3)
    dead = [record for record in ground.outbound if record.topic == DEAD_LETTERS]
    assert [dict(record.headers)["code"] for record in dead] == [b"FAILED", b"FAILED"]
    assert [record.key for record in dead] == [b"PO1", b"PO1"]
    assert outcomes(ground)[-1] == ("a1", "APPLIED", None, NINE + 3)


async def test_a_record_on_which_the_rules_raised_once_is_decided_at_its_second_chance() -> None:
    """And alone: what came before it has been committed without it."""
    tries: list[str] = []

    def draft(event: Event, trace: str | None) -> Draft:
        tries.append(event.event_id)
        if tries.count(event.event_id) == 1 and event.event_id.endswith(f"{NINE + 1}-1"):
            raise RuntimeError("only once")
        return event_draft(event, trace)

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(as_draft(acceptance()), NINE + 1)
    log, seen = watched(ground)
    await worked(ground, log=log, wiring=replace(PLAIN, draft=draft), until=NINE + 1)
    assert [outcome[:2] for outcome in outcomes(ground)] == [("r1", "APPLIED"), ("a1", "APPLIED")]
    assert len(seen.steps) == 2


async def test_nothing_is_kept_of_a_message_on_which_the_rules_raised() -> None:
    """The same message under another id finds the referral as it was."""
    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    await worked(ground, until=NINE)
    before = dict(ground.kept[0].states)
    ground.put(as_draft(acceptance(message_id=f"{RAISES}-1")), NINE + 1)
    await worked(ground, until=NINE + 1)
    assert ground.kept[0].states == before


async def test_a_record_on_which_reading_raises_goes_to_the_dead_letters_too() -> None:
    """A reader should return what it can't read; where it raises instead, the partition still goes on."""

    def read(record: Record) -> Message | Draft:
        if record.offset == 0 and record.topic == SESSIONS:
            raise RecursionError
        return PLAIN.read(record)

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(as_draft(acceptance()), NINE + 1)
    ground.put(as_draft(objection()), NINE + 2)
    await worked(ground, wiring=replace(PLAIN, read=read), until=NINE + 2)
    assert came_out(ground)[3] == "dead letter FAILED"
    assert outcomes(ground)[-1] == ("o1", "APPLIED", None, NINE + 2)


LONG = "x" * 5_000


class Narrow(SimulatedClaim):
    """Takes no record and no state that is large."""

    def check(self, step: Commit) -> None:
        """Raises TooLarge."""
        if any(len(state) > len(LONG) for state in step.states.values() if state):
            raise TooLarge
        if any(len(record.value) > len(LONG) + 500 for record in step.records() if record.value):
            raise TooLarge

    async def commit(self, step: Commit) -> None:
        self.check(step)
        await super().commit(step)


async def _worked_narrowly(ground: Ground, until: int, claim: type[Narrow] = Narrow) -> None:
    log = SimulatedLog(ground, clock="log")
    log.claim_type = claim
    await worked(ground, log=log, until=until)


@pytest.mark.parametrize("among", [0, 3])
async def test_a_message_of_which_comes_what_the_log_does_not_take_is_a_dead_letter(among: int) -> None:
    """Alone or among others; these are decided, before it and behind it."""
    ground = Ground(1)
    others = [f"PO{number}" for number in range(2, 2 + among)]
    for po_number in others:
        ground.put(as_draft(referral(po_number, po_number)), NINE)
    large = with_changes(referral(), participant=Participant(surname=LONG))
    ground.put(as_draft(large), NINE + 1)
    ground.put(as_draft(referral("PO9", "r9")), NINE + 2)
    await _worked_narrowly(ground, NINE + 2)
    (dead,) = [record for record in ground.outbound if record.topic == DEAD_LETTERS]
    assert (dead.key, dict(dead.headers)["code"]) == (b"PO1", b"TOO_LARGE")
    assert [message_id for message_id, *_ in outcomes(ground)] == [*others, "r9"]


async def test_a_dead_letter_that_is_too_large_itself_goes_out_without_its_content() -> None:
    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(with_changes(as_draft(acceptance()), value=UNDECODABLE * 6_000), NINE + 1)
    ground.put(as_draft(objection()), NINE + 2)
    await _worked_narrowly(ground, NINE + 2)
    (dead,) = [record for record in ground.outbound if record.topic == DEAD_LETTERS]
    assert (dead.key, dead.value) == (None, None)
    assert outcomes(ground)[-1] == ("o1", "APPLIED", None, NINE + 2)


async def test_a_deadline_of_which_comes_what_the_log_does_not_take_does_not_block_the_others() -> None:
    class NoBreachOfTheFirst(Narrow):
        def check(self, step: Commit) -> None:
            for record in step.records():
                if record.topic == "gateway.breaches" and record.key == b"PO1":
                    raise TooLarge

    ground = Ground(1)
    for po_number in ("PO1", "PO2"):
        ground.put(as_draft(referral(po_number, po_number)), NINE)
    await _worked_narrowly(ground, T2, NoBreachOfTheFirst)
    raised = [msgpack.decode(r.value or b"") for r in ground.outbound if r.topic == "gateway.breaches"]
    assert {value["po_number"] for value in raised} == {"PO2"}


def _no_breaches(event: Event, trace: str | None) -> Draft:
    if isinstance(event, Breach) and event.po_number == "PO1":
        raise RuntimeError("a fault")
    return event_draft(event, trace)


async def test_a_deadline_on_which_the_rules_raise_does_not_block_the_others() -> None:
    ground = Ground(1)
    ground.put(as_draft(referral("PO1", "r1")), NINE)
    ground.put(as_draft(referral("PO2", "r2")), NINE)
    ground.put(as_draft(acceptance("PO2", accepted_at=T1 + 1)), T1 + 1)
    await worked(ground, wiring=replace(PLAIN, draft=_no_breaches), until=T2)
    raised = [msgpack.decode(r.value or b"") for r in ground.outbound if r.topic == "gateway.breaches"]
    assert {value["po_number"] for value in raised} == {"PO2"}
    assert outcomes(ground)[-1] == ("a1", "APPLIED", None, T1 + 1)


async def test_a_deadline_on_which_the_rules_raised_falls_due_after_the_fault_is_mended() -> None:
    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    await worked(ground, wiring=replace(PLAIN, draft=_no_breaches), until=T1)
    assert len(ground.outbound) == 3
    await worked(ground, until=T1)
    assert came_out(ground)[3:] == [f"RAISED at {T1}"]
