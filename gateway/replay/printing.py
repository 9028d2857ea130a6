"""`gateway replay`: the decisions as JSON lines, or counted."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from itertools import groupby
from typing import IO, Final

from rich.console import Console
from rich.text import Text

from gateway.intake.lines import Line, read_lines
from gateway.replay.decisions import Place, decisions, replay
from gateway.replay.event_lines import TOPIC_OF_EVENT, to_line
from gateway.replay.progress import progress
from gateway.replay.sharding import sharded
from gateway.rules.events import Breach, Event, Instruction, Outcome, PrapAction, SanctionNotification
from gateway.rules.messages import TOPIC_OF
from gateway.rules.policy import Policies
from gateway.system.terminal import write_lines

#: What stands before a count, so that a line of the summary has 72 columns.
_WIDTH: Final = 60


def print_lines(stream: IO[bytes], policies: Policies, until: int | None, shards: int) -> None:
    """All events as JSON lines on standard output. What comes before a wrong line has been written.

    shards: how many processes may decide.
    """
    work = partial(to_output, policies=policies, until=until)
    try:
        with progress(stream, "replaying") as bar, ExitStack() as running:
            outputs: Iterator[bytes]
            if shards > 1:
                outputs = running.enter_context(closing(sharded(stream, work, shards, bar.move)))
            else:
                outputs = (output for _, output in work(read_lines(bar.lines)))
            for output in outputs:
                write_lines(output)
    finally:
        sys.stdout.buffer.flush()


def to_output(
    lines: Iterable[Line], *, policies: Policies, until: int | None
) -> Iterator[tuple[Place, bytes]]:
    """What is printed of each decision, with its place."""
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

    with progress(stream, "replaying") as bar:
        for event in replay(counted(read_lines(bar.lines)), policies, until):
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
