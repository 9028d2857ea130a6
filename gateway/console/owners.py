"""Who works on each partition of a shared log, for the pages that show it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from gateway.engine.log import LogError, PartitionOwner

#: The log is asked no more often than this, however many look.
AGAIN_S: Final = 5.0


class Ownership(Struct, frozen=True):
    """What is known. partitions: by number. trouble: why nothing is, and what to do; None: it is."""

    partitions: Mapping[int, PartitionOwner]
    trouble: str | None = None


class Owners:
    """Asks when somebody looks. now_s: a clock that doesn't go back, in seconds."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[Sequence[PartitionOwner]]],
        again_s: float = AGAIN_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._again_s = again_s
        self._now_s = now_s
        self._known = Ownership({})
        self._next_s = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def look(self) -> Ownership:
        """What is known now, or was some seconds ago. It never raises LogError."""
        async with self._one_at_a_time:
            if self._now_s() >= self._next_s:
                try:
                    self._known = Ownership({each.partition: each for each in await self._ask()})
                except LogError as error:
                    self._known = Ownership({}, str(error))
                self._next_s = self._now_s() + self._again_s
            return self._known
