"""The log line a minute that says whether the gateway keeps up."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from gateway.api.partitions import partitions
from gateway.engine.observer import Observer
from gateway.engine.step import Decided
from gateway.engine.workers import Workers
from gateway.reading.log_lines import events_of
from gateway.rules.events import DeadLetter, Outcome

EVERY_S: Final = 60.0


class ActivitySummary(Observer):
    """Counts what is decided, and logs the counts now and then. every_s: how often."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._decided = self._dead_letters = 0
        self._refused: Counter[str] = Counter()
        self._say = structlog.get_logger("gateway")

    def committed(self, decided: Decided, seconds: float) -> None:
        """Count it."""
        self._decided += decided.decisions
        for event, _ in events_of(decided.commit.outputs):
            if isinstance(event, Outcome):
                if event.code is not None:
                    self._refused[event.code] += 1
            elif isinstance(event, DeadLetter):
                self._dead_letters += 1

    @asynccontextmanager
    async def logged(self, workers: Workers, now: Callable[[], int] | None) -> AsyncIterator[None]:
        """Log while the block lasts, and once more at its end. now: the wall clock, where it is the log's."""

        async def log_on() -> None:
            while True:
                await asyncio.sleep(self._every_s)
                self._log(workers, now)

        logging = asyncio.create_task(log_on())
        try:
            yield
        finally:
            logging.cancel()
            await asyncio.gather(logging, return_exceptions=True)
            self._log(workers, now)

    def _log(self, workers: Workers, now: Callable[[], int] | None) -> None:
        found = partitions(workers, now)
        undecided = [each.undecided for each in found if each.undecided is not None]
        waited_s = [each.behind_s for each in found if each.behind_s is not None]
        self._say.info(
            "gateway.summary",
            decided=self._decided,
            dead_letters=self._dead_letters,
            **({"refused": dict(sorted(self._refused.items()))} if self._refused else {}),
            **({"lag": sum(undecided)} if undecided else {}),
            **({"oldest_s": round(max(waited_s), 3)} if waited_s else {}),
        )
        self._decided = self._dead_letters = 0
        self._refused.clear()
