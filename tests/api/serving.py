"""A gateway in this process, on an embedded log, with its HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession

from gateway.api import health
from gateway.api.metrics import Metrics
from gateway.api.prap_actions import ToEnter
from gateway.api.server import application, serving
from gateway.api.surroundings import Surroundings
from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.engine.clock_watch import ClockWatch
from gateway.engine.step import StepSize
from gateway.engine.workers import Workers
from gateway.processes.wiring import WIRING
from gateway.reading.asking import Asking
from gateway.reading.model import OwnLog, ReadModel
from gateway.rules.policy import shipped
from gateway.system.clock import wall_clock
from tests.patience import PATIENCE_S
from tests.ports import free_port


@dataclass(frozen=True)
class Answer:
    """What came back. json: where it is that."""

    status: int
    type: str
    text: str
    json: Any


@dataclass(frozen=True)
class Gateway:
    """What is served, and who is asked."""

    log: EmbeddedLog
    workers: Workers
    metrics: Metrics
    stop: asyncio.Event
    working: asyncio.Task[None]
    session: ClientSession

    async def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """One request."""
        async with self.session.request(method, path, headers=headers) as response:
            is_json = response.content_type.endswith("json")
            return Answer(
                response.status,
                response.content_type,
                await response.text(),
                await response.json(content_type=None) if is_json else None,
            )

    async def ready(self) -> Answer:
        """What /readyz says."""
        return await self.ask("/readyz")

    async def until(self, holds: Callable[[Answer], bool]) -> Answer:
        """What /readyz says as soon as that holds."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await self.ready()
                if holds(answer):
                    return answer
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        """Wait until all is decided."""
        async with asyncio.timeout(PATIENCE_S):
            await self.working


@asynccontextmanager
async def gateway(
    path: Path,
    *,
    partitions: int = 1,
    until: int | None = None,
    prepare: Callable[[EmbeddedLog], None] = lambda _: None,
    step: StepSize = StepSize(),  # noqa: B008 - it is frozen
    model: ReadModel | None = None,
    claim_again_s: float = 6,
    around: Surroundings | None = None,
) -> AsyncIterator[Gateway]:
    """Serve, and decide meanwhile. prepare: what is done to the log beforehand."""
    log = await open_embedded(path, partitions=partitions, clock="wall" if until is None else "log", own=True)
    prepare(log)
    now = wall_clock if until is None else None
    metrics, stop, port = Metrics("0", now), asyncio.Event(), free_port()
    clock = ClockWatch(log, leap_ms=600_000, gap_ms=7 * 86_400_000) if until is None else None
    workers = Workers(
        log,
        shipped(),
        WIRING,
        until=until,
        observer=metrics,
        step=step,
        claim_again_s=claim_again_s,
        clock=clock,
    )
    asking = Asking(log.file)
    to_enter = ToEnter(1, log.time, OwnLog(log.file, partitions), asking)
    watched = health.routes(workers, metrics, stop, now, model, clock, around, to_enter)
    app = application(watched, metrics.gate)
    working = asyncio.create_task(workers.run(stop))
    try:
        async with (
            serving(app, "127.0.0.1", port),
            ClientSession(f"http://127.0.0.1:{port}") as session,
        ):
            yield Gateway(log, workers, metrics, stop, working, session)
            stop.set()
            await working
    finally:
        working.cancel()
        stop.set()
        with suppress(asyncio.CancelledError):
            await working
        asking.close()
        await log.close()
