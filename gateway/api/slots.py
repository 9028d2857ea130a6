"""How much one caller may have under way at a time, so that there is room for the others."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Final, TypeVar
from weakref import WeakValueDictionary

from gateway.api.callers import Caller
from gateway.api.problems import Problem

#: A caller's questions take up a quarter of a processor at the most.
REST: Final = 3.0
#: More than an address may have connections.
MOST_WAITING: Final = 300
#: Questions that take less than a millisecond are the usual ones, and nobody rests after them.
SHORTEST_REST_S: Final = 0.003

T = TypeVar("T")
R = TypeVar("R")


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


class Turn:
    """One turn of a caller. spent_s: how much of a processor it has taken, noted by whoever has it."""

    __slots__ = ("spent_s",)

    def __init__(self) -> None:
        self.spent_s = 0.0

    def timed(self, work: Callable[[T], R]) -> Callable[[T], R]:
        """The same work, noting what it takes of a processor in the thread that does it."""

        def noted(given: T) -> R:
            begun_s = time.thread_time()
            try:
                return work(given)
            finally:
                self.spent_s += time.thread_time() - begun_s

        return noted


class Turns:
    """One thing of each caller at a time; the next one's turn is in the order in which they came.

    rest: between two turns a caller rests for so many times as long as the first has taken of a processor: so
    nobody takes up more than a share of it, however much one asks. most_waiting: of one caller; whose
    connections break while they wait, wait on until their turn comes, and would have no limit.
    """

    def __init__(self, rest: float = REST, most_waiting: int = MOST_WAITING) -> None:
        self._rest = rest
        self._most_waiting = most_waiting
        self._waiting: Counter[tuple[str, frozenset[str]]] = Counter()
        self._locks: WeakValueDictionary[tuple[str, frozenset[str]], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, caller: Caller) -> AsyncIterator[Turn]:
        """Wait for the caller's turn, which lasts as long as the block. Raises Problem."""
        who = caller.party
        if self._waiting[who] >= self._most_waiting:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"There are {self._most_waiting} requests of this caller waiting; send it again.",
                code="TOO_MANY_REQUESTS",
                headers={"Retry-After": "1"},
            )
        lock = self._locks.setdefault(who, asyncio.Lock())
        self._waiting[who] += 1
        try:
            await lock.acquire()
        finally:
            self._waiting[who] -= 1
            if not self._waiting[who]:
                del self._waiting[who]
        turn = Turn()
        try:
            yield turn
        finally:
            rest_s = turn.spent_s * self._rest
            if rest_s < SHORTEST_REST_S:
                lock.release()
            else:
                # The timer holds the lock, so it is there until the rest is over even if nobody waits for it.
                asyncio.get_running_loop().call_later(rest_s, lock.release)
