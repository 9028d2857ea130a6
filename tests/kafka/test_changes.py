"""Changes read from topics of which something is gone."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.topics import STATE_TOPIC
from gateway.backends.kafka.topics_create import create
from gateway.engine.log import AUDIT, Draft, Record
from tests.conftest import delete_topics
from tests.patience import PATIENCE_S

TOPIC = "jobcentre.wp11"


async def made(bootstrap: str, prefix: str) -> KafkaLog:
    """A log of one partition."""
    connection = BrokerConnection((bootstrap,))
    await create(connection, prefix, partitions=1, default_partitions=1, replication=None, timestamps="log")
    return KafkaLog(connection, prefix=prefix)


@pytest.fixture
async def log(bootstrap: str, topic_prefix: str) -> AsyncIterator[KafkaLog]:
    """A log with ten records, of which the first six have been deleted."""
    log = await made(bootstrap, topic_prefix)
    for number in range(10):
        await log.append([Draft(TOPIC, b"PO1", b"%d" % number)])  # its offset is twice its number
    deleted = TopicPartition(topic_prefix + TOPIC, 0, 12)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_records([deleted]).values():
        await asyncio.to_thread(future.result, 20)
    yield log
    await log.close()


@pytest.mark.parametrize("positions", [{}, {f"{TOPIC}/0": 0}, {f"{TOPIC}/0": 7}, {f"{TOPIC}/0": 12}])
async def test_who_is_before_what_is_left_goes_on_with_that(log: KafkaLog, positions: dict[str, int]) -> None:
    reader = await log.changes([TOPIC], positions)
    came: list[Record] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(came) < 4:
            came += (await reader.read(1)).records
    assert [record.value for record in came] == [b"6", b"7", b"8", b"9"]
    await reader.close()


async def test_topics_that_were_made_anew_are_another_log(bootstrap: str, topic_prefix: str) -> None:
    log = await made(bootstrap, topic_prefix)
    before = await log.identity()
    assert before == await log.identity()
    assert f"/{topic_prefix}{STATE_TOPIC}/" in before
    await log.close()
    await asyncio.to_thread(delete_topics, bootstrap, topic_prefix)
    log = await made(bootstrap, topic_prefix)
    assert await log.identity() != before
    await log.close()


async def test_what_brokers_delete_for_its_age_is_told_by_where_the_topic_begins(
    bootstrap: str, topic_prefix: str
) -> None:
    """Once, and again when more is deleted. Of topics that copies forget otherwise it is not told."""
    await (await made(bootstrap, topic_prefix)).close()
    log = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix, ask_again_s=0)
    await log.append([Draft(AUDIT, b"ACT", b"{}"), Draft(TOPIC, b"PO1", b"")])
    reader = await log.changes([AUDIT, TOPIC], {})
    try:
        assert (await reader.read(0)).begins == {(AUDIT, 0): 0}
        assert (await reader.read(0)).begins == {}
        deleted = [TopicPartition(topic_prefix + topic, 0, 1) for topic in (AUDIT, TOPIC)]
        admin = AdminClient({"bootstrap.servers": bootstrap})
        for future in admin.delete_records(deleted).values():
            await asyncio.to_thread(future.result, PATIENCE_S)
        assert (await reader.read(0)).begins == {(AUDIT, 0): 1}
    finally:
        await reader.close()
        await log.close()
