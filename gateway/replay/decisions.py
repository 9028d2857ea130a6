"""Replay: the rules under a virtual clock, with nothing kept and no log (contracts: Replay)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from gateway.engine.purchase_orders import Due, PurchaseOrders
from gateway.intake.lines import Line
from gateway.intake.runs import in_runs
from gateway.rules.events import Event
from gateway.rules.policy import Policies
from gateway.system.errors import UsageError
from schemas.json import format_instant

#: Where a decision belongs: the line before which it falls due, or of which it is, and what fell due.
Place = tuple[int, Due]
Effect = tuple[Event, str | None]

#: The number of the tick behind all lines.
BEHIND_ALL: Final = 2**62
#: At a line, before and behind all that falls due there.
BEFORE_ALL_DUE: Final[Due] = (-(2**62), 0, "")
BEHIND_ALL_DUE: Final[Due] = (2**62, 0, "")


def replay(lines: Iterable[Line], policies: Policies, until: int | None = None) -> Iterator[Event]:
    """Decide messages in the order given, and let fall due what is due before each.

    until: one more tick at the end, UTC milliseconds. Events come in the order of decision. An error in
    `lines` comes out when all that was decided before it has been given. Raises UsageError where
    `until` is before the last line.
    """
    for _, effects in decisions(lines, policies, until):
        for event, _ in effects:
            yield event


def decisions(
    lines: Iterable[Line], policies: Policies, until: int | None = None
) -> Iterator[tuple[Place, Sequence[Effect]]]:
    """The same, decision by decision, each with its place among those of all purchase orders."""
    purchase_orders = PurchaseOrders(policies)
    at = None
    for line in chain.from_iterable(in_runs(lines)):
        at = line.at
        yield from _fall_due(purchase_orders, line.number, at)
        if line.message is not None:
            decision = purchase_orders.decide(line.message, at)
            purchase_orders.keep(line.message.po_number, decision)
            yield (line.number, BEHIND_ALL_DUE), decision.effects
    if until is not None:
        if at is not None and until < at:
            raise UsageError(
                f"--until is before the last line, which is at {format_instant(at)}; name no earlier instant"
            )
        yield from _fall_due(purchase_orders, BEHIND_ALL, until)


def _fall_due(
    purchase_orders: PurchaseOrders, number: int, until: int
) -> Iterator[tuple[Place, Sequence[Effect]]]:
    while purchase_orders.due_by(until) is not None:
        place = (number, purchase_orders.found_due())
        po_number, decision = purchase_orders.fall_due()
        purchase_orders.keep(po_number, decision)
        yield place, decision.effects
