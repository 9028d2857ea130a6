"""Brokers that go away while something is read or put: an error, and not a wait without an end."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from gateway.backends.kafka.append import KafkaAppend
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.membership import Membership
from gateway.backends.kafka.topics_create import create
from gateway.engine.log import ChangeReader, Draft, LogBusy, Record
from tests.broker.broker import Broker
from tests.patience import PATIENCE_S

T = TypeVar("T")

TOPIC = "jobcentre.wp11"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, java: None) -> Iterator[Broker]:
    """One that nobody else uses, because it is paused."""
    with Broker(tmp_path_factory.mktemp("broker")) as own:
        own.start()
        yield own


async def is_made(connection: BrokerConnection, prefix: str) -> bool:
    """Make the topics, if the broker is ready for it."""
    try:
        await create(
            connection, prefix, partitions=1, default_partitions=1, replication=None, timestamps="log"
        )
    except LogBusy:
        return False
    return True


@pytest.fixture
async def log(broker: Broker, topic_prefix: str) -> AsyncIterator[KafkaLog]:
    """A log of one partition with one record; it asks often whether the brokers are there."""
    connection = BrokerConnection((broker.bootstrap,))
    async with asyncio.timeout(PATIENCE_S):
        # It was paused, and may name no brokers yet.
        while not await is_made(connection, topic_prefix):  # noqa: ASYNC110 - nobody wakes
            await asyncio.sleep(0.1)
    log = KafkaLog(connection, prefix=topic_prefix, ask_again_s=0.5)
    await log.append([Draft(TOPIC, b"PO1", b"there")])
    yield log
    await log.close()


@pytest.fixture
async def impatient(log: KafkaLog, broker: Broker) -> AsyncIterator[KafkaLog]:
    """The same log, which is soon at the end of its patience with brokers."""
    connection = BrokerConnection((broker.bootstrap,), answer_s=5, start_s=5)
    impatient = KafkaLog(connection, prefix=log.brokers.prefix, append_s=5, ask_again_s=0.5)
    yield impatient
    await impatient.close()


@asynccontextmanager
async def open_transaction(broker: Broker, name: str) -> AsyncIterator[AIOKafkaProducer]:
    """One that has been begun, and that the broker does not end by itself for a quarter of an hour."""
    async with AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap, transactional_id=name, transaction_timeout_ms=900_000
    ) as producer:
        await producer.begin_transaction()
        yield producer


@asynccontextmanager
async def away(broker: Broker) -> AsyncIterator[None]:
    """The broker answers nothing meanwhile."""
    broker.pause()
    try:
        yield
    finally:
        broker.resume()
    await asyncio.to_thread(broker.start)  # it runs, and comes to itself


async def again(work: Callable[[], Awaitable[T]]) -> T:
    """Try until it works, as the error says: after so long the controller may still shut its broker out."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await work()
            except LogBusy:
                await asyncio.sleep(0.1)


async def test_reading_that_begins_while_the_brokers_are_away_ends_with_an_error(
    impatient: KafkaLog, broker: Broker
) -> None:
    assert [record.key async for record in impatient.follow((TOPIC,), from_start=True, wait=False)] == [
        b"PO1"
    ]
    async with away(broker):
        with pytest.raises(LogBusy, match="the brokers failed"):
            await anext(impatient.follow((TOPIC,), from_start=True, wait=False))


async def test_what_an_open_transaction_hides_is_waited_for_until_the_brokers_are_away(
    log: KafkaLog, impatient: KafkaLog, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: asyncio.Queue[Record] = asyncio.Queue()
    asked, ends = asyncio.Semaphore(0), log.brokers.ends

    async def noticed(places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        found = await ends(places)
        asked.release()
        return found

    monkeypatch.setattr(log.brokers, "ends", noticed)

    async def read(log: KafkaLog) -> None:
        async for record in log.follow([TOPIC], from_start=True, wait=False):
            came.put_nowait(record)

    async with asyncio.timeout(PATIENCE_S), open_transaction(broker, "open") as producer:
        await producer.send_and_wait(log.brokers.named(TOPIC), b"hidden", partition=0)
        reading = asyncio.create_task(read(log))
        assert (await came.get()).value == b"there"
        # It asks at first where the end is, and then again and again whether the brokers are there: they are.
        for _ in range(4):
            await asked.acquire()
        assert not reading.done()
        await producer.commit_transaction()
        await reading
        assert (await came.get()).value == b"hidden"

    async with asyncio.timeout(PATIENCE_S), open_transaction(broker, "open") as producer:
        await producer.send_and_wait(log.brokers.named(TOPIC), b"hidden too", partition=0)
        reading = asyncio.create_task(read(impatient))
        await came.get()
        async with away(broker):
            with pytest.raises(LogBusy, match="before all was read; look at them"):
                await reading


async def test_records_that_can_not_be_put_are_an_error_that_says_to_do_it_again(
    impatient: KafkaLog, broker: Broker
) -> None:
    assert await again(lambda: impatient.append([Draft(TOPIC, b"PO1", b"with a producer")])) == 1
    async with away(broker):
        for value in (b"not there", b"nor this"):
            with pytest.raises(LogBusy, match="before it was sure that all was put; look at them"):
                await impatient.append([Draft(TOPIC, b"PO1", value)])
    assert await again(lambda: impatient.append([Draft(TOPIC, b"PO1", b"there too")])) == 1


async def test_who_puts_records_hears_nothing_of_a_broker_that_was_started_anew_meanwhile(
    log: KafkaLog, broker: Broker
) -> None:
    await asyncio.to_thread(broker.stop)
    await asyncio.to_thread(broker.start)
    assert await log.append([Draft(TOPIC, b"PO1", b"there too")]) == 1


async def test_who_has_put_nothing_for_long_puts_it_through_a_new_connection(log: KafkaLog) -> None:
    idle = KafkaAppend(log.brokers, longest_s=PATIENCE_S, idle_s=0)
    for _ in range(2):
        assert await idle.append([Draft(TOPIC, b"PO1", b"there too")]) == 1
    await idle.close()


async def read_from(log: KafkaLog, positions: Mapping[str, int]) -> Sequence[Record]:
    """What has come since then."""
    reader = await log.changes([TOPIC], positions)
    try:
        while not (changes := await reader.read(1)).records:
            pass
        return changes.records
    finally:
        await reader.close()


async def read_for_ever(reader: ChangeReader) -> None:
    """Read until something is raised."""
    while True:
        await reader.read(0.1)


async def test_what_an_open_transaction_hides_is_no_change_yet(log: KafkaLog, broker: Broker) -> None:
    """It counts among what is to come, and holds up what comes after it on its partition."""
    reader = await log.changes([TOPIC], {})
    came: list[bytes | None] = []

    async def read(until: bytes) -> None:
        while until not in came:
            came.extend(record.value for record in (await reader.read(1)).records)

    async with asyncio.timeout(PATIENCE_S):
        await read(b"there")
        async with open_transaction(broker, "open too") as producer:
            await producer.send_and_wait(log.brokers.named(TOPIC), b"hidden", partition=0)
            await log.append([Draft(TOPIC, b"PO1", b"after")])
            while (changes := await reader.read(0.1)).behind < 2:
                assert changes.records == []
            assert came == [b"there"]
            await producer.commit_transaction()
            await read(b"after")
    assert came == [b"there", b"hidden", b"after"]
    await reader.close()


async def test_who_reads_changes_gets_an_error_and_goes_on_from_the_last_positions(
    log: KafkaLog, impatient: KafkaLog, broker: Broker
) -> None:
    reader = await impatient.changes([TOPIC], {})
    async with asyncio.timeout(PATIENCE_S):
        while not (changes := await reader.read(1)).records:
            pass
        async with away(broker):
            with pytest.raises(LogBusy, match="go on from the last positions"):
                await read_for_ever(reader)
            await reader.close()
            with pytest.raises(LogBusy):
                await impatient.changes([TOPIC], changes.positions)
        await again(lambda: log.append([Draft(TOPIC, b"PO1", b"more")]))
        found = await again(lambda: read_from(impatient, changes.positions))
    assert {record.value for record in found} == {b"more"}


async def test_positions_that_can_not_be_noted_with_the_group_leave_no_error_behind(
    log: KafkaLog, broker: Broker
) -> None:
    topic = log.brokers.named(TOPIC)

    async def is_there() -> bool:
        return True

    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about["message"]))
    member = Membership(BrokerConnection((broker.bootstrap,)), "noting", topic, 30.0, is_there)
    async with asyncio.timeout(PATIENCE_S):
        await member.assigned(0)
    async with away(broker):
        member.note({TopicPartition(topic, 0): 1})
        await member.leave()
    gc.collect()
    assert not complaints
