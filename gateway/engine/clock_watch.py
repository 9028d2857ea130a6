"""Whether the wall clock can be decided by: one that is wrong would let fall due what can't be taken back."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import ClassVar, Final, NamedTuple, Protocol

import structlog

from gateway.engine.inbox import NEVER
from gateway.engine.log import LogError
from gateway.system.clock import wall_clock

#: What of a clock's corrections is followed without a word, of the time that has passed: no leap is so slow.
FOLLOWED: Final = 0.01
#: How far the clock may be behind what was decided before that is logged.
BEHIND_MS: Final = 60_000
LOOK_AGAIN_S: Final = 1.0
#: How often it is asked whether the clock was accepted.
ASK_AGAIN_S: Final = 2.0
FAR: Final = "the clock of this machine is far from what was decided last"


class ClockWrong(Exception):
    """The wall clock can't be decided by until somebody has looked at it; nothing was committed."""


class ClockFar(LogError):
    """The wall clock is too far from what was decided last to date messages by it; nothing was put."""

    code: ClassVar[str] = "CLOCK_LEAPT"


class Accepting(Protocol):
    """A log, as far as it knows when something was decided, and which time was accepted."""

    async def decided_to(self) -> int | None:
        """See Log."""

    async def clock_accepted(self) -> int | None:
        """See Log."""


class _Far(NamedTuple):
    """By how much a clock is far from what was decided last, and the time that was accepted last."""

    by_ms: int
    accepted: int | None
    is_accepted: bool


async def _far(log: Accepting, decided_to: int, now: int, gap_ms: int) -> _Far | None:
    """Compare a clock with what was decided last; None: it is near. Raises LogBusy where the log is away."""
    if abs(now - decided_to) <= gap_ms:
        return None
    accepted = await log.clock_accepted()
    return _Far(now - decided_to, accepted, accepted is not None and abs(now - accepted) <= gap_ms)


async def refuse_far(log: Accepting, *, gap_ms: int, now: Callable[[], int] = wall_clock) -> None:
    """See that messages may be dated by the wall clock. Raises ClockFar, or LogBusy where the log is away."""
    decided_to = await log.decided_to()
    far = None if decided_to is None else await _far(log, decided_to, now(), gap_ms)
    if far and not far.is_accepted:
        raise ClockFar(_trouble(FAR, far.by_ms))


def _trouble(why: str, by_ms: int) -> str:
    return f"{why} ({by_ms / 1_000:+,.0f} s); see to the clock, then run `gateway clock accept`"


def steady_clock() -> int:
    """Milliseconds that pass evenly, also while the machine sleeps."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000


class ClockWatch:
    """Compares the wall clock with one that can't be set, and with what was decided.

    leap_ms: by how much it may leap, and records may be dated ahead of it. gap_ms: how far it may be from
    what was decided last, at the start. skew_ms: by how much the clocks of hosts may differ. now, steady: the
    two clocks, milliseconds. pause: how to wait before the next look, in seconds.
    """

    def __init__(
        self,
        log: Accepting,
        *,
        leap_ms: int,
        gap_ms: int,
        skew_ms: int = 0,
        now: Callable[[], int] = wall_clock,
        steady: Callable[[], int] = steady_clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._log = log
        self._leap_ms = leap_ms
        self._gap_ms = gap_ms
        self._ahead_ms = leap_ms + skew_ms
        self._now = now
        self._steady = steady
        self._pause = pause
        self._apart = now() - steady()
        self._looked = steady()
        #: How far the clock may be from the time that is accepted; None: it is right.
        self._within: int | None = None
        self._accepted: int | None = None
        #: What was decided last of all partitions, at the start.
        self._decided_before = NEVER
        #: Up to when a partition's messages may be dated ahead, because it was decided so far.
        self._claimed: dict[int, int] = {}
        #: Up to when anybody's may, because that was accepted; and what was refused until then.
        self._refused = self._allowed = NEVER
        self._logged_behind = False
        self._right = asyncio.Event()
        self._right.set()
        self._say = structlog.get_logger("gateway")
        #: Why nothing is decided by it; None: it is.
        self.trouble: str | None = None
        #: The latest instant at which something was decided; None: nothing was.
        self.decided_to: int | None = None

    @property
    def leapt_s(self) -> float:
        """By how much the wall clock has leapt against the steady one since it was right; back: below 0."""
        return (self._now() - self._steady() - self._apart) / 1_000

    @property
    def ahead_s(self) -> float | None:
        """How far the wall clock is ahead of what was decided; behind it: below 0. None: nothing was."""
        return None if self.decided_to is None else (self._now() - self.decided_to) / 1_000

    def look(self) -> str | None:
        """Compare the two clocks; returns the trouble, which stays until the clock is accepted."""
        steady = self._steady()
        leapt = self._now() - steady - self._apart
        if abs(leapt) > self._leap_ms:
            self._stop(leapt, "the clock of this machine leapt", self._leap_ms)
        elif self.trouble is None:
            followed = round((steady - self._looked) * FOLLOWED)
            self._apart += max(-followed, min(leapt, followed))
        self._looked = steady
        return self.trouble

    def claimed(self, partition: int, decided_to: int | None) -> None:
        """Note up to when a partition was decided: it goes on from there, though that is ahead of the clock.

        Not where it is further ahead than the clock may be from what was decided last.
        """
        most = max(self._now() + self._gap_ms, self._decided_before)
        if decided_to is not None and decided_to <= most:
            self._claimed[partition] = decided_to

    def check(self, partition: int, decided_to: int | None) -> None:
        """Raise ClockWrong where the partition's step that has come to this instant must not be committed.

        decided_to: None where there is no step.
        """
        self.look()
        if decided_to is not None and self.trouble is None:
            ahead = decided_to - self._now()
            allowed = max(self._allowed, self._claimed.get(partition, NEVER))
            if ahead > self._ahead_ms and decided_to > allowed:
                self._refused = decided_to
                self._stop(ahead, "a message is dated ahead of the clock of this machine", self._leap_ms)
        if self.trouble is not None:
            raise ClockWrong(self.trouble)
        if decided_to is not None:
            self._note(decided_to)

    async def start(self) -> None:
        """Compare the clock with what was decided last. Raises LogBusy where the log is away.

        On any partition: one that was decided long ago had nothing to decide, or was paused or lost.
        """
        decided_to = await self._log.decided_to()
        if decided_to is None:
            return
        self._note(decided_to)
        self._decided_before = decided_to
        if far := await _far(self._log, decided_to, self._now(), self._gap_ms):
            self._accepted = far.accepted
            if not far.is_accepted:
                self._stop(far.by_ms, FAR, self._leap_ms)

    async def until_right(self, stop: asyncio.Event) -> None:
        """Wait until the clock can be decided by, or `stop` is set."""
        right, stopping = asyncio.ensure_future(self._right.wait()), asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({right, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            right.cancel()
            stopping.cancel()

    async def run(self) -> None:
        """Look at the clock now and then, and hear whether it was accepted, until cancelled."""
        while True:
            self.look()
            if self.trouble is None:
                await self._pause(LOOK_AGAIN_S)
                continue
            with suppress(LogError, OSError, TimeoutError):  # a log that is away: it is asked again
                await self._ask()
            await self._pause(ASK_AGAIN_S)

    async def _ask(self) -> None:
        """Go on where the time that was accepted is that of this clock: another host's may still be wrong."""
        accepted = await self._log.clock_accepted()
        if accepted is None or accepted == self._accepted or self._within is None:
            return
        if abs(self._now() - accepted) > self._within:
            return
        self._accepted = accepted
        self._apart = self._now() - self._steady()
        self._allowed = max(self._allowed, self._refused)
        self.trouble = self._within = None
        self._say.warning("clock.accepted")
        self._right.set()

    def _stop(self, by_ms: int, why: str, within: int) -> None:
        if self.trouble is not None:
            return
        self._within = within
        self.trouble = _trouble(why, by_ms)
        self._right.clear()
        self._say.error("clock.leapt", why=why, by_s=by_ms / 1_000)

    def _note(self, decided_to: int) -> None:
        """Note what was decided; a clock behind that is logged once, until it has caught up."""
        self.decided_to = max(decided_to, self.decided_to or NEVER)
        behind = self.decided_to - self._now()
        if behind > BEHIND_MS and not self._logged_behind:
            self._say.warning("clock.behind", by_s=behind / 1_000)
        self._logged_behind = behind > BEHIND_MS
