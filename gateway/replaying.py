"""What `gateway replay` prints: lines, a summary, or what another policy would have changed."""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import groupby, tee
from os import fstat
from stat import S_ISREG
from typing import IO, Final

from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from gateway.lanes import in_lanes
from gateway.lines import LONGEST_LINE, Line, read_lines
from gateway.replay import TOPIC_OF_EVENT, Place, decisions, replay, to_line
from gateway.rules.calendar import instant_text
from gateway.rules.events import Breach, Event, Instruction, Outcome, PrapAction, SanctionNotification
from gateway.rules.messages import TOPIC_OF
from gateway.rules.policy import Policies
from gateway.words import printable, sent, went

#: How many lines are read between two moves of the progress bar.
_MOVE_EVERY: Final = 2_000
#: What stands before a count, so that a line of the summary has 72 columns.
_WIDTH: Final = 60


def print_lines(stream: IO[bytes], policies: Policies, until: int | None, lanes: int) -> None:
    """All events as JSON lines on standard output. What comes before a wrong line has been written.

    lanes: how many processes may decide.
    """
    out = sys.stdout.buffer
    try:
        with progress(stream, "replaying") as (lines, _):
            for written in in_lanes(lines, partial(to_write, policies=policies, until=until), lanes):
                out.write(written)
    finally:
        out.flush()


def to_write(
    lines: Iterable[Line], *, policies: Policies, until: int | None
) -> Iterator[tuple[Place, bytes]]:
    """What the lines' decisions are printed as, each with its place."""
    for place, effects in decisions(lines, policies, until):
        yield place, b"".join([to_line(event) for event, _ in effects])


def print_summary(stream: IO[bytes], policies: Policies, until: int | None) -> None:
    """What came in and what went out, counted."""
    arrived: Counter[tuple[str, str]] = Counter()
    decided: Counter[tuple[str, str]] = Counter()

    def counted(lines: Iterator[Line]) -> Iterator[Line]:
        for line in lines:
            if line.message is not None:
                arrived[TOPIC_OF[type(line.message)], type(line.message).__name__] += 1
            yield line

    with progress(stream, "replaying") as (lines, _):
        for event in replay(counted(read_lines(lines)), policies, until):
            decided[TOPIC_OF_EVENT[type(event)], kind(event)] += 1
    console = Console(highlight=False)
    _print_counts(console, "came in", arrived)
    console.print()
    _print_counts(console, "went out", decided)


def _print_counts(console: Console, title: str, counts: Counter[tuple[str, str]]) -> None:
    def put(what: str, count: int, style: str) -> None:
        console.print(Text(f"{what:<{_WIDTH}}{count:>12,}", style), soft_wrap=True)

    put(title, counts.total(), "bold")
    for topic, entries in groupby(sorted(counts.items()), lambda entry: entry[0][0]):
        of_topic = {what: count for (_, what), count in entries}
        put(f"  {topic}", sum(of_topic.values()), "")
        for what, count in of_topic.items():
            put(f"    {what}", count, "dim")


def print_diff(stream: IO[bytes], policies: Policies, other: Policies, until: int | None) -> None:
    """Referral by referral, what is decided only by the first policies (-) and only by the other (+)."""
    with progress(stream, "replaying twice") as (lines, _):
        first, second = tee(read_lines(lines))
        purchase_orders: set[str] = set()
        changes: defaultdict[str, list[tuple[str, Event]]] = defaultdict(list)
        for sign, event in _changes(replay(first, policies, until), replay(second, other, until)):
            purchase_orders.add(event.po_number)
            if sign:
                changes[event.po_number].append((sign, event))
    console = Console(highlight=False)
    for po_number in sorted(changes):
        console.print(Text(printable(po_number), style="bold"), soft_wrap=True)
        for sign, event in changes[po_number]:
            style = "red" if sign == "-" else "green"
            console.print(Text(f"  {sign} {_told(event)}", style), soft_wrap=True)
    console.print(
        f"{len(changes):,} of {len(purchase_orders):,} purchase orders would have been decided otherwise "
        "(- what would not have been, + what would have been instead)",
        soft_wrap=True,
    )


def _changes(first: Iterable[Event], second: Iterable[Event]) -> Iterator[tuple[str, Event]]:
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
    changes: dict[str, object] = {"event_id": ""}
    for reference in ("supersedes", "withdraws"):
        if getattr(event, reference, None) is not None:
            changes[reference] = ""
    return replace(event, **changes)


def _told(event: Event) -> str:
    said = f"{instant_text(event.decided_at):<17}  "
    if isinstance(event, Outcome):
        return f"{said}{sent(event)} is {went(event)}  ({printable(event.message_id)})"
    return said + printable(f"→ {went(event)}")


def kind(event: Event) -> str:
    """What an event says, in a word or two."""
    match event:
        case Outcome(status=status, code=code):
            return f"{status} {code}" if code else status
        case PrapAction(action=action):
            return action
        case Instruction(instruction=instruction):
            return instruction
        case Breach(breach=breach, status=status):
            return f"{breach} {status}"
        case SanctionNotification(status=status):
            return status
        case _:
            return type(event).__name__


@contextmanager
def progress(stream: IO[bytes], what: str) -> Iterator[tuple[Iterator[bytes], Callable[[], None]]]:
    """The lines of a stream, with a bar on standard error where that is a terminal.

    Also gives a function that ends the bar before the lines end. A line that is longer than any message
    comes in parts, the first of them too long as well.
    """
    status = fstat(stream.fileno())
    total = status.st_size if S_ISREG(status.st_mode) else None
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    # It moves when it is told to, not by a thread of its own: lanes are forked while it is there.
    bar = Progress(
        *columns, console=console, transient=True, auto_refresh=False, disable=not console.is_terminal
    )
    task = bar.add_task(what, total=total)
    lines = iter(partial(stream.readline, LONGEST_LINE + 1), b"")

    def moving() -> Iterator[bytes]:
        read = 0
        for number, line in enumerate(lines, 1):
            read += len(line)
            if number % _MOVE_EVERY == 0:
                bar.update(task, completed=read, refresh=True)
            yield line

    with bar:
        yield (moving() if console.is_terminal else lines), bar.stop
