"""What `make bench-peers` measures, in the order in which it does."""

import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from msgspec import Struct, field

from benchmarks.peers.contenders import BARE_LOOP, CONTENDERS, GATEWAY_NAME, Contender
from benchmarks.peers.feeding import Letter, letters
from benchmarks.peers.running import Run, Runs
from benchmarks.programmes import write_programme

#: So small a programme that what it takes is the start and the end of the processes.
NEXT_TO_NOTHING: Final = 20
#: DBOS is not sent messages at a rate near the one at which it decides them.
_HEADROOM: Final = 1.5


class Size(Struct, frozen=True):
    """How much is measured. Counts of referrals, each of which has some six messages.

    rounds: of the comparison. first: how many messages who takes long is given. small: for growth. large: for
    two processes, and for growth. rates: messages a second, of latency, for so many seconds.
    """

    rounds: int
    referrals: int
    first: int
    small: int
    large: int
    rates: tuple[int, ...]
    seconds: float
    partitions: int = 4


FULL: Final = Size(3, 20_000, 2_000, 5_000, 94_000, (100, 1_000), 8.0)
#: For who works on it, or has a busy machine.
QUICK: Final = Size(3, 3_000, 200, 1_000, 9_000, (100, 1_000), 4.0)
#: To see that it still works.
SMOKE: Final = Size(1, 60, 100, 30, 90, (50,), 1.0, partitions=2)


class Timed(Struct, frozen=True):
    """From send to outcome at a rate. p50_ms is None where it did not keep up.

    processor_s, broker_s: a second.
    """

    who: str
    rate: int
    p50_ms: float | None
    p99_ms: float | None = None
    processor_s: float = 0.0
    broker_s: float = 0.0


class Measured(Struct):
    """Results. All lists of runs have one for each round.

    runs: of the comparison, by who. starts, starts_of_two: of next to nothing, with one and two processes.
    small, large: of a smaller and a larger programme; large_of_two: the latter, with two processes.
    """

    size: Size
    began: str
    processor: str
    cores: int
    load_before: float
    load_after: float = 0.0
    runs: dict[str, list[Run]] = field(default_factory=dict)
    starts: dict[str, list[Run]] = field(default_factory=dict)
    starts_of_two: dict[str, list[Run]] = field(default_factory=dict)
    small: dict[str, Run] = field(default_factory=dict)
    large: dict[str, Run] = field(default_factory=dict)
    large_of_two: dict[str, Run] = field(default_factory=dict)
    latency: list[Timed] = field(default_factory=list)

    def middle(self, who: str, of: Callable[[Run], float]) -> float:
        """The median over the rounds."""
        return median(of(run) for run in self.runs[who])

    def start_s(self, who: str) -> float:
        """Processor time of a start and an end."""
        return median(run.processor_s for run in self.starts[who])


def measure(runs: Runs, size: Size, folder: Path, say: Callable[[str], None]) -> Measured:
    """Measure all of it. say: is handed a line about each result."""
    measured = Measured(
        size,
        datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        _processor(),
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        os.getloadavg()[0],
    )
    _compare(measured, runs, size, folder, say)
    _time(measured, runs, size, say)
    _grow(measured, runs, size, folder, say)
    measured.load_after = os.getloadavg()[0]
    return measured


def _compare(measured: Measured, runs: Runs, size: Size, folder: Path, say: Callable[[str], None]) -> None:
    """All by turns, each round in another order."""
    programme, until = _programme(folder, size.referrals)
    nothing, nothing_until = _programme(folder, NEXT_TO_NOTHING)
    for number in range(size.rounds):
        shift = number % len(CONTENDERS)
        for who in (*CONTENDERS[shift:], *CONTENDERS[:shift]):
            given = programme[: size.first] if who.first_only else programme
            run = runs.decide(who, given, until)
            measured.runs.setdefault(who.name, []).append(run)
            say(_in_words(who.name, run))
            if who.name in (GATEWAY_NAME, BARE_LOOP):
                for kept, processes in ((measured.starts, 1), (measured.starts_of_two, 2)):
                    start = runs.decide(who, nothing, nothing_until, processes)
                    kept.setdefault(who.name, []).append(start)
                    say(
                        f"{who.name}, {processes} processes, next to nothing: {start.seconds:.2f} s, "
                        f"{start.processor_s:.2f} s of processor time"
                    )


def _time(measured: Measured, runs: Runs, size: Size, say: Callable[[str], None]) -> None:
    for rate in size.rates:
        for who in CONTENDERS:
            taken = None
            if not who.first_only or measured.middle(who.name, lambda run: run.rate) > _HEADROOM * rate:
                taken = runs.latency(who, rate, size.seconds)
            timed = Timed(who.name, rate, None)
            if taken is not None:
                timed = Timed(who.name, rate, taken.share_ms(0.5), taken.share_ms(0.99), *taken.processor_s)
            measured.latency.append(timed)
            say(f"{who.name}, {rate} a second: {timed}")


def _grow(measured: Measured, runs: Runs, size: Size, folder: Path, say: Callable[[str], None]) -> None:
    few, few_until = _programme(folder, size.small)
    many, many_until = _programme(folder, size.large)
    for who in CONTENDERS[:2]:
        for kept, given, until, processes in (
            (measured.small, few, few_until, 1),
            (measured.large, many, many_until, 1),
            (measured.large_of_two, many, many_until, 2),
        ):
            run = kept[who.name] = runs.decide(who, given, until, processes)
            say(f"{processes} processes, {run.messages:,} messages: {_in_words(who.name, run)}")


def _programme(folder: Path, referrals: int) -> tuple[list[Letter], str]:
    programme = write_programme(folder, referrals)
    return [*letters(programme.file)], programme.last_at


def _in_words(who: str, run: Run) -> str:
    return (
        f"{who}: {run.rate:,.0f} messages a second, {run.processor_us:.0f} µs of processor time each, "
        f"{run.broker_us:.0f} µs of the broker's, {run.peak_mib:.0f} MiB, {run.outcomes:,} outcomes"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "unknown")


__all__ = ["FULL", "QUICK", "SMOKE", "Contender", "Measured", "Size", "Timed", "measure"]
