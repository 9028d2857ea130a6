"""The projection as those see it who answer from it: whether it is filled, and what is new in it."""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from gateway.reading.filling import Filled


class Followed(ABC):
    """A projection that somebody fills, here or in another process; tells those who wait for something new.

    behind: how many records of the log are not in it yet, at the most; None: not known yet. trouble: why it
    is not being filled; None: it is. partitions: how many partition numbers the log has; None: not known yet.
    filled: set when it has once been filled with all that there was, and not been emptied since.
    """

    def __init__(self) -> None:
        self._waiting: defaultdict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)
        self.behind: int | None = None
        self.trouble: str | None = "it has not been read yet"
        self.partitions: int | None = None
        self.filled = asyncio.Event()
        #: Is told the providers' messages that have been taken in, each by its provider and its id. A view
        #: knows them by then. Put in its place by whoever has to hear of them.
        self.read_back: Callable[[Sequence[tuple[str, str]]], None] = lambda _: None

    @abstractmethod
    def unreadable(self, error: sqlite3.Error) -> None:
        """Hear that the projection could not be read. A damaged one is made anew."""

    def woken_by(self, po_number: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever something of a purchase order is new."""
        return self._woken_by([("po_number", po_number)])

    def woken_for(self, providers: Iterable[str]) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever one of these providers has a new instruction, or a new plan."""
        return self._woken_by([("provider", provider) for provider in providers])

    def tell(self, filled: Filled) -> None:
        """Tell of what has been taken in, now that a view knows it."""
        self.read_back(filled.messages)
        if not self._waiting:
            return
        keys = (
            *(("po_number", po_number) for po_number in filled.po_numbers),
            *(("provider", provider) for provider in filled.providers),
        )
        for key in keys:
            for event in self._waiting.get(key, ()):
                event.set()

    @contextmanager
    def _woken_by(self, keys: Sequence[tuple[str, str]]) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        for key in keys:
            self._waiting[key].add(event)
        try:
            yield event
        finally:
            for key in keys:
                self._waiting[key].discard(event)
                if not self._waiting[key]:
                    del self._waiting[key]
