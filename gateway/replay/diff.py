"""`gateway replay --diff`: what another policy would have decided otherwise."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby, tee
from typing import IO

from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from gateway.intake.lines import read_lines
from gateway.replay.decisions import replay
from gateway.replay.progress import progress
from gateway.rules.calendar import instant_text
from gateway.rules.events import Event, Outcome
from gateway.rules.policy import Policies
from gateway.rules.words import sent, went
from gateway.system.terminal import printable


def print_diff(stream: IO[bytes], policies: Policies, other: Policies, until: int | None) -> None:
    """Referral by referral, what is decided only by the first policies (-) and only by the other (+)."""
    with progress(stream, "replaying twice") as bar:
        first, second = tee(read_lines(bar.lines))
        purchase_orders: set[str] = set()
        found: defaultdict[str, list[tuple[str, Event]]] = defaultdict(list)
        for sign, event in changes(replay(first, policies, until), replay(second, other, until)):
            purchase_orders.add(event.po_number)
            if sign:
                found[event.po_number].append((sign, event))
    console = Console(highlight=False)
    for po_number in sorted(found):
        print_changes(console, po_number, found[po_number])
    console.print(
        f"{len(found):,} of {len(purchase_orders):,} purchase orders would have been decided otherwise "
        "(- what would not have been, + what would have been instead)",
        soft_wrap=True,
    )


def print_changes(console: Console, po_number: str, changed: Iterable[tuple[str, Event]]) -> None:
    """Print what would have been decided otherwise of a purchase order."""
    console.print(Text(printable(po_number), style="bold"), soft_wrap=True)
    for sign, event in changed:
        style = "red" if sign == "-" else "green"
        console.print(Text(f"  {sign} {described(event)}", style), soft_wrap=True)


def changes(first: Iterable[Event], second: Iterable[Event]) -> Iterator[tuple[str, Event]]:
    """The events of two replays, in order of decision: '-' only in the first, '+' in the second, '' both.

    Both come in order of time and an event's instant is part of it, so only what was decided at one instant
    has to be compared, and nothing else is kept.
    """
    for before, after in _by_instant(first, second):
        if before == after:
            yield from (("", event) for event in before)
            continue
        unchanged = Counter(map(_essence, before)) & Counter(map(_essence, after))
        for sign, events in (("-", before), ("+", after)):
            left = unchanged.copy()
            for event in events:
                essence = _essence(event)
                yield "" if left[essence] else sign, event
                left[essence] -= bool(left[essence])


def _by_instant(first: Iterable[Event], second: Iterable[Event]) -> Iterator[tuple[list[Event], list[Event]]]:
    """What was decided at each instant by the one and the other."""
    one, two = (groupby(events, lambda event: event.decided_at) for events in (first, second))
    a, b = next(one, None), next(two, None)
    while a is not None or b is not None:
        at = min(group[0] for group in (a, b) if group is not None)
        before: list[Event] = []
        after: list[Event] = []
        if a is not None and a[0] == at:
            before = list(a[1])
            a = next(one, None)
        if b is not None and b[0] == at:
            after = list(b[1])
            b = next(two, None)
        yield before, after


def _essence(event: Event) -> Event:
    """An event without its ids, which differ as soon as one event more or less was decided at an instant."""
    blanks: dict[str, object] = {"event_id": ""}
    for reference in ("supersedes", "withdraws"):
        if getattr(event, reference, None) is not None:
            blanks[reference] = ""
    return replace(event, **blanks)


def described(event: Event) -> str:
    """An event in words, without anything about a person."""
    shown = f"{instant_text(event.decided_at):<17}  "
    if isinstance(event, Outcome):
        return f"{shown}{sent(event)} is {went(event)}  ({printable(event.message_id)})"
    return shown + printable(f"→ {went(event)}")
