"""Which process is assigned each partition, and how much waits on it: what the brokers know of the group."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code

from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.failures import failure
from gateway.backends.kafka.membership import process_of
from gateway.engine.log import INBOUND_TOPICS, PartitionOwner

#: How long all that is asked may take. Somebody waits for the page that it is for.
ASK_S: Final = 3.0


class KafkaOwners:
    """Asks the brokers. It holds a connection from the first question on."""

    def __init__(self, brokers: Brokers, ask_s: float = ASK_S) -> None:
        self._brokers = brokers
        self._ask_s = ask_s
        self._client: AIOKafkaAdminClient | None = None
        self._one_at_a_time = asyncio.Lock()

    async def all(self) -> list[PartitionOwner]:
        """Each partition, in order. Raises LogBusy, or LogFailed where the brokers refuse it."""
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(self._ask_s):
                    return await self._all()
            except BaseException as error:
                # Whatever it was: the next question is asked on another connection.
                await self.close()
                if not isinstance(error, KafkaError | OSError):
                    raise
                known = error if isinstance(error, KafkaError | TimeoutError) else KafkaConnectionError()
                raise failure(known, f"DESCRIBE on the group {self._brokers.group}") from error

    async def close(self) -> None:
        """Let the connection go. Never raises."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(KafkaError, OSError):
                await client.close()

    async def _all(self) -> list[PartitionOwner]:
        brokers = self._brokers
        numbers = range(await brokers.partitions())
        if self._client is None:
            self._client = AIOKafkaAdminClient(**brokers.connection.arguments())
            await self._client.start()
        processes = await _processes(self._client, brokers.group, brokers.named(INBOUND_TOPICS[0]))
        decided = await self._client.list_consumer_group_offsets(brokers.group)
        places = [
            TopicPartition(brokers.named(topic), number) for topic in INBOUND_TOPICS for number in numbers
        ]
        begins, ends = await brokers.begins(places), await brokers.ends(places)
        waiting = dict.fromkeys(numbers, 0)
        for place in places:
            noted = decided.get(place)
            # What was decided may have been noted before records were deleted for their age.
            reached = max(begins[place], 0 if noted is None else noted.offset)
            waiting[place.partition] += max(0, ends[place] - reached)
        return [PartitionOwner(number, processes.get(number), waiting[number]) for number in numbers]


async def _processes(client: AIOKafkaAdminClient, group: str, topic: str) -> Mapping[int, str]:
    """By partition number, which process is assigned it. Raises KafkaError."""
    # Of one group only: aiokafka reads an answer about several wrongly.
    (answer,) = await client.describe_consumer_groups([group])
    (described,) = answer.to_object()["groups"]
    if described["error_code"]:
        raise for_code(described["error_code"])(group)
    found: dict[int, str] = {}
    for member in described["members"]:
        if member["member_assignment"]:  # it has not been told yet
            process = process_of(member["client_id"], member["client_host"])
            assignment = ConsumerProtocol.ASSIGNMENT.decode(member["member_assignment"])
            found |= {each.partition: process for each in assignment.partitions() if each.topic == topic}
    return found
