"""What the gateway needs beside its partitions."""

import asyncio

from gateway.api.surroundings import Surroundings
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.reach import reach
from tests.patience import in_the_end
from tests.ports import free_port


async def test_brokers_that_cannot_be_reached_are_named_until_one_can(bootstrap: str) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    named = [BrokerConnection((bootstrap,))]
    around = Surroundings()
    assert around.brokers is None
    looking = asyncio.create_task(around.look_for_brokers(lambda: reach(named[-1]), again_s=0))
    try:
        await in_the_end(lambda: around.brokers == "")
        named.append(BrokerConnection((nowhere,)))
        await in_the_end(lambda: nowhere in str(around.brokers))
        named.append(BrokerConnection((bootstrap,)))
        await in_the_end(lambda: around.brokers == "")
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
