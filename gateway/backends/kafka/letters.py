"""Dead letters on Kafka: what is put back and its marks, in one transaction of whoever alone may write them.

A mark is a record of gateway.state, on its first partition, which workers pass over. Whoever handles letters
has the producer with the one transactional id for that; it fences out whoever had it before.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    RecordListTooLargeError,
)
from msgspec import msgpack

from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.claim import RESTORE_STALLED_S, read_state
from gateway.backends.kafka.producer import abandon, start_producer
from gateway.backends.kafka.topics import STATE_TOPIC
from gateway.backends.kafka.transaction import transaction
from gateway.engine.inbox import NEVER
from gateway.engine.log import INBOUND_TOPICS, Draft, Handled, LogBusy, TooLarge

#: Before the letter's event_id, in the key of its mark.
LETTER: Final = b"letter/"
#: Which partition of gateway.state has the marks.
MARKS: Final = 0
#: How long handling some letters may take. While their transaction is open, it hides what comes after it.
HANDLE_S: Final = 10.0
#: How many records from the end of a partition are looked through first for its newest one.
LAST: Final = 8

pack_handled: Final = msgpack.Encoder().encode
_handled: Final = msgpack.Decoder(Handled).decode


def marked(key: bytes | None, value: bytes | None) -> dict[str, Handled]:
    """What a record of gateway.state says was done with a letter, by its event_id; {}: it is no mark."""
    if key is None or value is None or not key.startswith(LETTER):
        return {}
    return {key.removeprefix(LETTER).decode(): _handled(value)}


class KafkaLetters:
    """What was done with dead letters, and doing it. It holds a producer from the first letter on."""

    def __init__(self, brokers: Brokers, now: Callable[[], int]) -> None:
        self._brokers = brokers
        self._now = now
        self._producer: AIOKafkaProducer | None = None
        self._known: dict[str, Handled] = {}
        self._one_at_a_time = asyncio.Lock()

    async def handled(self) -> dict[str, Handled]:
        """The marks that have been committed, those of transactions that were open at the start included."""
        await self._brokers.partitions()
        marks: dict[str, Handled] = {}
        async for key, value in read_state(self._brokers, MARKS):
            marks |= marked(key, value)
        return marks

    async def handle(self, letters: Mapping[str, Draft | None]) -> frozenset[str]:
        """Put records of dead letters back, and mark the letters.

        1. Start the producer. It ends the transaction of whoever handled letters before, and from here on
        nobody else's is committed without this one being fenced. Only then
        2. read the marks, once: what is added to them is known here.
        3. Commit records and marks in one transaction.
        After an exception nothing is known but by starting again. Raises LogBusy where somebody else has
        begun to handle letters, or the brokers don't answer.
        """
        async with self._one_at_a_time:
            try:
                if self._producer is None:
                    self._producer = await start_producer(
                        self._brokers.connection, f"{self._brokers.group}-letters", transaction_s=HANDLE_S
                    )
                    self._known = await self.handled()
                now = {name: draft for name, draft in letters.items() if name not in self._known}
                if now:
                    await self._put_back(self._producer, now)
                return frozenset(now)
            except BaseException as error:
                await self.close()
                match error:
                    case ProducerFenced():
                        raise LogBusy(
                            "somebody else is handling dead letters; try again, to handle what they leave"
                        ) from None
                    case MessageSizeTooLargeError() | RecordListTooLargeError():
                        raise TooLarge(
                            "a dead letter's record is larger than its topic takes now; raise "
                            "max.message.bytes there, or discard the letter"
                        ) from error
                    case KafkaError() | TimeoutError():
                        raise LogBusy(
                            f"the brokers failed ({type(error).__name__}); look at them, and try again"
                        ) from error
                raise

    async def close(self) -> None:
        """Let the producer go, with the transaction that may be open. Never raises."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await abandon(producer)

    async def _put_back(self, producer: AIOKafkaProducer, letters: Mapping[str, Draft | None]) -> None:
        brokers, at = self._brokers, self._now()
        async with asyncio.timeout(RESTORE_STALLED_S):
            stamp = await self._newest() if await brokers.keeps_time() else None
        state = brokers.named(STATE_TOPIC)
        marks = {name: Handled("REPLAYED" if draft else "DISCARDED", at) for name, draft in letters.items()}
        async with transaction(producer, deadline_s=HANDLE_S) as sending:
            for name, draft in letters.items():
                if draft:
                    place = await brokers.place_of(draft, 0)
                    when = stamp if draft.timestamp is None else draft.timestamp
                    await sending.add(
                        brokers.named(draft.topic), place, draft.key, draft.value, draft.headers, when
                    )
                await sending.add(state, MARKS, LETTER + name.encode(), pack_handled(marks[name]))
        self._known |= marks

    async def _newest(self) -> int | None:
        """The newest timestamp of the inbound topics; None: they are empty."""
        brokers = self._brokers
        places = [
            TopicPartition(brokers.named(topic), partition)
            for topic in INBOUND_TOPICS
            for partition in range(await brokers.partitions())
        ]
        reader = await brokers.reader(places, plain=True)
        newest = NEVER
        try:
            first, ends = await brokers.begins(places), await brokers.ends(places)
            reader.consumer.pause(*places)
            for place in places:
                reader.consumer.resume(place)
                last, found = LAST, NEVER
                begin = ends[place]
                # The last offsets may hold no record but the ends of transactions.
                while found == NEVER and begin > first[place]:
                    begin, end = max(first[place], ends[place] - last), begin
                    last *= 2
                    reader.seek(place, begin)
                    while await reader.position(place) < end:
                        for record in (await reader.take(place, most=LAST, wait_s=1.0)).get(place, ()):
                            found = max(found, record.timestamp)
                reader.consumer.pause(place)
                newest = max(newest, found)
        finally:
            await reader.stop()
        return None if newest == NEVER else newest
