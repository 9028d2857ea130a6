"""`make fuzz-parsers`: damaged inputs for every parser that a stranger can reach, until the time is over.

    python -m tests.fuzzing.fuzz --minutes 10
    python -m tests.fuzzing.fuzz --rounds 1 --seed 7 --only avro

Each round goes once through the parsers. What is found is printed with its input, made as small as can be;
keep that in tests/fuzzing/corpus/PARSER/, where the tests try it.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import FlakyFailure

from tests.fuzzing.damaging import damaged
from tests.fuzzing.http import http
from tests.fuzzing.parsers import kept, parsers
from tests.fuzzing.watching import Found, Parser, watch

#: How many inputs a parser gets in one round.
INPUTS: Final = 100
#: Beyond what the process has when it begins. An input that wants more is a finding, whoever asks for it.
MEMORY_BYTES: Final = 512 * 1024 * 1024


def fuzz(parser: Parser, number: int, inputs: int) -> Found | None:
    """Try inputs on a parser; what is found, with the smallest input for which it is. number: the seed."""
    seeds = [*parser.seeds, *kept(parser.name)]
    tried: list[bytes] = []

    @seed(number)
    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(damaged(seeds))
    def attempt(one: bytes) -> None:
        tried[:] = [one]
        watch(parser, one)

    try:
        attempt()
    except FlakyFailure as once:
        # It was not found again: what another process does depends on more than one input.
        found = Found(f"{parser.name}, once: {once.exceptions[0]!r}")
    except Found as again:
        found = again
    else:
        return None
    found.add_note(f"input: {tried[0]!r}")
    return found


@contextmanager
def chosen(only: Sequence[str] | None) -> Iterator[list[Parser]]:
    """The parsers of these names, or all, with a sandbox where HTTP is among them."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        found = parsers(Path(folder))
        if not only or "http" in only:
            found.append(stack.enter_context(http(Path(folder))))
        yield [each for each in found if not only or each.name in only]


def bound_memory() -> None:
    """Let this process take no more than it needs."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY_BYTES, resource.RLIM_INFINITY))


def main() -> int:
    """Returns the exit status: 1 where something was found."""
    read = argparse.ArgumentParser(prog="make fuzz-parsers")
    read.add_argument("--minutes", type=float, default=10.0)
    read.add_argument("--rounds", type=int, default=sys.maxsize)
    read.add_argument("--inputs", type=int, default=INPUTS)
    read.add_argument("--seed", type=int, default=random.randrange(2**32))
    read.add_argument("--only", action="append")
    options = read.parse_args()
    print(f"seed {options.seed}", flush=True)
    ends_at = time.monotonic() + options.minutes * 60
    tracemalloc.start()
    tried, found = 0, 0
    with chosen(options.only) as left:
        bound_memory()
        seeds = range(options.seed, options.seed + options.rounds)
        turns = ((number, each) for number in takewhile(lambda _: left, seeds) for each in tuple(left))
        for number, parser in turns:
            if time.monotonic() >= ends_at:
                break
            tried += options.inputs
            if (wrong := fuzz(parser, number, options.inputs)) is not None:
                found += 1
                left.remove(parser)
                cause = f" ({wrong.__cause__!r})" if wrong.__cause__ else ""
                print(f"{wrong}{cause}, seed {number}", wrong.__notes__[-1], sep="\n", flush=True)
    print(f"{tried:,} inputs, {found} found", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
