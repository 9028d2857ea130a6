"""What a log on Kafka knows of time: when something was decided last, and which clock was accepted.

The accepted time is a record of gateway.state, on its first partition, which workers pass over.
"""

import asyncio
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from msgspec import msgpack

from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.claim import PROGRESS, Progress, read_state
from gateway.backends.kafka.letters import LAST, MARKS
from gateway.backends.kafka.producer import abandon, start_producer
from gateway.backends.kafka.topics import STATE_TOPIC
from gateway.backends.kafka.transaction import transaction
from gateway.engine.log import LogBusy

#: The key of the accepted time.
ACCEPTED: Final = b"clock"
ACCEPT_S: Final = 10.0

_pack: Final = msgpack.Encoder().encode
_at: Final = msgpack.Decoder(int).decode
_progress: Final = msgpack.Decoder(Progress).decode


class KafkaClock:
    """Reads and writes it. Raises LogBusy where the brokers fail."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers

    async def accept(self, at: int) -> None:
        """Keep the time that is accepted, UTC milliseconds."""
        brokers = self._brokers
        try:
            await brokers.partitions()
            producer = await start_producer(
                brokers.connection, f"{brokers.group}-clock", transaction_s=ACCEPT_S
            )
            try:
                async with transaction(producer, deadline_s=ACCEPT_S) as sending:
                    await sending.add(brokers.named(STATE_TOPIC), MARKS, ACCEPTED, _pack(at))
            finally:
                await abandon(producer)
        except (KafkaError, TimeoutError) as error:
            raise _busy(error) from error

    async def accepted(self) -> int | None:
        """The time that was accepted last."""
        found: int | None = None
        try:
            await self._brokers.partitions()
            async for key, value in read_state(self._brokers, MARKS):
                if key == ACCEPTED and value is not None:
                    found = _at(value)
        except (KafkaError, TimeoutError) as error:
            raise _busy(error) from error
        return found

    async def decided_to(self) -> int | None:
        """The latest instant at which something was decided, on any partition.

        How far a partition is decided is the last record of each step, so it is looked for from the end.
        """
        try:
            partitions = await self._brokers.partitions()
            found = await asyncio.gather(*map(self._decided_to, range(partitions)))
        except (KafkaError, TimeoutError) as error:
            raise _busy(error) from error
        return max((each for each in found if each is not None), default=None)

    async def _decided_to(self, partition: int) -> int | None:
        place, found = TopicPartition(self._brokers.named(STATE_TOPIC), partition), None
        reader = await self._brokers.reader([place])
        try:
            first = (await self._brokers.begins([place]))[place]
            begin = (await self._brokers.ends([place]))[place]
            last = LAST
            while found is None and begin > first:
                # The last offsets may hold nothing but the ends of transactions, or marks.
                begin, end = max(first, begin - last), begin
                last *= 2
                reader.seek(place, begin)
                while await reader.position(place) < end:
                    records = (await reader.take(place, most=LAST, wait_s=1.0)).get(place, ())
                    if not records:
                        break  # a transaction that is still open hides them; what is before it will do
                    for record in records:
                        if record.key == PROGRESS and record.value is not None:
                            found = _progress(record.value).decided_to
        finally:
            await reader.stop()
        return found


def _busy(error: Exception) -> LogBusy:
    return LogBusy(f"the brokers failed ({type(error).__name__}); look at them, and try again")
