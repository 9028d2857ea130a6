"""The rules alone: what a decision costs where nothing is read, packed or written."""

import gc
import heapq
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.measuring import keep, measure
from benchmarks.programmes import scaled
from gateway.intake.lines import Line, read_lines
from gateway.rules import policy
from gateway.rules.decide import Decision, decide, fall_due
from gateway.rules.policy import Policies
from gateway.rules.referral import PurchaseOrder
from gateway.sample import programme

REFERRALS: Final = scaled(10_000)
ROUNDS: Final = 7


def test_decisions(benchmark: BenchmarkFixture) -> None:
    """Each message and deadline of a programme is decided once more, from the state that it met."""
    decisions = _decisions(list(read_lines(programme(REFERRALS, 0))), policy.shipped())
    gc.collect()
    gc.freeze()  # what was prepared is no garbage to look through while deciding
    try:
        rounds = measure(benchmark, lambda: deque((decision() for decision in decisions), 0), rounds=ROUNDS)
    finally:
        gc.unfreeze()
    each = [len(decisions) / seconds for seconds in rounds.seconds]
    keep(
        benchmark,
        "The rules alone",
        rounds.figure("messages and deadlines decided on one core", "rate", "decisions/s", each, "≥ 60,000"),
    )


def _decisions(lines: list[Line], policies: Policies) -> list[Callable[[], Decision]]:
    """All calls of the rules that a replay of the lines makes, in order, to be made again."""
    calls: list[Callable[[], Decision]] = []
    orders: dict[str, PurchaseOrder] = {}
    due: list[tuple[int, int, str]] = []

    def take(po_number: str, call: Callable[[], Decision]) -> None:
        calls.append(call)
        order = call().order
        if order is None:
            orders.pop(po_number, None)
        else:
            orders[po_number] = order
            heapq.heappush(due, (order.due_at, order.due_rank, po_number))

    for line in lines:
        while due and due[0][0] <= line.at:
            due_at, rank, po_number = heapq.heappop(due)
            order = orders.get(po_number)
            if order is not None and (order.due_at, order.due_rank) == (due_at, rank):
                take(po_number, partial(fall_due, order, po_number, policies))
        if line.message is not None:
            po_number = line.message.po_number
            take(po_number, partial(decide, orders.get(po_number), line.message, line.at, policies))
    return calls
