"""The brokers of a log: what its topics are called and like, what reads them, and where they end."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.producer import REQUEST_MS, stop
from gateway.backends.kafka.topics import STATE_TOPIC, TIMESTAMP_TYPE, TOGETHER, Topic, administering, found
from gateway.engine.log import DELIVERY_PLANS, INBOUND_TOPICS, Draft, LogError, Record
from gateway.engine.partitioner import partition_for

#: How long a fetch waits at the brokers where there is nothing.
FETCH_WAIT_MS: Final = 250
FETCH_BYTES: Final = 1024 * 1024


class Brokers:
    """The topics of a log under their prefix. Connects when something is first asked of it."""

    def __init__(self, connection: BrokerConnection, prefix: str) -> None:
        self.connection = connection
        self.prefix = prefix
        #: The consumer group; transactional ids begin with it.
        self.group = f"{prefix}gateway"
        self._there: Mapping[str, Topic] | None = None
        self._watching: AIOKafkaConsumer | None = None
        self._connecting = asyncio.Lock()

    def named(self, topic: str) -> str:
        """What a topic is called on the brokers."""
        return self.prefix + topic

    async def partitions(self) -> int:
        """How many partition numbers the inbound topics and gateway.state have.

        Raises LogError where that is not one number, LogBusy where no broker answers.
        """
        counts = {topic: await self.count(topic) for topic in TOGETHER}
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{self.named(topic)} has {count}" for topic, count in counts.items())
            raise LogError(
                f"the inbound topics and gateway.state must have one number of partitions, but {said}; begin "
                "anew with another GATEWAY_TOPIC_PREFIX, or delete them all and create them again"
            )
        return counts[STATE_TOPIC]

    async def keeps_time(self) -> bool:
        """Whether records keep the timestamps that they are put with (CreateTime)."""
        await self.count(INBOUND_TOPICS[0])
        kept = TIMESTAMP_TYPE["create"]
        there = self._there or {}
        return any(there[topic].settings["message.timestamp.type"] == kept for topic in INBOUND_TOPICS)

    async def count(self, topic: str) -> int:
        """How many partitions a topic has. Raises LogError where it is missing."""
        if self._there is None:
            async with administering(self.connection) as client:
                there = await found(client, self.prefix)
            # What is missing may be made yet; the count of what is there is not to change.
            if TOGETHER[0] in there:
                self._there = there
        else:
            there = dict(self._there)
        if topic not in there:
            self._there = None
            raise LogError(
                f"there is no topic {self.named(topic)}; make it with `gateway topics create`, or correct "
                "GATEWAY_TOPIC_PREFIX"
            )
        return there[topic].partitions

    async def place_of(self, draft: Draft, owned: int) -> int:
        """The partition on which a record belongs: by its key, and what was decided where that was.

        That is by its key as well, where the outbound topics have the inbound ones' partition numbers.
        """
        count = await self.count(draft.topic)
        goes_out = draft.topic not in INBOUND_TOPICS and draft.topic != DELIVERY_PLANS
        if draft.key is None or (goes_out and count == await self.count(STATE_TOPIC)):
            return owned % count
        return partition_for(draft.key, count)

    async def reader(self, places: Sequence[TopicPartition], *, fetch: int = FETCH_BYTES) -> AIOKafkaConsumer:
        """A consumer of these partitions, of no group, that sees only what is committed.

        fetch: how many bytes of one partition it asks for at a time.
        """
        consumer = await self._consumer("read_committed", fetch)
        consumer.assign(list(places))
        return consumer

    async def _consumer(self, isolation: str, fetch: int = FETCH_BYTES) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            **self.connection.arguments(),
            isolation_level=isolation,
            auto_offset_reset="none",
            enable_auto_commit=False,
            request_timeout_ms=REQUEST_MS,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=fetch,
        )
        try:
            async with asyncio.timeout(self.connection.answer_s):
                await consumer.start()
        except BaseException:
            await stop(consumer)
            raise
        return consumer

    async def begins(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        """The offsets of the first records that the consumer's partitions still have."""
        async with asyncio.timeout(self.connection.answer_s):
            begins: dict[TopicPartition, int] = await consumer.beginning_offsets(list(consumer.assignment()))
        return begins

    async def ends(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The ends of partitions, what is in transactions that are still open included.

        A reader that has come so far has seen them ended: nothing from before is hidden any more.
        """
        async with self._connecting:
            if self._watching is None:
                self._watching = await self._consumer("read_uncommitted")
        async with asyncio.timeout(self.connection.answer_s):
            ends: dict[TopicPartition, int] = await self._watching.end_offsets(list(places))
        return ends

    async def close(self) -> None:
        """Let go of them. Never raises."""
        if self._watching is not None:
            await stop(self._watching)


def as_records(topic: str, found: Iterable["ConsumerRecord[bytes, bytes]"]) -> list[Record]:
    """What aiokafka has read of a topic, whose name is the one without prefix."""
    return [
        Record(
            topic,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(record.headers),
        )
        for record in found
    ]
