"""How much one caller may have under way at a time, so that there is room for the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from weakref import WeakValueDictionary

from gateway.api.callers import Caller


class Slots:
    """So many slots for each caller. most: how many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[tuple[str, frozenset[str]]] = Counter()

    @contextmanager
    def one_of(self, caller: Caller) -> Iterator[bool]:
        """Take one of the caller's slots for as long as the block lasts; False: all of them are taken."""
        who = caller.party
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


class Turns:
    """One thing of each caller at a time; the next one's turn is in the order in which they came."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, frozenset[str]], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, caller: Caller) -> AsyncIterator[None]:
        """Wait for the caller's turn, which lasts as long as the block."""
        lock = self._locks.setdefault(caller.party, asyncio.Lock())
        async with lock:
            yield
