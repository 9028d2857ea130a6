"""What stands on gateway.control by hand: pauses of partitions, and questions to forget a referral."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.failures import failure
from gateway.backends.kafka.producer import abandon, start_producer
from gateway.backends.kafka.topics import AUDIT_TOPIC, CONTROL_TOPIC
from gateway.backends.kafka.transaction import transaction
from gateway.engine.forgetting import Asked, asked_of, is_asked
from gateway.engine.log import Draft, LogError
from gateway.engine.pausing import Pause, key_of, partition_of, pause_of, paused, resumed

PUT_S: Final = 10.0
_AT_ONCE: Final = 1_000
#: How long it may take to read what is new.
_READ_S: Final = 30.0
#: How often it is looked for questions while partitions are read.
LOOK_AGAIN_S: Final = 2.0


class KafkaPauses:
    """Reads and writes them. What was read once is kept, so that to look again costs one request."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        #: Per partition of gateway.control, up to which offset it was read.
        self._read: dict[TopicPartition, int] = {}
        self._found: dict[int, Pause] = {}
        self._asked: dict[bytes, Asked] = {}
        self._one_look = asyncio.Lock()
        self._look_again_s = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End a look that nobody waits for. Never raises."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def in_force(self) -> Mapping[int, Pause]:
        """Those that are paused. Raises LogBusy, or LogError where there is no such topic."""
        await self._look()
        return dict(self._found)

    async def asked(self) -> Sequence[Asked]:
        """The questions that are not answered. Raises as `in_force` does."""
        await self._look()
        return [*self._asked.values()]

    def asked_before(self) -> Sequence[Asked]:
        """Those that the last look found. Where that was a while ago, another begins, unwaited for."""
        idle = self._looking is None or self._looking.done()
        if idle and asyncio.get_running_loop().time() >= self._look_again_s:
            self._looking = asyncio.create_task(self._look_unheard())
        return [*self._asked.values()]

    async def _look_unheard(self) -> None:
        with suppress(LogError):  # that brokers are away is noticed by who reads and writes
            await self._look()

    async def _look(self) -> None:
        async with self._one_look:
            self._look_again_s = asyncio.get_running_loop().time() + LOOK_AGAIN_S
            await self._look_alone()

    async def _look_alone(self) -> None:
        brokers = self._brokers
        topic = brokers.named(CONTROL_TOPIC)
        try:
            places = [TopicPartition(topic, each) for each in range(await brokers.count(CONTROL_TOPIC))]
            ends = await brokers.ends(places)
            if any(ends[place] < read for place, read in self._read.items()):  # the topic was made anew
                self._read.clear()
                self._found.clear()
                self._asked.clear()
            more = {place: end for place, end in ends.items() if end > self._read.get(place, 0)}
            if more:
                await self._read_on(more)
        except (KafkaError, TimeoutError) as error:
            raise failure(error, "READ", topic) from error

    async def _read_on(self, ends: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from where they were read up to their ends."""
        reader = await self._brokers.reader([*ends])
        try:
            for place in ends:
                if (read := self._read.get(place)) is None:
                    await reader.seek_to_beginning(place)
                else:
                    reader.seek(place, read)
            async with asyncio.timeout(_READ_S):
                for place, end in ends.items():
                    while await reader.position(place) < end:
                        for record in (await reader.take(place, most=_AT_ONCE, wait_s=1.0)).get(place, ()):
                            self._note(record.key, record.value)
                    self._read[place] = end
        finally:
            await reader.stop()

    def _note(self, key: bytes | None, value: bytes | None) -> None:
        if key is not None and is_asked(key):
            if value is None:
                self._asked.pop(key, None)
            else:
                self._asked[key] = asked_of(value)
            return
        partition = partition_of(key)
        if partition is None:
            return
        if value is None:
            self._found.pop(partition, None)
        else:
            self._found[partition] = pause_of(value)

    async def pause(self, partition: int, pause: Pause) -> None:
        """Keep that a partition is paused. Raises LogBusy."""
        act = paused(partition, pause)
        await self._put(partition, act, act, pause.at)

    async def resume(self, partition: int, by: str, at: int) -> None:
        """Keep that it is not any more. Raises LogBusy."""
        await self._put(partition, None, resumed(partition, by, at), at)

    async def _put(self, partition: int, state: bytes | None, act: bytes, at: int) -> None:
        brokers, key = self._brokers, key_of(partition)
        try:
            producer = await start_producer(brokers.connection, f"{brokers.group}-pause", transaction_s=PUT_S)
            try:
                async with transaction(producer, deadline_s=PUT_S) as sending:
                    for topic, value in ((CONTROL_TOPIC, state), (AUDIT_TOPIC, act)):
                        place = await brokers.place_of(Draft(topic, key, value), partition)
                        await sending.add(brokers.named(topic), place, key, value, (), at)
            finally:
                await abandon(producer)
        except (KafkaError, TimeoutError) as error:
            raise failure(error, "WRITE", brokers.named(CONTROL_TOPIC)) from error
