"""What a log on Kafka knows of time: when something was decided last, and which clock was accepted.

The accepted time is a record of gateway.control, and one of gateway.audit.
"""

import asyncio
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from msgspec import Struct, json

from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.claim import PROGRESS, RESTORE_STALLED_S, unpack_progress
from gateway.backends.kafka.failures import failure
from gateway.backends.kafka.letters import LAST
from gateway.backends.kafka.producer import abandon, start_producer
from gateway.backends.kafka.topics import AUDIT_TOPIC, CONTROL_TOPIC, STATE_TOPIC
from gateway.backends.kafka.transaction import transaction
from gateway.engine.inbox import NEVER
from gateway.engine.log import Draft

#: The key of the accepted time.
ACCEPTED: Final = b"accepted-clock"
ACCEPT_S: Final = 10.0
_AT_ONCE: Final = 1_000


class Accepted(Struct, frozen=True):
    """That somebody accepted a clock, which said this: UTC milliseconds."""

    clock: int
    act: str = "ACCEPT_CLOCK"


pack_accepted: Final = json.Encoder().encode
_accepted: Final = json.Decoder(Accepted).decode


class KafkaClock:
    """Reads and writes it. Raises LogBusy where the brokers fail."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers

    async def accept(self, at: int) -> None:
        """Keep the time that is accepted, UTC milliseconds."""
        brokers = self._brokers
        try:
            places = {topic: await self._place(topic) for topic in (CONTROL_TOPIC, AUDIT_TOPIC)}
            name = f"{brokers.group}-clock"
            producer = await start_producer(brokers.connection, name, transaction_s=ACCEPT_S)
            try:
                async with transaction(producer, deadline_s=ACCEPT_S) as sending:
                    for place in places.values():
                        value = pack_accepted(Accepted(at))
                        await sending.add(place.topic, place.partition, ACCEPTED, value, (), at)
            finally:
                await abandon(producer)
        except (KafkaError, TimeoutError) as error:
            raise failure(error, "WRITE", brokers.named(CONTROL_TOPIC)) from error

    async def accepted(self) -> int | None:
        """The time that was accepted last."""
        found: int | None = None
        try:
            place = await self._place(CONTROL_TOPIC)
            reader = await self._brokers.reader([place])
            try:
                end = (await self._brokers.ends([place]))[place]
                await reader.seek_to_beginning(place)
                async with asyncio.timeout(RESTORE_STALLED_S):
                    while await reader.position(place) < end:
                        for record in (await reader.take(place, most=_AT_ONCE, wait_s=1.0)).get(place, ()):
                            if record.key == ACCEPTED and record.value is not None:
                                found = _accepted(record.value).clock
            finally:
                await reader.stop()
        except (KafkaError, TimeoutError) as error:
            raise failure(error, "READ", self._brokers.named(CONTROL_TOPIC)) from error
        return found

    async def decided_to(self) -> int | None:
        """The latest instant at which something was decided, on any partition.

        How far a partition is decided is the last record of each step, so it is looked for from the end.
        """
        try:
            partitions = await self._brokers.partitions()
            found = await asyncio.gather(*map(self._decided_to, range(partitions)))
        except (KafkaError, TimeoutError) as error:
            raise failure(error, "READ", self._brokers.named(STATE_TOPIC)) from error
        return max((each for each in found if each is not None and each > NEVER), default=None)

    async def _decided_to(self, partition: int) -> int | None:
        brokers = self._brokers
        place, found = TopicPartition(brokers.named(STATE_TOPIC), partition), None
        reader = await brokers.reader([place])
        try:
            first, begin = (await brokers.begins([place]))[place], (await brokers.ends([place]))[place]
            last = LAST
            while found is None and begin > first:
                # The last offsets may hold nothing but the ends of transactions, or marks.
                begin, end = max(first, begin - last), begin
                last *= 2
                reader.seek(place, begin)
                while await reader.position(place) < end:
                    records = (await reader.take(place, most=_AT_ONCE, wait_s=1.0)).get(place, ())
                    if not records:
                        break  # a transaction that is still open hides them; what is before it will do
                    for record in records:
                        if record.key == PROGRESS and record.value is not None:
                            found = unpack_progress(record.value).decided_to
        finally:
            await reader.stop()
        return found

    async def _place(self, topic: str) -> TopicPartition:
        """Where the accepted time is. Raises LogError where there is no such topic."""
        await self._brokers.partitions()
        partition = await self._brokers.place_of(Draft(topic, ACCEPTED, b""), 0)
        return TopicPartition(self._brokers.named(topic), partition)
