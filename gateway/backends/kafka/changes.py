"""What is committed on Kafka, read by one consumer of no group: records of topics, and gateway.state.

A partition's place among the positions is "topic/partition", the topic without its prefix.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.claim import ORDER
from gateway.backends.kafka.failures import failure
from gateway.backends.kafka.letters import marked
from gateway.backends.kafka.producer import BATCH_BYTES
from gateway.backends.kafka.reader import Reader
from gateway.backends.kafka.topics import STATE_TOPIC
from gateway.engine.log import AUDIT, DEAD_LETTERS, Changes, Handled, LogBusy, PositionsGone, Record

#: A read takes no more when it has so many records, or so many bytes of them.
MOST: Final = 1_000
MOST_BYTES: Final = 8 * 1024 * 1024
#: How many records are taken at a time: by so many a read may have more than it should.
AT_ONCE: Final = 50
#: How much is fetched ahead, in bytes before they are unpacked, of all partitions.
AHEAD_BYTES: Final = 32 * 1024 * 1024
#: Topics of which is said where they begin: what brokers have deleted of them is to be shown no more.
_BEGIN: Final = frozenset({DEAD_LETTERS, AUDIT})

_Ends = Mapping[TopicPartition, int]


async def open_changes(
    brokers: Brokers, topics: Iterable[str], positions: Mapping[str, int], *, ask_again_s: float
) -> "KafkaChanges":
    """A reader of these topics and of states, from these positions on, or else from the beginning.

    ask_again_s: how often it asks whether all partitions can be read. Otherwise brokers that are away would
    look like brokers that have nothing.
    Raises LogBusy where the brokers can't be asked, PositionsGone.
    """
    try:
        await brokers.look()
        places = await _places(brokers, dict.fromkeys((*topics, STATE_TOPIC)))
        reader = await brokers.reader(places, fetch=min(BATCH_BYTES, AHEAD_BYTES // len(places)))
        try:
            changes = KafkaChanges(brokers, reader, places, ask_again_s)
            await changes.seek(positions)
        except BaseException:
            await reader.stop()
            raise
    except (KafkaError, TimeoutError) as error:
        raise _away(error) from error
    return changes


async def ends(brokers: Brokers, topics: Iterable[str]) -> dict[str, int]:
    """The high watermark of each partition of these topics, by its place. Raises LogBusy."""
    try:
        found = await brokers.ends(await _places(brokers, topics))
    except (KafkaError, TimeoutError) as error:
        raise _away(error) from error
    return {
        f"{place.topic.removeprefix(brokers.prefix)}/{place.partition}": end for place, end in found.items()
    }


async def _places(brokers: Brokers, topics: Iterable[str]) -> list[TopicPartition]:
    return [
        TopicPartition(brokers.named(topic), partition)
        for topic in topics
        for partition in range(await brokers.count(topic))
    ]


class KafkaChanges:
    """Reads what is committed. It is closed when anything has been raised. Made by `open_changes`."""

    def __init__(
        self,
        brokers: Brokers,
        reader: Reader,
        places: Sequence[TopicPartition],
        ask_again_s: float,
    ) -> None:
        self._brokers = brokers
        self._reader = reader
        self._ask_again_s = ask_again_s
        self._topics = {place: place.topic.removeprefix(brokers.prefix) for place in places}
        self._names = {place: f"{topic}/{place.partition}" for place, topic in self._topics.items()}
        #: The ends when they were last asked for. What a fetch says of them is newer.
        self._ends: _Ends = {}
        self._asked_s = 0.0
        #: Where topics of _BEGIN begin, and whether that is new.
        self._begins: _Ends = {}
        self._begin_anew = False

    async def seek(self, positions: Mapping[str, int]) -> None:
        """Go to these positions. What lies below the beginning of a partition is there no more: go on there.

        It has been deleted for its age, or compacted away. Raises PositionsGone for what lies beyond an end.
        """
        first = await self._brokers.begins(list(self._topics))
        await self._ask()
        for place, name in self._names.items():
            begin = max(positions.get(name, 0), first[place])
            if begin > self._ends[place]:
                raise _gone(name)
            self._reader.seek(place, begin)

    async def read(self, wait_s: float) -> Changes:
        """What has been committed since the last read."""
        await asyncio.sleep(0)  # what has been fetched already is had without waiting for anything
        records: list[Record] = []
        states: dict[str, bytes | None] = {}
        handled: dict[str, Handled] = {}
        taken = size = 0
        try:
            if asyncio.get_running_loop().time() > self._asked_s + self._ask_again_s:
                await self._ask()
            await self._brokers.look()
            while taken < MOST and size < MOST_BYTES:
                found = await self._reader.take(most=AT_ONCE, wait_s=0 if taken else wait_s)
                if not found:
                    break
                for place, some in found.items():
                    taken += len(some)
                    size += sum(len(record.value or b"") for record in some)
                    topic = self._topics[place]
                    if topic == STATE_TOPIC:
                        states.update(_states(some))
                        for record in some:
                            handled |= marked(record.key, record.value)
                    else:
                        records += some
            places = {place: await self._reader.position(place) for place in self._topics}
        except (KafkaError, TimeoutError) as error:
            # Also where records are deleted before they could be read: whoever goes on then goes past them.
            raise _away(error) from error
        positions = {self._names[place]: offset for place, offset in places.items()}
        behind = sum(max(0, self._end(place) - offset) for place, offset in places.items())
        begins = {(self._topics[place], place.partition): offset for place, offset in self._begins.items()}
        new, self._begin_anew = self._begin_anew, False
        return Changes(records, states, positions, behind, handled, begins if new else {})

    async def close(self) -> None:
        """Let the consumer go. Never raises."""
        await self._reader.stop()

    def _end(self, place: TopicPartition) -> int:
        """Each fetch brings the end of what it asks for, so there is no need to ask for it."""
        fetched = self._reader.consumer.highwater(place)
        return self._ends[place] if fetched is None else max(fetched, self._ends[place])

    async def _ask(self) -> None:
        self._ends = await self._brokers.ends(list(self._topics))
        begins = await self._brokers.begins([at for at, topic in self._topics.items() if topic in _BEGIN])
        self._begin_anew |= begins != self._begins
        self._begins = begins
        self._asked_s = asyncio.get_running_loop().time()


def _states(found: Iterable[Record]) -> Iterator[tuple[str, bytes | None]]:
    """The states among records of gateway.state, which has other things as well."""
    for record in found:
        if record.key is not None and record.key.startswith(ORDER):
            yield record.key[len(ORDER) :].decode(), record.value


def _gone(name: str) -> PositionsGone:
    return PositionsGone(
        f"the partition {name} ends before the position from which to go on, so this is not the log that was "
        "read before; begin anew"
    )


def _away(error: Exception) -> LogBusy:
    if isinstance(error, TopicAuthorizationFailedError):
        return failure(error, "READ")
    return LogBusy(
        f"the brokers failed ({type(error).__name__}) while changes were read; look at them, and go on from "
        "the last positions"
    )
