"""What the process that serves HTTP knows of the one that decides: only what it was told."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterable

from gateway.api.posting import Appends
from gateway.engine.log import DELIVERY_PLANS, Draft
from gateway.engine.step import Standing
from gateway.processes.apart.frames import Arrived, Damaged, How, Projected
from gateway.reading.followed import Followed
from gateway.reading.following import DAMAGED, tell_unreadable
from gateway.reading.tables import AnothersFile, is_damage


class CrewApart:
    """Who decides, in the other process. See Deciders."""

    def __init__(
        self, silence: Callable[[], str | None], decide: Callable[[asyncio.Event], Awaitable[None]]
    ) -> None:
        """silence: that it has given no sign of life for some time; None: it has. decide: see `run`."""
        self._silence = silence
        self._decide = decide
        self.assigned: frozenset[int] | None = None
        self.waiting_for = "the process that decides has not told anything yet"
        self.decided = 0
        self._troubles: dict[int, str] = {}
        self._standings: dict[int, Standing] = {}

    def take(self, how: How) -> None:
        """Know how it stands."""
        self.assigned, self.waiting_for, self.decided = how.assigned, how.waiting_for, how.decided
        self._troubles, self._standings = how.troubles, how.standings

    def trouble(self, partition: int) -> str | None:
        """Why nothing is decided on an assigned partition at the moment; None: it is."""
        return self._troubles.get(partition) or self._silence()

    def standing(self, partition: int) -> Standing | None:
        """How a partition stood when that was last told."""
        return self._standings.get(partition)

    async def run(self, stop: asyncio.Event) -> None:
        """Let it decide until `stop` is set. Raises what it could not go on with, or DecidersGone."""
        await self._decide(stop)


class FollowingApart(Followed):
    """The projection, which the other process fills."""

    def __init__(self, file: AnothersFile, damaged: Callable[[Damaged], None]) -> None:
        """damaged: passes that on."""
        super().__init__()
        self._file = file
        self._pass_on = damaged
        #: How many times the file had been made anew when it was found to be damaged.
        self._damaged_at: int | None = None

    def take(self, projected: Projected) -> None:
        """Know how it stands."""
        self._file.made_anew = projected.made_anew
        self.partitions = projected.partitions
        if self._is_damaged():
            return  # it was told before the damage was known there
        self.behind, self.trouble = projected.behind, projected.trouble
        if projected.filled:
            self.filled.set()
        else:
            self.filled.clear()

    def unreadable(self, error: sqlite3.Error) -> None:
        """Hear that the projection could not be read. A damaged one is made anew."""
        if self._is_damaged():
            return
        tell_unreadable(error)
        if is_damage(error):
            self._damaged_at = self._file.made_anew
            self.filled.clear()
            self.behind, self.trouble = None, DAMAGED
            self._pass_on(Damaged(self._file.made_anew))

    def _is_damaged(self) -> bool:
        return self._damaged_at == self._file.made_anew


class AppendsApart:
    """A log on which what is put is told of."""

    def __init__(self, log: Appends, tell: Callable[[Arrived], None]) -> None:
        self._log = log
        self._tell = tell

    async def append(self, drafts: Iterable[Draft]) -> int:
        """See Log."""
        drafts = list(drafts)
        count = await self._log.append(drafts)
        self._tell(Arrived(any(draft.topic == DELIVERY_PLANS for draft in drafts)))
        return count
