"""Apache Kafka as the log: where one machine is not enough.

The inbound topics and gateway.state have one partition count. Partition p of all of them belongs to the
process whose producer with the transactional id of p was started last. A step is one transaction on it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Literal

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from gateway.backends.kafka.append import KafkaAppend
from gateway.backends.kafka.brokers import FETCH_WAIT_MS, LOOK_AGAIN_S, Brokers
from gateway.backends.kafka.changes import KafkaChanges, ends, open_changes
from gateway.backends.kafka.claim import KafkaClaim
from gateway.backends.kafka.clock import KafkaClock
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.failures import failure
from gateway.backends.kafka.framing import Framing
from gateway.backends.kafka.letters import KafkaLetters
from gateway.backends.kafka.losses import accept, losses_of
from gateway.backends.kafka.membership import Membership
from gateway.backends.kafka.owners import KafkaOwners
from gateway.backends.kafka.pauses import KafkaPauses
from gateway.backends.kafka.producer import discard, start_producer
from gateway.backends.kafka.topics import TOPICS
from gateway.engine.forgetting import Asked
from gateway.engine.log import (
    INBOUND_TOPICS,
    Assignment,
    Draft,
    Handled,
    LogBusy,
    Loss,
    NoSuchPartition,
    PartitionOwner,
    Record,
)
from gateway.engine.pausing import Pause
from gateway.system.clock import wall_clock

#: How long a step's transaction may stay open when its producer has gone: so long it hides what comes after.
STEP_TRANSACTION_S: Final = 30.0
FOLLOW_AT_ONCE: Final = 1_000


class KafkaLog:
    """A log on Kafka brokers. It connects when something is first asked of it.

    clock: 'wall', or 'log', in which no time passes but what the records' timestamps say. grace_s: by how
    much the clocks of hosts may differ. session_timeout_s: after so long without a heartbeat a process is
    taken for dead. commit_s: how long a step's commit may take. append_s: how long appending
    some records may take; so long, or a little longer, a process that is killed in the middle of it hides
    what comes after them. ask_again_s: brokers that send nothing for so long are asked whether they still
    answer. look_again_s: how often the topics are looked at. framing: what puts values into Confluent's wire
    format, and takes them out of it; None: they are written, and read, in single-object encoding only.
    """

    shared = True

    def __init__(
        self,
        connection: BrokerConnection,
        *,
        prefix: str = "",
        clock: Literal["wall", "log"] = "wall",
        grace_s: float = 60.0,
        session_timeout_s: float = 10.0,
        commit_s: float = 20.0,
        append_s: float = 60.0,
        ask_again_s: float = 10.0,
        look_again_s: float = LOOK_AGAIN_S,
        framing: Framing | None = None,
        now: Callable[[], int] = wall_clock,
    ) -> None:
        self.brokers = Brokers(connection, prefix, look_again_s, framing)
        self._clock = clock
        self._grace_ms = round(grace_s * 1000)
        self._commit_s = commit_s
        self._ask_again_s = ask_again_s
        self._now = now
        topic = INBOUND_TOPICS[0]
        self._membership = Membership(
            connection,
            self.brokers.group,
            self.brokers.named(topic),
            session_timeout_s,
            partial(self.brokers.sees, topic),
        )
        self._claims: set[KafkaClaim] = set()
        self._append = KafkaAppend(self.brokers, append_s)
        self._letters = KafkaLetters(self.brokers, now)
        self._owners = KafkaOwners(self.brokers)
        self._clock_kept = KafkaClock(self.brokers)
        self._pauses = KafkaPauses(self.brokers)

    async def partitions(self) -> int:
        """How many partition numbers there are. Raises LogError where that is not one number, and LogBusy."""
        return await self.brokers.partitions()

    async def keeps_time(self) -> bool:
        """Whether records keep the timestamps that they are put with (CreateTime)."""
        return await self.brokers.keeps_time()

    async def assigned(self, after: int) -> Assignment:
        """What the group assigns this process. It joins the group with the first question."""
        return await self._membership.assigned(after)

    async def claim(self, partition: int) -> KafkaClaim:
        """Own a partition number. Starting its producer fences the predecessor out.

        Raises LogBusy where no broker answers, or the schema registry does not.
        """
        brokers = self.brokers
        await brokers.prepare()
        ids = dict(await brokers.look(anew=True))
        if not ids:  # positions are kept with them
            raise LogBusy(f"no broker answers at {', '.join(brokers.connection.servers)}")
        producer = await self._owner(partition)
        # Else a step waits for the leaders of each topic that it is the first to write to.
        with suppress(TimeoutError):
            async with asyncio.timeout(brokers.connection.answer_s):
                await producer.client.set_topics([brokers.named(topic) for topic in TOPICS])
        claim = KafkaClaim(
            brokers,
            partition,
            await brokers.partitions(),
            producer,
            ids,
            self._quiet_at,
            self._commit_s,
            committed=self._membership.note,
            released=self._claims.discard,
            by_hand=self._pauses,
        )
        self._claims.add(claim)
        return claim

    async def _owner(self, partition: int) -> AIOKafkaProducer:
        """The producer of whoever owns a partition. Raises LogBusy."""
        name = f"{self.brokers.group}-{partition}"
        connection = self.brokers.connection
        try:
            return await start_producer(connection, name, transaction_s=STEP_TRANSACTION_S)
        except (KafkaConnectionError, TimeoutError):
            raise LogBusy(f"no broker answers at {', '.join(connection.servers)}") from None
        except KafkaError as error:
            raise failure(error, f"WRITE with the transactional id {name}") from error

    async def accept_loss(self, partition: int, reason: str, by: str) -> Sequence[Loss]:
        """Go on behind lost records. The owner of the partition, who can't, is fenced out.

        1. See whether any are, so that an owner who is at work is left in peace.
        2. Own the partition, and see again. 3. Commit the positions with what is accepted, all or nothing.
        Whatever goes wrong, doing it again sees what took effect.
        """
        brokers = self.brokers
        if not 0 <= partition < await brokers.partitions():
            raise NoSuchPartition(partition)
        try:
            if not await losses_of(brokers, partition):
                return ()
            producer = await self._owner(partition)
            try:
                return await accept(brokers, partition, producer, reason, by, self._now(), self._commit_s)
            finally:
                await discard(producer)
        except (KafkaError, TimeoutError) as error:
            raise failure(error, "WRITE") from error

    async def append(self, drafts: Iterable[Draft]) -> int:
        """Put records on their topics in one transaction.

        Raises LogError for a draft with a timestamp where brokers date what arrives, LogBusy where brokers
        go away meanwhile.
        """
        return await self._append.append(drafts)

    async def handle(self, letters: Mapping[str, Draft | None]) -> frozenset[str]:
        """Put dead letters' records back and mark the letters, in one transaction."""
        return await self._letters.handle(letters)

    async def handled(self) -> dict[str, Handled]:
        """What was done with dead letters, by event_id."""
        return await self._letters.handled()

    async def decided_to(self) -> int | None:
        """The latest instant at which something was decided, on any partition. Raises LogBusy."""
        return await self._clock_kept.decided_to()

    async def accept_clock(self, at: int) -> None:
        """Keep that a clock which says this is right. Raises LogBusy."""
        await self._clock_kept.accept(at)

    async def clock_accepted(self) -> int | None:
        """The time that was accepted last. Raises LogBusy."""
        return await self._clock_kept.accepted()

    async def pauses(self) -> Mapping[int, Pause]:
        """The partitions that are paused, by number. Raises LogBusy."""
        return await self._pauses.in_force()

    async def asked(self) -> Sequence[Asked]:
        """The questions to forget a referral that are not answered yet. Raises LogBusy."""
        return await self._pauses.asked()

    async def pause(self, partition: int, pause: Pause) -> bool:
        """Keep that a partition is paused; False: it was. Raises LogBusy or NoSuchPartition."""
        if await self._is_paused(partition):
            return False
        await self._pauses.pause(partition, pause)
        return True

    async def resume(self, partition: int, by: str, at: int) -> bool:
        """Keep that a partition may go on; False: it was not paused. Raises LogBusy or NoSuchPartition."""
        if not await self._is_paused(partition):
            return False
        await self._pauses.resume(partition, by, at)
        return True

    async def _is_paused(self, partition: int) -> bool:
        if not 0 <= partition < await self.brokers.partitions():
            raise NoSuchPartition(partition)
        return partition in await self._pauses.in_force()

    async def owners(self) -> Sequence[PartitionOwner]:
        """Who is assigned each partition, and how much waits on it. Raises LogBusy."""
        return await self._owners.all()

    async def identity(self) -> str:
        """The cluster, and the id that gateway.state was given when it was made."""
        return await self.brokers.identity()

    async def ends(self, topics: Sequence[str]) -> dict[str, int]:
        """High watermarks: also what is in open transactions lies below. Raises LogBusy."""
        return await ends(self.brokers, topics)

    async def changes(self, topics: Sequence[str], positions: Mapping[str, int]) -> KafkaChanges:
        """A reader of what is committed on these topics, and of states. Raises LogBusy or PositionsGone."""
        return await open_changes(self.brokers, topics, positions, ask_again_s=self._ask_again_s)

    async def unframed(self, value: bytes | None) -> bytes | None:
        """A value as it stands in the log, in single-object encoding. Raises LogBusy."""
        framing = self.brokers.framing
        return value if framing is None else await framing.unframed_value(value)

    async def follow(
        self,
        topics: Sequence[str],
        *,
        from_start: bool,
        wait: bool,
        key: bytes | None = None,
        text: bytes | None = None,
    ) -> AsyncIterator[Record]:
        """Records of the topics as they are committed, in order within a partition; see Log.

        Raises LogBusy where brokers go away, but not with `wait`: then they are waited for.
        """
        brokers = self.brokers
        places = [
            TopicPartition(brokers.named(topic), partition)
            for topic in topics
            for partition in range(await brokers.count(topic))
        ]
        clock = asyncio.get_running_loop().time
        reader = None
        try:
            reader = await brokers.reader(places)
            ends = await brokers.ends(places)
            for place in places:
                if not from_start:
                    reader.seek(place, ends[place])
            if from_start:
                await reader.seek_to_beginning(*places)
            heard_s = clock()
            while True:
                taken = await reader.take(most=FOLLOW_AT_ONCE, wait_s=FETCH_WAIT_MS / 1000)
                for place, records in taken.items():
                    for record in records:
                        if (wait or record.offset < ends[place]) and record.has(key, text):
                            yield record
                if not wait and reader.trouble is not None:
                    raise LogBusy(reader.trouble)
                if not wait and all([await reader.position(place) >= ends[place] for place in places]):
                    return
                if taken:
                    heard_s = clock()
                elif not wait and clock() > heard_s + self._ask_again_s:
                    # A transaction may still be open, and hide what was asked for; or the brokers are away.
                    await brokers.ends(places)
                    heard_s = clock()
        except (KafkaError, TimeoutError) as error:
            raise LogBusy(
                f"the brokers failed ({type(error).__name__}) before all was read; look at them, and try "
                "again"
            ) from error
        finally:
            if reader is not None:
                await reader.stop()

    async def close(self) -> None:
        """Let the claims go, leave the group, and let the brokers go. Never raises.

        In this order: whoever is assigned the partitions next need not fence anybody out.
        """
        await asyncio.gather(*(claim.release() for claim in [*self._claims]))
        await self._append.close()
        await self._letters.close()
        await self._owners.close()
        await self._pauses.close()
        await self._membership.leave()
        await self.brokers.close()

    def _quiet_at(self, newest: int) -> int:
        """Up to when everything has arrived that lies below ends which are asked for after this.

        newest: the newest timestamp that was read. Hosts' clocks differ by up to the grace.
        """
        return newest if self._clock == "log" else self._now() - self._grace_ms
