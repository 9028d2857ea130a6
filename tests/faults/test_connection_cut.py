"""The connection is cut at each request of a transaction."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.broker.broker import Broker
from tests.faults.cutting import REQUESTS, WHENS, CuttingProxy, When
from tests.faults.scene import FOR_EVER, IN_SMALL_STEPS, Scene, in_parts, sample
from tests.patience import PATIENCE_S
from tests.ports import free_port

pytestmark = pytest.mark.slow

THROUGH = "THROUGH"


@pytest.fixture
async def door(tmp_path: Path, java: None) -> AsyncIterator[tuple[CuttingProxy, Broker]]:
    """A broker with a listener that is reached through a door."""
    door = CuttingProxy(free_port())
    with Broker(
        tmp_path / "broker", listeners={THROUGH: "PLAINTEXT"}, advertised={THROUGH: door.address}
    ) as broker:
        await asyncio.to_thread(broker.start)
        await door.open(broker.address(THROUGH))
        yield door, broker
        await door.close()


async def test_a_connection_cut_at_any_request_of_a_transaction_loses_and_doubles_nothing(
    topic_prefix: str, door: tuple[CuttingProxy, Broker]
) -> None:
    """Before the request has reached the broker, and before its answer has come back."""
    proxy, broker = door
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    cuts: list[tuple[str, When]] = [(request, when) for request in REQUESTS for when in WHENS]
    first, *parts = in_parts(sample(150, seed), len(cuts) + 1)
    async with Scene(proxy.address, topic_prefix, direct=broker.bootstrap) as scene:
        process = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
        await scene.feed(first)
        await scene.until_decided()
        for (request, when), lines in zip(cuts, parts, strict=True):
            claimed_anew = request == "InitProducerId"
            if claimed_anew:  # it is sent at a claim
                await process.stop()
            cutting = asyncio.create_task(proxy.cut(request, when, PATIENCE_S))
            await asyncio.sleep(0)
            if claimed_anew:
                process = await scene.start(*FOR_EVER, command=IN_SMALL_STEPS)
            await scene.feed(lines)
            await cutting
            await scene.until_decided()
            print(f"cut {when} {request}")
        await process.stop()
        await scene.finish()
        await scene.check()
