"""`gateway partitions pause` on Kafka: one partition stands, for all processes, and the others go on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.engine.log import Draft
from schemas.codec import encode
from tests.cli.running import spawn
from tests.engine.letters import referral
from tests.kafka.deciding import deciding, make, outcomes
from tests.patience import in_the_end

#: Of two partitions, the one on which each belongs.
ON_0, ON_1 = "PO-1", "PO-2"


@pytest.fixture
async def log(bootstrap: str, topic_prefix: str) -> AsyncIterator[KafkaLog]:
    await make(bootstrap, topic_prefix, partitions=2)
    log = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix, grace_s=0)
    yield log
    await log.close()


async def test_a_partition_that_is_paused_stands_and_goes_on_when_it_is_resumed(
    log: KafkaLog, bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    settings = {"GATEWAY_LOG_URL": f"kafka://{bootstrap}", "GATEWAY_TOPIC_PREFIX": topic_prefix}

    async def command(*arguments: str) -> str:
        ended = await asyncio.to_thread(spawn, "partitions", *arguments, cwd=tmp_path, environment=settings)
        assert ended.status == 0, ended.err
        return ended.out.decode()

    async with deciding(log) as workers:
        await in_the_end(lambda: workers.trouble(0) is None and workers.assigned == frozenset({0, 1}))
        said = await command("pause", "0", "--reason", "a drill")
        assert said == "partition 0 is paused; `gateway partitions resume 0` lets it go on\n"
        await in_the_end(lambda: 0 not in workers.by_partition and workers.paused(0) is not None)
        await log.append(
            Draft("prap.referrals", po.encode(), encode(referral(po, f"of-{po}"))) for po in (ON_0, ON_1)
        )
        assert await outcomes(log, 1) == [f"of-{ON_1}"]
        assert workers.trouble(1) is None
    await log.close()  # it is still a member of the group
    other = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix, grace_s=0)
    async with deciding(other) as workers:
        await in_the_end(lambda: workers.trouble(1) is None and workers.assigned == frozenset({0, 1}))
        assert "(a drill)" in (workers.trouble(0) or "")
        assert await command("resume", "0") == "partition 0 goes on\n"
        assert sorted(await outcomes(other, 2)) == [f"of-{ON_0}", f"of-{ON_1}"]
    await other.close()
