"""The programme as records, and topics that are filled with it."""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Literal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.producer.message_accumulator import BatchBuilder
from msgspec import Struct

from benchmarks.peers.deciding import BATCH_BYTES, INPUT
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.topics_create import create
from gateway.engine.partitioner import partition_for
from gateway.intake.lines import read_lines
from gateway.rules.messages import TOPIC_OF
from producers.outcomes import TOPIC as OUTCOMES
from schemas.codec import encode

#: How many batches are under way at a time.
_UNDER_WAY: Final = 64


class Letter(Struct, frozen=True, gc=False):
    """A message as it is put on a topic, at an instant (UTC milliseconds)."""

    topic: str
    key: bytes
    value: bytes
    at: int


def letters(programme: Path) -> Iterator[Letter]:
    """The messages of a programme, in order of time."""
    with programme.open("rb") as lines:
        for line in read_lines(lines):
            if (message := line.message) is not None:
                key = message.po_number.encode()
                yield Letter(TOPIC_OF[type(message)], key, encode(message), line.at)


async def make_topics(
    bootstrap: str, prefix: str, partitions: int, *, one_input: bool, timestamps: Literal["log", "create"]
) -> None:
    """All topics of the gateway, as its command makes them. one_input: and one for all messages."""
    await create(
        BrokerConnection((bootstrap,)),
        prefix,
        partitions=partitions,
        default_partitions=partitions,
        replication=None,
        timestamps=timestamps,
    )
    if one_input:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            settings = {
                "message.timestamp.type": {"log": "LogAppendTime", "create": "CreateTime"}[timestamps],
                "retention.ms": "-1",
            }
            await admin.create_topics([NewTopic(prefix + INPUT, partitions, 1, None, settings)])
        finally:
            await admin.close()


async def fill(
    bootstrap: str, prefix: str, partitions: int, given: Iterable[Letter], *, one_input: bool
) -> None:
    """Put messages on their topics, or all on one, each on its referral's partition."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", compression_type="zstd", max_batch_size=BATCH_BYTES
    )
    batches: dict[tuple[str, int], BatchBuilder] = {}
    sent: set[asyncio.Future[object]] = set()
    async with producer:

        async def send(place: tuple[str, int]) -> None:
            nonlocal sent
            sent.add(await producer.send_batch(batches.pop(place), place[0], partition=place[1]))
            if len(sent) >= _UNDER_WAY:
                await asyncio.gather(*sent)
                sent = set()

        for each in given:
            place = prefix + (INPUT if one_input else each.topic), partition_for(each.key, partitions)
            values = {"timestamp": each.at, "key": each.key, "value": each.value, "headers": []}
            batch = batches.get(place)
            if batch is None or batch.append(**values) is None:
                if batch is not None:
                    await send(place)
                batches[place] = producer.create_batch()
                batches[place].append(**values)
        for place in [*batches]:
            await send(place)
        await asyncio.gather(*sent)


async def outcomes(bootstrap: str, prefix: str, partitions: int) -> int:
    """How many outcomes there are that a reader of committed records sees, once no transaction is open."""
    places = [TopicPartition(prefix + OUTCOMES, number) for number in range(partitions)]
    everything = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    committed = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    committed.assign(places)
    count = 0
    async with everything, committed:
        ends = await everything.end_offsets(places)
        while any([await committed.position(place) < end for place, end in ends.items()]):
            found = await committed.getmany(timeout_ms=500)
            count += sum(map(len, found.values()))
    return count
