"""Records that are lost before they were decided: their partition stands, and somebody may accept it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.topics import TOPICS, administering, found
from gateway.engine.log import Draft, RecordsLost
from gateway.engine.workers import Workers
from gateway.processes.wiring import WIRING
from gateway.rules import policy
from gateway.rules.messages import TOPIC_OF, Message
from schemas.codec import encode
from tests.cli.running import spawn
from tests.engine.letters import referral
from tests.kafka.deciding import came, deciding, make, outcomes
from tests.patience import PATIENCE_S, in_the_end

REFERRALS = "prap.referrals"
#: Of two partitions, the one on which each belongs.
ON_0, ON_1 = "PO-1", "PO-2"


@dataclass
class Scene:
    """A log of two partitions, on each of which a referral has been decided."""

    bootstrap: str
    prefix: str
    log: KafkaLog

    async def put(self, *messages: Message) -> None:
        """Put messages on their topics."""
        await self.log.append(
            Draft(TOPIC_OF[type(each)], each.po_number.encode(), encode(each)) for each in messages
        )

    def delete_all(self, partition: int) -> None:
        """Delete the records of a partition of the referrals."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        (done,) = admin.delete_records([TopicPartition(self.prefix + REFERRALS, partition, -1)]).values()
        done.result(PATIENCE_S)

    async def make_anew(self, topic: str) -> None:
        """Delete a topic, and make it again."""
        async with administering(BrokerConnection((self.bootstrap,))) as client:
            await client.delete_topics([self.prefix + topic])
        await make(self.bootstrap, self.prefix, partitions=2)

    def command(self, *arguments: str, cwd: Path) -> tuple[int, list[str], str]:
        """Exit status, standard output and standard error of a command."""
        settings = {"GATEWAY_LOG_URL": f"kafka://{self.bootstrap}", "GATEWAY_TOPIC_PREFIX": self.prefix}
        ended = spawn(*arguments, cwd=cwd, environment=settings)
        return ended.status, ended.out.decode().splitlines(), ended.err


@pytest.fixture
async def scene(bootstrap: str, topic_prefix: str) -> AsyncIterator[Scene]:
    await make(bootstrap, topic_prefix, partitions=2)
    before, log = (KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix, grace_s=0) for _ in range(2))
    scene = Scene(bootstrap, topic_prefix, log)
    await scene.put(referral(ON_0, "r1"), referral(ON_1, "r2"))
    async with deciding(before):
        await outcomes(log, 2)
    await before.close()
    yield scene
    await log.close()


async def kept(log: KafkaLog, topic: str) -> list[dict[str, object]]:
    """What is on a topic whose records are JSON."""
    return [
        json.loads(record.value or b"") async for record in log.follow([topic], from_start=True, wait=False)
    ]


async def test_where_undecided_records_were_deleted_their_partition_stands_and_the_others_go_on(
    scene: Scene,
) -> None:
    """Until somebody accepts it: then it goes on by itself, and what is lost is kept with the reason."""
    log = scene.log
    await scene.put(referral(ON_0, "lost"))
    scene.delete_all(0)
    async with deciding(log) as workers:
        await in_the_end(lambda: workers.is_lost(0))
        await scene.put(referral(ON_0, "r3"), referral(ON_1, "r4"))
        assert set(await outcomes(log, 3)) == {"r1", "r2", "r4"}  # two partitions have no order
        assert "offsets 2 to 3 were deleted" in (workers.trouble(0) or "")
        assert workers.trouble(1) is None
        (loss,) = await log.accept_loss(0, "the disk was full", "ops")
        assert "r3" in await outcomes(log, 4)
        await in_the_end(lambda: workers.trouble(0) is None)
        assert not workers.is_lost(0)
        assert await log.accept_loss(0, "again", "ops") == ()
    assert (loss.topic, loss.decided, loss.goes_on) == (REFERRALS, 2, 4)
    (record,) = await kept(log, "gateway.control")
    assert [record] == await kept(log, "gateway.audit")
    assert record | {"at": ""} == {
        "act": "ACCEPT_LOSS",
        "partition": 0,
        "topic": REFERRALS,
        "decided": 2,
        "goes_on": 4,
        "what": loss.what,
        "reason": "the disk was full",
        "by": "ops",
        "at": "",
    }


async def test_a_topic_that_was_made_anew_is_read_from_its_beginning_when_that_is_accepted(
    scene: Scene,
) -> None:
    """Although it has more records by then than were decided on the one before."""
    log = scene.log
    await scene.make_anew(REFERRALS)
    other = KafkaLog(BrokerConnection((scene.bootstrap,)), prefix=scene.prefix, grace_s=0)
    await other.append(
        Draft(REFERRALS, ON_0.encode(), encode(referral(ON_0, f"n{number}"))) for number in range(5)
    )
    with pytest.raises(RecordsLost, match=r"prap.referrals was made anew"):
        async with asyncio.timeout(PATIENCE_S):
            await Workers(other, policy.shipped(), WIRING).run(asyncio.Event())
    for partition in range(2):
        assert await other.accept_loss(partition, "restored by hand", "ops")
    async with deciding(other):
        assert set(await outcomes(other, 7)) == {"r1", "r2", *(f"n{number}" for number in range(5))}
    await other.close()
    assert len(await came(log, ["gateway.audit"], 2)) == 2


async def test_a_state_topic_that_was_emptied_is_a_loss_and_no_new_log(scene: Scene) -> None:
    """Nothing is decided again: when it is accepted, what had not been decided is, without its past."""
    await scene.make_anew("gateway.state")
    other = KafkaLog(BrokerConnection((scene.bootstrap,)), prefix=scene.prefix, grace_s=0)
    with pytest.raises(
        RecordsLost, match=r"gateway.state says nothing, and prap.referrals was decided up to"
    ):
        async with asyncio.timeout(PATIENCE_S):
            await Workers(other, policy.shipped(), WIRING).run(asyncio.Event())
    await scene.put(referral(ON_0, "r3"), referral(ON_1, "r4"))
    for partition in range(2):
        (loss,) = await other.accept_loss(partition, "there is no backup", "ops")
        assert (loss.topic, loss.decided, loss.goes_on) == (REFERRALS, 2, 2)
    assert await other.decided_to() is None
    async with deciding(other):
        assert set(await outcomes(other, 4)) == {"r1", "r2", "r3", "r4"}
        assert await other.decided_to()
    await other.close()


async def test_a_log_of_which_all_topics_were_made_anew_is_a_new_log(scene: Scene) -> None:
    names = [scene.prefix + topic for topic in TOPICS]
    async with administering(BrokerConnection((scene.bootstrap,))) as client:
        await client.delete_topics(names)
        while await found(client, scene.prefix):  # where one is there yet, it would not be made
            pass
    await make(scene.bootstrap, scene.prefix, partitions=2)
    other = KafkaLog(BrokerConnection((scene.bootstrap,)), prefix=scene.prefix, grace_s=0)
    await other.append([Draft(REFERRALS, ON_0.encode(), encode(referral(ON_0, "n1")))])
    async with deciding(other):
        assert await outcomes(other, 1) == ["n1"]
    await other.close()


async def test_where_all_is_lost_the_command_ends_with_1_and_goes_on_when_that_is_accepted(
    scene: Scene, tmp_path: Path
) -> None:
    await scene.put(referral(ON_0, "lost"), referral(ON_1, "lost too"))
    for partition in range(2):
        scene.delete_all(partition)
    status, _, err = await asyncio.to_thread(scene.command, "run", cwd=tmp_path)
    assert status == 1
    *lines, last = (json.loads(line) for line in err.splitlines())
    lost = [line for line in lines if line["event"] == "partition.records_lost"]
    assert {line["partition"] for line in lost} == {0, 1}
    for line in lost:
        assert line["level"] == "error"
        assert "prap.referrals was decided up to offset 2, and offsets 2 to 3 were deleted" in line["error"]
        assert f"`gateway partitions accept-loss {line['partition']} --reason" in line["error"]
    assert (last["event"], last["code"]) == ("gateway.failed", "RECORDS_LOST")
    assert "gateway partitions accept-loss" in last["what_to_do"]
    for number in ("0", "1"):
        accept = ("partitions", "accept-loss", number, "--reason", "a drill")
        status, out, err = await asyncio.to_thread(scene.command, *accept, cwd=tmp_path)
        assert status == 0
        assert out == ["prap.referrals was decided up to offset 2, and offsets 2 to 3 were deleted"]
        assert "partition.loss_accepted" in err
        status, _, err = await asyncio.to_thread(scene.command, *accept, cwd=tmp_path)
        assert (status, err) == (
            2,
            f"gateway: nothing is lost on partition {number}, so there is nothing to accept\n",
        )
    await scene.put(referral(ON_0, "r3"))
    async with deciding(scene.log):
        assert "r3" in await outcomes(scene.log, 3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("2", "--reason", "x"), "there is no partition 2"),
        (("0", "--reason", " "), "--reason says nothing"),
        (("0",), "issing option '--reason'"),
    ],
)
async def test_a_loss_that_can_not_be_accepted_is_refused(
    arguments: tuple[str, ...], says: str, scene: Scene, tmp_path: Path
) -> None:
    status, _, err = await asyncio.to_thread(
        scene.command, "partitions", "accept-loss", *arguments, cwd=tmp_path
    )
    assert status in {1, 2}
    assert says in err
