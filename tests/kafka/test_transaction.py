"""A transaction is committed when its body ends, whole or not at all, and nothing else commits one."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

import consumers
import gateway
import producers
import schemas
from gateway.backends.kafka import transaction as transaction_module
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.producer import abandon, start_producer
from gateway.backends.kafka.topics_create import create
from gateway.backends.kafka.transaction import Sending, transaction
from tests.patience import PATIENCE_S

WP11, OUT = "jobcentre.wp11", "gateway.outcomes"
#: More than a topic takes, however well it is compressed.
TOO_LARGE = random.Random(0).randbytes(2 * 1024 * 1024)


@pytest.fixture
async def log(bootstrap: str, topic_prefix: str) -> AsyncIterator[KafkaLog]:
    """An empty log of one partition."""
    connection = BrokerConnection((bootstrap,))
    await create(
        connection, topic_prefix, partitions=1, default_partitions=1, replication=None, timestamps="log"
    )
    log = KafkaLog(connection, prefix=topic_prefix)
    yield log
    await log.close()


@pytest.fixture
async def producer(log: KafkaLog) -> AsyncIterator[AIOKafkaProducer]:
    """One that may have a transaction open at the end."""
    name = f"{log.brokers.group}-test"
    producer = await start_producer(log.brokers.connection, name, transaction_s=PATIENCE_S)
    yield producer
    await abandon(producer)


async def committed(log: KafkaLog) -> set[bytes | None]:
    """What is on the two topics."""
    return {record.value async for record in log.follow([WP11, OUT], from_start=True, wait=False)}


async def test_what_the_body_adds_is_committed_when_it_ends(
    log: KafkaLog, producer: AIOKafkaProducer
) -> None:
    for expected in ({b"one", b"two"}, {b"one", b"two", b"three", b"four"}):
        first, second, *_ = sorted(expected - await committed(log))
        async with transaction(producer, deadline_s=PATIENCE_S) as sending:
            await sending.add(log.brokers.named(WP11), 0, b"PO1", first)
            await sending.add(log.brokers.named(OUT), 0, b"PO1", second)
        assert await committed(log) == {*expected}


async def raise_in_the_body(sending: Sending, log: KafkaLog) -> None:
    await sending.add(log.brokers.named(WP11), 0, b"PO1", b"one")
    raise LookupError


async def add_too_large_a_record(sending: Sending, log: KafkaLog) -> None:
    await sending.add(log.brokers.named(WP11), 0, b"PO1", TOO_LARGE)
    await sending.add(log.brokers.named(OUT), 0, b"PO1", b"two")


async def never_end(sending: Sending, log: KafkaLog) -> None:
    await sending.add(log.brokers.named(WP11), 0, b"PO1", b"one")
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("body", "deadline_s", "raised"),
    [
        (raise_in_the_body, PATIENCE_S, LookupError),
        (add_too_large_a_record, PATIENCE_S, MessageSizeTooLargeError),
        (never_end, 0.1, TimeoutError),
    ],
)
async def test_nothing_is_committed_where_anything_goes_wrong(
    body: Callable[[Sending, KafkaLog], Awaitable[None]],
    deadline_s: float,
    raised: type[Exception],
    log: KafkaLog,
    producer: AIOKafkaProducer,
) -> None:
    """Where the body raises, where one batch of several is refused, and at the deadline."""

    async def work() -> None:
        async with transaction(producer, deadline_s=deadline_s) as sending:
            await body(sending, log)

    with pytest.raises(raised):
        await work()
    await abandon(producer)
    assert await committed(log) == set()


@pytest.mark.parametrize("call", ["begin_transaction", "commit_transaction"])
def test_transactions_are_begun_and_committed_in_one_place_of_the_product(call: str) -> None:
    places = [
        path
        for package in (gateway, schemas, consumers, producers)
        for path in Path(package.__path__[0]).rglob("*.py")
        for _ in re.finditer(rf"\.{call}\b", path.read_text("utf-8"))
    ]
    assert places == [Path(transaction_module.__file__)]
