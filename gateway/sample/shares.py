"""Choosing by share, with one draw."""

from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")

#: Draws a float from 0 up to, not including, 1. All of a programme comes from one of these.
Draw = Callable[[], float]


class Shares(Generic[T]):
    """Things and the share that each has; shares are relative to their sum."""

    __slots__ = ("_bounds", "_things", "_total")

    def __init__(self, shares: Mapping[T, float]) -> None:
        self._things = tuple(shares)
        self._bounds = tuple(accumulate(shares.values()))[:-1]
        self._total = sum(shares.values())

    def pick(self, draw: Draw) -> T:
        """One of the things."""
        return self._things[bisect(self._bounds, draw() * self._total)]


def one_of(things: Sequence[T], draw: Draw) -> T:
    """One of the things, each as likely as another."""
    return things[int(draw() * len(things))]


def between(low: int, high: int, draw: Draw) -> int:
    """A whole number from `low` up to, not including, `high`; `low` where there is none."""
    return low + int(draw() * (high - low)) if high > low else low
