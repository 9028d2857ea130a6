"""The process that decides and fills the projection, as it is told to."""

import asyncio
import os
import socket
from dataclasses import dataclass
from typing import Final, Literal

from gateway.api.counts import Counts, Tally
from gateway.backends.embedded.log import SqliteLog, open_sqlite
from gateway.engine.crew import Crew
from gateway.processes.apart.frames import (
    Arrived,
    Begin,
    Begun,
    Close,
    Counted,
    Damaged,
    Decide,
    Ended,
    How,
    Projected,
    Stop,
    ToDeciders,
    failed,
    news_of,
)
from gateway.processes.apart.wire import Wire, opened
from gateway.processes.wiring import WIRING
from gateway.reading.filling import Filled
from gateway.reading.following import Following, kept_filled
from gateway.reading.tables import ProjectionFile, ProjectionInUse
from gateway.rules.policy import Policies
from gateway.settings.settings import Settings

#: How soon it is told how things stand, when they have changed; and after how long in any case.
TELL_S: Final = 0.1
ALIVE_S: Final = 1.0
#: One like this whose parent was killed has the projection's file until it sees that.
TAKE_OVER_S: Final = 5.0
#: A step with fewer outputs, such as those of what is posted, takes less time to write than to hand over.
HAND_OVER: Final = 200
_LOOK_AGAIN_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Orders:
    """What to decide, and by which rules. worker: see `gateway.processes.app.run`."""

    settings: Settings
    policies: Policies
    clock: Literal["wall", "log"]
    worker: int | None


async def decide(end: socket.socket, orders: Orders) -> None:
    """Do what comes over the wire, until it is told to end. Ends at once when nobody is at its other end."""
    wire: Wire[ToDeciders] = await opened(end, ToDeciders)
    deciding = _Deciding(wire, orders)
    hearing, working = asyncio.create_task(deciding.hear()), asyncio.create_task(deciding.work())
    await asyncio.wait({hearing, working}, return_when=asyncio.FIRST_COMPLETED)
    for task in (working, hearing):
        error = task.exception() if task.done() else None
        if isinstance(error, Exception):
            wire.send(failed(error))  # the parent raises it
    hearing.cancel()
    await wire.close()


class _Deciding:
    """1. Told to begin, it opens the log and the projection, and fills that.
    2. Told to decide, it decides, until it is told to stop.
    3. Told to close, it lets go: until then those are answered who still wait.
    """

    def __init__(self, wire: Wire[ToDeciders], orders: Orders) -> None:
        self._wire = wire
        self._orders = orders
        self._told = {step: asyncio.Event() for step in (Begin, Decide, Stop, Close)}
        self._log: SqliteLog | None = None
        self._file: ProjectionFile | None = None
        self._following: Following | None = None
        self._crew: Crew | None = None
        self._tally = Tally()
        self._last: How | None = None

    async def hear(self) -> None:
        """Note what comes."""
        while True:
            match await self._wire.receive():
                case None:
                    # The parent was killed. To do the same is safe at any moment, and soonest over.
                    os._exit(1)
                case Arrived(plans):
                    if self._log is not None:
                        self._log.arrived.set()
                        if plans:
                            self._log.tell_of_commit()
                case Damaged(made_anew):
                    # Unless it has been made anew since: what could not be read is gone then.
                    if self._file and self._following and self._file.made_anew == made_anew:
                        self._following.damaged()
                case Close():
                    for told in self._told.values():
                        told.set()
                case step:
                    self._told[type(step)].set()

    async def work(self) -> None:
        """Do it all. Raises what can't be gone on with."""
        await self._told[Begin].wait()
        if self._told[Close].is_set():
            return
        orders = self._orders
        path, partitions = orders.settings.log_path(), orders.settings.partition_count
        # Before the projection's file: the process that writes steps, which is forked here, is not to have
        # that one's lock.
        log = self._log = await open_sqlite(
            path, partitions=partitions, clock=orders.clock, draft=WIRING.draft, hand_over=HAND_OVER
        )
        try:
            file = self._file = await self._taken()
            async with kept_filled(log, file, lambda: True, self._pass_on) as following:
                self._following = following
                crew = self._crew = Crew(log, orders.policies, WIRING, watch=self._tally)
                self._wire.send(Begun())
                telling = asyncio.create_task(self._keep_telling(crew, following))
                try:
                    await self._told[Decide].wait()
                    if not self._told[Close].is_set():
                        await crew.run(self._told[Stop])
                        self._tell_counts()
                        self._wire.send(Ended(crew.decided))
                        await self._told[Close].wait()
                finally:
                    telling.cancel()
                    await asyncio.gather(telling, return_exceptions=True)
        finally:
            await log.close()

    async def _taken(self) -> ProjectionFile:
        """The projection's file. Raises LogError."""
        clock = asyncio.get_running_loop().time
        path = self._orders.settings.projection_path(self._orders.worker)
        until_s = clock() + TAKE_OVER_S
        while True:
            try:
                return ProjectionFile(path)
            except ProjectionInUse:
                if clock() >= until_s or self._told[Close].is_set():
                    raise
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _pass_on(self, filled: Filled) -> None:
        """Tell of what a view knows now. First whether it is another file: that has to be opened anew."""
        if self._crew is not None and self._following is not None:
            how = self._how(self._crew, self._following)
            before = self._last.projection if self._last else None
            if before is None or (before.made_anew, before.filled) != (
                how.projection.made_anew,
                how.projection.filled,
            ):
                self._tell(how)
        for news in news_of(filled):
            self._wire.send(news)
            await self._wire.drain()

    async def _keep_telling(self, crew: Crew, following: Following) -> None:
        clock = asyncio.get_running_loop().time
        told_s = 0.0
        while True:
            how = self._how(crew, following)
            if how != self._last or clock() >= told_s + ALIVE_S:
                self._tell(how)
                told_s = clock()
            self._tell_counts()
            await self._wire.drain()
            await asyncio.sleep(TELL_S)

    def _tell(self, how: How) -> None:
        self._last = how
        self._wire.send(how)

    def _tell_counts(self) -> None:
        if (counts := self._tally.take()) != Counts():
            self._wire.send(Counted(counts))

    def _how(self, crew: Crew, following: Following) -> How:
        assigned = crew.assigned
        troubles, standings = {}, {}
        for partition in sorted(assigned or ()):
            if (trouble := crew.trouble(partition)) is not None:
                troubles[partition] = trouble
            if (standing := crew.standing(partition)) is not None:
                standings[partition] = standing
        assert self._file is not None
        projection = Projected(
            filled=following.filled.is_set(),
            made_anew=self._file.made_anew,
            behind=following.behind,
            trouble=following.trouble,
            partitions=following.partitions,
        )
        return How(assigned, crew.waiting_for, troubles, standings, crew.decided, projection)
