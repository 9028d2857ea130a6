"""The read model as those see it who answer from it: whether it is complete, and what is new in it."""

import asyncio
import sqlite3
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol

import structlog
from msgspec import Struct

from gateway.engine.observer import Observer
from gateway.engine.step import Decided
from gateway.reading.tables import INSTRUCTIONS, OUTCOMES, PRAP_ACTIONS
from gateway.rules.events import FOR_JOBCENTRES, OUTBOUND, Event, Instruction, Outcome, PrapAction

#: The party that all actions are for.
PRAP: Final = "PRaP"
#: The topics that somebody may wait for, by their events.
_TOPICS: Final[dict[type[Event], str]] = {
    OUTBOUND[each]: each for each in (INSTRUCTIONS, OUTCOMES, PRAP_ACTIONS, *FOR_JOBCENTRES)
}


class Source(Protocol):
    """A file that questions are answered from.

    made_anew: how many times it was made anew while it was used: whoever has it open must then open it again.
    one_order: whether the offsets of all that has come out are places in one order.
    """

    made_anew: int
    one_order: bool

    def view(self) -> sqlite3.Connection:
        """A connection that reads what was committed last.

        Its SQL has the function opened(purpose, po_number, value), which is NULL where that was forgotten.
        """


class News(Struct, frozen=True):
    """Of which purchase orders something may be new, and who has something new on which topics.

    for_parties: topic and provider_id, of instructions, outcomes and plans; topic and jobcentre_id, of a
    Jobcentre's events; PRAP_ACTIONS and PRAP. messages: what came over HTTP and was read back, each by its
    caller and its id.
    """

    po_numbers: Collection[str] = ()
    for_parties: Collection[tuple[str, str]] = ()
    messages: Sequence[tuple[str, str]] = ()


class ReadModel(ABC):
    """What answers come from; wakes those who wait for something new in it.

    source: the file. behind: how many records of the log are not in it yet, at the most; None: not known yet.
    trouble: why it is not being filled; None: it is. partitions: how many partition numbers the log has;
    None: not known yet. filled: set when it has once been filled with all that there was, and not been
    emptied since.
    holds_appends: what was put on the log can be asked for at once; otherwise, when it has been read back.
    """

    source: Source
    holds_appends: bool = False

    def __init__(self) -> None:
        self._waiting: defaultdict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)
        self.behind: int | None = None
        self.trouble: str | None = "it has not been read yet"
        self.partitions: int | None = None
        self.filled = asyncio.Event()
        #: Called with what came over HTTP and has been read back, each by its caller and its id. Put in its
        #: place by whoever has to know.
        self.read_back: Callable[[Sequence[tuple[str, str]]], None] = lambda _: None

    @abstractmethod
    async def reach(self, topics: Sequence[str]) -> None:
        """Return when all is in it that is on these topics now. Raises LogError, or TimeoutError."""

    @abstractmethod
    def unreadable(self, error: sqlite3.Error) -> None:
        """Note that it could not be read."""

    def woken_by(self, *po_numbers: str) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever something of one of these purchase orders is new."""
        return self._woken_by([("po_number", po_number) for po_number in po_numbers])

    def woken_for(
        self, topics: Iterable[str], parties: Collection[str]
    ) -> AbstractContextManager[asyncio.Event]:
        """An event that is set whenever one of these parties has something new on one of these topics.

        topics: of instructions, outcomes and plans, for providers; of events for Jobcentres, for those; or of
        actions, for PRAP.
        """
        return self._woken_by([(topic, party) for topic in topics for party in parties])

    def notify(self, news: News) -> None:
        """Wake those who wait for what can be asked for now."""
        self.read_back(news.messages)
        if not self._waiting:
            return
        keys = (
            *(("po_number", po_number) for po_number in news.po_numbers),
            *news.for_parties,
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


class OwnLog(ReadModel, Observer):
    """The embedded log itself: what is committed can be asked for, and nothing is ever behind."""

    holds_appends = True

    def __init__(self, source: Source, partitions: int, *, complete: bool = True) -> None:
        """complete: False: nothing is answered from it until somebody sets `filled`."""
        super().__init__()
        self.source = source
        self.partitions = partitions
        self.behind, self.trouble = 0, None
        if complete:
            self.filled.set()

    async def reach(self, topics: Sequence[str]) -> None:
        """Return at once: nothing is ever behind."""

    def unreadable(self, error: sqlite3.Error) -> None:
        """Log it: what is wrong with the log, whoever decides on it finds out too."""
        log_unreadable(error)

    def committed(self, decided: Decided, seconds: float) -> None:
        """Wake those who wait for what a step has decided."""
        if self._waiting:
            found = {
                (_TOPICS[type(event)], party)
                for event, _ in (each for each in decided.commit.outputs if isinstance(each, tuple))
                if type(event) in _TOPICS and (party := _party_of(event)) is not None
            }
            self.notify(News(decided.commit.states.keys(), found))


def _party_of(event: Event) -> str | None:
    """The provider or the Jobcentre that an event is for, or PRAP; None: nobody's."""
    if isinstance(event, Instruction | Outcome):
        return event.provider_id
    if isinstance(event, PrapAction):
        return PRAP
    return getattr(event, "jobcentre_id", None)


def log_unreadable(error: sqlite3.Error) -> None:
    """Log that a question could not be answered."""
    name = getattr(error, "sqlite_errorname", "unknown")
    structlog.get_logger("gateway.projection").warning("projection.unreadable", error=name)
