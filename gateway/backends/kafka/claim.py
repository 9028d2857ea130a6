"""One partition number of a Kafka log, owned: claim, restore, read, commit, release."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, ProducerFenced
from msgspec import Struct, msgpack

from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.failures import failure
from gateway.backends.kafka.pauses import KafkaPauses
from gateway.backends.kafka.producer import discard
from gateway.backends.kafka.reader import Reader
from gateway.backends.kafka.topics import CONTROL_TOPIC, STATE_TOPIC
from gateway.backends.kafka.transaction import TOO_LARGE, Sending, transaction
from gateway.engine.inbox import NEVER
from gateway.engine.log import (
    INBOUND_TOPICS,
    Batch,
    Commit,
    Draft,
    LogBusy,
    LogError,
    Loss,
    Lost,
    Record,
    RecordsLost,
    Restored,
    TooLarge,
)

#: The key of the record that says how far a partition has been decided. No po_number is written like this.
PROGRESS: Final = b"progress"
#: Before the po_number, in the key of a purchase order's state.
ORDER: Final = b"po/"

#: A restore that comes no further for so long has failed.
RESTORE_STALLED_S: Final = 30.0
#: How many states are taken in before other tasks have their turn.
RESTORE_AT_ONCE: Final = 4_000
RESTORE_FETCH: Final = 4 * 1024 * 1024


class Progress(Struct, frozen=True, array_like=True):
    """How far a partition has been decided, of how many, and the ids of the topics that were read."""

    partitions: int
    decided_to: int
    positions: dict[str, int]
    topics: dict[str, str] = {}


pack_progress: Final = msgpack.Encoder().encode
unpack_progress: Final = msgpack.Decoder(Progress).decode


class KafkaClaim:
    """One partition number, owned by the transactional producer that was started last."""

    def __init__(
        self,
        brokers: Brokers,
        partition: int,
        partitions: int,
        producer: AIOKafkaProducer,
        ids: dict[str, str],
        quiet_at: Callable[[int], int],
        commit_s: float,
        committed: Callable[[Mapping[TopicPartition, int]], None],
        released: Callable[["KafkaClaim"], None],
        by_hand: KafkaPauses,
    ) -> None:
        """Made by the log, of which it is partition number `partition` of `partitions`.

        ids: those of the inbound topics. quiet_at: up to when everything has arrived that lies below ends
        which are asked for after the call; it is given the newest timestamp that was read. commit_s: how long
        a commit may take. committed: called with the positions of each step that was. released: called when
        the claim is let go. by_hand: what is asked to be forgotten.
        """
        self._brokers = brokers
        self._quiet_at = quiet_at
        self._commit_s = commit_s
        self._committed = committed
        self._released = released
        self.partition = partition
        self._partitions = partitions
        self._producer = producer
        self._ids = ids
        self._reader: Reader | None = None
        self._places = {topic: TopicPartition(brokers.named(topic), partition) for topic in INBOUND_TOPICS}
        self._topics = {place: topic for topic, place in self._places.items()}
        self._newest = NEVER
        self._by_hand = by_hand
        self._has_looked = False
        self._fenced = False

    async def restore(self) -> Restored:
        """States and positions of the last committed step.

        1. The claim has ended the predecessor's transaction: all that it committed lies below the end of the
           topic that is asked for now.
        2. Only then open the inbound topics, each at its restored position. What the group has committed
           says only whether a state topic without a position was emptied.

        Raises RecordsLost where that is not possible.
        """
        states: dict[str, bytes] = {}
        progress: Progress | None = None
        with _asking("READ", self._brokers.named(STATE_TOPIC)):
            async for key, value in read_state(self._brokers, self.partition):
                if key.startswith(ORDER):
                    po_number = key[len(ORDER) :].decode()
                    if value is None:
                        states.pop(po_number, None)
                    else:
                        states[po_number] = value
                elif key == PROGRESS and value is not None:
                    progress = unpack_progress(value)
        if progress is not None and progress.partitions != self._partitions:
            raise LogError(
                f"the log was decided with {progress.partitions} partitions and has {self._partitions} now, "
                "so purchase orders would meet without their past; give the topics their old number again, "
                "or start with topics under a new GATEWAY_TOPIC_PREFIX"
            )
        with _asking("READ"):
            first, losses = await find_losses(self._brokers, self.partition, progress, self._ids)
            if losses:
                raise RecordsLost(self.partition, losses)
            positions = first | ({} if progress is None else progress.positions)
            self._reader = await self._brokers.reader(list(self._topics))
            for topic, place in self._places.items():
                self._reader.seek(place, positions[topic])
        return Restored(states, positions, None if progress is None else progress.decided_to)

    async def read(self, room: Mapping[str, int], wait_s: float) -> Batch:
        """What has arrived since the last read.

        1. See that the topics are what they were.
        2. Take the records, and remember when that was.
        3. Then ask for the ends: what arrives from here on has a later timestamp than the records at hand,
           but for what the clocks of brokers differ by.
        """
        reader = self._reader
        if reader is None:
            raise RuntimeError("restore comes first")
        with _asking("READ"):
            if (ids := await self._brokers.look()) and ids != self._ids:
                raise LogBusy("a topic was made anew; see that it was meant to be")
            if not self._has_looked:  # what the owner before this one has answered is not answered again
                await self._by_hand.asked()
                self._has_looked = True
            return await self._read(reader, room, wait_s)

    async def _read(self, reader: Reader, room: Mapping[str, int], wait_s: float) -> Batch:
        wanted = {self._places[topic]: most for topic, most in room.items() if most > 0}
        try:
            records = await _taken(reader, wanted)
            if not records and wait_s and wanted:
                found = await reader.take(*wanted, most=min(wanted.values()), wait_s=wait_s)
                records = [record for some in found.values() for record in some]
                left = {place: most - len(found.get(place, ())) for place, most in wanted.items()}
                records += await _taken(reader, left)
        except OffsetOutOfRangeError as error:
            ((place, offset),) = error.args[0].items()
            topic = self._topics[place]
            raise RecordsLost(self.partition, [deleted(topic, offset, None)]) from None
        for record in records:
            self._newest = max(self._newest, record.timestamp)
        quiet_at = self._quiet_at(self._newest)
        ends = await self._brokers.ends(list(self._topics))
        reached = {topic: await reader.position(place) for topic, place in self._places.items()}
        return Batch(
            records,
            reached,
            {self._topics[place]: end for place, end in ends.items()},
            quiet_at,
            trouble=reader.trouble,
            asked=self._by_hand.asked_before(),
        )

    async def commit(self, step: Commit) -> None:
        """One transaction: the outputs, the states, and last how far the partition is decided.

        After an exception nothing is known. The claim is dropped, and the next one, which ends the
        transaction, restores what took effect.
        """
        if self._fenced:
            raise self._lost()
        brokers, me, state = self._brokers, self.partition, self._brokers.named(STATE_TOPIC)
        records = step.records()  # made outside of the transaction, which then is open for a shorter time
        progress = Progress(self._partitions, step.decided_to, dict(step.positions), self._ids)
        sending: Sending | None = None
        try:
            async with transaction(self._producer, deadline_s=self._commit_s) as sending:
                for draft in records:
                    topic = brokers.named(draft.topic)
                    stamp = step.decided_to if draft.timestamp is None else draft.timestamp
                    place = await brokers.place_of(draft, me)
                    value = brokers.framed(draft)
                    await sending.add(topic, place, draft.key, value, draft.headers, stamp)
                for po_number, packed in step.states.items():
                    await sending.add(state, me, ORDER + po_number.encode(), packed)
                for asked in step.answered:
                    place = await brokers.place_of(Draft(CONTROL_TOPIC, asked.key, None), me)
                    await sending.add(brokers.named(CONTROL_TOPIC), place, asked.key, None)
                await sending.add(state, me, PROGRESS, pack_progress(progress))
        except ProducerFenced:
            self._fenced = True
            raise self._lost() from None
        except TOO_LARGE as error:
            raise TooLarge("what comes of a message is larger than a topic takes") from error
        except (KafkaError, TimeoutError) as error:
            raise failure(error, "WRITE", sending.unsent() if sending else None) from error
        self._committed({self._places[topic]: offset for topic, offset in step.positions.items()})

    def _lost(self) -> Lost:
        return Lost(f"partition {self.partition} has another owner now")

    async def release(self) -> None:
        """Let the producer and the consumer go. Never raises."""
        self._released(self)
        await discard(self._producer)
        if self._reader is not None:
            await self._reader.stop()


async def find_losses(
    brokers: Brokers, partition: int, progress: Progress | None, ids: Mapping[str, str]
) -> tuple[dict[str, int], list[Loss]]:
    """Where the inbound topics of a partition begin, and what is lost of that which was not decided yet."""
    places = {topic: TopicPartition(brokers.named(topic), partition) for topic in INBOUND_TOPICS}
    first, last = await brokers.begins([*places.values()]), await brokers.ends([*places.values()])
    if progress is None:
        # A new partition, or one whose state was emptied: from the beginning, all would be decided again.
        committed = await brokers.committed([*places.values()])
        positions = {topic: position for topic, place in places.items() if (position := committed.get(place))}
        emptied = [
            Loss(
                topic,
                decided,
                min(max(decided, first[places[topic]]), last[places[topic]]),
                f"{STATE_TOPIC} says nothing, and {topic} was decided up to offset {decided}",
            )
            for topic, decided in positions.items()
        ]
        return {topic: first[place] for topic, place in places.items()}, emptied
    losses: list[Loss] = []
    for topic, decided in progress.positions.items():
        begin, end = first[places[topic]], last[places[topic]]
        was, is_ = progress.topics.get(topic), ids.get(topic)
        if decided and was and is_ and was != is_:
            what = f"{topic} was made anew when it was decided up to offset {decided}, and what came after it"
            losses.append(Loss(topic, decided, begin, what))
        elif decided < begin:
            losses.append(deleted(topic, decided, begin))
        elif decided > end:
            what = f"{topic} is decided up to offset {decided} and ends at {end} now"
            losses.append(Loss(topic, decided, end, what))
    return {topic: first[place] for topic, place in places.items()}, losses


def deleted(topic: str, decided: int, begin: int | None) -> Loss:
    """The loss of records that were deleted. begin: where the topic begins now; None: that is not known."""
    upto = "" if begin is None else f" to {begin - 1}"
    what = f"{topic} was decided up to offset {decided}, and offsets {decided}{upto} were deleted"
    return Loss(topic, decided, decided if begin is None else begin, what)


@contextmanager
def _asking(operation: str, topic: str | None = None) -> Iterator[None]:
    """Add what was asked of the brokers to what goes wrong there."""
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        raise failure(error, operation, topic) from error


async def _taken(reader: Reader, room: Mapping[TopicPartition, int]) -> list[Record]:
    """What has been fetched already."""
    records: list[Record] = []
    for place, most in room.items():
        if most > 0:
            records += (await reader.take(place, most=most)).get(place, ())
    return records


async def read_state(brokers: Brokers, partition: int) -> AsyncIterator[tuple[bytes, bytes | None]]:
    """Keys and values of a partition of gateway.state, in order, up to its end at the beginning.

    To the end by position, not by records: the last ones may be markers, or have been compacted away.
    """
    place = TopicPartition(brokers.named(STATE_TOPIC), partition)
    reader = await brokers.reader([place], fetch=RESTORE_FETCH, plain=True)
    try:
        end = (await brokers.ends([place]))[place]
        await reader.seek_to_beginning(place)
        clock = asyncio.get_running_loop().time
        before, stalled_s = -1, clock()
        while (position := await reader.position(place)) < end:
            if position > before:
                before, stalled_s = position, clock()
            elif clock() > stalled_s + RESTORE_STALLED_S:
                raise TimeoutError
            found = await reader.take(place, most=RESTORE_AT_ONCE, wait_s=1.0)
            for record in found.get(place, ()):
                if record.unreadable is not None:
                    raise LogError(
                        f"record {record.offset} of partition {partition} of {place.topic} can't be read "
                        f"({record.unreadable}), and decisions would be wrong without it; restore the topic"
                    )
                yield record.key or b"", record.value
            await asyncio.sleep(0)
    finally:
        await reader.stop()
