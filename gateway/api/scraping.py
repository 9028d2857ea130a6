"""`/metrics` for whoever asks, however often: it takes no more than a part of a processor."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

_OPENMETRICS: Final = "application/openmetrics-text"

#: How long it rests, as a multiple of what it took: the metrics take a quarter of a processor at the most.
REST: Final = 3.0


class _Collected(Collector):
    """What was collected, to be written in another thread."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        """The same again."""
        return self._metrics


class Scrapes:
    """Writes the metrics. All who wait for one form get the same text, collected after they asked."""

    def __init__(
        self, registry: CollectorRegistry, look: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """look: what has to be asked for before the metrics are collected."""
        self._registry = registry
        self._look = look
        self._waiting: dict[str, asyncio.Task[bytes]] = {}
        self._one = asyncio.Lock()
        self._rests_until_s = 0.0

    async def answer(self, accept: str) -> tuple[bytes, str]:
        """All metrics and their content type, which is one of two: OpenMetrics, or Prometheus' own text.

        accept: the header of that name, or nothing.
        """
        _, wanted = choose_encoder(accept)
        form = _OPENMETRICS if wanted.startswith(_OPENMETRICS) else ""
        waiting = self._waiting.get(form)
        if waiting is None:
            waiting = self._waiting[form] = asyncio.create_task(self._write(form))
        # Not awaited itself: whoever goes away must not end it for the others.
        return await asyncio.shield(waiting), choose_encoder(form)[1]

    async def _write(self, form: str) -> bytes:
        clock = asyncio.get_running_loop().time
        async with self._one:
            await asyncio.sleep(self._rests_until_s - clock())
            began_s = clock()
            del self._waiting[form]
            if self._look is not None:
                await self._look()
            # In the loop, where nothing changes meanwhile. Writing it takes three times as long.
            collected = _Collected(self._registry.collect())
            try:
                return await asyncio.to_thread(choose_encoder(form)[0], collected)
            finally:
                self._rests_until_s = clock() + REST * (clock() - began_s)
