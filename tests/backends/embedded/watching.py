"""Watching how often the embedded log is looked at, and letting a worker work for so long."""

import asyncio
from typing import Any

from gateway.backends.embedded.log import EmbeddedLog
from gateway.engine.worker import Worker
from tests.patience import PATIENCE_S


class Reads:
    """Waits until the log has been looked at so many times more."""

    def __init__(self, log: EmbeddedLog) -> None:
        self._count = 0
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        run = log.file.run

        async def counted(work: Any) -> Any:
            try:
                return await run(work)
            finally:
                self._count += 1
                self._changed.set()

        log.file.run = counted  # type: ignore[method-assign]

    async def so_many(self, more: int) -> None:
        """Until then."""
        until = self._count + more
        async with asyncio.timeout(PATIENCE_S):
            while self._count < until:
                self._changed.clear()
                await self._changed.wait()


async def work_for(log: EmbeddedLog, worker: Worker, moments: int) -> None:
    """Let a worker work for so many turns of the log, and drop it in the middle of the next."""
    work = asyncio.create_task(worker.run(asyncio.Event()))
    reads = Reads(log)
    waiting = asyncio.ensure_future(reads.so_many(moments))
    await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (work, waiting):
        task.cancel()
    await asyncio.gather(work, waiting, return_exceptions=True)
