"""Brokers that go away while something is read or put: told, and not waited for without an end."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from aiokafka import AIOKafkaProducer

from gateway.engine import kafka, kafka_brokers, kafka_producer
from gateway.engine.kafka import KafkaLog
from gateway.engine.kafka_connection import Connection
from gateway.engine.kafka_topics_create import create
from gateway.engine.log import Draft, LogBusy, Record
from tests.broker.broker import Broker

TOPIC = "jobcentre.wp11"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, java: None) -> Iterator[Broker]:
    """One that nobody else uses, because it is paused."""
    with Broker(tmp_path_factory.mktemp("broker")) as own:
        own.start()
        yield own


@pytest.fixture
async def log(broker: Broker, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KafkaLog]:
    """A log of one partition with one record, that has less patience than it has in service."""
    connection = Connection((broker.bootstrap,))
    await create(
        connection, topic_prefix, partitions=1, default_partitions=1, replication=None, timestamps="log"
    )
    log = KafkaLog(connection, prefix=topic_prefix)
    await log.append([Draft(TOPIC, b"PO1", b"there")])
    for module in (kafka, kafka_brokers):
        monkeypatch.setattr(module, "ANSWER_S", 0.5)
    monkeypatch.setattr(kafka_producer, "START_S", 0.5)
    yield log
    broker.resume()
    await log.close()


async def test_what_an_open_transaction_hides_is_waited_for_until_the_brokers_are_away(
    log: KafkaLog, broker: Broker
) -> None:
    came: asyncio.Queue[Record] = asyncio.Queue()

    async def read() -> None:
        async for record in log.follow([TOPIC], from_start=True, wait=False):
            came.put_nowait(record)

    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id="open") as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(log.brokers.named(TOPIC), b"hidden", partition=0)
        reading = asyncio.create_task(read())
        assert (await came.get()).value == b"there"
        # Longer than it takes to ask whether the brokers are there: they are.
        done, _ = await asyncio.wait({reading}, timeout=2)
        assert not done
        await producer.commit_transaction()
        await reading
        assert (await came.get()).value == b"hidden"

        await producer.begin_transaction()
        await producer.send_and_wait(log.brokers.named(TOPIC), b"hidden too", partition=0)
        reading = asyncio.create_task(read())
        await came.get()
        broker.pause()
        with pytest.raises(LogBusy, match="before all was read; look at them"):
            await reading
        broker.resume()
        await producer.abort_transaction()


async def test_who_can_not_put_records_is_told_that_it_may_be_done_again(
    log: KafkaLog, broker: Broker
) -> None:
    broker.pause()
    with pytest.raises(LogBusy, match="before it was sure that all was put; look at them"):
        await log.append([Draft(TOPIC, b"PO1", b"not there")])
