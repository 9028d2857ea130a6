"""Keeps the copy of a log on Kafka filled: from where it stood, and on with whatever is committed."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, TypeVar

import structlog

from gateway.engine.log import ChangeReader, Changes, LogError, PositionsGone, SharedLog
from gateway.reading.copy_file import CopyFile, is_damage
from gateway.reading.filling import TOPICS, fill
from gateway.reading.model import News, ReadModel, log_unreadable

T = TypeVar("T")

WAIT_S: Final = 0.5
#: The same until it has once been filled, which somebody may wait for.
WAIT_FIRST_S: Final = 0.05
AGAIN_S: Final = 1.0
#: What is more than this is taken in in a thread.
AT_HAND: Final = 600
TIDY_S: Final = 1.0
#: How long somebody waits, at the most, for what is on the log already.
REACHED_S: Final = 5.0
_ANEW: Final = "it is being made anew from the log"
DAMAGED: Final = f"its file was damaged, and {_ANEW}"


class Following(ReadModel):
    """Fills the copy, and wakes those who wait for something new in it."""

    def __init__(
        self,
        log: SharedLog,
        file: CopyFile,
        decided: Callable[[], bool] | None = None,
        *,
        tidy_s: float = TIDY_S,
        again_s: float = AGAIN_S,
        at_hand: int = AT_HAND,
    ) -> None:
        """decided: whether what is on the log has been decided; until then it does not count as filled. None:
        nobody knows, and nothing is made of it. at_hand: what is more than this is taken in in a thread.
        """
        super().__init__()
        self.source = file
        self._log = log
        self._file = file
        self._decided = decided
        self._tidy_s = tidy_s
        self._again_s = again_s
        self._at_hand = at_hand
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="copy")
        self._say = structlog.get_logger("gateway.projection")
        #: What `trouble` is until it is filled again; None: nothing.
        self._anew: str | None = None
        self._damaged = asyncio.Event()
        #: How far it is filled, and whoever waits for it to go on.
        self._positions: Mapping[str, int] = {}
        self._went_on = asyncio.Condition()

    async def reach(self, topics: Sequence[str]) -> None:
        """Return when all is in it that is on these topics now. Raises LogError, or TimeoutError."""
        async with asyncio.timeout(REACHED_S):
            ends = await self._log.ends(topics)
            async with self._went_on:
                await self._went_on.wait_for(
                    lambda: all(self._positions.get(name, 0) >= end for name, end in ends.items())
                )

    def unreadable(self, error: sqlite3.Error) -> None:
        """Hear that the projection could not be read. A damaged one is made anew."""
        if self._damaged.is_set():
            return
        log_unreadable(error)
        if is_damage(error):
            self.damaged()

    def damaged(self) -> None:
        """Hear that its file is damaged, and make it anew."""
        if not self._damaged.is_set():
            self._damaged.set()
            self._begin_anew(DAMAGED)

    def _begin_anew(self, why: str) -> None:
        """Count as not filled, and say why in `trouble`, until all has been read again."""
        self.filled.clear()
        self.behind = None
        self.trouble = self._anew = why

    async def run(self, stop: asyncio.Event, *, until_filled: bool = False) -> None:
        """Fill it until told to stop; `until_filled`: or until all there is has been read.

        Whatever fails is retried; until then `trouble` says why.
        """
        try:
            while not stop.is_set() and not (until_filled and self.filled.is_set()):
                try:
                    if self._damaged.is_set():
                        await self._in_thread(self._file.make_anew)
                        self._damaged.clear()
                    await self._follow(stop, until_filled)
                except Exception as error:
                    # Whatever it is: who asks must hear that answers are growing old.
                    if until_filled:
                        raise
                    before = self.trouble
                    if isinstance(error, sqlite3.Error) and is_damage(error):
                        self.unreadable(error)
                    else:
                        self.trouble = _why(error)
                    if self.trouble != before:  # else it has been said
                        self._say.warning(
                            "projection.dropped", error=type(error).__name__, again_in_s=self._again_s
                        )
                    await _sleep_unless(stop, self._again_s)
        finally:
            self._thread.shutdown(wait=True)

    async def _follow(self, stop: asyncio.Event, until_filled: bool) -> None:
        """Read from the kept positions on, and take in what comes. Begin anew where these are another log's.

        Raises what went wrong; what was not taken in is read again.
        """
        self.partitions = await self._log.partitions()
        identity = await self._log.identity()
        kept = await self._in_thread(partial(self._file.positions, identity))
        try:
            positions = await self._empty(identity) if kept is None else kept
            reader = await self._log.changes(TOPICS, positions)
            tidying = asyncio.create_task(self._tidy())
            try:
                await self._take_in(reader, positions, stop, until_filled)
            finally:
                tidying.cancel()
                await asyncio.gather(tidying, return_exceptions=True)
                await reader.close()
        except PositionsGone:
            self._say.warning("projection.emptied")
            await self._empty(identity)

    async def _empty(self, identity: str) -> Mapping[str, int]:
        """Begin anew, from the beginning of the log."""
        if self.filled.is_set():
            self._begin_anew(_ANEW)
        await self._in_thread(partial(self._file.empty, identity))
        return {}

    async def _take_in(
        self, reader: ChangeReader, positions: Mapping[str, int], stop: asyncio.Event, until_filled: bool
    ) -> None:
        """Take in what comes, until told to stop or it is found to be damaged. Raises PositionsGone."""
        while not stop.is_set():
            # Asked before what came of it is read: afterwards that could be on the log and not in here.
            decided = self.filled.is_set() or self._decided is None or self._decided()
            changes = await _unless(stop, reader, WAIT_S if self.filled.is_set() else WAIT_FIRST_S)
            if changes is None or self._damaged.is_set():
                return
            if changes.records or changes.states or changes.positions != positions or changes.begins:
                self.notify(await self._fill(changes))
                positions = dict(changes.positions)
            async with self._went_on:
                self._positions = positions
                self._went_on.notify_all()
            whole = decided and not changes.behind and not self.filled.is_set()
            if whole:
                await self._in_thread(self._file.look)
                if self._decided is not None:
                    await self._in_thread(self._file.drop_undecided)
            if self._damaged.is_set():
                return
            if whole:
                self._say.info("projection.filled")
                self._anew = None
                self.filled.set()
            self.behind, self.trouble = changes.behind, self._anew
            if until_filled and self.filled.is_set():
                return

    async def _fill(self, changes: Changes) -> News:
        """Take in, in a thread where it is much: a little takes less time than handing it over."""
        partitions = self.partitions or 1
        if len(changes.records) + len(changes.states) <= self._at_hand:
            return fill(self._file, changes, partitions)
        return await self._in_thread(partial(fill, self._file, changes, partitions))

    async def _tidy(self) -> None:
        """Copy what was written lately to where it stays, now and then: it waits for the disk."""
        untidy = False
        while True:
            await asyncio.sleep(self._tidy_s)
            try:
                await self._in_thread(self._file.checkpoint)
                untidy = False
            except (sqlite3.Error, OSError) as error:
                # Nothing is lost by it, and what is written piles up only until it can be copied again.
                if not untidy:
                    self._say.warning(
                        "projection.untidy", error=type(error).__name__, again_in_s=self._tidy_s
                    )
                untidy = True

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


@asynccontextmanager
async def kept_filled(
    log: SharedLog, file: CopyFile, decided: Callable[[], bool]
) -> AsyncIterator[Following]:
    """What fills the copy for as long as the block lasts, and closes its file. decided: see Following."""
    following, ended = Following(log, file, decided), asyncio.Event()
    running = asyncio.create_task(following.run(ended))
    try:
        yield following
    finally:
        ended.set()
        await asyncio.gather(running, return_exceptions=True)
        file.close()


def _why(error: Exception) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return "the disk is full; make room, and it goes on by itself"
    said = str(error) if isinstance(error, LogError) else type(error).__name__
    return f"{said}; it is tried again by itself"


async def _unless(stop: asyncio.Event, reader: ChangeReader, wait_s: float) -> Changes | None:
    """What has changed; None: told to stop meanwhile."""
    reading = asyncio.ensure_future(reader.read(wait_s))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return reading.result() if reading.done() else None
    finally:
        stopping.cancel()
        if not reading.done():
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


async def _sleep_unless(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
