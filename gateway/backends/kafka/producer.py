"""Transactions: a producer that is started under a deadline, filled by batches, and let go without trust."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaConnectionError
from aiokafka.producer.message_accumulator import BatchBuilder

from gateway.backends.kafka.connection import Connection
from gateway.engine.log import Headers

#: How long one request may take before the client gives it up.
REQUEST_MS: Final = 10_000
#: How long starting a producer may take: it waits for a predecessor's transaction to be ended.
START_S: Final = 30.0
#: How long a producer may take to end in good order before its tasks are cancelled.
STOP_S: Final = 2.0
#: A batch is closed when it is as large as this, in bytes before compression; a single record may be larger.
BATCH_BYTES: Final = 512 * 1024
#: The largest request. The topics' own limits are lower, and are the ones that count.
LARGEST_REQUEST: Final = 64 * 1024 * 1024


async def start_producer(
    connection: Connection, transactional_id: str, *, transaction_s: float
) -> AIOKafkaProducer:
    """A producer whose predecessors under the same id are fenced out, their open transactions ended.

    Raises TimeoutError where that is not done within START_S.
    """
    producer = AIOKafkaProducer(
        **connection.arguments(),
        transactional_id=transactional_id,
        transaction_timeout_ms=int(transaction_s * 1000),
        request_timeout_ms=REQUEST_MS,
        max_request_size=LARGEST_REQUEST,
        max_batch_size=BATCH_BYTES,
        compression_type="zstd",
        linger_ms=0,
    )
    try:
        # It retries CONCURRENT_TRANSACTIONS and a coordinator that is away for ever.
        async with asyncio.timeout(START_S):
            await producer.start()
    except AssertionError:
        # A broker that has just come back may name no brokers, for which aiokafka is not ready.
        await discard(producer)
        raise KafkaConnectionError("the broker that answers names no brokers yet") from None
    except BaseException:
        await discard(producer)
        raise
    return producer


def is_alive(producer: AIOKafkaProducer) -> bool:
    """Whether it still sends: its task ends with the first thing that it can't get over."""
    sending = producer._sender.sender_task  # noqa: SLF001 - aiokafka has no other way to tell
    return sending is not None and not sending.done()


async def abandon(producer: AIOKafkaProducer) -> None:
    """Let a producer go, and end its transaction where one is open and that can be done. Never raises.

    A transaction that stays open hides what comes after it until it has timed out.
    """
    with suppress(Exception):
        async with asyncio.timeout(STOP_S):
            await producer.abort_transaction()
    await discard(producer)


async def discard(producer: AIOKafkaProducer) -> None:
    """Let a producer go, whatever state it is in. Never raises."""
    await stop(producer)
    _hear_out(producer)


def _hear_out(producer: AIOKafkaProducer) -> None:
    """Ask what became of the transaction, and of each batch that was not sent.

    When a producer is fenced, aiokafka says so to futures of its own, and asyncio complains of those that
    nobody has asked.
    """
    transaction = producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001
    unsent = producer._message_accumulator._batches  # noqa: SLF001
    waiting = [batch._drain_waiter for batches in unsent.values() for batch in batches]  # noqa: SLF001
    for future in (transaction, *waiting):
        if future is not None:
            _hear(future)


def _hear(future: asyncio.Future[object]) -> None:
    """Ask what became of it, where it is known."""
    if future.done() and not future.cancelled():
        future.exception()


async def stop(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Let a client go, in good order where that can be done. Never raises.

    Where its own end fails on the way, it leaves connections open, and a task that goes on for ever.
    """
    if await _within(STOP_S, client.stop()):  # type: ignore[no-untyped-call] # the consumer's has no types
        return
    # aiokafka has no other way to end these.
    if isinstance(client, AIOKafkaProducer):
        connections, sending = client.client, client._sender.sender_task  # noqa: SLF001
        # It waits for what it still has to send, which a broker that is away never takes.
        if sending is not None:
            sending.cancel()
    else:
        connections = client._client  # noqa: SLF001
    await _within(STOP_S, connections.close())


async def _within(seconds: float, ending: Coroutine[None, None, None]) -> bool:
    """Whether it has come to its end by then, in good order."""
    # A task of its own: what aiokafka's tasks were cancelled with would look like this one's cancellation.
    task = asyncio.create_task(ending)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    task.cancel()
    (raised,) = await asyncio.gather(task, return_exceptions=True)
    return bool(done) and raised is None


class Sending:
    """What one transaction sends. Batches, because sending record by record takes four times as long."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._open: dict[tuple[str, int], BatchBuilder] = {}
        self._sent: list[asyncio.Future[object]] = []

    async def add(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        timestamp: int | None = None,
    ) -> None:
        """Send a record with the next batch of its partition. timestamp: None is now."""
        place = topic, partition
        batch = self._open.get(place)
        if batch is not None:
            if batch.append(timestamp=timestamp, key=key, value=value, headers=[*headers]) is not None:
                return
            await self._send(place, batch)  # it is full
        batch = self._open[place] = self._producer.create_batch()
        batch.append(timestamp=timestamp, key=key, value=value, headers=[*headers])

    async def delivered(self) -> None:
        """Send what is not sent yet, and wait for everything. Raises what went wrong with any of it.

        To be awaited before the commit: commit_transaction() succeeds although a batch has failed.
        """
        for place, batch in self._open.items():
            await self._send(place, batch)
        self._open.clear()
        await asyncio.gather(*self._sent)

    async def _send(self, place: tuple[str, int], batch: BatchBuilder) -> None:
        topic, partition = place
        batch.close()
        try:
            sent = await self._producer.send_batch(batch, topic, partition=partition)
        except IllegalOperation:
            # The transaction has ended meanwhile, by what went wrong with an earlier batch: raise that.
            await asyncio.gather(*self._sent)
            raise
        # A commit that ends before it waits for all of them has failed, and says so itself.
        sent.add_done_callback(_hear)
        self._sent.append(sent)
