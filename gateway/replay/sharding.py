"""A large file replayed by several processes, each deciding a shard of the purchase orders.

Purchase orders are independent of each other (docs/decisions.md, 5). Each process reads the whole file, as
every line moves the clock, and writes what it decided to a one-way pipe; the parent merges. A full pipe stops
its writer, so memory grows only with the purchase orders kept.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from heapq import merge
from io import BufferedReader, FileIO
from multiprocessing import get_context
from multiprocessing.connection import Connection
from operator import itemgetter
from stat import S_ISREG
from typing import IO, TYPE_CHECKING, Final
from zlib import crc32

from gateway.intake.lines import InvalidLine, Line, read_lines, split_lines
from gateway.replay.decisions import BEFORE_ALL_DUE, BEHIND_ALL, Place
from gateway.system.errors import UsageError, UserError
from gateway.system.stopping import SIGNALS

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: From lines to the output of each decision, with its place.
Work = Callable[[Iterator[Line]], Iterator[tuple[Place, bytes]]]
#: The output at a place, or the error that ends the replay there.
_Output = tuple[Place, bytes | Exception]

#: One process decides a smaller file in the time that another takes to start.
WORTH_IT_BYTES: Final = 1024 * 1024
#: With more, they would wait for the parent.
MOST_SHARDS: Final = 8
#: How much output is sent at a time: what a pipe holds.
PART_BYTES: Final = 64 * 1024


class _Section(FileIO):
    """A file's bytes from its position to its present end: the same for each process that reads them."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(os.dup(stream.fileno()))  # a child that starts closes its standard input
        self.position = stream.tell()
        self._end = os.fstat(self.fileno()).st_size

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        wanted = memoryview(buffer)[: self._end - self.position]
        read = os.preadv(self.fileno(), [wanted], self.position)
        self.position += read
        return read


def shards_for(stream: IO[bytes], processors: int | None = None) -> int:
    """How many processes to use: one where the input is small, or another program may supply it slowly."""
    status = os.fstat(stream.fileno())
    if not S_ISREG(status.st_mode) or status.st_size < WORTH_IT_BYTES:
        return 1
    if processors is None:
        processors = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(processors, MOST_SHARDS)


def sharded(
    stream: IO[bytes], work: Work, shards: int, moved: Callable[[int], None], part_bytes: int = PART_BYTES
) -> Generator[bytes, None, None]:
    """The output of `work` for the lines of a file, in the order of decision.

    moved: called with the number of bytes read so far. An error in the lines or in `work` comes after all
    output from before it. Raises UserError when a process dies.
    """
    context = get_context("fork")  # no other thread runs that could hold a lock
    readers: list[Connection] = []
    with ExitStack() as started:
        # They stay blocked in the children: a terminal signals every process, and the parent ends them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            for number in range(shards):
                reader, writer = context.Pipe(duplex=False)
                readers.append(started.enter_context(reader))
                # The child alone keeps the writer open, so that its death is the end of the pipe.
                with writer, _Section(stream) as section:
                    lines = split_lines(BufferedReader(section))
                    parts = _parts(work(read_lines(lines, partial(_belongs, number, shards))), part_bytes)
                    arguments = (section, parts, readers, writer)
                    process = context.Process(target=_send, args=arguments, daemon=True)
                    process.start()
                started.callback(process.join)
                started.callback(process.kill)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for _, output in merge(*(_received(reader, moved) for reader in readers), key=itemgetter(0)):
            if isinstance(output, Exception):
                raise output
            yield output


def _received(reader: Connection, moved: Callable[[int], None]) -> Iterator[_Output]:
    part: list[_Output] | None = []
    while part is not None:
        yield from part
        try:
            read, part = reader.recv()
        except (EOFError, OSError):
            raise UserError(
                "a process that decides some of the messages died; check its memory and try again"
            ) from None
        moved(read)


def _belongs(shard: int, shards: int, po_number: str) -> bool:
    return crc32(po_number.encode()) % shards == shard


def _send(
    section: _Section, parts: Iterator[list[_Output]], readers: Sequence[Connection], writer: Connection
) -> None:
    """Decide a shard and send its output: all that a child does."""
    for reader in readers:
        reader.close()  # else no writer would notice that the parent is gone
    with suppress(BrokenPipeError):
        for part in parts:
            writer.send((section.position, part))
        writer.send((section.position, None))


def _parts(outputs: Iterator[tuple[Place, bytes]], part_bytes: int) -> Iterator[list[_Output]]:
    part: list[_Output] = []
    size, place = 0, (0, BEFORE_ALL_DUE)
    try:
        for place, output in outputs:
            if output:
                part.append((place, output))
            size += len(output)
            if size >= part_bytes:
                yield part
                part, size = [], 0
    except InvalidLine as error:
        part.append(((error.number, BEFORE_ALL_DUE), error))
    except UsageError as error:
        part.append(((BEHIND_ALL, BEFORE_ALL_DUE), error))
    except Exception as error:  # noqa: BLE001 - the parent raises it
        error.add_note(traceback.format_exc())
        part.append((place, error))
    yield part
