"""A replay shared out among processes, one for each processor.

Purchase orders have nothing to do with each other (see docs/decisions.md, 5), so each process decides those
of its own. All of them read all lines, because each line moves the time; what they decide is put in order
again.
"""

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from heapq import merge
from itertools import tee
from multiprocessing import get_context
from operator import itemgetter
from socket import socket, socketpair
from stat import S_ISREG
from types import TracebackType
from typing import IO, Any, Final, Self
from zlib import crc32

from msgspec import Struct

from gateway.lines import LONGEST_LINE, InvalidLine, Line, read_lines
from gateway.replay import BEHIND_ALL, EndsBeforeInput, Place

_BEFORE_ALL_DUE: Final = (-(2**62), 0, "")
_FIRST_OF_ALL: Final[Place] = (-1, *_BEFORE_ALL_DUE)

#: From lines to what is to be written, each with the place of the decision that it comes of.
Work = Callable[[Iterator[Line]], Iterator[tuple[Place, bytes]]]

#: How many lines are handed over at a time, and about how many bytes at the most.
LINES: Final = 2_048
BYTES: Final = LONGEST_LINE
#: A smaller file is decided by one process in the time that another takes to start.
WORTH_IT_BYTES: Final = 1024 * 1024
#: More would wait for the one that hands out the lines and puts in order what comes back.
MOST_LANES: Final = 8

_BUFFER: Final = 256 * 1024


class LaneEnded(RuntimeError):
    """A process that decided a share has gone, and what it knew with it."""


class _Done(Struct, frozen=True):
    """What came of the lines handed over; a failure stands in place of what would have come next.

    ended: there is no more.
    """

    written: Sequence[tuple[Place, bytes | Exception]]
    ended: bool


def lanes_for(stream: IO[bytes]) -> int:
    """How many processes are of use for what is in a stream.

    One where that is little, since a process takes time to start, and where it comes from another program,
    since that may want to see what comes of its first lines before it goes on.
    """
    status = os.fstat(stream.fileno())
    if not S_ISREG(status.st_mode) or status.st_size < WORTH_IT_BYTES:
        return 1
    return min(_processors(), MOST_LANES)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def in_lanes(lines: Iterable[bytes], work: Work, lanes: int) -> Iterator[bytes]:
    """What `work` makes of the lines, in the order of decision, whatever the number of processes.

    An error comes out when all that was decided before it has been given. Raises LaneEnded.
    """
    if lanes < 2:
        yield from (written for _, written in work(read_lines(lines)))
        return
    blocks = _blocks(lines)
    with ExitStack() as at_work:
        shares = [
            at_work.enter_context(_Lane(work, number, lanes)).written(mine)
            for number, mine in enumerate(tee(blocks, lanes))
        ]
        for share in shares:
            next(share)  # has its first lines from here on
        for _, written in merge(*shares, key=itemgetter(0)):
            if isinstance(written, Exception):
                raise written
            yield written


def _blocks(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    block: list[bytes] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if len(block) == LINES or size >= BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block


class _Wire:
    """One end of the wire between a parent and a lane. What is said is trusted: both are this program."""

    def __init__(self, end: socket) -> None:
        self._end = end
        self._heard = end.makefile("rb", _BUFFER)
        self._said = end.makefile("wb", _BUFFER)

    def send(self, what: object) -> None:
        """Say something. Raises ConnectionError where the other end is closed."""
        pickle.dump(what, self._said, pickle.HIGHEST_PROTOCOL)
        self._said.flush()

    def receive(self) -> Any:  # noqa: ANN401 - what the other end sends
        """Wait for what the other end says. Raises EOFError or ConnectionError where it is closed."""
        return pickle.load(self._heard)

    def close(self) -> None:
        """Close this end. Never raises."""
        self._heard.close()
        with suppress(OSError):
            self._said.close()
        self._end.close()


class _Lane:
    """A process that decides a share of the purchase orders, as its parent sees it."""

    def __init__(self, work: Work, number: int, lanes: int) -> None:
        # Forked: what it needs is there at once. No thread of this process has a lock that a lane would want.
        ours, theirs = socketpair()
        self._process = get_context("fork").Process(
            target=_decide_share, args=(theirs, ours, work, number, lanes), daemon=True
        )
        self._process.start()
        theirs.close()
        self._wire = _Wire(ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()
        self._wire.close()

    def written(self, blocks: Iterator[list[bytes]]) -> Iterator[tuple[Place, bytes | Exception]]:
        """What comes of these blocks of lines. Nothing comes of nothing first, when it has begun.

        It always has one block, and no more: whoever is sending can't receive, and both would wait.
        """
        try:
            self._wire.send(next(blocks, None))
            yield _FIRST_OF_ALL, b""
            ended = False
            while not ended:
                done: _Done = self._wire.receive()
                ended = done.ended
                if not ended:
                    self._wire.send(next(blocks, None))
                yield from done.written
        except (EOFError, ConnectionError):
            raise LaneEnded(
                "a process that decides a part of the messages was stopped; see to memory, and try again"
            ) from None


def _decide_share(end: socket, parents: socket, work: Work, number: int, lanes: int) -> None:
    """Decide the purchase orders that are this lane's: all that the process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent sees to it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parents.close()  # so that it is heard when the parent is gone
    wire = _Wire(end)
    written: list[tuple[Place, bytes | Exception]] = []

    def given() -> Iterator[bytes]:
        while (block := wire.receive()) is not None:
            yield from block
            wire.send(_Done(written, ended=False))
            written.clear()

    def mine(po_number: str) -> bool:
        return crc32(po_number.encode()) % lanes == number

    with suppress(EOFError, ConnectionError):  # the parent is gone, or wants no more
        try:
            for each in work(read_lines(given(), mine)):
                written.append(each)  # noqa: PERF402 - given() sends what there is, and clears it
        except InvalidLine as wrong:
            written.append(((wrong.number, *_BEFORE_ALL_DUE), wrong))
        except EndsBeforeInput as wrong:
            written.append(((BEHIND_ALL, *_BEFORE_ALL_DUE), wrong))
        except (EOFError, ConnectionError):
            raise
        except Exception as failure:  # noqa: BLE001 - it is raised again by the parent
            failure.add_note(traceback.format_exc())
            written.append((_FIRST_OF_ALL, failure))
        wire.send(_Done(written, ended=True))
