"""What `gateway replay` prints: lines, a summary, or what another policy would have changed."""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import fstat
from stat import S_ISREG
from typing import IO, Final

from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gateway.lines import Line, read_lines
from gateway.replay import TOPIC_OF_EVENT, replay, to_line
from gateway.rules.events import Breach, Event, Instruction, Outcome, PrapAction, SanctionNotification
from gateway.rules.messages import TOPIC_OF
from gateway.rules.policy import Policies

#: How many lines are read between two moves of the progress bar.
_MOVE_EVERY: Final = 1_000


def print_lines(stream: IO[bytes], policies: Policies, until: int | None) -> None:
    """All events as JSON lines on standard output. What comes before a wrong line has been written."""
    out = sys.stdout.buffer
    try:
        with progress(stream, "replaying") as (lines, _):
            for event in replay(read_lines(lines), policies, until):
                out.write(to_line(event))
    finally:
        out.flush()


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
    for title, counts in (("came in", arrived), ("went out", decided)):
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        table.add_column("topic")
        table.add_column("what")
        table.add_column("records", justify="right")
        for (topic, what), count in sorted(counts.items()):
            table.add_row(topic, what, f"{count:,}")
        table.add_row("", "all", f"{counts.total():,}")
        console.print(table)
        console.print()


def print_diff(stream: IO[bytes], policies: Policies, other: Policies, until: int | None) -> None:
    """Referral by referral, what is decided only by the first policies (-) and only by the other (+)."""
    with progress(stream, "reading") as (lines, _):
        messages = list(read_lines(lines))
    first, second = _by_referral(messages, policies, until), _by_referral(messages, other, until)
    changed = 0
    for po_number in sorted(first.keys() | second.keys()):
        before, after = Counter(first[po_number]), Counter(second[po_number])
        if before == after:
            continue
        changed += 1
        print(po_number)
        for sign, events, others in (("-", first[po_number], after), ("+", second[po_number], before)):
            left = Counter(others)
            for event in events:
                left[event] -= 1
                if left[event] < 0:
                    print(f"  {sign} {event}")
    print(
        f"{changed} of {len(first.keys() | second.keys())} purchase orders would have been decided otherwise"
    )


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


def _by_referral(lines: list[Line], policies: Policies, until: int | None) -> defaultdict[str, list[str]]:
    decided: defaultdict[str, list[str]] = defaultdict(list)
    for event in replay(lines, policies, until):
        # Ids differ as soon as one event more or less was decided at an instant; they are no change.
        changes: dict[str, object] = {"event_id": ""}
        for reference in ("supersedes", "withdraws"):
            if getattr(event, reference, None) is not None:
                changes[reference] = ""
        line = to_line(replace(event, **changes)).decode()
        decided[event.po_number].append(line.rstrip())
    return decided


@contextmanager
def progress(stream: IO[bytes], what: str) -> Iterator[tuple[Iterator[bytes], Callable[[], None]]]:
    """The lines of a stream, with a bar on standard error where that is a terminal.

    Also gives a function that ends the bar before the lines end.
    """
    status = fstat(stream.fileno())
    total = status.st_size if S_ISREG(status.st_mode) else None
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task(what, total=total)

    def moving() -> Iterator[bytes]:
        read = 0
        for number, line in enumerate(stream, 1):
            read += len(line)
            if number % _MOVE_EVERY == 0:
                bar.update(task, completed=read)
            yield line

    with bar:
        yield (moving() if console.is_terminal else iter(stream)), bar.stop
