"""The memory of a replay: it grows with the referrals kept, not with the messages seen."""

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Final

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measuring import keep, measure
from benchmarks.processes import Commands
from benchmarks.programmes import live_referrals, scaled, write_programme

LIVE: Final = scaled(1_000_000)
IN_FILE: Final = scaled(100_000)
#: What is sent about each live referral: it is referred, accepted, and a session is booked.
MESSAGES_OF_EACH: Final = 3
FEW: Final = scaled(3_000)
COPIES: Final = 10
ROUNDS: Final = 2


@pytest.mark.slow
def test_live_referrals(benchmark: BenchmarkFixture, commands: Commands, say: Callable[[str], None]) -> None:
    """A million live referrals, each with a full participant, accepted, and with a session booked."""
    rounds = measure(
        benchmark,
        lambda: commands.gateway("replay", stdin=_with_progress(live_referrals(LIVE), say)),
        rounds=1,
    )
    peaks = [weighed.peak_mib for weighed in rounds.results]
    rates = [MESSAGES_OF_EACH * LIVE / weighed.seconds for weighed in rounds.results]
    keep(
        benchmark,
        "Memory",
        rounds.figure(f"peak, {LIVE:,} live referrals", "size", "MiB", peaks, "< 1,536"),
        rounds.figure(f"replay of their {MESSAGES_OF_EACH * LIVE:,} messages", "rate", "messages/s", rates),
    )


def test_a_file_in_shards(benchmark: BenchmarkFixture, commands: Commands) -> None:
    """Live referrals in a file, which processes share, and then a tick at which something is due on all."""
    file = commands.folder / "live.jsonl"
    with file.open("wb") as lines:
        lines.writelines(live_referrals(IN_FILE))
        lines.write(b'{"at":"2029-12-31T00:00:00Z","tick":true}\n')
    rounds = measure(benchmark, lambda: commands.gateway("replay", file).peak_mib, rounds=ROUNDS)
    what = f"peak, {IN_FILE:,} live referrals in a file and what falls due on them at once, all processes"
    keep(benchmark, "Memory", rounds.figure(what, "size", "MiB", rounds.results))


def test_messages_seen(benchmark: BenchmarkFixture, commands: Commands) -> None:
    """The same referrals, with each message once and with each ten times."""
    once, often = (write_programme(commands.folder, FEW, copies=copies) for copies in (1, COPIES))

    def both() -> tuple[float, float]:
        return commands.gateway("replay", once.file).peak_mib, commands.gateway("replay", often.file).peak_mib

    rounds = measure(benchmark, both, rounds=ROUNDS)
    keep(
        benchmark,
        "Memory",
        rounds.figure(
            f"peak, {FEW:,} referrals, {once.messages:,} messages",
            "size",
            "MiB",
            [peak for peak, _ in rounds.results],
        ),
        rounds.figure(
            f"peak, the same referrals, each message {COPIES} times",
            "size",
            "MiB",
            [peak for _, peak in rounds.results],
        ),
        rounds.figure(
            f"peak, each message {COPIES} times to each once",
            "ratio",
            "",
            [more / less for less, more in rounds.results],
            "about 1",
        ),
    )


def _with_progress(pieces: Iterator[bytes], say: Callable[[str], None]) -> Iterator[bytes]:
    """The same pieces; each tenth of them is reported when it has been read."""
    whole = MESSAGES_OF_EACH * LIVE
    started = perf_counter()
    given, next_reported = 0, whole // 10
    for piece in pieces:
        yield piece
        given += piece.count(b"\n")
        if given >= next_reported:
            say(f"{given:,} of {whole:,} messages in {perf_counter() - started:.0f} s")
            next_reported += whole // 10
