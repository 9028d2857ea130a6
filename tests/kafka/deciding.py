"""A gateway in this process, on topics of its own on a broker, and what comes out of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.topics import Timestamps
from gateway.backends.kafka.topics_create import create
from gateway.engine.log import Record
from gateway.engine.workers import Workers
from gateway.processes.wiring import WIRING
from gateway.rules import policy
from gateway.rules.events import DeadLetter, Outcome
from producers.read_back import read_event
from tests.patience import PATIENCE_S


async def make(bootstrap: str, prefix: str, *, partitions: int = 1, timestamps: Timestamps = "log") -> None:
    """Make the topics."""
    await create(
        BrokerConnection((bootstrap,)),
        prefix,
        partitions=partitions,
        default_partitions=partitions,
        replication=None,
        timestamps=timestamps,
    )


@asynccontextmanager
async def deciding(log: KafkaLog, lost_again_s: float = 0.1) -> AsyncIterator[Workers]:
    """Decide what arrives on the log for as long as the block lasts."""
    stop = asyncio.Event()
    workers = Workers(log, policy.shipped(), WIRING, lost_again_s=lost_again_s)
    running = asyncio.create_task(workers.run(stop))
    try:
        yield workers
    finally:
        stop.set()
        await running


async def came(log: KafkaLog, topics: Sequence[str], count: int) -> list[Record]:
    """The first so many records of topics, which are waited for."""
    found: list[Record] = []
    async with asyncio.timeout(PATIENCE_S):
        async for record in log.follow(topics, from_start=True, wait=True):
            found.append(record)
            if len(found) == count:
                break
    return found


async def outcomes(log: KafkaLog, count: int) -> list[str]:
    """The ids of the first so many messages that are decided."""
    events = map(read_event, await came(log, ["gateway.outcomes"], count))
    return [event.message_id for event in events if isinstance(event, Outcome)]


async def letters(log: KafkaLog, count: int) -> list[DeadLetter]:
    """The first so many dead letters."""
    events = map(read_event, await came(log, ["gateway.dead-letters"], count))
    return [event for event in events if isinstance(event, DeadLetter)]
