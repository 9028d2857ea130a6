"""The broker is stopped, killed and paused under processes that go on."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import aiohttp
import pytest

from tests.broker.broker import Broker
from tests.faults.scene import FOR_EVER, IN_SMALL_STEPS, Process, Scene, in_parts, sample
from tests.forms import LONG
from tests.patience import PATIENCE_S, in_the_end
from tests.ports import free_ports

pytestmark = pytest.mark.slow

#: A minute where all is run; else long enough for every member's session, and every request, to have ended.
AWAY_S = 60 if LONG else 15


@pytest.fixture
async def broker(tmp_path: Path, java: None) -> AsyncIterator[Broker]:
    """A broker of the test's own."""
    with Broker(tmp_path / "broker") as broker:
        await asyncio.to_thread(broker.start)
        yield broker


async def readiness(port: int, ready: bool) -> str:
    """Wait until /readyz says that it is or is not; returns what it says."""
    async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    said = await answer.text()
                    if (answer.status == 200) is ready:
                        return said
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)


def committed(processes: Iterable[Process]) -> int:
    """How many steps they have committed together: all partitions may be one's."""
    return sum(len(process.heard("step.committed")) for process in processes)


async def until_committed(processes: Iterable[Process], steps: int) -> None:
    """Wait until they have committed so many."""
    await in_the_end(lambda: committed(processes) >= steps)


async def test_a_broker_that_is_away_is_waited_for_and_all_goes_on_without_a_restart(
    topic_prefix: str, broker: Broker
) -> None:
    """It is stopped, killed in the middle of commits, and paused; then two processes still do their work."""
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    parts = in_parts(sample(400, seed), 5)
    ports = free_ports(2)
    async with Scene(broker.bootstrap, topic_prefix) as scene:
        processes = [
            await scene.start(*FOR_EVER, command=IN_SMALL_STEPS, http_port=str(port)) for port in ports
        ]
        await scene.feed(parts[0])
        await scene.until_decided()

        await asyncio.to_thread(broker.stop)
        print("stopped", await readiness(ports[0], ready=False))
        await asyncio.sleep(AWAY_S)
        print("away", await readiness(ports[0], ready=False))
        for process in processes:
            assert process.heard("log.away")
            assert all("; " in line["error"] for line in process.heard("log.away")), "and what to do"
        await asyncio.to_thread(broker.start)
        began = time.monotonic()
        await scene.feed(parts[1])
        await scene.until_decided()
        print("back after", time.monotonic() - began)
        for process in processes:
            assert process.heard("log.back")

        for lines in parts[2:4]:
            before = committed(processes)
            await scene.feed(lines)
            await until_committed(processes, before + 2)
            await asyncio.to_thread(broker.kill)
            await asyncio.to_thread(broker.start)
            began = time.monotonic()
            await scene.until_decided()
            print("back after", time.monotonic() - began)

        await scene.feed(parts[4])
        broker.pause()
        await asyncio.sleep(AWAY_S)
        broker.resume()
        await asyncio.to_thread(broker.start)  # it runs; after so long, its controller has to let it in again
        await scene.until_decided()
        for port in ports:
            await readiness(port, ready=True)
        for process in processes:
            await process.stop()
        await scene.finish()
        await scene.check()
    for process in processes:
        print(
            [
                line
                for line in process.lines
                if line["level"] != "debug" and not line["event"].startswith("message")
            ]
        )
