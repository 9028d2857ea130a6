"""A step: when it ends, and what its commit holds."""

from msgspec.structs import replace as with_changes

from gateway.engine.step import StepSize
from tests.engine.letters import (
    NINE,
    T1,
    T4,
    acceptance,
    appeal,
    referral,
)
from tests.engine.plain_wiring import as_draft
from tests.engine.simulated import Ground
from tests.engine.working import (
    REFERRALS,
    SESSIONS,
    UPDATES,
    WP11,
    event_ids,
    in_words,
    outcomes,
    script,
    watched,
    worked,
)


async def test_a_step_takes_no_more_messages_and_deadlines_than_it_may() -> None:
    ground = Ground(1)
    for number in range(5):
        ground.put(as_draft(referral(f"PO{number}")), NINE)
    log, seen = watched(ground)
    await worked(ground, log=log, until=T1, size=StepSize(decisions=2))
    assert [len(step.states) for step in seen.steps] == [2] * 5
    assert len(ground.outbound) == 5 * 4


async def test_a_step_ends_when_the_records_decided_in_it_are_large() -> None:
    ground = Ground(1)
    for number in range(6):
        ground.put(as_draft(referral(f"PO{number}")), NINE)
    log, seen = watched(ground)
    await worked(ground, log=log, until=NINE, size=StepSize(bytes=600))
    assert all(len(step.outputs) <= 6 for step in seen.steps)
    assert len(seen.steps) >= 3
    assert len(outcomes(ground)) == 6


async def test_no_more_waits_in_memory_than_there_is_room_for() -> None:
    ground = Ground(1)
    for number in range(9):
        ground.put(as_draft(referral(f"PO{number}")), NINE)
    log, seen = watched(ground)
    await worked(ground, log=log, until=NINE, size=StepSize(decisions=1, waiting=4))
    assert {room[REFERRALS] for room in seen.rooms} <= {0, 1, 2, 3, 4}
    assert len(outcomes(ground)) == 9


async def test_a_commit_holds_all_that_its_decisions_changed_and_the_place_of_the_next_record() -> None:
    ground = Ground(1, script((NINE, referral()), (NINE + 1, acceptance())))
    ground.let_all_arrive()
    log, seen = watched(ground)
    await worked(ground, log=log, until=NINE + 1)
    (step,) = seen.steps
    assert set(step.states) == {"PO1"}
    assert step.positions == {REFERRALS: 1, WP11: 0, UPDATES: 0, SESSIONS: 1}
    assert step.decided_to == NINE + 1


async def test_what_is_forgotten_is_committed_as_forgotten() -> None:
    ground = Ground(1)
    ground.put(as_draft(with_changes(referral(), action_plan_annotation="x")), NINE)
    log, seen = watched(ground)
    await worked(ground, log=log, until=NINE + 1)
    assert seen.steps[-1].states == {"PO1": None}
    assert ground.kept[0].states == {}


async def test_where_there_is_nothing_to_decide_nothing_is_committed() -> None:
    ground = Ground(1)
    log, seen = watched(ground)
    await worked(ground, log=log, until=T1)
    assert seen.steps == []


async def test_what_a_message_causes_carries_its_trace_context() -> None:
    ground = Ground(1)
    ground.put(as_draft(acceptance(), "held"), NINE)
    ground.put(as_draft(referral(), "first"), NINE + 1)
    ground.put(as_draft(appeal()), NINE + 2)
    await worked(ground, until=T1)
    traces = [(in_words(record).split()[0], dict(record.headers)["trace"]) for record in ground.outbound]
    assert traces[0] == ("HELD", b"held")
    assert traces[1] == ("ACKNOWLEDGE", b"first")
    assert traces[3:] == [
        ("APPLIED", b"first"),
        ("ACCEPT", b"held"),
        ("APPLIED", b"held"),
        ("APPLIED", b""),
    ]


async def test_it_counts_what_it_decided_and_committed() -> None:
    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    assert (await worked(ground, until=T1)).decided == 2


async def test_no_event_id_is_given_twice() -> None:
    ground = Ground(1, script((NINE, referral()), (NINE + 1, acceptance())), until=T4)
    await worked(ground)
    ids = event_ids(ground.outbound)
    assert len(set(ids)) == len(ids)
