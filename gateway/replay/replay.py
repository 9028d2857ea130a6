"""Replay: the rules under a virtual clock, with nothing kept and no log (contracts: Replay)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from msgspec.json import Encoder

from gateway.engine.log import DELIVERY_PLANS
from gateway.engine.purchase_orders import Due, PurchaseOrders
from gateway.intake.lines import Line
from gateway.intake.runs import in_runs
from gateway.rules.events import OUTBOUND, DeadLetter, DeliveryPlan, Event
from gateway.rules.policy import Policies
from schemas.json import format_instant, render

TOPIC_OF_EVENT: Final[dict[type, str]] = {event: topic for topic, event in OUTBOUND.items()} | {
    DeadLetter: "gateway.dead-letters"
}

#: Where a decision belongs: the line before which it falls due, or of which it is, and what fell due.
Place = tuple[int, Due]
Effect = tuple[Event, str | None]

#: The number of the tick behind all lines.
BEHIND_ALL: Final = 2**62
#: At a line, before and behind all that falls due there.
BEFORE_ALL_DUE: Final[Due] = (-(2**62), 0, "")
BEHIND_ALL_DUE: Final[Due] = (2**62, 0, "")

_encode: Final = Encoder().encode


class EndsBeforeInput(ValueError):
    """The last tick would lie before the last line: time would go back."""


class LaneEnded(RuntimeError):
    """A process that decided a share of a replay has gone, and what it knew with it."""


def replay(lines: Iterable[Line], policies: Policies, until: int | None = None) -> Iterator[Event]:
    """Decide messages in the order given, and let fall due what is due before each.

    until: one more tick at the end, UTC milliseconds. Events come in the order of decision. An error in
    `lines` comes out when all that was decided before it has been given. Raises EndsBeforeInput where
    `until` is before the last line.
    """
    for _, effects in decisions(lines, policies, until):
        for event, _ in effects:
            yield event


def decisions(
    lines: Iterable[Line], policies: Policies, until: int | None = None
) -> Iterator[tuple[Place, Sequence[Effect]]]:
    """The same, decision by decision, each with its place among those of all purchase orders.

    Of a tick, nothing comes but its place.
    """
    purchase_orders = PurchaseOrders(policies)
    at = None
    for line in chain.from_iterable(in_runs(lines)):
        at = line.at
        yield from _fall_due(purchase_orders, line.number, at)
        if line.message is not None:
            decision = purchase_orders.decide(line.message, at)
            purchase_orders.keep(line.message.po_number, decision)
            yield (line.number, BEHIND_ALL_DUE), decision.effects
        else:
            yield (line.number, BEHIND_ALL_DUE), ()
    if until is not None:
        if at is not None and until < at:
            raise EndsBeforeInput(
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


def to_line(event: Event | DeadLetter) -> bytes:
    """An event as a line of replay's output. A dead letter's key that is no text is shown as null."""
    key = _text(event.key) if isinstance(event, DeadLetter) else event.po_number
    record, value = type(event), render(event)
    return _line(value["decided_at"], TOPIC_OF_EVENT[record], record, key, value)


def plan_to_line(plan: DeliveryPlan, at: int) -> bytes:
    """A delivery plan as such a line. at: when it came, UTC milliseconds."""
    return _line(format_instant(at), DELIVERY_PLANS, DeliveryPlan, plan.provider_id, render(plan))


def _line(at: str, topic: str, record: type, key: str | None, value: object) -> bytes:
    return _encode({"at": at, "topic": topic, "type": record.__name__, "key": key, "value": value}) + b"\n"


def _text(key: bytes | None) -> str | None:
    try:
        return None if key is None else key.decode()
    except UnicodeDecodeError:
        return None
