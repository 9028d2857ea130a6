"""Apache Kafka as the log: where one machine is not enough.

The inbound topics and gateway.state have one partition count. Partition p of all of them belongs to the
process whose producer with the transactional id of p was started last. A step is one transaction on it.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError

from gateway.engine.kafka_claim import ANSWER_S, STATE_TOPIC, KafkaClaim
from gateway.engine.kafka_connection import Connection
from gateway.engine.kafka_membership import Membership
from gateway.engine.kafka_producer import REQUEST_MS, Sending, discard, start_producer, stop
from gateway.engine.log import INBOUND_TOPICS, Assignment, Draft, LogBusy, LogError, Record
from gateway.engine.partitioner import partition_for
from gateway.engine.sqlite import wall_clock

#: How long a transaction may stay open when its producer has gone: so long it hides what comes after it.
STEP_TRANSACTION_S: Final = 30.0
APPEND_TRANSACTION_S: Final = 60.0
FETCH_WAIT_MS: Final = 250
FETCH_BYTES: Final = 1024 * 1024
FOLLOW_AT_ONCE: Final = 1_000


class KafkaLog:
    """A log on Kafka brokers. Made by `open_kafka`."""

    shared = True

    def __init__(
        self,
        connection: Connection,
        watching: AIOKafkaConsumer,
        *,
        prefix: str,
        clock: Literal["wall", "log"],
        grace_ms: int,
        session_timeout_s: float,
        now: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._watching = watching
        self._prefix = prefix
        self._clock = clock
        self._grace_ms = grace_ms
        self._now = now
        self.group = f"{prefix}gateway"
        self._membership = Membership(
            connection, self.group, self.named(INBOUND_TOPICS[0]), session_timeout_s
        )
        self._counts: dict[str, int] = {}
        self._keeps_time: bool | None = None
        self._claims: set[KafkaClaim] = set()

    def named(self, topic: str) -> str:
        """What a topic is called on the brokers."""
        return self._prefix + topic

    async def partitions(self) -> int:
        """How many partition numbers the inbound topics and gateway.state have.

        Raises LogError where that is not one number.
        """
        counts = await self._counted([*INBOUND_TOPICS, STATE_TOPIC])
        if len(set(counts.values())) > 1:
            said = ", ".join(f"{self.named(topic)} has {count}" for topic, count in counts.items())
            raise LogError(
                f"the inbound topics and gateway.state must have one number of partitions, but {said}; make "
                "them anew with `gateway topics create`"
            )
        return counts[STATE_TOPIC]

    async def _counted(self, topics: Sequence[str]) -> dict[str, int]:
        missing = [topic for topic in topics if topic not in self._counts]
        if missing:
            async with self._administration() as admin:
                described = await admin.describe_topics([self.named(topic) for topic in missing])
            for topic, found in zip(missing, described, strict=True):
                if found["error_code"]:
                    raise LogError(
                        f"topic {self.named(topic)} can't be used (error {found['error_code']}); make what "
                        "is missing with `gateway topics create`"
                    )
                self._counts[topic] = len(found["partitions"])
        return {topic: self._counts[topic] for topic in topics}

    async def keeps_time(self) -> bool:
        """Whether records keep the timestamps that they are put with (CreateTime)."""
        if self._keeps_time is None:
            about = [ConfigResource(ConfigResourceType.TOPIC, self.named(topic)) for topic in INBOUND_TOPICS]
            async with self._administration() as admin:
                (answer,) = await admin.describe_configs(about)
            self._keeps_time = any(
                (entry["config_names"], entry["config_value"]) == ("message.timestamp.type", "CreateTime")
                for topic in answer.to_object()["resources"]
                for entry in topic["config_entries"]
            )
        return self._keeps_time

    @asynccontextmanager
    async def _administration(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**self._connection.arguments(), request_timeout_ms=REQUEST_MS)
        try:
            async with asyncio.timeout(ANSWER_S):
                await admin.start()
                yield admin
        except TimeoutError:
            raise LogBusy("the brokers don't answer; look at them and try again") from None
        finally:
            await admin.close()

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
                self._connection, f"{self.group}-{partition}", transaction_s=STEP_TRANSACTION_S
            )
        except (KafkaConnectionError, TimeoutError):
            raise LogBusy(f"no broker answers at {', '.join(self._connection.servers)}") from None
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
        producer = await start_producer(
            self._connection, f"{self.group}-append-{uuid.uuid4().hex}", transaction_s=APPEND_TRANSACTION_S
        )
        try:
            await producer.begin_transaction()
            sending = Sending(producer)
            count = 0
            for draft in drafts:
                if draft.timestamp is not None and not await self.keeps_time():
                    raise LogError(
                        "the brokers date what arrives, so records can't keep their time; make topics that "
                        "do under another GATEWAY_TOPIC_PREFIX, with `gateway topics create --timestamps create`"
                    )
                place = await self.place_of(draft, 0)
                topic = self.named(draft.topic)
                await sending.add(topic, place, draft.key, draft.value, draft.headers, draft.timestamp)
                count += 1
            if count:
                await sending.delivered()
                await producer.commit_transaction()
            return count
        finally:
            await discard(producer)

    async def place_of(self, draft: Draft, owned: int) -> int:
        """The partition on which a record belongs: by its key, and what goes out where it was decided.

        That is by its key as well, where the outbound topics have the inbound ones' partition numbers.
        """
        count = self._counts.get(draft.topic) or (await self._counted([draft.topic]))[draft.topic]
        goes_out = draft.topic not in INBOUND_TOPICS
        if draft.key is None or (goes_out and count == self._counts.get(STATE_TOPIC)):
            return owned % count
        return partition_for(draft.key, count)

    async def follow(self, topics: Sequence[str], *, from_start: bool, wait: bool) -> AsyncIterator[Record]:
        """Records of the topics as they are committed, in order within a partition."""
        counts = await self._counted(topics)
        places = [
            TopicPartition(self.named(topic), partition)
            for topic, count in counts.items()
            for partition in range(count)
        ]
        consumer = await self.reader(places, fetch_bytes=FETCH_BYTES)
        try:
            ends = await self.ends(places)
            for place in places:
                if not from_start:
                    consumer.seek(place, ends[place])
            if from_start:
                await consumer.seek_to_beginning(*places)
            while True:
                found = await consumer.getmany(timeout_ms=FETCH_WAIT_MS, max_records=FOLLOW_AT_ONCE)
                for place, records in found.items():
                    for record in records:
                        if wait or record.offset < ends[place]:
                            yield Record(
                                place.topic.removeprefix(self._prefix),
                                place.partition,
                                record.offset,
                                record.timestamp,
                                record.key,
                                record.value,
                                tuple((name, value or b"") for name, value in record.headers),
                            )
                if not wait and all([await consumer.position(place) >= ends[place] for place in places]):
                    return
        finally:
            await stop(consumer)

    async def close(self) -> None:
        """Let the claims go, leave the group, and let the brokers go. Never raises.

        In this order: whoever is assigned the partitions next need not fence anybody out.
        """
        await asyncio.gather(*(claim.release() for claim in self._claims))
        await self._membership.leave()
        await stop(self._watching)

    async def reader(self, places: Sequence[TopicPartition], *, fetch_bytes: int | None) -> AIOKafkaConsumer:
        """A consumer of these partitions, of no group, that sees only what is committed."""
        consumer = AIOKafkaConsumer(
            **self._connection.arguments(),
            isolation_level="read_committed",
            auto_offset_reset="none",
            enable_auto_commit=False,
            request_timeout_ms=REQUEST_MS,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=fetch_bytes or FETCH_BYTES,
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                await consumer.start()
        except BaseException:
            await stop(consumer)
            raise
        consumer.assign(list(places))
        return consumer

    async def ends(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The ends of partitions, what is in transactions that are still open included.

        A reader that has come so far has seen them ended: nothing from before is hidden any more.
        """
        async with asyncio.timeout(ANSWER_S):
            ends: dict[TopicPartition, int] = await self._watching.end_offsets(list(places))
        return ends

    def quiet_at(self, newest: int) -> int:
        """Up to when everything has arrived that lies below ends which are asked for after this.

        newest: the newest timestamp that was read. Hosts' clocks differ by up to the grace.
        """
        return newest if self._clock == "log" else self._now() - self._grace_ms


async def open_kafka(
    connection: Connection,
    *,
    prefix: str = "",
    clock: Literal["wall", "log"] = "wall",
    grace_s: float = 60.0,
    session_timeout_s: float = 10.0,
    now: Callable[[], int] = wall_clock,
) -> KafkaLog:
    """Connect to the brokers. Raises LogBusy where none answers.

    clock: 'wall', or 'log', in which no time passes but what the records' timestamps say. grace_s: by how
    much the clocks of hosts may differ. session_timeout_s: after so long without a heartbeat a process is
    taken for dead.
    """
    watching = AIOKafkaConsumer(
        **connection.arguments(),
        isolation_level="read_uncommitted",
        enable_auto_commit=False,
        request_timeout_ms=REQUEST_MS,
    )
    try:
        async with asyncio.timeout(ANSWER_S):
            await watching.start()
    except (KafkaConnectionError, TimeoutError, OSError):
        await stop(watching)
        raise LogBusy(
            f"no broker answers at {', '.join(connection.servers)}; start one, or correct GATEWAY_LOG_URL"
        ) from None
    except BaseException:
        await stop(watching)
        raise
    return KafkaLog(
        connection,
        watching,
        prefix=prefix,
        clock=clock,
        grace_ms=round(grace_s * 1000),
        session_timeout_s=session_timeout_s,
        now=now,
    )
