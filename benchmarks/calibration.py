"""A fixed piece of work, timed beside what is measured: machines differ, and one machine does by the hour."""

from hashlib import sha256
from time import perf_counter
from typing import Final

#: To change it makes all figures of record incomparable with later ones.
TURNS: Final = 200_000


def calibrate() -> float:
    """Seconds that a fifth of a second's work takes now: bytes, a hash, whole numbers and a dict."""
    started = perf_counter()
    digest = b""
    counts: dict[int, int] = {}
    for turn in range(TURNS):
        digest = sha256(digest + turn.to_bytes(4, "big")).digest()
        counts[digest[0]] = counts.get(digest[0], 0) + 1
    return perf_counter() - started
