"""Apache Kafka as the log: where one machine is not enough.

The inbound topics and gateway.state have one partition count. Partition p of all of them belongs to the
process whose producer with the transactional id of p was started last. A step is one transaction on it.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Final, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from gateway.engine.kafka_claim import ANSWER_S, KafkaClaim, as_records
from gateway.engine.kafka_connection import Connection
from gateway.engine.kafka_letters import KafkaLetters
from gateway.engine.kafka_membership import Membership
from gateway.engine.kafka_producer import REQUEST_MS, Sending, discard, start_producer, stop
from gateway.engine.kafka_topics import STATE_TOPIC, TIMESTAMP_TYPE, TOGETHER, Topic, administering, found
from gateway.engine.log import INBOUND_TOPICS, Assignment, Draft, Handled, LogBusy, LogError, Record
from gateway.engine.partitioner import partition_for

#: How long a transaction may stay open when its producer has gone: so long it hides what comes after it.
STEP_TRANSACTION_S: Final = 30.0
APPEND_TRANSACTION_S: Final = 60.0
FETCH_WAIT_MS: Final = 250
FETCH_BYTES: Final = 1024 * 1024
FOLLOW_AT_ONCE: Final = 1_000


def wall_clock() -> int:
    """Now, in UTC milliseconds."""
    return time.time_ns() // 1_000_000


class KafkaLog:
    """A log on Kafka brokers. It connects when something is first asked of it.

    clock: 'wall', or 'log', in which no time passes but what the records' timestamps say. grace_s: by how
    much the clocks of hosts may differ. session_timeout_s: after so long without a heartbeat a process is
    taken for dead.
    """

    shared = True

    def __init__(
        self,
        connection: Connection,
        *,
        prefix: str = "",
        clock: Literal["wall", "log"] = "wall",
        grace_s: float = 60.0,
        session_timeout_s: float = 10.0,
        now: Callable[[], int] = wall_clock,
    ) -> None:
        self.connection = connection
        self._prefix = prefix
        self._clock = clock
        self._grace_ms = round(grace_s * 1000)
        self.now = now
        self.group = f"{prefix}gateway"
        self._membership = Membership(
            connection, self.group, self.named(INBOUND_TOPICS[0]), session_timeout_s
        )
        self._there: Mapping[str, Topic] | None = None
        self._watching: AIOKafkaConsumer | None = None
        self._connecting = asyncio.Lock()
        self._claims: set[KafkaClaim] = set()
        self._letters = KafkaLetters(self)

    def named(self, topic: str) -> str:
        """What a topic is called on the brokers."""
        return self._prefix + topic

    async def partitions(self) -> int:
        """How many partition numbers the inbound topics and gateway.state have.

        Raises LogError where that is not one number, LogBusy where no broker answers.
        """
        counts = {topic: await self._count(topic) for topic in TOGETHER}
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{self.named(topic)} has {count}" for topic, count in counts.items())
            raise LogError(
                f"the inbound topics and gateway.state must have one number of partitions, but {said}; begin "
                "anew with another GATEWAY_TOPIC_PREFIX, or delete them all and create them again"
            )
        return counts[STATE_TOPIC]

    async def keeps_time(self) -> bool:
        """Whether records keep the timestamps that they are put with (CreateTime)."""
        await self._count(INBOUND_TOPICS[0])
        kept = TIMESTAMP_TYPE["create"]
        there = self._there or {}
        return any(there[topic].settings["message.timestamp.type"] == kept for topic in INBOUND_TOPICS)

    async def _count(self, topic: str) -> int:
        """How many partitions a topic has. Raises LogError where it is missing."""
        if self._there is None:
            async with administering(self.connection) as client:
                there = await found(client, self._prefix)
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

    async def assigned(self, after: int) -> Assignment:
        """What the group assigns this process. It joins the group with the first question."""
        return await self._membership.assigned(after)

    async def claim(self, partition: int) -> KafkaClaim:
        """Own a partition number. Starting its producer fences the predecessor out.

        Raises LogBusy where no broker answers.
        """
        try:
            partitions = await self.partitions()
            producer = await start_producer(
                self.connection, f"{self.group}-{partition}", transaction_s=STEP_TRANSACTION_S
            )
        except (KafkaConnectionError, TimeoutError):
            raise LogBusy(f"no broker answers at {', '.join(self.connection.servers)}") from None
        claim = KafkaClaim(self, partition, partitions, producer)
        self._claims.add(claim)
        return claim

    def released(self, claim: KafkaClaim) -> None:
        """A claim has let go of what it held."""
        self._claims.discard(claim)

    async def append(self, drafts: Iterable[Draft]) -> int:
        """Put records on their topics in one transaction.

        Raises LogError for a draft with a timestamp where brokers date what arrives.
        """
        dated = await self.keeps_time()
        producer = await start_producer(
            self.connection, f"{self.group}-append-{uuid.uuid4().hex}", transaction_s=APPEND_TRANSACTION_S
        )
        try:
            await producer.begin_transaction()
            sending = Sending(producer)
            count = 0
            for draft in drafts:
                if draft.timestamp is not None and not dated:
                    raise LogError(
                        "the brokers date what arrives, so records can't keep their time; make topics that "
                        "do with `gateway topics create --timestamps create`, under another "
                        "GATEWAY_TOPIC_PREFIX"
                    )
                topic, place = self.named(draft.topic), await self.place_of(draft, 0)
                await sending.add(topic, place, draft.key, draft.value, draft.headers, draft.timestamp)
                count += 1
            if count:
                await sending.delivered()
                await producer.commit_transaction()
            return count
        finally:
            await discard(producer)

    async def handle(self, letters: Mapping[str, Draft | None]) -> frozenset[str]:
        """Put dead letters' records back and mark the letters, in one transaction."""
        return await self._letters.handle(letters)

    async def handled(self) -> dict[str, Handled]:
        """What was done with dead letters, by event_id."""
        return await self._letters.handled()

    async def place_of(self, draft: Draft, owned: int) -> int:
        """The partition on which a record belongs: by its key, and what goes out where it was decided.

        That is by its key as well, where the outbound topics have the inbound ones' partition numbers.
        """
        count = await self._count(draft.topic)
        goes_out = draft.topic not in INBOUND_TOPICS
        if draft.key is None or (goes_out and count == await self._count(STATE_TOPIC)):
            return owned % count
        return partition_for(draft.key, count)

    async def follow(self, topics: Sequence[str], *, from_start: bool, wait: bool) -> AsyncIterator[Record]:
        """Records of the topics as they are committed, in order within a partition."""
        places = [
            TopicPartition(self.named(topic), partition)
            for topic in topics
            for partition in range(await self._count(topic))
        ]
        consumer = await self.reader(places)
        try:
            ends = await self.ends(places)
            for place in places:
                if not from_start:
                    consumer.seek(place, ends[place])
            if from_start:
                await consumer.seek_to_beginning(*places)
            while True:
                taken = await consumer.getmany(timeout_ms=FETCH_WAIT_MS, max_records=FOLLOW_AT_ONCE)
                for place, records in taken.items():
                    topic = place.topic.removeprefix(self._prefix)
                    for record in as_records(topic, records):
                        if wait or record.offset < ends[place]:
                            yield record
                if not wait and all([await consumer.position(place) >= ends[place] for place in places]):
                    return
        finally:
            await stop(consumer)

    async def close(self) -> None:
        """Let the claims go, leave the group, and let the brokers go. Never raises.

        In this order: whoever is assigned the partitions next need not fence anybody out.
        """
        await asyncio.gather(*(claim.release() for claim in self._claims))
        await self._letters.close()
        await self._membership.leave()
        if self._watching is not None:
            await stop(self._watching)

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
            async with asyncio.timeout(ANSWER_S):
                await consumer.start()
        except BaseException:
            await stop(consumer)
            raise
        return consumer

    async def ends(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The ends of partitions, what is in transactions that are still open included.

        A reader that has come so far has seen them ended: nothing from before is hidden any more.
        """
        async with self._connecting:
            if self._watching is None:
                self._watching = await self._consumer("read_uncommitted")
        async with asyncio.timeout(ANSWER_S):
            ends: dict[TopicPartition, int] = await self._watching.end_offsets(list(places))
        return ends

    def quiet_at(self, newest: int) -> int:
        """Up to when everything has arrived that lies below ends which are asked for after this.

        newest: the newest timestamp that was read. Hosts' clocks differ by up to the grace.
        """
        return newest if self._clock == "log" else self.now() - self._grace_ms
