"""Who is assigned which partition, and how much waits on it, as the brokers know it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.owners import KafkaOwners
from gateway.engine.log import Draft, LogBusy
from schemas.codec import encode
from tests.broker.broker import Broker
from tests.engine.letters import referral
from tests.kafka.deciding import make
from tests.kafka.gateways import Gateway, several, share
from tests.patience import PATIENCE_S, in_the_end

T = TypeVar("T")

PARTITIONS = 3


def names(gateways: Sequence[Gateway]) -> list[str | None]:
    """For each partition, what the process is called that has it."""
    owners: dict[int, str] = {
        partition: f"{socket.gethostname()}/{gateway.process.pid} (127.0.0.1)"
        for gateway in gateways
        for partition in gateway.assigned() or ()
    }
    return [owners.get(number) for number in range(PARTITIONS)]


async def owned(log: KafkaLog) -> tuple[list[str | None], int]:
    """For each partition the process that has it, and how much waits on all of them."""
    owners = await log.owners()
    assert [each.partition for each in owners] == [*range(PARTITIONS)]
    return [each.process for each in owners], sum(each.waiting for each in owners)


async def becomes(log: KafkaLog, expected: tuple[list[str | None], int]) -> None:
    """Wait until that is known: a process notes what it has decided once a second."""
    async with asyncio.timeout(PATIENCE_S):
        while (found := await answered(lambda: owned(log))) != expected:  # noqa: ASYNC110 - nobody wakes
            await asyncio.sleep(0.1)
    assert found == expected


async def answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the brokers answer: a new one has no coordinator of groups yet."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await ask()
            except LogBusy:
                await asyncio.sleep(0.1)


async def test_each_partition_has_its_process_and_what_waits_on_it(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    await make(bootstrap, topic_prefix, partitions=PARTITIONS)
    log = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix)
    try:
        messages = [referral(f"PO{number}", f"m{number}") for number in range(9)]
        await log.append(Draft("prap.referrals", each.po_number.encode(), encode(each)) for each in messages)
        processes, waiting = await answered(lambda: owned(log))
        assert processes == [None] * PARTITIONS, "nobody works"
        assert waiting >= len(messages)
        with several(2, tmp_path, bootstrap, topic_prefix, grace_s="0") as gateways:
            await in_the_end(lambda: share(gateways, PARTITIONS))
            assert len(set(names(gateways))) == 2
            await becomes(log, (names(gateways), 0))
            gateways[0].terminate()
            await in_the_end(lambda: share(gateways[1:], PARTITIONS))
            await becomes(log, (names(gateways[1:]), 0))
    finally:
        await log.close()


async def test_brokers_that_do_not_answer_are_not_waited_for_long(
    java: None, tmp_path: Path, topic_prefix: str
) -> None:
    """Once they do, they are asked on another connection."""
    with Broker(tmp_path) as broker:
        broker.start()
        await make(broker.bootstrap, topic_prefix, partitions=PARTITIONS)
        log = KafkaLog(BrokerConnection((broker.bootstrap,)), prefix=topic_prefix)
        owners = KafkaOwners(log.brokers, ask_s=1)
        try:
            assert len(await answered(owners.all)) == PARTITIONS
            broker.pause()
            with pytest.raises(LogBusy, match=f"DESCRIBE on the group {topic_prefix}gateway"):
                await owners.all()
            broker.resume()
            assert len(await answered(owners.all)) == PARTITIONS
        finally:
            await owners.close()
            await log.close()
