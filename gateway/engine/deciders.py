"""What those who ask how it goes know of whoever decides: a crew here, or one in another process."""

import asyncio
from typing import Protocol

from gateway.engine.step import Standing


class Deciders(Protocol):
    """Whoever decides what arrives on the assigned partitions.

    assigned: the partitions to be worked on; None: not known yet, and `waiting_for` says why.
    """

    assigned: frozenset[int] | None
    waiting_for: str

    @property
    def decided(self) -> int:
        """How many messages and deadlines were decided and committed here."""

    def trouble(self, partition: int) -> str | None:
        """Why nothing is decided on an assigned partition at the moment; None: it is, or all is decided."""

    def standing(self, partition: int) -> Standing | None:
        """How a partition stood when it was last read; None: not known, because it is not owned."""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, or all is decided. Raises what can't be gone on with."""
