"""A wall clock that is wrong: nothing is decided by it until somebody has accepted it."""

import asyncio
import io
import json
from collections.abc import Iterator

import pytest
import structlog

from gateway.engine.clock_watch import ClockWatch, ClockWrong
from gateway.engine.log import LogBusy
from gateway.engine.worker import Worker
from gateway.system import telemetry
from tests.engine.letters import NINE, T1, T3, referral
from tests.engine.plain_wiring import PLAIN, as_draft
from tests.engine.simulated import Ground, SimulatedLog
from tests.engine.small_programmes import POLICIES
from tests.engine.working import outcomes
from tests.patience import in_the_end

MINUTE = 60_000
DAY = 86_400_000
LEAP, GAP = 10 * MINUTE, 7 * DAY
#: A purchase order on each of two partitions.
ON = ("PO-1", "PO-2")


class Hands:
    """Two clocks: one that is set, and one that isn't."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.passed = 0

    def wall(self) -> int:
        return self.ground.now

    def steady(self) -> int:
        return self.passed

    def run(self, by: int) -> None:
        """Time passes."""
        self.ground.now += by
        self.passed += by

    def leap(self, by: int) -> None:
        """Somebody sets the wall clock."""
        self.ground.now += by


async def soon(_: float) -> None:
    await asyncio.sleep(0)


def watched(ground: Ground, skew: int = 0) -> tuple[Hands, ClockWatch]:
    """A watch on a log, and its clocks."""
    hands = Hands(ground)
    watch = ClockWatch(
        SimulatedLog(ground),
        leap_ms=LEAP,
        gap_ms=GAP,
        skew_ms=skew,
        now=hands.wall,
        steady=hands.steady,
        pause=soon,
    )
    return hands, watch


@pytest.fixture
def ground() -> Ground:
    made = Ground()
    made.now = NINE
    return made


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines."""
    stream = io.StringIO()
    telemetry.configure("debug", stream)
    yield stream
    structlog.reset_defaults()


def events(logged: io.StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in logged.getvalue().splitlines()]


@pytest.mark.parametrize("by", [LEAP + 1, 40 * DAY, -LEAP - 1, -40 * DAY])
def test_a_clock_that_leaps_can_not_be_decided_by(ground: Ground, by: int, logged: io.StringIO) -> None:
    """Ahead or back, and even if it leaps back later: somebody has to look at it. It is logged once."""
    hands, watch = watched(ground)
    assert watch.look() is None
    hands.leap(by)
    assert str(watch.look()).startswith("the clock of this machine leapt (")
    assert watch.leapt_s == by / 1_000
    hands.leap(-by)
    with pytest.raises(ClockWrong, match="run `gateway clock accept`"):
        watch.check(0, NINE)
    assert events(logged) == ["clock.leapt"]
    assert json.loads(logged.getvalue())["by_s"] == by / 1_000


@pytest.mark.parametrize("by", [LEAP, -LEAP, 0])
def test_a_clock_that_is_set_by_less_can(ground: Ground, by: int) -> None:
    hands, watch = watched(ground)
    hands.leap(by)
    watch.check(0, NINE + by)
    assert watch.trouble is None


def test_time_that_passes_for_both_clocks_is_no_leap(ground: Ground) -> None:
    """However long nobody looks: as after a process was stopped, or a machine slept."""
    hands, watch = watched(ground)
    hands.run(40 * DAY)
    watch.check(0, ground.now)


def test_small_steps_in_quick_succession_are_a_leap_and_slow_corrections_are_none(ground: Ground) -> None:
    hands, watch = watched(ground)
    for _ in range(100):
        hands.run(60 * MINUTE)
        hands.leap(30_000)  # 1 %, for ever
        assert watch.look() is None
    for _ in range(100):
        hands.run(1_000)
        hands.leap(9 * MINUTE)
        watch.look()
    assert watch.trouble is not None


async def test_it_is_accepted_by_whoever_says_that_it_is_the_time_which_it_shows(
    ground: Ground, logged: io.StringIO
) -> None:
    """What another host's clock shows, or what was accepted long ago, is none of its business."""
    hands, watch = watched(ground)
    log = SimulatedLog(ground)
    running = asyncio.create_task(watch.run())
    await log.accept_clock(ground.now)
    hands.leap(40 * DAY)
    await in_the_end(lambda: watch.trouble)
    await log.accept_clock(ground.now - LEAP - 1)
    for _ in range(10):
        await soon(0)
    assert watch.trouble is not None
    await log.accept_clock(ground.now - LEAP)
    await in_the_end(lambda: watch.trouble is None)
    watch.check(0, ground.now)
    assert watch.leapt_s == 0
    assert events(logged) == ["clock.leapt", "clock.accepted"]
    hands.leap(LEAP + 1)  # the next leap wants another word
    assert watch.look() is not None
    for _ in range(10):
        await soon(0)
    assert watch.trouble is not None
    running.cancel()


async def test_a_log_that_is_away_is_asked_again(ground: Ground) -> None:
    hands, watch = watched(ground)
    asked = 0

    async def accepted() -> int | None:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise LogBusy("it is away")
        return ground.now

    setattr(watch._log, "clock_accepted", accepted)  # noqa: B010
    hands.leap(DAY)
    running = asyncio.create_task(watch.run())
    watch.look()
    await in_the_end(lambda: watch.trouble is None)
    running.cancel()


@pytest.mark.parametrize(
    ("gap", "right"), [(GAP, True), (GAP + 1, False), (-GAP, True), (-GAP - 1, False), (40 * DAY, False)]
)
async def test_at_a_start_the_clock_is_compared_with_what_was_decided_last(
    ground: Ground, gap: int, right: bool
) -> None:
    ground.kept[0].decided_to = ground.now - gap
    _, watch = watched(ground)
    await watch.start()
    assert (watch.trouble is None) == right
    assert watch.ahead_s == gap / 1_000


async def test_a_new_log_has_nothing_to_be_compared_with(ground: Ground) -> None:
    _, watch = watched(ground)
    await watch.start()
    assert watch.trouble is None
    assert watch.ahead_s is None


async def test_what_was_accepted_before_a_start_holds_for_it(ground: Ground) -> None:
    """Nothing has been decided since, and the process starts again."""
    ground.kept[0].decided_to = ground.now - 30 * DAY
    ground.clock_accepted = ground.now - GAP
    _, watch = watched(ground)
    await watch.start()
    assert watch.trouble is None
    ground.clock_accepted = ground.now - GAP - 1
    _, watch = watched(ground)
    await watch.start()
    assert watch.trouble is not None


def test_a_message_dated_far_ahead_is_not_decided_in_silence(ground: Ground) -> None:
    """As where a broker's clock is wrong, or somebody fed the log while this one was."""
    _, watch = watched(ground, skew=MINUTE)
    watch.check(0, NINE + LEAP + MINUTE)
    with pytest.raises(ClockWrong, match="a message is dated ahead of the clock of this machine"):
        watch.check(0, NINE + LEAP + MINUTE + 1)


async def test_whoever_accepts_the_clock_then_has_it_decided(ground: Ground) -> None:
    _, watch = watched(ground)
    with pytest.raises(ClockWrong):
        watch.check(0, NINE + DAY)
    ground.clock_accepted = ground.now
    running = asyncio.create_task(watch.run())
    await in_the_end(lambda: watch.trouble is None)
    watch.check(0, NINE + DAY)
    with pytest.raises(ClockWrong):
        watch.check(0, NINE + DAY + 1)
    running.cancel()


async def test_a_clock_behind_what_was_decided_is_reported_once_until_it_has_caught_up(
    ground: Ground, logged: io.StringIO
) -> None:
    ground.kept[0].decided_to = NINE + 5 * MINUTE
    hands, watch = watched(ground)
    await watch.start()
    assert watch.ahead_s == -300
    watch.check(0, NINE + 5 * MINUTE)
    assert events(logged) == ["clock.behind"]
    hands.run(5 * MINUTE)
    watch.check(0, ground.now)
    watch.check(0, ground.now + 2 * MINUTE)
    assert events(logged) == ["clock.behind"] * 2


async def test_a_worker_commits_nothing_by_a_clock_that_leapt_and_goes_on_when_it_is_accepted() -> None:
    """What it had decided by then is decided again: when the clock is put right, at its own instants."""
    ground = Ground()
    ground.put(as_draft(referral()), NINE)
    ground.now = NINE
    hands, watch = watched(ground)
    stop, log = asyncio.Event(), SimulatedLog(ground)
    worker = Worker(log, 0, POLICIES, PLAIN, clock=watch, wait_s=0, pause=soon)
    working = asyncio.create_task(worker.run(stop))
    running = asyncio.create_task(watch.run())
    await in_the_end(lambda: outcomes(ground))
    before = len(ground.outbound)
    hands.leap(T3 - NINE)
    await in_the_end(lambda: "leapt" in (worker.trouble or ""))
    assert len(ground.outbound) == before
    hands.leap(NINE - T3)
    await log.accept_clock(ground.now)
    await in_the_end(lambda: worker.trouble is None)
    assert len(ground.outbound) == before
    hands.run(T1 - NINE)
    await in_the_end(lambda: len(ground.outbound) > before)
    stop.set()
    await working
    running.cancel()


@pytest.mark.parametrize(("partition", "decided"), [(0, True), (1, False)])
async def test_only_the_partition_that_was_decided_ahead_goes_on_ahead(partition: int, decided: bool) -> None:
    """It hides nothing of another, on which a message dated so is not decided before somebody looked."""
    ground = Ground(partitions=2)
    ground.now = NINE
    ground.kept[0].decided_to = NINE + 6 * DAY
    ground.kept[1].decided_to = NINE
    assert await goes_on(ground, partition, at=NINE + 6 * DAY) == decided


async def test_a_partition_that_another_process_decided_ahead_goes_on_where_it_is_taken_over() -> None:
    ground = Ground()
    ground.now = NINE
    assert await goes_on(ground, 0, at=NINE, meanwhile=NINE + DAY)


@pytest.mark.parametrize(("ahead", "decided"), [(GAP, True), (GAP + 1, False)])
async def test_but_not_one_that_is_further_ahead_than_the_clock_may_be(ahead: int, decided: bool) -> None:
    ground = Ground()
    ground.now = NINE
    assert await goes_on(ground, 0, at=NINE, meanwhile=NINE + ahead) == decided


async def test_a_partition_that_was_decided_long_ago_stops_nothing_while_another_is_up_to_date() -> None:
    ground = Ground(partitions=2)
    ground.now = NINE
    ground.kept[0].decided_to = NINE - 30 * DAY
    ground.kept[1].decided_to = NINE
    assert await goes_on(ground, 0, at=NINE)


async def goes_on(ground: Ground, partition: int, *, at: int, meanwhile: int | None = None) -> bool:
    """Whether a message that arrives at an instant is decided, after a start.

    meanwhile: up to when another process decides the partition between the start and the claim.
    """
    _, watch = watched(ground)
    await watch.start()
    if meanwhile is not None:
        ground.kept[partition].decided_to = meanwhile
    ground.put(as_draft(referral(ON[partition])), at)
    stop = asyncio.Event()
    worker = Worker(SimulatedLog(ground), partition, POLICIES, PLAIN, clock=watch, wait_s=0, pause=soon)
    working = asyncio.create_task(worker.run(stop))
    await in_the_end(lambda: worker.decided or watch.trouble)
    stop.set()
    await working
    return watch.trouble is None


async def test_a_worker_that_waits_for_its_clock_ends_when_it_is_told_to(ground: Ground) -> None:
    hands, watch = watched(ground)
    hands.leap(DAY)
    stop = asyncio.Event()
    worker = Worker(SimulatedLog(ground), 0, POLICIES, PLAIN, clock=watch, wait_s=0, pause=soon)
    working = asyncio.create_task(worker.run(stop))
    await in_the_end(lambda: "leapt" in (worker.trouble or ""))
    stop.set()
    await working
