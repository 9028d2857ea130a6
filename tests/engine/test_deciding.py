"""The middle of a step, handed batches: whose messages wait for a deadline, and what is astray."""

import asyncio
from collections.abc import Awaitable, Iterable
from itertools import count

from gateway.engine.log import INBOUND_TOPICS, Batch, Record, Restored
from gateway.engine.partitioner import partition_for
from gateway.engine.step import Caution, Decided, Deciding, StepSize
from gateway.rules.events import Breach, Outcome
from gateway.rules.messages import Message
from tests.engine.letters import MINUTE, NINE, T1, acceptance, referral, wp11
from tests.engine.plain_wiring import PLAIN, as_draft
from tests.engine.small_programmes import POLICIES

REFERRALS, WP11 = INBOUND_TOPICS[:2]
USUAL = StepSize()
AT_START = dict.fromkeys(INBOUND_TOPICS, 0)


def deciding(partition: int = 0, partitions: int = 1, size: StepSize = USUAL) -> Deciding:
    """A partition of which nothing is known yet."""
    nothing = Restored({}, dict(AT_START), None)
    return Deciding(nothing, POLICIES, PLAIN, partition, partitions, Caution(), size)


class Topics:
    """What has arrived so far, read to the end each time."""

    def __init__(self, partition: int = 0) -> None:
        self._partition = partition
        self._ends = dict(AT_START)

    def batch(self, arrivals: Iterable[tuple[int, Message]], quiet_at: int) -> Batch:
        """These have arrived, and nothing is missing up to `quiet_at`."""
        records = []
        for at, message in arrivals:
            draft = as_draft(message)
            offset = self._ends[draft.topic]
            self._ends[draft.topic] += 1
            records.append(
                Record(draft.topic, self._partition, offset, at, draft.key, draft.value, draft.headers)
            )
        return Batch(records, dict(self._ends), dict(self._ends), quiet_at)


def came_out(decided: Decided | None) -> list[str]:
    """What came out: the message that an outcome is about, or the name of another event, and of what."""
    said = []
    for item in decided.commit.outputs if decided else ():
        assert isinstance(item, tuple)
        event = item[0]
        said.append(
            event.message_id if isinstance(event, Outcome) else f"{type(event).__name__} {event.po_number}"
        )
    return [each for each in said if not each.startswith("Instruction")]


async def test_a_message_waits_for_what_is_due_on_its_own_purchase_order_and_for_no_other() -> None:
    """Until it is certain that nothing from before the deadline can come any more."""
    topics, hand = Topics(), deciding()
    await hand.add(topics.batch([(NINE, referral("PO1", "r1")), (NINE, referral("PO2", "r2"))], NINE))
    await hand.decide()
    await hand.add(topics.batch([(NINE + MINUTE, acceptance("PO2", "a2"))], NINE + MINUTE))
    await hand.decide()

    after = T1 + MINUTE
    await hand.add(topics.batch([(after, wp11("PO2", "w2")), (after + 1, wp11("PO1", "w1"))], T1 - 1))
    assert "w2" in came_out(await hand.decide())
    assert await hand.decide() is None

    await hand.add(topics.batch([], T1))
    came = came_out(await hand.decide())
    assert came.index(f"{Breach.__name__} PO1") < came.index("w1")


async def test_what_falls_due_late_is_dated_by_its_own_instant() -> None:
    """Though a message about another purchase order, from after it, was decided before."""
    topics, hand = Topics(), deciding()
    await hand.add(topics.batch([(NINE, referral("PO1", "r1"))], NINE))
    await hand.decide()
    await hand.add(topics.batch([(T1 + MINUTE, referral("PO2", "r2"))], T1 - 1))
    assert "r2" in came_out(await hand.decide())
    await hand.add(topics.batch([], T1))
    late = await hand.decide()
    assert late is not None
    breach = next(
        item[0] for item in late.commit.outputs if isinstance(item, tuple) and isinstance(item[0], Breach)
    )
    assert breach.decided_at == T1


async def test_a_message_on_a_partition_where_its_key_does_not_belong_is_put_where_it_does() -> None:
    """Whole, with its headers and a header that says whence; it is not decided here."""
    here = 1 - partition_for(b"PO1", 2)
    topics, hand = Topics(here), deciding(here, 2)
    batch = topics.batch([(NINE, referral("PO1", "r1"))], NINE)
    await hand.add(batch)
    step = await hand.decide()
    assert step is not None
    (moved,), record = step.commit.records(), batch.records[0]
    assert (moved.topic, moved.key, moved.value) == (record.topic, record.key, record.value)
    assert moved.headers == (*record.headers, ("gateway_moved_from", f"{REFERRALS}/{here}/0".encode()))
    assert step.commit.states == {}
    assert step.commit.positions[REFERRALS] == 1


async def test_a_message_where_it_belongs_stays() -> None:
    here = partition_for(b"PO1", 2)
    topics, hand = Topics(here), deciding(here, 2)
    await hand.add(
        topics.batch([(NINE, referral("PO1", "r1")), (NINE + 1, acceptance("PO1", "a1"))], NINE + 1)
    )
    decided = await hand.decide()
    assert [each for each in came_out(decided) if each in {"r1", "a1"}] == ["r1", "a1"]


async def test_others_have_their_turn_while_a_step_is_read_and_decided() -> None:
    """So that no caller of the same process waits for all of it."""
    looks = count()
    size = StepSize(turn_s=1, clock=lambda: next(looks))
    topics, hand = Topics(), deciding(size=size)
    batch = topics.batch([(NINE, referral(f"PO{number}", f"r{number}")) for number in range(30)], NINE)
    # Each look at the clock takes a second here, and there is one in eight records.
    assert await turns_of_others(hand.add(batch)) >= 4
    deciding_all = asyncio.create_task(hand.decide())
    assert await turns_of_others(deciding_all) >= 4
    assert len([each for each in came_out(deciding_all.result()) if each[0] == "r"]) == 30


async def test_without_turns_a_step_is_decided_at_once() -> None:
    topics, hand = Topics(), deciding()
    await hand.add(topics.batch([(NINE, referral(f"PO{number}")) for number in range(30)], NINE))
    assert await turns_of_others(hand.decide()) == 1


async def turns_of_others(work: Awaitable[object]) -> int:
    """How often another task has the thread until the work is done."""
    doing, turns = asyncio.ensure_future(work), 0
    while not doing.done():
        await asyncio.sleep(0)
        turns += 1
    return turns
