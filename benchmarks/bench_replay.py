"""`gateway replay` as a process, from its start to its end."""

from collections.abc import Callable
from typing import Final

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measuring import keep, measure
from benchmarks.processes import Commands, Weighed
from benchmarks.programmes import Programme, scaled

REFERRALS: Final = scaled(20_000)
FEW: Final = scaled(3_000)
ROUNDS: Final = 5
ROUNDS_OF_SCALING: Final = 3


def test_replay(
    benchmark: BenchmarkFixture, commands: Commands, programme_of: Callable[[int], Programme]
) -> None:
    """A programme is replayed, and nothing is, which shows what starting takes."""
    programme = programme_of(REFERRALS)
    nothing = commands.folder / "nothing.jsonl"
    nothing.touch()

    def both() -> tuple[Weighed, Weighed]:
        start = commands.gateway("replay", nothing)
        return commands.gateway("replay", programme.file), start

    rounds = measure(benchmark, both, rounds=ROUNDS)
    messages = programme.messages
    whole = [messages / replay.seconds for replay, _ in rounds.results]
    without = [messages / (replay.seconds - start.seconds) for replay, start in rounds.results]
    processor_us = [replay.processor_s / messages * 1_000_000 for replay, _ in rounds.results]
    keep(
        benchmark,
        "Replay",
        rounds.figure(f"replay of {messages:,} messages", "rate", "messages/s", whole, "≥ 25,000"),
        rounds.figure("the same without start-up", "rate", "messages/s", without),
        rounds.figure("start-up", "time", "s", [start.seconds for _, start in rounds.results]),
        rounds.figure("processor time a message, start-up included", "time", "µs", processor_us),
    )


def test_ten_times_the_referrals(
    benchmark: BenchmarkFixture, commands: Commands, programme_of: Callable[[int], Programme]
) -> None:
    """Ten times the referrals: does a message cost the same? Start-up is taken off both."""
    few, many = programme_of(FEW), programme_of(FEW * 10)
    nothing = commands.folder / "nothing.jsonl"
    nothing.touch()

    def three() -> tuple[float, float, float]:
        start, small, large = (
            commands.gateway("replay", file).seconds for file in (nothing, few.file, many.file)
        )
        return start, small, large

    rounds = measure(benchmark, three, rounds=ROUNDS_OF_SCALING)
    ratios = [
        ((large - start) / many.messages) / ((small - start) / few.messages)
        for start, small, large in rounds.results
    ]
    what = f"time per message: {many.referrals:,} referrals to {few.referrals:,}"
    keep(benchmark, "Replay", rounds.figure(what, "ratio", "", ratios, "about 1"))
