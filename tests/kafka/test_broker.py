"""The broker that the tests use is a real one, and nothing is left of it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.broker.broker import Broker
from tests.broker.jars import NoBroker

ROOT = Path(__file__).parents[2]


async def make(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def put(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(topic, value)


async def read(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        return [(await consumer.getone()).value for _ in range(count)]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def until_gone(pid: int) -> None:
    give_up_at = time.monotonic() + 30
    while not gone(pid):
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


@pytest.fixture
def broker(tmp_path: Path, bootstrap: str) -> Iterator[Broker]:
    """One that nobody else uses; after `bootstrap`, which says what this machine lacks."""
    with Broker(tmp_path / "broker") as own:
        own.start()
        yield own


async def test_a_record_comes_back(bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}there-and-back"
    await make(bootstrap, topic)
    await put(bootstrap, topic, b"a record")
    assert await read(bootstrap, topic, 1) == [b"a record"]


async def test_records_are_kept_when_it_is_stopped_and_when_it_is_killed(broker: Broker) -> None:
    address = broker.bootstrap
    await make(address, "kept")
    await put(address, "kept", b"before")
    broker.stop()
    assert not broker.running
    broker.start()
    await put(address, "kept", b"between")
    broker.kill()
    assert not broker.running
    broker.start()
    assert broker.bootstrap == address
    assert await read(address, "kept", 2) == [b"before", b"between"]
