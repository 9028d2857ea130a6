"""Whoever watches the engine: told of what has happened, once a step at the most."""

from typing import Final

from gateway.engine.step import Decided


class Watch:
    """Told of claims, steps and troubles as they happen; this one does nothing with them.

    It is told in the engine's own loop, between two steps, so what it does has to be quick.
    """

    def claimed(self, seconds: float) -> None:
        """A partition was claimed and its state restored, which took so long."""

    def committed(self, decided: Decided, seconds: float) -> None:
        """A step has been committed. seconds: until that was known here; meanwhile the next is decided."""

    def dropped(self) -> None:
        """Something went wrong on a partition; what was not committed was dropped."""

    def lost(self) -> None:
        """Another process has claimed a partition of this one."""


NOBODY: Final = Watch()
