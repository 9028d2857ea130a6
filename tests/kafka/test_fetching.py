"""What is asked of brokers, how often and when."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.engine.log import Commit, Draft
from gateway.rules.events import OUTBOUND
from tests.kafka.deciding import make
from tests.patience import PATIENCE_S, in_the_end

REFERRALS = "prap.referrals"
#: So often, and so long for each if it were held up, is more than a test waits for.
TIMES = 16
WAIT_MS = PATIENCE_S * 1000 // TIMES + 1_000


@pytest.fixture
async def log(bootstrap: str, topic_prefix: str) -> AsyncIterator[KafkaLog]:
    await make(bootstrap, topic_prefix, partitions=2)
    log = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix)
    yield log
    await log.close()


async def test_a_partition_that_waits_to_be_read_is_not_held_up_by_the_others(log: KafkaLog) -> None:
    """While its records wait, only the others are asked for, and nothing may come of them for long."""
    places = [TopicPartition(log.brokers.named(REFERRALS), number) for number in (0, 1)]
    reader = await log.brokers.reader(places, wait_ms=WAIT_MS)
    try:
        await reader.seek_to_beginning(*places)
        fetcher = reader.consumer._fetcher
        assert fetcher is not None
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(TIMES):
                await log.append([Draft(REFERRALS, b"PO1", b"")])
                await in_the_end(lambda: fetcher._records and fetcher._in_flight)
                (taken,) = (await reader.take(most=10)).values()
                assert [record.key for record in taken] == [b"PO1"]
    finally:
        await reader.stop()


async def test_a_step_asks_brokers_three_things(log: KafkaLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """To take new partitions into its transaction, to take its records, and to end it; no more."""
    asked: Counter[str] = Counter()
    send = AIOKafkaClient.send

    async def counted(client: AIOKafkaClient, node: int, request: object, **named: object) -> object:
        if client is producing:
            asked[type(request).__name__] += 1
        return await send(client, node, request, **named)  # type: ignore[no-untyped-call]

    claim = await log.claim(0)
    producing = claim._producer.client
    try:
        restored = await claim.restore()
        for count in (1, 2):
            outputs = [Draft(topic, b"PO1", b"x") for topic in OUTBOUND]
            monkeypatch.setattr(AIOKafkaClient, "send", counted)
            await claim.commit(Commit(outputs, {"PO1": b"x"}, restored.positions, count))
            monkeypatch.undo()
            produced = asked.pop("ProduceRequest")
            # Once more for each time that the last transaction is still being ended.
            assert asked.pop("AddPartitionsToTxnRequest") >= 1
            assert asked == {"EndTxnRequest": 1}
            assert produced <= 2
            asked.clear()
    finally:
        await claim.release()
