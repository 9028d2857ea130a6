"""`gateway forget` on Kafka: by whoever owns the partition, once; what lies on the topics stays there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.engine.log import Draft
from gateway.rules.calendar import london_day
from gateway.rules.messages import Message
from gateway.system.clock import wall_clock
from schemas.codec import encode
from tests.cli.running import Ended, spawn
from tests.engine.letters import acceptance, referral
from tests.kafka.deciding import came, deciding, make, outcomes
from tests.patience import PATIENCE_S
from tests.reading.filling import filled

#: A referral of long ago would be forgotten as soon as it came.
TODAY = london_day(wall_clock())
STAYS = "what lies on the topics stays there until their retention\n"


@pytest.fixture
async def log(bootstrap: str, topic_prefix: str) -> AsyncIterator[KafkaLog]:
    await make(bootstrap, topic_prefix, partitions=2)
    log = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix, grace_s=0)
    yield log
    await log.close()


async def test_it_is_done_by_who_runs_or_by_who_runs_next(
    log: KafkaLog, bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """And nothing is found in a read model any more; a message that comes afterwards waits for a referral."""
    settings = {"GATEWAY_LOG_URL": f"kafka://{bootstrap}", "GATEWAY_TOPIC_PREFIX": topic_prefix}

    async def forget(po_number: str, *options: str) -> Ended:
        arguments = ("forget", po_number, "--reason", "a drill", *options)
        return await asyncio.to_thread(spawn, *arguments, cwd=tmp_path, environment=settings)

    def said(topic: str, message: Message) -> list[Draft]:
        return [Draft(topic, b"PO-1", encode(message))]

    await log.append(said("prap.referrals", referral("PO-1", "first", referred_on=TODAY)))
    async with deciding(log) as workers:
        await outcomes(log, 1)
        refused = await forget("PO-1")
        assert refused.status == 1
        assert refused.sentence.startswith("something still falls due on this referral (OPEN). ")
        done = await forget("PO-1", "--open", "--wait", "60")
        assert (done.status, done.out.decode()) == (0, f"the referral is forgotten\n{STAYS}"), done.err
        await log.append(said("provider.session-records", acceptance("PO-1", "late")))
        await log.append(said("prap.referrals", referral("PO-1", "second", referred_on=TODAY)))
        assert await outcomes(log, 3) == ["first", "late", "second"]
        assert workers.trouble(0) is None
    await log.close()
    other = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix, grace_s=0)
    rows = await filled(other, tmp_path / "copy")
    assert [row[1] for row in rows["state"]] == ["PO-1"], "the one that came anew"
    kept = await forget("PO-1", "--open", "--wait", "0")
    assert kept.out.decode().startswith("no gateway has done it yet; it is kept")
    (asked,) = await other.asked()
    assert (asked.po_number, asked.reason) == ("PO-1", "a drill")
    async with deciding(other):
        async with asyncio.timeout(PATIENCE_S):
            while await other.asked():  # noqa: ASYNC110 - the broker says nothing by itself
                await asyncio.sleep(0)
    rows = await filled(other, tmp_path / "copy")
    assert rows["state"] == rows["referral"] == rows["booking"] == []
    assert len(await came(other, ["gateway.audit"], 2)) == 2
    await other.close()
