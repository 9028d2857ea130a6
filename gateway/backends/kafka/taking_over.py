"""A log on Kafka takes over all that another log has, each partition number in one transaction.

A partition that was taken over has a record of gateway.state that says so, in the same transaction. So a
migration that was killed goes on with the partitions that have none, and nothing is there twice.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.claim import ORDER, PROGRESS, Progress, pack_progress, read_state
from gateway.backends.kafka.clock import ACCEPTED, Accepted, pack_accepted
from gateway.backends.kafka.failures import failure
from gateway.backends.kafka.producer import abandon, start_producer
from gateway.backends.kafka.topics import CONTROL_TOPIC, STATE_TOPIC, TOGETHER, TOPICS, Timestamps
from gateway.backends.kafka.topics_alter import set_timestamps
from gateway.backends.kafka.transaction import Sending, transaction
from gateway.engine.inbox import NEVER
from gateway.engine.log import INBOUND_TOPICS, Draft, LogBusy
from gateway.engine.moving import STATES, CannotMove, Leaving
from gateway.engine.pausing import key_of, partition_of, paused

#: The key of the record that says from which log a partition was taken over.
TAKEN: Final = b"taken-over"
#: How long taking over one partition may take; brokers take no more than 15 minutes by default.
TAKE_S: Final = 840.0
#: How many records are added before others have their turn.
_AT_ONCE: Final = 500
_STALLED_S: Final = 60.0


class TakingOver:
    """Takes over what a log has. Raises CannotMove, LogBusy or another LogError."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers

    async def end_open(self) -> None:
        """End the transactions of a migration that was killed: they hide what is behind them."""
        brokers = self._brokers
        try:
            for partition in range(await brokers.partitions()):
                name = f"{brokers.group}-{partition}"
                await abandon(await start_producer(brokers.connection, name, transaction_s=TAKE_S))
        except (KafkaError, TimeoutError) as error:
            raise failure(error, "WRITE") from error

    async def missing(self, identity: str) -> list[int]:
        """The partitions that were not taken over yet from the log of this identity.

        Raises CannotMove where there is something that is not from there.
        """
        brokers = self._brokers
        partitions = await brokers.partitions()
        taken = {partition: await self._taken(partition) for partition in range(partitions)}
        if any(found not in {None, identity} for found in taken.values()):
            raise CannotMove(
                "the topics have what another log had, or this one before somebody went on with it; begin "
                "anew with another GATEWAY_TOPIC_PREFIX"
            )
        left = [partition for partition, found in taken.items() if found is None]
        topics = TOGETHER if len(left) < partitions else TOPICS
        for topic in topics:
            numbers = left if topic in TOGETHER else range(await brokers.count(topic))
            if await self._count(
                [TopicPartition(brokers.named(topic), number) for number in numbers], most=1
            ):
                raise CannotMove(
                    f"the topic {brokers.named(topic)} has records already; migrate to topics that are "
                    "empty, under another GATEWAY_TOPIC_PREFIX"
                )
        return left

    async def set_timestamps(self, timestamps: Timestamps) -> None:
        """Have the inbound topics date what is put on them from now on. Raises LogError."""
        names = [self._brokers.named(topic) for topic in INBOUND_TOPICS]
        await set_timestamps(self._brokers.connection, names, timestamps)

    async def take(self, leaving: Leaving, partition: int) -> None:
        """Take over what belongs on a partition number.

        1. Own the partition, and fence out whoever might. 2. In one transaction: the messages that are
        decided; where they end, from which the others are to be decided; those; what came out; the states;
        last, how far it is decided, and that it was taken over.
        """
        brokers = self._brokers
        try:
            await brokers.prepare()
            ids = dict(await brokers.look(anew=True))
            name = f"{brokers.group}-{partition}"
            producer = await start_producer(brokers.connection, name, transaction_s=TAKE_S)
            try:
                await self._take(leaving, partition, producer, ids)
            finally:
                await abandon(producer)
        except ProducerFenced:
            raise CannotMove(
                "a gateway was started on the topics meanwhile; stop it, and migrate again to topics that "
                "are empty"
            ) from None
        except (KafkaError, TimeoutError) as error:
            raise failure(error, "WRITE") from error

    async def _take(
        self, leaving: Leaving, partition: int, producer: AIOKafkaProducer, ids: dict[str, str]
    ) -> None:
        brokers, state = self._brokers, self._brokers.named(STATE_TOPIC)
        part = leaving.part(partition)
        places = {topic: TopicPartition(brokers.named(topic), partition) for topic in INBOUND_TOPICS}
        before = await brokers.ends([*places.values()])
        async with transaction(producer, deadline_s=TAKE_S) as sending:
            put = await self._put(sending, partition, part.inbound(decided=True))
            await sending.delivered()
            ends = await brokers.ends([*places.values()])
            for topic, place in places.items():
                if ends[place] - before[place] != put[topic]:
                    raise CannotMove(
                        f"somebody else puts messages on {place.topic}; stop them until all is migrated, and "
                        "migrate again to topics that are empty"
                    )
            await self._put(sending, partition, part.inbound(decided=False))
            await self._put(sending, partition, part.outbound())
            for number, (po_number, packed) in enumerate(part.states(), 1):
                await sending.add(state, partition, ORDER + po_number.encode(), packed)
                if not number % _AT_ONCE:
                    await asyncio.sleep(0)
            if partition == 0:
                await self._put_whole(sending, leaving)
            decided_to = NEVER if part.decided_to is None else part.decided_to
            positions = {topic: ends[place] for topic, place in places.items()}
            progress = Progress(await brokers.partitions(), decided_to, positions, ids)
            await sending.add(state, partition, PROGRESS, pack_progress(progress))
            await sending.add(state, partition, TAKEN, leaving.identity.encode())

    async def _put(self, sending: Sending, partition: int, drafts: Iterable[Draft]) -> Counter[str]:
        """Put records where they belong; how many of each topic."""
        brokers = self._brokers
        put: Counter[str] = Counter()
        for number, draft in enumerate(drafts, 1):
            # An inbound record stays with the purchase orders that it was decided with, also without a key.
            place = partition if draft.topic in INBOUND_TOPICS else await brokers.place_of(draft, partition)
            topic, value = brokers.named(draft.topic), brokers.framed(draft)
            await sending.add(topic, place, draft.key, value, draft.headers, draft.timestamp)
            put[draft.topic] += 1
            if not number % _AT_ONCE:
                await asyncio.sleep(0)
        return put

    async def _put_whole(self, sending: Sending, leaving: Leaving) -> None:
        brokers, whole = self._brokers, leaving.whole()
        control = {key.encode(): value for key, value in whole.control.items()}
        control |= {key_of(number): paused(number, pause) for number, pause in whole.pauses.items()}
        if whole.clock is not None:
            control[ACCEPTED] = pack_accepted(Accepted(whole.clock))
        for key, value in control.items():
            number = partition_of(key)
            place = await brokers.place_of(Draft(CONTROL_TOPIC, key, value), number or 0)
            await sending.add(brokers.named(CONTROL_TOPIC), place, key, value)

    async def counts(self) -> Counter[str]:
        """How much there is of all that is taken over, read from the topics."""
        brokers = self._brokers
        found: Counter[str] = Counter()
        for topic in TOPICS:
            if topic in {STATE_TOPIC, CONTROL_TOPIC}:
                continue
            places = [
                TopicPartition(brokers.named(topic), each) for each in range(await brokers.count(topic))
            ]
            found[topic] = await self._count(places)
        for partition in range(await brokers.partitions()):
            async for key, value in read_state(brokers, partition):
                found[STATES] += key.startswith(ORDER) and value is not None
        found[CONTROL_TOPIC] = await self._count_control()
        return found

    async def _count_control(self) -> int:
        """The keys of gateway.control that are neither pauses nor the accepted clock."""
        name = self._brokers.named(CONTROL_TOPIC)
        places = [TopicPartition(name, each) for each in range(await self._brokers.count(CONTROL_TOPIC))]
        keys: set[bytes | None] = set()
        await self._count(places, keys=keys)
        return sum(key != ACCEPTED and partition_of(key) is None for key in keys)

    async def _taken(self, partition: int) -> str | None:
        """The identity of the log from which a partition was taken over; None: from none."""
        taken = None
        async for key, value in read_state(self._brokers, partition):
            if key == TAKEN and value is not None:
                taken = value.decode()
        return taken

    async def _count(
        self, places: list[TopicPartition], *, most: int | None = None, keys: set[bytes | None] | None = None
    ) -> int:
        """How many records there are that are committed; most: when so many are found, that is enough."""
        brokers = self._brokers
        count = 0
        try:
            reader = await brokers.reader(places, plain=True)
            try:
                ends = await brokers.ends(places)
                await reader.seek_to_beginning(*places)
                async with asyncio.timeout(_STALLED_S) as limit:
                    for place in places:
                        while await reader.position(place) < ends[place]:
                            found = (await reader.take(place, most=1_000, wait_s=1.0)).get(place, ())
                            count += len(found)
                            if keys is not None:
                                keys.update(record.key for record in found)
                            if most is not None and count >= most:
                                return count
                            if found:
                                limit.reschedule(asyncio.get_running_loop().time() + _STALLED_S)
            finally:
                await reader.stop()
        except (KafkaError, TimeoutError) as error:
            raise LogBusy(
                f"the brokers failed ({type(error).__name__}) while the topics were counted; look at them, "
                "and migrate again: it goes on"
            ) from error
        return count
