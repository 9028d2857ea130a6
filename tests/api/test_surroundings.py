"""What the gateway needs beside its partitions."""

import asyncio
import io
from pathlib import Path

from gateway.api.surroundings import Surroundings
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.reach import reach
from tests.api.conftest import lines
from tests.patience import in_the_end
from tests.ports import free_port


async def test_brokers_that_cannot_be_reached_are_named_until_one_can(bootstrap: str) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    named = [BrokerConnection((bootstrap,))]
    around = Surroundings()
    assert around.brokers is None
    looking = asyncio.create_task(around.watch(lambda: reach(named[-1]), again_s=0))
    try:
        await in_the_end(lambda: around.brokers == "")
        named.append(BrokerConnection((nowhere,)))
        await in_the_end(lambda: nowhere in str(around.brokers))
        named.append(BrokerConnection((bootstrap,)))
        await in_the_end(lambda: around.brokers == "")
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def test_little_room_is_logged_once_until_there_is_enough(tmp_path: Path, logged: io.StringIO) -> None:
    around = Surroundings({"log": tmp_path / "gateway.db"}, little_room=2**62)
    watching = asyncio.create_task(around.watch(None, again_s=0))
    try:
        await in_the_end(lambda: lines(logged, "disk.filling"))
        around.little_room = 0
        await in_the_end(lambda: not around.warnings() and not around._filling)
        around.little_room = 2**62
        await in_the_end(lambda: len(lines(logged, "disk.filling")) > 1)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    first, second = lines(logged, "disk.filling")
    assert first["file"] == second["file"] == "log"
    assert first["room_mib"] > 0
