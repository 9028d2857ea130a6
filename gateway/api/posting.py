"""Puts what providers send on the log, many at once: each append waits for the disk, or the brokers, once."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import structlog

from gateway.engine.log import Draft, LogError

#: How many records may wait to be put; more are refused, since they would wait for too long.
MOST_WAITING: Final = 20_000
#: How many are put at once, unless one upload has more.
AT_ONCE: Final = 2_000
#: How long one waits until it is on the log; longer than one append may take on either log.
PUT_S: Final = 15.0
#: How often a failure to put is logged, at the most.
LOGGED_APART_S: Final = 5.0


class TooMany(Exception):
    """So much waits to be put on the log that no more is taken in."""


class Appends(Protocol):
    """A log, as far as records are put on it."""

    async def append(self, drafts: Iterable[Draft]) -> int:
        """See Log."""


class Posting:
    """Takes records from many requests, and puts them on the log in few transactions."""

    def __init__(self, log: Appends) -> None:
        self._log = log
        self._waiting: list[tuple[Sequence[Draft], asyncio.Future[None]]] = []
        self._count = 0
        self._come = asyncio.Event()
        self._say = structlog.get_logger("gateway.api")
        #: When a failure was last logged, by the loop's clock; None: never.
        self._logged_s: float | None = None

    async def put(self, drafts: Sequence[Draft]) -> None:
        """Put records on their topics, all or none. When this returns, they are durable.

        Raises TooMany; then none was put. Raises LogError; then it is not known whether they were put, and
        they may be put again: a message that has come twice is decided once.
        """
        if self._count + len(drafts) > MOST_WAITING and self._count:
            raise TooMany
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((drafts, done))
        self._count += len(drafts)
        self._come.set()
        in_time = loop.call_later(PUT_S, _give_up, done)
        try:
            await done
        finally:
            in_time.cancel()

    async def run(self) -> None:
        """Put what comes, until cancelled. What waits then fails."""
        try:
            while True:
                await self._come.wait()
                await self._put_some()
        finally:
            for _, done in self._waiting:
                if not done.done():
                    done.set_exception(LogError("the gateway is stopping; send it again"))

    async def _put_some(self) -> None:
        some: list[Draft] = []
        waited: list[asyncio.Future[None]] = []
        taken = 0
        for drafts, done in self._waiting:
            if some and len(some) + len(drafts) > AT_ONCE:
                break
            taken += 1
            self._count -= len(drafts)
            if not done.done():  # nobody has given it up
                some += drafts
                waited.append(done)
        del self._waiting[:taken]
        if not self._waiting:
            self._come.clear()
        error: Exception | None = LogError("the gateway is stopping; send it again")
        try:
            await self._log.append(some)
            error = None
        except LogError as raised:
            error = raised
            self._log_failure(str(raised))
        except Exception as raised:  # noqa: BLE001 - whoever waits must hear of it, and the next is tried
            error = LogError(f"putting it on the log failed ({type(raised).__name__})")
            self._log_failure(str(error))
        finally:
            for done in waited:
                if done.done():  # whoever waited has gone
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    def _log_failure(self, reason: str) -> None:
        """Log why nothing can be put. Callers don't learn it: they can only send it again."""
        now_s = asyncio.get_running_loop().time()
        if self._logged_s is None or now_s >= self._logged_s + LOGGED_APART_S:
            self._logged_s = now_s
            self._say.warning("http.not_put", reason=reason)


def _give_up(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_exception(LogError("the log has not answered in good time; send it again"))
