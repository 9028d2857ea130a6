"""How much one caller may have under way at a time, so that there is room for the others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from gateway.api.callers import Caller


class Slots:
    """So many slots for each caller. most: how many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[frozenset[str]] = Counter()

    @contextmanager
    def one_of(self, caller: Caller) -> Iterator[bool]:
        """Take one of the caller's slots for as long as the block lasts; False: all of them are taken."""
        who = caller.providers
        if self._taken[who] >= self._most:
            yield False
            return
        self._taken[who] += 1
        try:
            yield True
        finally:
            self._taken[who] -= 1
            if not self._taken[who]:
                del self._taken[who]
