"""What can't be read or decided goes to the dead letters, and blocks nothing else."""

from dataclasses import replace

from msgspec import msgpack
from msgspec.structs import replace as with_changes

from gateway.engine.log import Draft, Record
from gateway.rules.events import Breach, Event
from gateway.rules.messages import Message
from tests.engine.letters import (
    NINE,
    T1,
    T2,
    acceptance,
    objection,
    referral,
)
from tests.engine.plain_wiring import DEAD_LETTERS, PLAIN, RAISES, UNDECODABLE, as_draft, event_draft
from tests.engine.simulated import Ground
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
