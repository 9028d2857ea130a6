"""A transactional producer: started under a deadline, and let go without trust."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from gateway.backends.kafka.connection import BrokerConnection

#: How long one request may take before the client gives it up.
REQUEST_MS: Final = 10_000
_CANCEL_AGAIN_S: Final = 0.05
#: How long a producer may take to end in good order before its tasks are cancelled.
STOP_S: Final = 2.0
#: A batch is closed when it is as large as this, in bytes before compression; a single record may be larger.
BATCH_BYTES: Final = 512 * 1024
#: The largest request. The topics' own limits are lower, and are the ones that count.
LARGEST_REQUEST: Final = 64 * 1024 * 1024


async def start_producer(
    connection: BrokerConnection, transactional_id: str, *, transaction_s: float
) -> AIOKafkaProducer:
    """A producer whose predecessors under the same id are fenced out, their open transactions ended.

    Raises TimeoutError where that is not done in the connection's `start_s`.
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
        async with asyncio.timeout(connection.start_s):
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
    sending = producer._sender.sender_task  # noqa: SLF001 - aiokafka has no other way to know
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
    _retrieve_all(producer)


def _retrieve_all(producer: AIOKafkaProducer) -> None:
    """Retrieve what became of the transaction, and of each batch that was not sent.

    When a producer is fenced, aiokafka sets that on futures of its own, and asyncio complains of exceptions
    that were never retrieved.
    """
    transaction = producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001
    unsent = producer._message_accumulator._batches  # noqa: SLF001
    waiting = [batch._drain_waiter for batches in unsent.values() for batch in batches]  # noqa: SLF001
    for future in (transaction, *waiting):
        if future is not None:
            retrieve(future)


def retrieve(future: asyncio.Future[object]) -> None:
    """Retrieve its exception, where it has one, so that asyncio does not complain of it."""
    if future.done() and not future.cancelled():
        future.exception()


async def stop(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Let a client go, in good order where that can be done. Never raises.

    Where its own end fails on the way, it leaves connections open, and a task that goes on for ever.
    """
    if await _within(STOP_S, client.stop()):  # type: ignore[no-untyped-call] # the consumer's has no types
        return
    # aiokafka has no other way to end these.
    if not isinstance(client, AIOKafkaProducer):
        await _within(STOP_S, client._client.close())  # noqa: SLF001
        return
    await _within(STOP_S, client.client.close())
    # Cancelled, it waits for each of its tasks in turn, which ask brokers that are away for ever.
    sending = client._sender.sender_task  # noqa: SLF001
    while sending is not None and not sending.done():
        sending.cancel()
        await asyncio.wait({sending}, timeout=_CANCEL_AGAIN_S)
    # Nobody sends these any more, and its own end waits for them.
    client._message_accumulator.fail_all(KafkaConnectionError())  # noqa: SLF001


async def _within(seconds: float, ending: Coroutine[None, None, None]) -> bool:
    """Whether it has come to its end by then, in good order."""
    # A task of its own: what aiokafka's tasks were cancelled with would look like this one's cancellation.
    task = asyncio.create_task(ending)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    task.cancel()
    (raised,) = await asyncio.gather(task, return_exceptions=True)
    return bool(done) and raised is None
