"""Putting on the log what comes in many requests."""

import asyncio
from collections.abc import Iterable

import pytest
from structlog.testing import capture_logs

from gateway.api.posting import Posting
from gateway.engine.log import Draft, LogError
from tests.engine.simulated import Ground, SimulatedLog
from tests.log.reading import WP11, draft, followed, values


class Stuck(SimulatedLog):
    """A log that answers no append until it is let go on."""

    def __init__(self, ground: Ground) -> None:
        super().__init__(ground)
        self.go_on = asyncio.Event()

    async def append(self, drafts: Iterable[Draft]) -> int:
        """Put them, when told to."""
        await self.go_on.wait()
        return await super().append(drafts)


async def test_nobody_waits_for_long_for_a_log_that_does_not_answer() -> None:
    """What was being put is there when it answers; what only waited for its turn was given up, and is not."""
    log = Stuck(Ground(1))
    taking = Posting(log, put_s=0.05)
    running = asyncio.create_task(taking.run())
    with pytest.raises(LogError, match="has not answered"):
        await taking.put([draft(WP11, b"put")])
    with pytest.raises(LogError, match="has not answered"):
        await taking.put([draft(WP11, b"given up")])
    log.go_on.set()
    await taking.put([draft(WP11, b"put, too")])
    assert values(await followed(log, [WP11])) == [b"put", b"put, too"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


class Full(SimulatedLog):
    """A log on which nothing can be put."""

    async def append(self, drafts: Iterable[Draft]) -> int:
        """Fail."""
        raise LogError("the disk is full; make room")


async def test_why_nothing_can_be_put_is_logged_and_not_each_time() -> None:
    """Whoever sends it hears only that it is to be sent again; whoever runs the gateway must hear why."""
    taking = Posting(Full(Ground(1)))
    running = asyncio.create_task(taking.run())
    with capture_logs() as said:
        for _ in range(3):
            with pytest.raises(LogError):
                await taking.put([draft(WP11, b"a")])
    assert said == [
        {"event": "http.not_put", "log_level": "warning", "reason": "the disk is full; make room"}
    ]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
