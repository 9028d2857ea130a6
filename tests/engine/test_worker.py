"""One partition, from claim to release: what is decided when, and what goes wrong without harm."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from msgspec import msgpack
from msgspec.structs import replace as with_changes

from gateway.engine import step, worker
from gateway.engine.log import INBOUND_TOPICS, Batch, Commit, Draft, LogBusy, LogError, Lost, Record, Restored
from gateway.engine.step import Wiring
from gateway.engine.worker import LONGEST_BACKOFF_S, MOST_ATTEMPTS, Worker
from gateway.rules.events import Breach, Event
from gateway.rules.messages import Message
from tests.engine.letters import (
    DAY,
    NINE,
    T1,
    T2,
    T3,
    T4,
    D,
    acceptance,
    appeal,
    objection,
    referral,
    wp11,
)
from tests.engine.plain_wiring import DEAD_LETTERS, PLAIN, RAISES, UNDECODABLE, as_draft, event_draft
from tests.engine.simulate import silence
from tests.engine.simulated import Ground, LogAway, SimulatedClaim, SimulatedLog
from tests.engine.small_programmes import POLICIES
from tests.patience import PATIENCE_S, in_the_end

REFERRALS, WP11, UPDATES, SESSIONS = INBOUND_TOPICS


@pytest.fixture(autouse=True)
def _silent() -> Iterable[None]:
    with silence():
        yield


def script(*arrivals: tuple[int, Message]) -> list[tuple[int, Draft]]:
    """What arrives, as records."""
    return [(at, as_draft(message, None, at)) for at, message in arrivals]


async def worked(
    ground: Ground,
    *,
    log: SimulatedLog | None = None,
    wiring: Wiring = PLAIN,
    until: int | None = None,
    pause: Callable[[float], Any] | None = None,
) -> Worker:
    """Let a worker work until there is nothing more to do, and return it."""
    stop = asyncio.Event()
    log = log or SimulatedLog(ground, clock="wall" if until is None else "log")
    if until is None:
        log.quiet = [stop]
    one = Worker(log, 0, POLICIES, wiring, until=until, pause=pause or _no_pause)
    await one.run(stop)
    return one


async def _no_pause(_: float) -> None:
    await asyncio.sleep(0)


def told(ground: Ground) -> list[str]:
    """What came out, each as a word or two, with when it was decided."""
    return [_told(record) for record in ground.outbound]


def _told(record: Record) -> str:
    if record.topic == DEAD_LETTERS:
        return f"dead letter {dict(record.headers)['code'].decode()}"
    value = msgpack.decode(record.value or b"")
    word = next(
        value[name]
        for name in ("code", "status", "breach", "action", "instruction", "reason", "outcome")
        if value.get(name)
    )
    return f"{word} at {value['decided_at']}"


def outcomes(ground: Ground) -> list[tuple[str, str, str | None, int]]:
    """The outcomes: of which message, what, why, and when."""
    return [
        (value["message_id"], value["status"], value["code"], value["decided_at"])
        for record in ground.outbound
        if record.topic == "gateway.outcomes"
        for value in [msgpack.decode(record.value or b"")]
    ]


# ------------------------------------------------------------------------------ time and silence


async def test_a_deadline_falls_due_by_silence_when_the_clock_has_come_to_it() -> None:
    ground = Ground(1, script((NINE, referral())), until=T1, instants=[T1])
    await worked(ground)
    assert told(ground)[-1] == f"RAISED at {T1}"


async def test_a_deadline_does_not_fall_due_a_millisecond_before_its_instant() -> None:
    ground = Ground(1, script((NINE, referral())), until=T1 - 1)
    await worked(ground)
    assert told(ground)[-1] == f"APPLIED at {NINE}"


async def test_a_message_from_before_a_deadline_is_decided_before_it_even_after_an_outage() -> None:
    """The worker comes back a year later and decides as if it had been there."""
    ground = Ground(1, script((NINE, referral()), (T3 - 1, wp11())), until=T4 + DAY)
    ground.now = T4 + DAY
    ground.let_all_arrive()
    await worked(ground)
    assert ("w1", "APPLIED", None, T3 - 1) in outcomes(ground)
    assert told(ground)[-1] == f"RAISED at {T4}"


async def test_a_message_at_the_instant_of_a_deadline_comes_after_it() -> None:
    ground = Ground(1, script((NINE, referral()), (T3, wp11())), until=T4)
    await worked(ground)
    assert outcomes(ground)[-1] == ("w1", "REFUSED", "REFERRAL_CANCELLED", T3)


async def test_what_is_due_falls_due_in_order_between_the_messages() -> None:
    ground = Ground(1, script((NINE, referral()), (T2 + 5, acceptance())), until=T3)
    ground.let_all_arrive()
    ground.now = T3
    await worked(ground)
    assert [line.rsplit(" ", 1)[1] for line in told(ground)[3:]] == [
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
    assert not any("Did Not Start" in line for line in told(ground))


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
    assert told(ground)[3] == f"RAISED at {T1}"
    assert len(told(ground)) == 7


async def test_until_lets_fall_due_what_is_due_at_that_very_instant_and_nothing_later() -> None:
    ground = Ground(1, script((NINE, referral())))
    ground.let_all_arrive()
    await worked(ground, until=T2)
    assert told(ground)[3:] == [f"RAISED at {T1}", f"RAISED at {T2}"]


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
    assert told(parts) == told(whole)
    assert _ids(parts.outbound) == _ids(whole.outbound)


# ------------------------------------------------------------------------------ a clock that steps


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
    with patch.object(step, "STEP", 1):
        await worked(ground, until=NINE)
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
        await worked(ground, log=log, until=NINE)
    breaches = [record for record in ground.outbound if record.topic == "gateway.breaches"]
    assert len(breaches) == 3 + 1
    assert outcomes(ground)[-1] == ("a1", "APPLIED", None, T1)


# ------------------------------------------------------------------------------ bounded steps


class Watched(SimulatedClaim):
    """Notes what is read and committed."""

    steps: list[Commit]
    rooms: list[Mapping[str, int]]

    async def read(self, room: Mapping[str, int], wait_s: float) -> Batch:
        """As it is, noted."""
        self.rooms.append(room)
        return await super().read(room, wait_s)

    async def commit(self, step: Commit) -> None:
        """As it is, noted when it has taken effect."""
        await super().commit(step)
        self.steps.append(step)


def watched(ground: Ground) -> tuple[SimulatedLog, type[Watched]]:
    """A log that notes what is read and committed."""

    class Mine(Watched):
        """Of this test."""

        steps: list[Commit] = []  # noqa: RUF012
        rooms: list[Mapping[str, int]] = []  # noqa: RUF012

    log = SimulatedLog(ground, clock="log")
    log.claim_type = Mine
    return log, Mine


async def test_a_step_takes_no_more_messages_and_deadlines_than_it_may() -> None:
    ground = Ground(1)
    for number in range(5):
        ground.put(as_draft(referral(f"PO{number}")), NINE)
    log, seen = watched(ground)
    with patch.object(step, "STEP", 2):
        await worked(ground, log=log, until=T1)
    assert [len(step.states) for step in seen.steps] == [2] * 5
    assert len(ground.outbound) == 5 * 4


async def test_a_step_ends_when_what_goes_out_in_it_is_large() -> None:
    ground = Ground(1)
    for number in range(6):
        ground.put(as_draft(referral(f"PO{number}")), NINE)
    log, seen = watched(ground)
    with patch.object(step, "STEP_BYTES", 600):
        await worked(ground, log=log, until=NINE)
    assert all(len(step.outputs) <= 6 for step in seen.steps)
    assert len(seen.steps) >= 3
    assert len(outcomes(ground)) == 6


async def test_no_more_waits_in_memory_than_there_is_room_for() -> None:
    ground = Ground(1)
    for number in range(9):
        ground.put(as_draft(referral(f"PO{number}")), NINE)
    log, seen = watched(ground)
    with patch.object(step, "CAPACITY", 4), patch.object(step, "STEP", 1):
        await worked(ground, log=log, until=NINE)
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


# ------------------------------------------------------------------------------ what can't be decided


async def test_a_record_that_can_not_be_decoded_goes_to_the_dead_letters_among_the_others() -> None:
    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(with_changes(as_draft(acceptance()), value=UNDECODABLE), NINE + 1)
    ground.put(as_draft(objection()), NINE + 2)
    await worked(ground, until=NINE + 2)
    assert told(ground)[2:4] == [f"APPLIED at {NINE}", "dead letter UNDECODABLE"]
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
    """A reader should tell what it can't read; where it raises instead, the partition still goes on."""

    def read(record: Record) -> Message | Draft:
        if record.offset == 0 and record.topic == SESSIONS:
            raise RecursionError
        return PLAIN.read(record)

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(as_draft(acceptance()), NINE + 1)
    ground.put(as_draft(objection()), NINE + 2)
    await worked(ground, wiring=replace(PLAIN, read=read), until=NINE + 2)
    assert told(ground)[3] == "dead letter FAILED"
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
    assert told(ground)[3:] == [f"RAISED at {T1}"]


# ------------------------------------------------------------------------------ trouble with the log


class Unsteady(SimulatedLog):
    """A log whose first claims fail."""

    failures = 0

    async def claim(self, partition: int) -> SimulatedClaim:
        """Fails so many times."""
        if self.failures:
            self.failures -= 1
            raise LogAway("claim")
        return await super().claim(partition)


async def test_a_log_that_is_away_is_tried_again_ever_more_slowly_up_to_a_limit() -> None:
    """However long it is away."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    ground = Ground(1, script((NINE, referral())), until=NINE)
    log = Unsteady(ground)
    log.failures = 3_000
    await worked(ground, log=log, pause=pause)
    assert len(pauses) == 3_000
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == LONGEST_BACKOFF_S
    assert len(outcomes(ground)) == 1


async def test_a_log_that_is_busy_is_tried_again() -> None:
    """Another process writes to it; that ends."""

    class Busy(SimulatedClaim):
        """So it is at the first commit."""

        async def commit(self, step: Commit) -> None:
            if self.epoch == 1:
                raise LogBusy("another process has been writing")
            await super().commit(step)

    ground = Ground(1, script((NINE, referral())), until=NINE)
    log = SimulatedLog(ground)
    log.claim_type = Busy
    await worked(ground, log=log)
    assert len(outcomes(ground)) == 1


@pytest.mark.parametrize(("failures", "decided"), [(MOST_ATTEMPTS - 1, 1), (MOST_ATTEMPTS, 0)])
async def test_where_somebody_waits_for_the_end_it_gives_up_after_some_attempts(
    failures: int, decided: int
) -> None:
    """And raises what went wrong."""
    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    log = Unsteady(ground, clock="log")
    log.failures = failures
    try:
        await worked(ground, log=log, until=NINE)
    except LogAway:
        assert not decided
    assert len(outcomes(ground)) == decided


async def test_told_to_stop_it_does_not_wait_for_the_end_of_a_pause() -> None:
    """The log is away, and the next attempt would be made in an hour."""
    pausing = asyncio.Event()

    async def an_hour(_: float) -> None:
        pausing.set()
        await asyncio.Event().wait()

    log = Unsteady(Ground(1))
    log.failures = 3_000
    stop = asyncio.Event()
    work = asyncio.create_task(Worker(log, 0, POLICIES, PLAIN, pause=an_hour).run(stop))
    await pausing.wait()
    stop.set()
    async with asyncio.timeout(PATIENCE_S):
        await work


async def test_the_worker_says_why_nothing_is_decided() -> None:
    troubles: list[str | None] = []

    async def pause(_: float) -> None:
        troubles.append(one.trouble)

    ground = Ground(1)
    log = Unsteady(ground, clock="log")
    log.failures = 1
    one = Worker(log, 0, POLICIES, PLAIN, until=NINE, pause=pause)
    assert one.trouble == "it is not claimed yet"
    await one.run(asyncio.Event())
    assert troubles == ["the last attempt failed (LogAway); it is tried again by itself"]
    assert one.trouble is None


async def test_after_a_commit_that_raised_what_was_committed_is_the_truth() -> None:
    """Here it had taken effect, so it is not decided again."""

    class InDoubt(SimulatedClaim):
        """The first commit takes effect and raises."""

        async def commit(self, step: Commit) -> None:
            await super().commit(step)
            if self.epoch == 1:
                raise LogAway("commit, which took effect")

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(as_draft(acceptance()), NINE + 1)
    log = SimulatedLog(ground, clock="log")
    log.claim_type = InDoubt
    with patch.object(step, "STEP", 1):
        await worked(ground, log=log, until=NINE + 1)
    assert [outcome[:2] for outcome in outcomes(ground)] == [("r1", "APPLIED"), ("a1", "APPLIED")]


@pytest.mark.parametrize("error", [LogError("the disk is full"), Lost("another owner")])
@pytest.mark.parametrize("where", ["restore", "read", "commit", "claim"])
async def test_a_log_that_can_not_be_used_or_has_another_owner_ends_the_work(
    error: Exception, where: str
) -> None:
    """That is for the process to say; trying again would not help."""
    released: list[int] = []

    class Broken(SimulatedClaim):
        """Raises there."""

        async def restore(self) -> Restored:
            raise_at("restore")
            return await super().restore()

        async def read(self, room: Mapping[str, int], wait_s: float) -> Batch:
            raise_at("read")
            return await super().read(room, wait_s)

        async def commit(self, step: Commit) -> None:
            raise_at("commit")
            await super().commit(step)

        async def release(self) -> None:
            released.append(self.epoch)

    class BrokenLog(SimulatedLog):
        """Raises there."""

        async def claim(self, partition: int) -> SimulatedClaim:
            raise_at("claim")
            return await super().claim(partition)

    def raise_at(place: str) -> None:
        if place == where:
            raise error

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    log = BrokenLog(ground, clock="log")
    log.claim_type = Broken
    with pytest.raises(type(error)):
        await worked(ground, log=log, until=NINE)
    assert released == ([] if where == "claim" else [1])
    assert ground.outbound == []


async def test_told_to_stop_the_worker_ends_after_the_step_it_is_in_and_lets_go() -> None:
    stop = asyncio.Event()
    released: list[int] = []

    class Stopping(SimulatedClaim):
        """Says stop in the middle of the first commit."""

        async def commit(self, step: Commit) -> None:
            stop.set()
            await super().commit(step)

        async def release(self) -> None:
            released.append(self.epoch)

    ground = Ground(1)
    for number in range(3):
        ground.put(as_draft(referral(f"PO{number}")), NINE)
    log = SimulatedLog(ground)
    log.claim_type = Stopping
    with patch.object(step, "STEP", 1):
        await Worker(log, 0, POLICIES, PLAIN).run(stop)
    assert len(outcomes(ground)) == 1
    assert released == [1]


async def test_it_waits_for_what_arrives_only_where_nothing_is_left_to_decide() -> None:
    waits: list[float] = []
    stop = asyncio.Event()

    class Waiting(SimulatedClaim):
        """Notes how long the worker is ready to wait."""

        async def read(self, room: Mapping[str, int], wait_s: float) -> Batch:
            waits.append(wait_s)
            if len(waits) == 4:
                stop.set()
            return await super().read(room, wait_s)

    ground = Ground(1)
    for number in range(2):
        ground.put(as_draft(referral(f"PO{number}")), NINE)
    log = SimulatedLog(ground)
    log.claim_type = Waiting
    with patch.object(step, "STEP", 1):
        await Worker(log, 0, POLICIES, PLAIN, wait_s=9).run(stop)
    assert waits == [0, 0, 0, 9]


async def test_what_a_message_causes_carries_its_trace_context() -> None:
    ground = Ground(1)
    ground.put(as_draft(acceptance(), "held"), NINE)
    ground.put(as_draft(referral(), "first"), NINE + 1)
    ground.put(as_draft(appeal()), NINE + 2)
    await worked(ground, until=T1)
    traces = [(_told(record).split()[0], dict(record.headers)["trace"]) for record in ground.outbound]
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


def _ids(records: Sequence[Record]) -> list[bytes]:
    return [dict(record.headers)["id"] for record in records]


async def test_no_event_id_is_given_twice() -> None:
    ground = Ground(1, script((NINE, referral()), (NINE + 1, acceptance())), until=T4)
    await worked(ground)
    ids = _ids(ground.outbound)
    assert len(set(ids)) == len(ids)


# ------------------------------------------------------------------------------ one step ahead


async def test_while_a_step_is_committed_the_next_is_decided() -> None:
    """It is committed after it; where the first fails, nothing of the second has happened either."""
    order: list[str] = []
    next_is_decided = asyncio.Event()

    class Telling(step.Deciding):
        """Says what it has decided: steps of three events and of two."""

        def decide(self) -> step.Decided | None:
            decided = super().decide()
            if decided:
                order.append(f"decided {len(decided.commit.outputs)}")
                if len(decided.commit.outputs) == 2:
                    next_is_decided.set()
            return decided

    class Slow(SimulatedClaim):
        """The first step is committed when the next one has been decided; that fails at first."""

        async def commit(self, step: Commit) -> None:
            order.append(f"begins {len(step.outputs)} at {self.epoch}")
            if len(step.outputs) == 3:
                async with asyncio.timeout(PATIENCE_S):
                    await next_is_decided.wait()
                next_is_decided.clear()
            if self.epoch == 1:
                raise LogAway("commit")
            await super().commit(step)
            order.append("done")

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(as_draft(acceptance()), NINE + 1)
    log = SimulatedLog(ground, clock="log")
    log.claim_type = Slow
    with patch.object(step, "STEP", 1), patch.object(worker, "Deciding", Telling):
        await worked(ground, log=log, until=NINE + 1)
    assert order == [
        *("decided 3", "begins 3 at 1", "decided 2"),
        *("decided 3", "begins 3 at 2", "decided 2", "done", "begins 2 at 2", "done"),
    ]
    assert [outcome[:2] for outcome in outcomes(ground)] == [("r1", "APPLIED"), ("a1", "APPLIED")]


async def test_a_commit_that_takes_long_is_told_as_trouble_until_it_is_done() -> None:
    stop, held_up = asyncio.Event(), asyncio.Event()

    class HeldUp(SimulatedClaim):
        """The first commit waits."""

        async def commit(self, step: Commit) -> None:
            await held_up.wait()
            await super().commit(step)

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    log = SimulatedLog(ground)
    log.claim_type = HeldUp
    one = Worker(log, 0, POLICIES, PLAIN)
    with patch.object(worker, "SLOW_COMMIT_S", 0.01):
        working = asyncio.create_task(one.run(stop))
        await in_the_end(lambda: "a step has been waiting for the log" in (one.trouble or ""))
        assert outcomes(ground) == []
        held_up.set()
        await in_the_end(lambda: one.trouble is None and outcomes(ground))
        stop.set()
        await working


async def test_who_lost_its_partition_ends_even_where_the_rules_raise_at_the_same_time() -> None:
    """Were it to claim again, it would take the partition from the new owner."""

    class Replaced(SimulatedClaim):
        """Another claims while the first step is being committed."""

        async def commit(self, step: Commit) -> None:
            self.kept.epoch += 1
            await asyncio.sleep(0)
            await super().commit(step)

    ground = Ground(1)
    ground.put(as_draft(referral()), NINE)
    ground.put(as_draft(acceptance(message_id=f"{RAISES}-1")), NINE + 1)
    log = SimulatedLog(ground, clock="log")
    log.claim_type = Replaced
    with patch.object(step, "STEP", 1), pytest.raises(Lost):
        await worked(ground, log=log, until=NINE + 1)
    assert ground.kept[0].epoch == 2
