"""Whoever observes the engine: called with what has happened, once a step at the most."""

from collections.abc import Sequence
from typing import Final

from gateway.engine.step import Decided


class Observer:
    """Called with claims, steps and troubles as they happen; this one does nothing with them.

    It is called in the engine's own loop, between two steps, so what it does has to be quick.
    """

    def claimed(self, seconds: float) -> None:
        """A partition was claimed and its state restored, which took so long."""

    def committed(self, decided: Decided, seconds: float) -> None:
        """A step has been committed. seconds: until that was known here; meanwhile the next is decided."""

    def dropped(self) -> None:
        """Something went wrong on a partition; what was not committed was dropped."""

    def lost(self) -> None:
        """Another process has claimed a partition of this one."""


class Observers(Observer):
    """Several that observe."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def claimed(self, seconds: float) -> None:
        """See Observer."""
        for each in self._observers:
            each.claimed(seconds)

    def committed(self, decided: Decided, seconds: float) -> None:
        """See Observer."""
        for each in self._observers:
            each.committed(decided, seconds)

    def dropped(self) -> None:
        """See Observer."""
        for each in self._observers:
            each.dropped()

    def lost(self) -> None:
        """See Observer."""
        for each in self._observers:
            each.lost()


NOBODY: Final = Observer()
