"""A progress bar on standard error, where that is a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import fstat
from stat import S_ISREG
from typing import IO, Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.intake.lines import split_lines

#: How many lines are read between two moves of the bar.
_MOVE_EVERY: Final = 2_000


class Bar(NamedTuple):
    """lines: those of the stream, moving the bar. move: to a number of bytes. stop: end the bar early."""

    lines: Iterator[bytes]
    move: Callable[[int], None]
    stop: Callable[[], None]


@contextmanager
def progress(stream: IO[bytes], what: str) -> Iterator[Bar]:
    """A bar for the bytes of a stream."""
    status = fstat(stream.fileno())
    total = status.st_size if S_ISREG(status.st_mode) else None
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    # No thread of its own refreshes it: processes are forked while it is there.
    bar = Progress(
        *columns, console=console, transient=True, auto_refresh=False, disable=not console.is_terminal
    )
    task = bar.add_task(what, total=total)

    def move(read: int) -> None:
        bar.update(task, completed=read, refresh=True)

    def moving() -> Iterator[bytes]:
        read = 0
        for number, line in enumerate(split_lines(stream), 1):
            read += len(line)
            if number % _MOVE_EVERY == 0:
                move(read)
            yield line

    with bar:
        yield Bar(moving() if console.is_terminal else split_lines(stream), move, bar.stop)
