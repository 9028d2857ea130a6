"""How often each caller may ask: a bucket that fills by so many requests a second, up to a burst."""

import time
from collections.abc import Callable
from math import ceil
from typing import Final

from gateway.api.callers import Caller
from gateway.api.security import Refusals

#: How many buckets there are at the most; the one that was not used for longest makes room.
MOST_BUCKETS: Final = 10_000


class Rate:
    """A bucket for each provider, Jobcentre, and other caller.

    most_buckets: how many are kept. now_s: a clock that doesn't go back, in seconds.
    """

    def __init__(
        self,
        per_s: float,
        burst: int,
        refusals: Refusals,
        *,
        most_buckets: int = MOST_BUCKETS,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_s = per_s
        self._burst = burst
        self._refusals = refusals
        self._most_buckets = most_buckets
        self._now_s = now_s
        #: How much each had in it, and when; the one used last comes last.
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}

    def take(self, caller: Caller, requests: int = 1, *, taken: int = 0) -> None:
        """Take from the caller's bucket. Raises Problem (429) where there is not enough in it.

        More at once than the burst counts as the burst. taken: how many of them have been taken already. Who
        speaks for several providers, or Jobcentres, is counted as the first of them.
        """
        party, named = caller.party
        name = party, min(named)
        now_s = self._now_s()
        level, at_s = self._buckets.pop(name, (self._burst, now_s))
        level = min(self._burst, level + (now_s - at_s) * self._per_s)
        wanted = min(requests, self._burst) - taken
        enough = level >= wanted
        if len(self._buckets) >= self._most_buckets:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[name] = (level - wanted if enough else level, now_s)
        if not enough:
            raise self._refusals.rate(max(ceil((wanted - level) / self._per_s), 1))
