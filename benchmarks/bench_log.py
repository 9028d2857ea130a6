"""The embedded log: `gateway feed` and `gateway run` as processes, each commit durable; and a restore."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measuring import keep, measure
from benchmarks.processes import Commands, Weighed
from benchmarks.programmes import Programme, live_referrals, scaled
from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import INBOUND_TOPICS, Commit
from gateway.engine.purchase_orders import PurchaseOrders
from gateway.intake.lines import read_lines
from gateway.rules import policy

REFERRALS: Final = scaled(20_000)
ROUNDS: Final = 3
RESTORED: Final = scaled(200_000)
#: How many states to restore differ from each other in more than their number.
DIFFERENT: Final = 1_000
#: How many states one commit of the preparation holds.
A_COMMIT: Final = 5_000


def test_feed_and_run(
    benchmark: BenchmarkFixture,
    commands: Commands,
    programme_of: Callable[[int], Programme],
    say: Callable[[str], None],
) -> None:
    """A programme is put on a fresh log and decided, each in a process of its own, start-up included."""
    programme = programme_of(REFERRALS)
    messages = programme.messages

    def both() -> tuple[Weighed, Weighed]:
        commands.forget_log()
        feed = commands.gateway("feed", programme.file, "--keep-time")
        run = commands.gateway("run", "--clock", "log", "--until", programme.last_at)
        say(f"{messages:,} messages fed in {feed.seconds:.1f} s and decided in {run.seconds:.1f} s")
        return feed, run

    rounds = measure(benchmark, both, rounds=ROUNDS)
    together = [messages / (feed.seconds + run.seconds) for feed, run in rounds.results]
    feeding = [messages / feed.seconds for feed, _ in rounds.results]
    deciding = [messages / run.seconds for _, run in rounds.results]
    feed_us = [feed.processor_s / messages * 1_000_000 for feed, _ in rounds.results]
    run_us = [run.processor_s / messages * 1_000_000 for _, run in rounds.results]
    keep(
        benchmark,
        "The embedded log",
        rounds.figure(
            f"feed and then run of {messages:,} messages", "rate", "messages/s", together, "≥ 10,000"
        ),
        rounds.figure("feed alone", "rate", "messages/s", feeding),
        rounds.figure("run alone", "rate", "messages/s", deciding),
        rounds.figure("feed, processor time a message", "time", "µs", feed_us),
        rounds.figure("run, processor time a message", "time", "µs", run_us),
    )


def test_restore(benchmark: BenchmarkFixture, folder: Path) -> None:
    """A new owner of a partition reads the states of all its referrals, and what falls due on them."""
    path = folder / "restored.db"
    asyncio.run(_fill(path, RESTORED))
    rounds = measure(benchmark, lambda: asyncio.run(_restore(path)), rounds=ROUNDS)
    assert {count for count, _ in rounds.results} == {RESTORED}
    seconds = [taken for _, taken in rounds.results]
    keep(
        benchmark,
        "The embedded log",
        rounds.figure(f"restore of {RESTORED:,} live referrals", "time", "s", seconds),
    )


async def _fill(path: Path, count: int) -> None:
    """Commit so many states: those of some live referrals, again and again under other numbers."""
    purchase_orders = PurchaseOrders(policy.shipped())
    po_numbers = []
    for piece in live_referrals(min(DIFFERENT, count)):
        for line in read_lines(piece.splitlines()):
            if line.message is not None:
                purchase_orders.keep(line.message.po_number, purchase_orders.decide(line.message, line.at))
                po_numbers.append(line.message.po_number)
    states = [state for po_number in po_numbers[:DIFFERENT] if (state := purchase_orders.packed(po_number))]
    log = await open_embedded(path)
    try:
        claim = await log.claim(0)
        for first in range(0, count, A_COMMIT):
            numbers = range(first, min(first + A_COMMIT, count))
            some = {f"PO{41_000_000 + number}": states[number % len(states)] for number in numbers}
            await claim.commit(Commit([], some, dict.fromkeys(INBOUND_TOPICS, 1), 0))
    finally:
        await log.close()


async def _restore(path: Path) -> tuple[int, float]:
    """How many referrals a claim restored, and in how many seconds, from opening the file on."""
    started = perf_counter()
    log = await open_embedded(path)
    try:
        claim = await log.claim(0)
        restored = await claim.restore()
        purchase_orders = PurchaseOrders(policy.shipped(), restored.states)
        return len(purchase_orders), perf_counter() - started
    finally:
        await log.close()
