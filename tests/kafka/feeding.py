"""Topics for a programme, whose messages keep the times that they are put with, and the messages on them."""

import asyncio

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.topics_create import create
from gateway.intake.feed import feed


def make(bootstrap: str, prefix: str, partitions: int) -> None:
    """Make the topics."""
    asyncio.run(
        create(
            BrokerConnection((bootstrap,)),
            prefix,
            partitions=partitions,
            default_partitions=partitions,
            replication=None,
            timestamps="create",
        )
    )


def put(bootstrap: str, prefix: str, lines: list[bytes]) -> None:
    """Put the messages of JSON lines on the topics, all at once."""

    async def work() -> None:
        log = KafkaLog(BrokerConnection((bootstrap,)), prefix=prefix, clock="log")
        try:
            await feed(log, lines, keep_time=True, checked=lambda: None)
        finally:
            await log.close()

    asyncio.run(work())
