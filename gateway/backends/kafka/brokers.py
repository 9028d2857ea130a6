"""The brokers of a log: what its topics are called and like, what reads them, and where they end."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, TopicAuthorizationFailedError

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.failures import failure
from gateway.backends.kafka.framing import Framing
from gateway.backends.kafka.metadata import Seen, look
from gateway.backends.kafka.producer import REQUEST_MS, stop
from gateway.backends.kafka.reader import Reader
from gateway.backends.kafka.topics import (
    CONTROL_TOPIC,
    STATE_TOPIC,
    TIMESTAMP_TYPE,
    TOGETHER,
    TOPICS,
    Topic,
    administering,
    found,
)
from gateway.backends.kafka.unpacking import bound
from gateway.engine.log import DELIVERY_PLANS, INBOUND_TOPICS, Draft, LogBusy, LogError
from gateway.engine.partitioner import partition_for

#: How long a fetch waits at the brokers where there is nothing.
FETCH_WAIT_MS: Final = 250
#: How often the topics are looked at.
LOOK_AGAIN_S: Final = 5.0
NEVER_S: Final = float("-inf")
FETCH_BYTES: Final = 1024 * 1024


class Brokers:
    """The topics of a log under their prefix. Connects when something is first asked of it.

    look_again_s: how often it looks at most whether the topics are what they were. framing: what puts values
    into Confluent's wire format, and takes them out of it; None: they are in single-object encoding.
    """

    def __init__(
        self,
        connection: BrokerConnection,
        prefix: str,
        look_again_s: float = LOOK_AGAIN_S,
        framing: Framing | None = None,
    ) -> None:
        self.connection = connection
        self.framing = framing
        self.prefix = prefix
        #: The consumer group; transactional ids begin with it.
        self.group = f"{prefix}gateway"
        self._there: Mapping[str, Topic] | None = None
        self._look_again_s = look_again_s
        self._looking = asyncio.Lock()
        self._looked_s = NEVER_S
        self._seen: Mapping[str, Seen] = {}
        #: The id of gateway.state when it was first seen.
        self._state_id: str | None = None
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
        for topic in INBOUND_TOPICS:
            await self.count(topic)
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

    async def identity(self) -> str:
        """The cluster's id, and the name and id of gateway.state.

        Raises LogBusy where no broker answers, LogError where the topic is missing or brokers know no ids.
        """
        name = self.named(STATE_TOPIC)
        await self.count(STATE_TOPIC)
        try:
            async with asyncio.timeout(self.connection.answer_s):
                cluster, seen = await look((await self._watch())._client, [name])  # noqa: SLF001 - no other way
        except (IncompatibleBrokerVersion, NotImplementedError):
            raise LogError("the brokers give topics no ids; Apache Kafka 4 is needed") from None
        except (KafkaError, TimeoutError) as error:
            raise failure(error, "DESCRIBE", name) from error
        if name not in seen or seen[name].hidden:
            raise LogBusy(f"the brokers don't give the id of the topic {name} at the moment; try again")
        return f"{cluster}/{name}/{seen[name].id}"

    async def look(self, *, anew: bool = False) -> Mapping[str, str]:
        """See that the topics are what they were, and return the ids of the inbound ones.

        Without this a consumer of a topic that was deleted or hidden would look for it all the time, and tell
        nobody. anew: not only now and then. Raises LogBusy for as long as something is not as it was.
        """
        clock = asyncio.get_running_loop().time
        async with self._looking:
            if anew or clock() >= self._looked_s + self._look_again_s:
                # Brokers that are away are noticed by whoever asks them for something.
                with suppress(KafkaError, TimeoutError, LogBusy):
                    async with asyncio.timeout(self.connection.answer_s):
                        client = (await self._watch())._client  # noqa: SLF001 - there is no other way to ask
                        _, self._seen = await look(client, [self.named(topic) for topic in TOPICS])
                    self._looked_s = clock()
        if self._looked_s != NEVER_S:
            await self._compare()
        return {topic: self._seen[self.named(topic)].id for topic in INBOUND_TOPICS if self._seen}

    async def sees(self, topic: str) -> bool:
        """Whether a topic is there, as far as is known."""
        with suppress(LogBusy):
            await self.look()
        seen = self._seen.get(self.named(topic))
        return not self._seen or (seen is not None and not seen.hidden)

    async def _compare(self) -> None:
        for topic in TOPICS:
            name = self.named(topic)
            seen = self._seen.get(name)
            if seen is None:
                raise LogBusy(
                    f"the topic {name} was deleted; restore it, or make it with `gateway topics create`"
                )
            if seen.hidden or (topic in TOGETHER and not seen.readable):
                raise failure(TopicAuthorizationFailedError(name), "READ" if topic in TOGETHER else "WRITE")
            if topic in TOGETHER and seen.partitions != (count := await self.count(topic)):
                raise LogBusy(
                    f"the topic {name} had {count} partitions and has {seen.partitions} now, so messages "
                    "would miss their referral's past; give it its old number again, or begin anew with "
                    "another GATEWAY_TOPIC_PREFIX"
                )
        state = self._seen[self.named(STATE_TOPIC)].id
        self._state_id = self._state_id or state
        if state != self._state_id:
            raise LogBusy(
                f"the topic {self.named(STATE_TOPIC)} was made anew, and all that had been decided would be "
                "decided again; restore it, or begin anew with another GATEWAY_TOPIC_PREFIX"
            )

    async def place_of(self, draft: Draft, owned: int) -> int:
        """The partition on which a record belongs: by its key, and what was decided where that was.

        That is by its key as well, where the outbound topics have the inbound ones' partition numbers.
        """
        count = await self.count(draft.topic)
        goes_out = draft.topic not in (*INBOUND_TOPICS, DELIVERY_PLANS, CONTROL_TOPIC)
        if draft.key is None or (goes_out and count == await self.count(STATE_TOPIC)):
            return owned % count
        return partition_for(draft.key, count)

    async def reader(
        self,
        places: Sequence[TopicPartition],
        *,
        fetch: int = FETCH_BYTES,
        plain: bool = False,
        wait_ms: int = FETCH_WAIT_MS,
    ) -> Reader:
        """A reader of these partitions that sees only what is committed.

        fetch: how many bytes of one partition it asks for at a time. plain: values are left as they are.
        wait_ms: how long a broker waits for records before it answers that there are none.
        """
        consumer = await self._consumer("read_committed", fetch, wait_ms=wait_ms)
        consumer.assign(list(places))
        return Reader(consumer, self.prefix, fetch, None if plain else self.framing)

    async def prepare(self, topic: str | None = None) -> None:
        """See that records can be put on a topic, or on all. Raises LogBusy, or LogError."""
        if self.framing is not None and (topic is None or topic in self.framing.topics):
            await self.framing.prepare()

    def framed(self, draft: Draft) -> bytes | None:
        """The value of a record as it is put on its topic."""
        return draft.value if self.framing is None else self.framing.framed(draft.topic, draft.value)

    async def committed(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The positions that the group has committed, of those partitions of which it has any.

        Raises KafkaError or TimeoutError.
        """
        consumer = await self._consumer("read_committed", group=self.group)
        try:
            async with asyncio.timeout(self.connection.answer_s):
                found = {place: await consumer.committed(place) for place in places}
        finally:
            await stop(consumer)
        return {place: position for place, position in found.items() if position is not None}

    async def _consumer(
        self,
        isolation: str,
        fetch: int = FETCH_BYTES,
        group: str | None = None,
        wait_ms: int = FETCH_WAIT_MS,
    ) -> AIOKafkaConsumer:
        bound()
        consumer = AIOKafkaConsumer(
            **self.connection.arguments(),
            group_id=group,
            isolation_level=isolation,
            auto_offset_reset="none",
            enable_auto_commit=False,
            request_timeout_ms=REQUEST_MS,
            fetch_max_wait_ms=wait_ms,
            max_partition_fetch_bytes=fetch,
        )
        try:
            async with asyncio.timeout(self.connection.answer_s):
                await consumer.start()
        except BaseException:
            await stop(consumer)
            raise
        return consumer

    async def begins(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The offsets of the first records that partitions still have."""
        watching = await self._watch()
        async with asyncio.timeout(self.connection.answer_s):
            begins: dict[TopicPartition, int] = await watching.beginning_offsets(list(places))
        return begins

    async def ends(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The ends of partitions, what is in transactions that are still open included.

        A reader that has come so far has seen them ended: nothing from before is hidden any more.
        """
        watching = await self._watch()
        async with asyncio.timeout(self.connection.answer_s):
            ends: dict[TopicPartition, int] = await watching.end_offsets(list(places))
        return ends

    async def _watch(self) -> AIOKafkaConsumer:
        async with self._connecting:
            if self._watching is None:
                self._watching = await self._consumer("read_uncommitted")
            return self._watching

    async def close(self) -> None:
        """Let go of them. Never raises."""
        if self._watching is not None:
            await stop(self._watching)
        if self.framing is not None:
            await self.framing.close()
