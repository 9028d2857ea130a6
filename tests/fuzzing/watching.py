"""One input to one parser: what it may raise, how long it may take, and how much memory."""

import signal
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

#: Of the processor, so that a busy machine changes nothing. No input takes a hundredth of it.
LONGEST_S: Final = 5.0
#: Beside this, an input may take a thousand times its size.
MEMORY_BYTES: Final = 32 * 1024 * 1024
MEMORY_TIMES: Final = 1_000


@dataclass(frozen=True)
class Parser:
    """Something that reads what a stranger sent.

    seeds: inputs that it reads, to be damaged. refusals: what it raises where it refuses one.
    """

    name: str
    parse: Callable[[bytes], object]
    seeds: Sequence[bytes]
    refusals: tuple[type[Exception], ...] = ()


class Found(AssertionError):
    """A parser did what it must not do with some input."""


class _TooLong(BaseException):
    """Nothing in a parser may take it for an error of its own."""


def watch(parser: Parser, given: bytes, longest_s: float = LONGEST_S) -> None:
    """Let a parser read an input. Raises Found where it raises what is no refusal, or takes too much.

    longest_s: how long that may take, in seconds of the processor.
    """
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    try:
        with _limited(longest_s):
            parser.parse(given)
    except parser.refusals:
        pass
    except _TooLong:
        raise Found(f"{parser.name} takes more than {longest_s} s of the processor") from None
    except Found:
        raise
    except Exception as error:
        raise Found(f"{parser.name} raises {type(error).__name__}") from error
    finally:
        taken = tracemalloc.get_traced_memory()[1] - before
        if not tracing:
            tracemalloc.stop()
    if taken > MEMORY_BYTES + MEMORY_TIMES * len(given):
        raise Found(f"{parser.name} takes {taken:,} bytes of memory for {len(given):,}")


@contextmanager
def _limited(most_s: float) -> Iterator[None]:
    def end(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, most_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
