"""Which partitions this process is to work on: its membership of the consumer group, and nothing else.

The member is a consumer that reads nothing. It is subscribed to one of the inbound topics, which all have the
same partition numbers, so what is assigned of it is a set of partition numbers.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from gateway.backends.kafka.connection import CLIENT_ID, BrokerConnection
from gateway.backends.kafka.producer import stop
from gateway.engine.log import Assignment

#: How often errors of the group are asked for.
ASK_MS: Final = 1_000
#: How often a sign of life is sent. The answer announces a rebalance, and that waits for all members: so
#: long does a partition wait that was left in good order, whatever the session timeout is.
HEARTBEAT_S: Final = 1.0
AGAIN_S: Final = 1.0
NOTE_S: Final = 5.0
#: A member's client id begins with it. Behind it is the process, for those who ask who has which partition.
_MEMBER: Final = f"{CLIENT_ID}@"


def process_of(client_id: str, host: str) -> str:
    """What a process of the group is called: its host and number, and its address as brokers see it.

    client_id, host: as brokers describe a member. Of a foreign member its client id stands for the process.
    """
    return f"{client_id.removeprefix(_MEMBER)} ({host.removeprefix('/')})"


class Membership(ConsumerRebalanceListener):
    """A member of the group, from the first question until `leave`.

    A loss of the group is waited out by joining again. Meanwhile the partitions are kept: whoever is assigned
    one of them fences this process out of it.
    """

    def __init__(
        self,
        connection: BrokerConnection,
        group: str,
        topic: str,
        session_timeout_s: float,
        is_there: Callable[[], Awaitable[bool]],
    ) -> None:
        """is_there: whether the topic is. A consumer of one that isn't would look for it all the time."""
        self._is_there = is_there
        self._connection = connection
        self._group = group
        self._topic = topic
        self._session_timeout_s = session_timeout_s
        self._newest = Assignment(0, frozenset())
        #: Positions that are decided and not noted with the group yet.
        self._decided: dict[TopicPartition, int] = {}
        self._changed = asyncio.Event()
        self._belonging: asyncio.Task[None] | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._logger = structlog.get_logger("gateway.engine")

    async def assigned(self, after: int) -> Assignment:
        """The newest assignment, as soon as there is one of a later generation than `after`."""
        if self._belonging is None:
            self._belonging = asyncio.create_task(self._belong())
        while self._newest.generation <= after:
            self._changed.clear()
            await self._changed.wait()
        return self._newest

    def note(self, decided: Mapping[TopicPartition, int]) -> None:
        """Have positions noted with the group within ASK_MS, for tools that show lag.

        Not in a step's transaction, which would take several times as long.
        """
        self._decided |= decided

    async def leave(self) -> None:
        """Leave the group, so that others are assigned the partitions at once. Never raises."""
        if self._consumer is not None:
            await self._note(self._consumer)
        if self._belonging is not None:
            self._belonging.cancel()
            await asyncio.gather(self._belonging, return_exceptions=True)

    def on_partitions_revoked(self, revoked: AbstractSet[TopicPartition]) -> None:
        """Nothing: a rebalance revokes everything, and most of it comes back in the next assignment."""

    def on_partitions_assigned(self, assigned: AbstractSet[TopicPartition]) -> None:
        """Note it, no more: no heartbeat is sent before this returns, and what it raises is swallowed."""
        if self._consumer is not None:
            self._consumer.pause(*assigned)
        numbers = frozenset(place.partition for place in assigned)
        self._newest = Assignment(self._newest.generation + 1, numbers)
        self._changed.set()

    async def _belong(self) -> None:
        left = False
        while True:
            while not await self._is_there():  # noqa: ASYNC110 - nobody says when it is
                await asyncio.sleep(AGAIN_S)
            self._consumer = consumer = AIOKafkaConsumer(
                **self._connection.arguments()
                | {"client_id": f"{_MEMBER}{socket.gethostname()}/{os.getpid()}"},
                group_id=self._group,
                session_timeout_ms=int(self._session_timeout_s * 1000),
                heartbeat_interval_ms=int(min(HEARTBEAT_S, self._session_timeout_s / 4) * 1000),
                enable_auto_commit=False,
                auto_offset_reset="latest",
            )
            consumer.subscribe([self._topic], listener=self)
            try:
                await consumer.start()
                while await self._is_there():
                    # What the group's coordination raises is raised here and nowhere else.
                    await consumer.getmany(timeout_ms=ASK_MS)
                    await self._note(consumer)
                    left = left and not consumer.assignment()
            except Exception as error:  # noqa: BLE001 - the group is joined again, whatever it was
                if not left:
                    self._logger.warning("group.left", error=type(error).__name__, again_in_s=AGAIN_S)
                left = True
            finally:
                await stop(consumer)
            await asyncio.sleep(AGAIN_S)

    async def _note(self, consumer: AIOKafkaConsumer) -> None:
        """Note what was decided with the group. What can't be is noted with what comes next, or never."""
        if not self._decided:
            return
        decided, self._decided = self._decided, {}
        offsets = {place: OffsetAndMetadata(offset, "") for place, offset in decided.items()}
        try:
            async with asyncio.timeout(NOTE_S):
                # The consumer itself commits only what is assigned to it, and that is one topic. Its
                # coordinator's public method shields the request, which would outlive this and fail unseen.
                if (group := consumer._coordinator) is not None:  # noqa: SLF001
                    await group._do_commit_offsets(None, offsets)  # noqa: SLF001
        except (KafkaError, TimeoutError):
            self._decided = decided | self._decided
