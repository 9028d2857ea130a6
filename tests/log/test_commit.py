"""A step is committed whole or not at all, by the owner only, and the next owner starts from it."""

import asyncio
from typing import cast

import pytest
from msgspec.structs import replace as with_changes

from gateway.engine.log import INBOUND_TOPICS, CannotDraft, Draft, Lost
from gateway.rules.events import Event, Outcome
from tests.engine.plain_wiring import RAISES, TOPIC_OF_EVENT, event_draft
from tests.log.arrangement import BEGINNING, Arrangement
from tests.log.reading import (
    FIRST,
    OUT,
    PLENTY,
    SECOND,
    WP11,
    draft,
    followed,
    owned,
    read_to_end,
    step,
    values,
)
from tests.schemas.examples import EXAMPLES

EVENTS = [cast(Event, each) for each in EXAMPLES.values() if type(each) in TOPIC_OF_EVENT]


async def test_a_partition_that_was_never_committed_restores_empty(arrangement: Arrangement) -> None:
    """And reading begins with the first record that was ever put there."""
    log = await arrangement.open()
    await log.append([draft(WP11, b"a")])
    claim, restored = await owned(log)
    assert restored.states == {}
    assert restored.decided_to is None
    assert set(restored.positions) == set(INBOUND_TOPICS)
    assert values((await read_to_end(claim))[0]) == [b"a"]


async def test_what_is_restored_is_what_was_last_committed(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await log.append([draft(WP11, b"a"), draft(WP11, b"b")])
    claim, first = await owned(log)
    records, _ = await read_to_end(claim)
    positions = {**first.positions, WP11: records[0].offset + 1}
    await claim.commit(step(positions, states={"PO1": b"one", "é": b"\x00\xff"}, decided_to=BEGINNING))
    positions[WP11] = records[1].offset + 1
    await claim.commit(step(positions, states={"PO1": b"two", "PO2": b""}, decided_to=BEGINNING + 7))
    for handle in (log, await arrangement.open()):
        _, restored = await owned(handle)
        assert restored.states == {"PO1": b"two", "é": b"\x00\xff", "PO2": b""}
        assert restored.positions == positions
        assert restored.decided_to == BEGINNING + 7


async def test_a_state_that_was_forgotten_is_not_restored(arrangement: Arrangement) -> None:
    """Also one that was never there; and one that comes again later is new."""
    log = await arrangement.open()
    claim, first = await owned(log)
    await claim.commit(step(first.positions, states={"PO1": b"1", "PO2": b"2", "PO3": b"3"}))
    await claim.commit(step(first.positions, states={"PO1": None, "PO3": None, "PO9": None}))
    await claim.commit(step(first.positions, states={"PO3": b"again"}))
    _, restored = await owned(log)
    assert restored.states == {"PO2": b"2", "PO3": b"again"}


async def test_an_instant_before_1970_is_kept_too(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    claim, first = await owned(log)
    await claim.commit(step(first.positions, decided_to=-86_400_000))
    assert (await owned(log))[1].decided_to == -86_400_000


async def test_partitions_are_kept_apart(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    claims = [await owned(log, partition) for partition in range(2)]
    for number, (claim, first) in enumerate(claims):
        await claim.commit(step(first.positions, states={"PO1": b"%d" % number}, decided_to=number))
    for number in range(2):
        _, restored = await owned(log, number)
        assert restored.states == {"PO1": b"%d" % number}
        assert restored.decided_to == number


async def test_claiming_one_partition_leaves_the_owner_of_another_in_place(arrangement: Arrangement) -> None:
    log, other = await arrangement.open(), await arrangement.open()
    claim, first = await owned(log, 0)
    await owned(other, 1)
    await claim.commit(step(first.positions, states={"PO1": b"1"}))
    assert (await owned(log, 0))[1].states == {"PO1": b"1"}


async def test_the_outputs_of_a_step_come_out_with_it_in_order(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    claim, first = await owned(log)
    outputs = [
        Draft(OUT, FIRST, b"1", (("ce_id", b"x"),)),
        Draft("prap.actions", FIRST, b"2"),
        Draft(OUT, SECOND, b"3", (("a", b""), ("a", b"\xff"))),
    ]
    await claim.commit(step(first.positions, *outputs, decided_to=BEGINNING))
    for topic in (OUT, "prap.actions"):
        assert [(r.topic, r.key, r.value, r.headers) for r in await followed(log, [topic])] == [
            (sent.topic, sent.key, sent.value, sent.headers) for sent in outputs if sent.topic == topic
        ]


async def test_an_event_goes_out_as_the_record_that_is_made_of_it(arrangement: Arrangement) -> None:
    """Of each kind, among records, in order; with the trace context of its cause, or without."""
    log = await arrangement.open()
    claim, first = await owned(log)
    traced = [(event, None if number % 2 else f"trace-{number}") for number, event in enumerate(EVENTS)]
    assert {type(event) for event in EVENTS} == set(TOPIC_OF_EVENT)
    record = draft(OUT, b"between")
    await claim.commit(step(first.positions, *traced, record, *reversed(traced)))
    there = await followed(log, sorted(TOPIC_OF_EVENT.values()))
    made = [event_draft(*each) for each in traced]
    for topic in TOPIC_OF_EVENT.values():
        wanted = [each for each in (*made, record, *reversed(made)) if each.topic == topic]
        came = [each for each in there if each.topic == topic]
        assert [(each.key, each.value, each.headers) for each in came] == [
            (each.key, each.value, each.headers) for each in wanted
        ]


async def test_where_of_one_event_no_record_can_be_made_nothing_is_committed(
    arrangement: Arrangement,
) -> None:
    """And whoever owns it can go on, since it is known that nothing was."""
    log = await arrangement.open()
    claim, first = await owned(log)
    outcome = next(event for event in EVENTS if isinstance(event, Outcome))
    failing = (with_changes(outcome, message_id=f"{RAISES}-1"), None)
    with pytest.raises(CannotDraft):
        await claim.commit(step(first.positions, draft(OUT, b"1"), failing, states={"PO1": b"1"}))
    assert await followed(log, [OUT]) == []
    await claim.commit(step(first.positions, draft(OUT, b"2"), states={"PO1": b"2"}))
    assert values(await followed(log, [OUT])) == [b"2"]
    assert (await owned(log))[1].states == {"PO1": b"2"}


async def test_a_step_without_outputs_or_without_states_is_a_step(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    await log.append([draft(WP11, b"a")])
    claim, first = await owned(log)
    (record,), _ = await read_to_end(claim)
    await claim.commit(step({**first.positions, WP11: record.offset + 1}))
    claim, restored = await owned(log)
    assert restored.positions[WP11] == record.offset + 1
    assert (await read_to_end(claim))[0] == []


async def test_a_new_claim_fences_the_owner_before_it(arrangement: Arrangement) -> None:
    """Its commit raises Lost and takes no effect, although it knew nothing of the new one."""
    log, other = await arrangement.open(), await arrangement.open()
    zombie, first = await owned(log)
    await zombie.commit(step(first.positions, states={"PO1": b"1"}))
    owner, restored = await owned(other)
    assert restored.states == {"PO1": b"1"}
    with pytest.raises(Lost):
        await zombie.commit(step(first.positions, draft(OUT, b"twice"), states={"PO1": b"2"}))
    await owner.commit(step(first.positions, draft(OUT, b"once"), states={"PO2": b"3"}))
    with pytest.raises(Lost):
        await zombie.commit(step(first.positions, draft(OUT, b"twice"), states={"PO1": b"4"}))
    assert values(await followed(log, [OUT])) == [b"once"]
    assert (await owned(log))[1].states == {"PO1": b"1", "PO2": b"3"}


async def test_the_owner_before_it_is_fenced_by_the_claim_itself_not_by_what_follows(
    arrangement: Arrangement,
) -> None:
    """Or it could still commit between the restore and the first commit of the new owner."""
    log, other = await arrangement.open(), await arrangement.open()
    zombie, first = await owned(log)
    await other.claim(0)
    with pytest.raises(Lost):
        await zombie.commit(step(first.positions, states={"PO1": b"1"}))
    assert (await owned(log))[1].states == {}


async def test_a_claim_in_the_same_process_fences_as_well(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    zombie, first = await owned(log)
    await owned(log)
    with pytest.raises(Lost):
        await zombie.commit(step(first.positions, states={"PO1": b"1"}))


async def test_who_was_fenced_reads_nothing_wrong(arrangement: Arrangement) -> None:
    """It learns that it is lost, or goes on reading as before; it has changed nothing for the owner."""
    log, other = await arrangement.open(), await arrangement.open()
    zombie, _ = await owned(log)
    owner, _ = await owned(other)
    await log.append([draft(WP11, b"a")])
    try:
        batch = await zombie.read(PLENTY, 0)
    except Lost:
        pass
    else:
        assert values(batch.records) in ([], [b"a"])
    assert values((await read_to_end(owner))[0]) == [b"a"]


async def test_of_many_claims_at_the_same_time_one_can_commit(arrangement: Arrangement) -> None:
    handles = [await arrangement.open() for _ in range(4)]
    claims = await asyncio.gather(*(handle.claim(0) for handle in handles))
    positions = (await claims[0].restore()).positions

    async def try_it(number: int) -> bool:
        try:
            await claims[number].commit(step(positions, draft(OUT, b"%d" % number)))
        except Lost:
            return False
        return True

    done = await asyncio.gather(*(try_it(number) for number in range(4)))
    assert sum(done) == 1
    assert values(await followed(handles[0], [OUT])) == [b"%d" % done.index(True)]


# A simulated log writes whatever it is given.
@pytest.mark.parametrize("arrangement", ["sqlite", "sqlite, apart", "kafka", "kafka, dated"], indirect=True)
async def test_a_step_that_can_not_be_written_leaves_nothing_behind(arrangement: Arrangement) -> None:
    """Here its last part is no state at all."""
    log = await arrangement.open()
    claim, first = await owned(log)
    await claim.commit(step(first.positions, draft(OUT, b"1"), states={"PO1": b"1"}, decided_to=1))
    broken = step(first.positions, draft(OUT, b"2"), states={"PO1": b"2", "PO2": object()}, decided_to=2)  # type: ignore[dict-item]
    try:
        await claim.commit(broken)
    except Exception:  # noqa: BLE001 - which one is up to the log
        _, restored = await owned(log)
        assert restored.states == {"PO1": b"1"}
        assert restored.decided_to == 1
        assert values(await followed(log, [OUT])) == [b"1"]
    else:
        pytest.fail("it was written")


async def test_letting_go_never_raises_and_undoes_nothing(arrangement: Arrangement) -> None:
    """Neither of a claim that is lost, nor twice, nor of one that was never restored."""
    log = await arrangement.open()
    claim, first = await owned(log)
    await claim.commit(step(first.positions, states={"PO1": b"1"}))
    unused = await log.claim(0)
    await unused.release()
    await claim.release()
    await claim.release()
    assert (await owned(log))[1].states == {"PO1": b"1"}


async def test_a_claim_knows_its_partition(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    assert [(await log.claim(number)).partition for number in range(2)] == [0, 1]


async def test_a_large_step_is_committed_whole(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    claim, first = await owned(log)
    states = {f"PO{number}": b"x" * 500 for number in range(3_000)}
    outputs = [draft(OUT, b"%d" % number) for number in range(3_000)]
    await claim.commit(step(first.positions, *outputs, states=states))
    assert (await owned(log))[1].states == states
    assert values(await followed(log, [OUT])) == [draft.value for draft in outputs]


async def test_closing_never_raises(arrangement: Arrangement) -> None:
    """Not even twice."""
    log = await arrangement.open()
    await log.close()
    await log.close()
