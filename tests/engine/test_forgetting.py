"""Somebody asks to forget a referral: that is done once, after all that had come, whatever happens."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from msgspec import msgpack
from msgspec.structs import replace

from gateway.engine.forgetting import Asked
from gateway.engine.log import Batch, Restored
from gateway.engine.partitioner import partition_for
from gateway.engine.purchase_orders import unpack
from gateway.engine.step import Caution, Decided, Deciding, StepSize
from gateway.engine.worker import Worker
from gateway.rules.events import Outcome
from gateway.rules.messages import Message
from tests.engine.letters import MINUTE, NINE, acceptance, referral, wp11
from tests.engine.plain_wiring import PLAIN, as_draft
from tests.engine.simulated import Fault, Faults, Ground, Killed, SimulatedLog
from tests.engine.small_programmes import POLICIES
from tests.engine.test_deciding import AT_START, Topics, came_out, deciding


def asked(number: int = 1, *, running: bool = True, po_number: str = "PO1") -> Asked:
    return Asked("FORGET", f"q{number}", po_number, "a reason", "ops", "2016-03-14T09:00:00.000Z", running)


async def decided(at_hand: Deciding, batch: Batch, *questions: Asked) -> Decided | None:
    await at_hand.add(replace(batch, asked=questions))
    return await at_hand.decide()


def outcomes(step: Decided | None) -> list[tuple[str, str]]:
    found = [item[0] for item in step.commit.outputs if isinstance(item, tuple)] if step else []
    return [(event.message_id, event.status) for event in found if isinstance(event, Outcome)]


async def test_what_had_come_is_decided_first_and_then_nothing_is_kept() -> None:
    """But a trace, which has nothing about anybody; and nothing goes out for it."""
    topics, at_hand = Topics(), deciding()
    batch = topics.batch([(NINE, referral()), (NINE + MINUTE, acceptance())], NINE + MINUTE)
    step = await decided(at_hand, batch, asked())
    assert step is not None
    assert outcomes(step) == [("r1", "APPLIED"), ("a1", "APPLIED")]
    state = step.commit.states["PO1"]
    assert state is not None
    left = unpack(state)
    assert (left.referral, left.held, left.seen) == (None, (), ())
    assert step.commit.answered == [asked()]
    assert step.commit.listings == {}
    assert step.commit.forgotten["PO1"].outputs == len(step.commit.outputs)
    assert step.commit.erased["PO1"].positions == step.commit.positions
    later = topics.batch([], NINE + 2 * MINUTE)
    gone = await decided(at_hand, later)
    assert gone is not None
    assert (gone.commit.states, came_out(gone)) == ({"PO1": None}, [])


async def test_while_more_has_come_than_is_decided_it_waits() -> None:
    topics, at_hand = Topics(), deciding(size=StepSize(decisions=1))
    batch = topics.batch([(NINE, referral()), (NINE + MINUTE, acceptance())], NINE + MINUTE)
    first = await decided(at_hand, batch, asked())
    assert first is not None
    assert (outcomes(first), first.commit.answered) == ([("r1", "APPLIED")], [])
    second = await at_hand.decide()
    assert outcomes(second) == [("a1", "APPLIED")]
    third = await at_hand.decide()
    assert third is not None
    assert third.commit.answered == [asked()]


async def test_it_is_answered_once_though_it_is_read_again_before_that_is_on_the_log() -> None:
    """A referral that comes anew under the number is another one."""
    topics, at_hand = Topics(), deciding()
    await decided(at_hand, topics.batch([(NINE, referral())], NINE), asked())
    again = topics.batch([(NINE + MINUTE, referral(message_id="r2"))], NINE + MINUTE)
    step = await decided(at_hand, again, asked())
    assert step is not None
    assert outcomes(step) == [("r2", "APPLIED")]
    assert step.commit.answered == []
    assert at_hand.purchase_orders.order("PO1") is not None
    other = await decided(at_hand, topics.batch([], NINE + MINUTE), asked(2))
    assert other is not None
    assert other.commit.answered == [asked(2)]


async def test_a_message_that_comes_afterwards_waits_for_its_referral() -> None:
    topics, at_hand = Topics(), deciding()
    await decided(at_hand, topics.batch([(NINE, referral())], NINE), asked())
    for at in (NINE, NINE + MINUTE):  # of the very instant at which it was forgotten, and later
        step = await decided(at_hand, topics.batch([(at, wp11(message_id=f"w{at}"))], at))
        assert outcomes(step) == [(f"w{at}", "HELD")]
        assert step is not None
        ids = [item[0].event_id for item in step.commit.outputs if isinstance(item, tuple)]
        assert len(set(ids)) == len(ids)


async def test_where_something_falls_due_it_is_not_forgotten_unless_that_was_meant() -> None:
    topics, at_hand = Topics(), deciding()
    step = await decided(at_hand, topics.batch([(NINE, referral())], NINE), asked(running=False))
    assert step is not None
    assert step.commit.answered == [asked(running=False)]
    assert (step.commit.forgotten, step.commit.erased) == ({}, {})
    order = at_hand.purchase_orders.order("PO1")
    assert order is not None
    assert order.referral is not None


async def test_what_is_not_known_is_answered_where_it_would_belong() -> None:
    """And nowhere else."""
    home = partition_for(b"PO1", 2)
    for partition in (0, 1):
        nothing = Restored({}, dict(AT_START), NINE)
        at_hand = Deciding(nothing, POLICIES, PLAIN, partition, 2, Caution(), StepSize())
        step = await decided(at_hand, Topics(partition).batch([], NINE), asked())
        answered = [] if step is None else step.commit.answered
        assert answered == ([asked()] if partition == home else [])


#: But other owners, of whom there are none.
FAULTS: list[Fault] = [
    each for each in Fault if each not in {Fault.REPLACED_COMMITTING, Fault.REPLACED_READING}
]


class Schedule:
    """A worker, and another one in its place whenever it dies, on a log with faults."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.ground = Ground()
        self.ground.now = NINE
        rates = dict.fromkeys(FAULTS, 0.15)
        self.faults = Faults(rng, rates, 40)
        self.log = SimulatedLog(self.ground, self.faults)

    async def work(self, until: Callable[[], bool]) -> None:
        """Until that is so."""
        while not until():
            stop = asyncio.Event()
            worker = Worker(self.log, 0, POLICIES, PLAIN, pause=_at_once, wait_s=0)
            running = asyncio.ensure_future(worker.run(stop))
            while not running.done() and not until():  # noqa: ASYNC110 - the ground has no events
                await asyncio.sleep(0)
            stop.set()
            (error,) = await asyncio.gather(running, return_exceptions=True)
            assert error is None or isinstance(error, Killed)

    def answered(self) -> bool:
        """Nothing is asked any more."""
        return not self.ground.asked

    def decided(self, messages: int) -> bool:
        """So many messages are decided."""
        return len(self.outcomes()) == messages

    def say(self, message: Message) -> None:
        self.ground.now += MINUTE
        self.ground.put(as_draft(message), self.ground.now)

    def outcomes(self) -> list[tuple[str, str]]:
        decode = msgpack.Decoder(Outcome).decode
        found = [decode(each.value or b"") for each in self.ground.outbound if each.topic == OUTCOMES]
        return [(event.message_id, event.status) for event in found]


async def _at_once(_: float) -> None:
    await asyncio.sleep(0)


OUTCOMES = "gateway.outcomes"


@pytest.mark.parametrize("part", range(4))
async def test_it_is_done_once_whenever_who_does_it_is_killed(part: int) -> None:
    """Another referral under the number, which comes as soon as it is answered, stays."""
    struck: Counter[str] = Counter()
    for seed in range(part * 50, part * 50 + 50):
        schedule = Schedule(seed)
        schedule.say(referral())
        schedule.ground.asked[asked().key] = asked()
        await schedule.work(schedule.answered)
        assert schedule.outcomes() == [("r1", "APPLIED")], seed
        left = {po: unpack(state).referral for po, state in schedule.ground.kept[0].states.items()}
        assert not any(left.values()), seed
        schedule.say(referral(message_id="r2"))
        await schedule.work(partial(schedule.decided, 2))
        schedule.say(acceptance())
        await schedule.work(partial(schedule.decided, 3))
        assert schedule.outcomes() == [("r1", "APPLIED"), ("r2", "APPLIED"), ("a1", "APPLIED")], seed
        struck += schedule.faults.struck
    assert struck[Fault.KILLED_AFTER_COMMIT] > 5
    assert struck[Fault.COMMIT_IN_DOUBT] > 5
