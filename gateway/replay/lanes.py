"""The replay of a large file, shared out among processes, one for each processor.

Purchase orders have nothing to do with each other (see docs/decisions.md, 5), so each process decides those
of its own. All of them read all lines, because each line moves the time; what they decide is put in order
again. No process is more than a block of lines ahead of the others, and what it has decided is handed over in
parts, so that memory grows with the purchase orders kept, and with nothing else.
"""

import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from heapq import merge
from multiprocessing import get_context
from multiprocessing.connection import Connection
from operator import itemgetter
from stat import S_ISREG
from typing import IO, Final, Literal
from zlib import crc32

from msgspec import Struct

from gateway.intake.lines import LONGEST_LINE, InvalidLine, Line, read_lines
from gateway.replay.replay import BEFORE_ALL_DUE, BEHIND_ALL, EndsBeforeInput, LaneEnded, Place
from gateway.system.stopping import SIGNALS, signals_held

#: From lines to what is to be written, each with the place of the decision that it comes of, empty ones too.
Work = Callable[[Iterator[Line]], Iterator[tuple[Place, bytes]]]
#: What is written at a place, or the error with which it ends there.
_Written = tuple[Place, bytes | Exception]

#: How many lines are handed over at a time, and about how many bytes at the most.
LINES: Final = 2_048
BYTES: Final = LONGEST_LINE
#: A smaller file is decided by one process in the time that another takes to start.
WORTH_IT_BYTES: Final = 1024 * 1024
#: More would wait for the one that hands out the lines and puts in order what comes back.
MOST_LANES: Final = 8


class _Part(Struct, frozen=True):
    """A part of what a lane has decided. then: another part follows, or it wants lines, or it has ended."""

    written: Sequence[_Written]
    then: Literal["MORE", "WANTS_LINES", "END"]


def lanes_for(stream: IO[bytes]) -> int:
    """How many processes are of use for what is in a stream.

    One where that is little, since a process takes time to start, and where it is no file: lanes would wait
    for whole blocks of what another program may give slowly.
    """
    status = os.fstat(stream.fileno())
    if not S_ISREG(status.st_mode) or status.st_size < WORTH_IT_BYTES:
        return 1
    return min(_processors(), MOST_LANES)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def in_lanes(lines: Iterable[bytes], work: Work, lanes: int) -> Iterator[bytes]:
    """What `work` makes of the lines, in the order of decision, whatever the number of processes.

    InvalidLine and EndsBeforeInput come out when all that was decided before them has been given. Raises
    LaneEnded.
    """
    if lanes < 2:
        yield from (written for _, written in work(read_lines(lines)))
        return
    blocks = _Blocks(lines, lanes)
    with ExitStack() as at_work:
        shares = [at_work.enter_context(closing(_Lane(work, number, blocks))) for number in range(lanes)]
        for share in shares:
            share.hand_over()
        for _, written in merge(*(share.written() for share in shares), key=itemgetter(0)):
            if isinstance(written, Exception):
                raise written
            yield written


class _Blocks:
    """Lines in blocks, each of which every lane gets."""

    def __init__(self, lines: Iterable[bytes], lanes: int) -> None:
        self.lanes = lanes
        self._lines = iter(lines)
        self._waiting: list[deque[list[bytes]]] = [deque() for _ in range(lanes)]

    def next_for(self, lane: int) -> list[bytes]:
        """The next block for a lane; without a line in it: there is no more."""
        mine = self._waiting[lane]
        if not mine:
            block = self._read()
            for waiting in self._waiting:
                waiting.append(block)
        return mine.popleft()

    def _read(self) -> list[bytes]:
        block: list[bytes] = []
        size = 0
        for line in self._lines:
            block.append(line)
            size += len(line)
            if len(block) >= LINES or size >= BYTES:
                break
        return block


class _Lane:
    """A process that decides a share of the purchase orders, as its parent sees it.

    It has one block of lines at the most, and gets the next one when it asks for it: whoever is sending can't
    receive, and both would wait for ever.
    """

    def __init__(self, work: Work, number: int, blocks: _Blocks) -> None:
        self._number = number
        self._blocks = blocks
        context = get_context("fork")
        self._wire, theirs = context.Pipe()
        # Forked: what it needs is there at once. This process has no other thread that could hold a lock.
        self._process = context.Process(
            target=_decide_share, args=(theirs, self._wire, work, number, blocks.lanes), daemon=True
        )
        with signals_held():
            self._process.start()
        theirs.close()

    def hand_over(self) -> None:
        """Hand over the next block of lines. Raises LaneEnded."""
        block = self._blocks.next_for(self._number)
        try:
            self._wire.send(block)
        except OSError:
            raise _ended() from None

    def written(self) -> Iterator[_Written]:
        """What comes of the lines, those handed over and all others. Raises LaneEnded."""
        then = ""
        while then != "END":
            try:
                part: _Part = self._wire.recv()
            except (EOFError, OSError):
                raise _ended() from None
            then = part.then
            if then == "WANTS_LINES":
                self.hand_over()
            yield from part.written

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.join()
        self._wire.close()


def _ended() -> LaneEnded:
    return LaneEnded(
        "a process that decides a part of the messages was stopped; see to memory, and try again"
    )


def _decide_share(wire: Connection, parents: Connection, work: Work, number: int, lanes: int) -> None:
    """Decide the purchase orders that are this lane's: all that the process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent sees to it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    parents.close()  # so that it is heard when the parent is gone
    written: list[_Written] = []
    reached: Place = (0, BEFORE_ALL_DUE)

    def tell(then: Literal["MORE", "WANTS_LINES", "END"]) -> None:
        try:
            wire.send(_Part(written, then))
        except OSError:
            os._exit(1)  # the parent is gone, and nobody wants to know more
        written.clear()

    def given() -> Iterator[bytes]:
        while True:
            try:
                block = wire.recv()
            except (EOFError, OSError):
                os._exit(1)
            if not block:
                return
            yield from block
            tell("WANTS_LINES")

    def mine(po_number: str) -> bool:
        return crc32(po_number.encode()) % lanes == number

    try:
        for each in work(read_lines(given(), mine)):
            reached = each[0]
            if written and not written[-1][1]:
                written[-1] = each  # of what is empty only the last tells something: how far it has come
            else:
                written.append(each)
            if len(written) >= LINES:
                tell("MORE")
    except Exception as error:  # noqa: BLE001 - the parent raises it
        error.add_note(traceback.format_exc())
        written.append((_place_of(error, reached), error))
    tell("END")


def _place_of(error: Exception, reached: Place) -> Place:
    """Where an error comes out. reached: the place of what came last."""
    match error:
        case InvalidLine():
            return error.number, BEFORE_ALL_DUE
        case EndsBeforeInput():
            return BEHIND_ALL, BEFORE_ALL_DUE
    return reached
