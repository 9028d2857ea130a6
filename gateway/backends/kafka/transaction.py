"""One transaction: the only place that begins one and the only place that commits one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IllegalOperation,
    InvalidTxnState,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.producer.message_accumulator import BatchBuilder

from gateway.backends.kafka.producer import retrieve
from gateway.engine.log import Headers

#: What brokers say of a batch that is larger than its topic takes. They say it each time.
TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)


class Sending:
    """What one transaction sends. Batches, because sending record by record takes four times as long."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._open: dict[tuple[str, int], BatchBuilder] = {}
        #: With the topic of each.
        self._sent: dict[asyncio.Future[object], str] = {}

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

    def unsent(self) -> str | None:
        """The topic of a batch that was refused, or else has not been taken yet; None: all have been."""
        refused = [topic for sent, topic in self._sent.items() if sent.done() and not _is_taken(sent)]
        waiting = [topic for sent, topic in self._sent.items() if not sent.done()]
        return next(iter((*refused, *waiting)), None)

    async def delivered(self) -> None:
        """Send what is not sent yet, and wait for everything. Raises what went wrong with any of it."""
        for place, batch in self._open.items():
            await self._send(place, batch)
        self._open.clear()
        await self._taken()

    async def _taken(self) -> None:
        """Wait until all that was sent is taken. Raises what went wrong."""
        try:
            await asyncio.gather(*self._sent)
        except InvalidTxnState:
            # A topic may not be written. aiokafka sends these batches all the same, and brokers refuse them.
            ended = self._producer._txn_manager.wait_for_transaction_end()  # noqa: SLF001
            if ended.done():
                ended.result()
            raise

    async def _send(self, place: tuple[str, int], batch: BatchBuilder) -> None:
        topic, partition = place
        batch.close()
        try:
            sent = await self._producer.send_batch(batch, topic, partition=partition)
        except IllegalOperation:
            # The transaction has ended meanwhile, by what went wrong with an earlier batch: raise that.
            await self._taken()
            raise
        # A commit that ends before it waits for all of them has failed, and says so itself.
        sent.add_done_callback(retrieve)
        self._sent[sent] = topic


def _is_taken(sent: asyncio.Future[object]) -> bool:
    return not sent.cancelled() and sent.exception() is None


@asynccontextmanager
async def transaction(producer: AIOKafkaProducer, *, deadline_s: float) -> AsyncIterator[Sending]:
    """Commit what the body adds, all or nothing, as soon as the body has ended.

    1. Begin.
    2. Send: what the body adds, a batch whenever one is full, and then the rest.
    3. Await every send: commit_transaction() succeeds although a batch failed.
    4. Commit.
    All of it under one deadline: each of these calls can hang while the broker is away.
    Whatever is raised, by the body too, is an unknown outcome: the transaction may be open, and it may have
    been committed. The producer is not to be used again. Raises TimeoutError at the deadline, and KafkaError.
    """
    async with asyncio.timeout(deadline_s):
        await producer.begin_transaction()
        sending = Sending(producer)
        yield sending
        await sending.delivered()
        await producer.commit_transaction()
