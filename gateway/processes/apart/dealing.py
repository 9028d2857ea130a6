"""The process that decides, as the one that serves HTTP deals with it: from its beginning to its end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import structlog

from gateway.api.counts import Counts
from gateway.api.posting import Appends
from gateway.processes.apart import DecidersGone
from gateway.processes.apart.frames import (
    Begin,
    Begun,
    Close,
    Counted,
    Decide,
    Ended,
    Failed,
    FromDeciders,
    How,
    News,
    Stop,
    error_of,
)
from gateway.processes.apart.process import Process
from gateway.processes.apart.told import AppendsApart, CrewApart, FollowingApart
from gateway.processes.apart.wire import Wire, opened
from gateway.reading.filling import Filled
from gateway.reading.tables import AnothersFile

#: After so long without a sign of life it is told that nothing is decided.
SILENT_S: Final = 5.0
#: How long it may take to finish its step when it was told to stop, and then to let go.
STEP_S: Final = 5.0
CLOSE_S: Final = 1.0
_GONE: Final = (
    "the process that decides was stopped, not by this one; see to memory, and start the gateway again"
)


class Apart:
    """The process that decides, as this one deals with it. Made by `at_work_apart`."""

    def __init__(self, wire: Wire[FromDeciders], process: Process, log: Appends, path: Path) -> None:
        self._wire = wire
        self._process = process
        self._say = structlog.get_logger("gateway")
        self._clock = asyncio.get_running_loop().time
        self._heard_s = self._clock()
        self._begun = asyncio.Event()
        self._ended = asyncio.Event()
        self.file = AnothersFile(path)
        self.crew = CrewApart(self.silence, self.decide)
        self.following = FollowingApart(self.file, wire.send)
        self.log = AppendsApart(log, wire.hint)

    def silence(self) -> str | None:
        """That it has given no sign of life for some time; None: it has."""
        silent_s = self._clock() - self._heard_s
        if silent_s < SILENT_S:
            return None
        return f"the process that decides has given no sign of life for {silent_s:.0f} s; see to its load"

    async def hear(self, count: Callable[[Counts], None]) -> None:
        """Know what it tells, until it has ended. Raises what it could not go on with, or BadFrame."""
        while (frame := await self._wire.receive()) is not None:
            self._heard_s = self._clock()
            match frame:
                case News(po_numbers, providers, messages):
                    self.following.tell(Filled(frozenset(po_numbers), frozenset(providers), messages))
                case How():
                    self.crew.take(frame)
                    self.following.take(frame.projection)
                case Counted(counts):
                    count(counts)
                case Begun():
                    self._begun.set()
                case Ended(decided):
                    self.crew.decided = decided
                    self._ended.set()
                case Failed():
                    raise error_of(frame)

    async def begin(self, hearing: asyncio.Task[None]) -> None:
        """Let it open its files. Raises what goes wrong there, or DecidersGone."""
        self._hearing = hearing
        self._wire.send(Begin())
        await self._until(self._begun.wait())
        self._say.info("deciders.started", pid=self._process.pid)

    async def decide(self, stop: asyncio.Event) -> None:
        """Let it decide until `stop` is set. Raises what it could not go on with, or DecidersGone."""
        self._wire.send(Decide())
        await self._until(stop.wait())
        self._wire.send(Stop())
        try:
            async with asyncio.timeout(STEP_S):
                await self._until(self._ended.wait())
        except TimeoutError:
            self._kill(STEP_S)

    async def close(self) -> None:
        """Let it end. Never raises."""
        self._wire.send(Close())
        await asyncio.wait({self._hearing}, timeout=CLOSE_S)
        if not self._hearing.done():
            self._kill(CLOSE_S)
            self._hearing.cancel()
        await asyncio.gather(self._hearing, return_exceptions=True)
        await self._wire.close()

    def _kill(self, after_s: float) -> None:
        """End what does not end by itself: no worse than any other SIGKILL, which is provided for."""
        self._say.warning("deciders.killed", after_s=after_s)
        self._process.kill()

    async def _until(self, told: Coroutine[Any, Any, object]) -> None:
        """Wait for that, unless the other process ends first: raises what ended it, or DecidersGone."""
        waiting = asyncio.ensure_future(told)
        try:
            await asyncio.wait({waiting, self._hearing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._hearing.done() and not (waiting.done() and not waiting.cancelled()):
            self._hearing.result()
            raise DecidersGone(_GONE)


@asynccontextmanager
async def at_work_apart(
    process: Process, log: Appends, path: Path, count: Callable[[Counts], None]
) -> AsyncIterator[Apart]:
    """The process that decides, for as long as the block lasts; when it begins, the projection is there.

    path: the projection's file. count: is told what was done. Raises what goes wrong there, or DecidersGone.
    """
    apart = Apart(await opened(process.wire, FromDeciders), process, log, path)
    hearing = asyncio.create_task(apart.hear(count))
    try:
        await apart.begin(hearing)
        yield apart
    finally:
        await apart.close()
