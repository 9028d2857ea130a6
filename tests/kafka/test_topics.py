"""Topics are made as they must be, left alone where they are there, and reported where they differ."""

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin.new_topic import NewTopic

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.topics import (
    STATE_TOPIC,
    TOPICS,
    Timestamps,
    Topic,
    administering,
    found,
    until_there,
)
from gateway.backends.kafka.topics_check import Difference, differences
from gateway.backends.kafka.topics_create import Created, create
from gateway.engine.log import INBOUND_TOPICS, LogError
from tests.kafka.altering import alter


class Topics:
    """The topics of one test."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.connection = BrokerConnection((bootstrap,))
        self.prefix = prefix

    async def create(
        self,
        *,
        partitions: int | None = None,
        replication: int | None = None,
        timestamps: Timestamps = "log",
    ) -> Created:
        return await create(
            self.connection,
            self.prefix,
            partitions=partitions,
            default_partitions=2,
            replication=replication,
            timestamps=timestamps,
        )

    async def make(self, topic: str, partitions: int = 2, **settings: str) -> None:
        """Make one as somebody else would; a setting's dots are written __."""
        configs = {name.replace("__", "."): value for name, value in settings.items()}
        async with administering(self.connection) as client:
            await client.create_topics([NewTopic(self.prefix + topic, partitions, 1, None, configs)])
            await until_there(client, {self.prefix + topic}, 10)

    async def set(self, topic: str, **settings: str) -> None:
        """Set a topic's configuration to these, and all else to the brokers' own."""
        configs = {name.replace("__", "."): value for name, value in settings.items()}
        await alter(self.connection, self.prefix + topic, configs)

    async def found(self) -> dict[str, Topic]:
        async with administering(self.connection) as client:
            return await found(client, self.prefix)

    async def wrong(
        self, *, timestamps: Timestamps | None = "log", partitions: int | None = None
    ) -> list[str]:
        """What would break something, without the prefix."""
        all_of_them = await self.differences(timestamps=timestamps, partitions=partitions)
        return [str(one).replace(self.prefix, "") for one in all_of_them if one.breaks]

    async def notes(self) -> list[str]:
        """What else differs, without the prefix; all topics here are on one broker."""
        notes = [one for one in await self.differences() if not one.breaks]
        assert str(notes.pop()).startswith("all topics: on one broker each, and should be on three")
        return [str(one).replace(self.prefix, "") for one in notes]

    async def differences(
        self, *, timestamps: Timestamps | None = "log", partitions: int | None = None
    ) -> list[Difference]:
        return await differences(self.connection, self.prefix, timestamps=timestamps, partitions=partitions)


@pytest.fixture
def topics(bootstrap: str, topic_prefix: str) -> Topics:
    return Topics(bootstrap, topic_prefix)


@pytest.mark.parametrize("timestamps", ["log", "create"])
async def test_topics_that_were_made_are_as_they_must_be(timestamps: Timestamps, topics: Topics) -> None:
    created = await topics.create(timestamps=timestamps)
    assert created == Created(tuple(topics.prefix + topic for topic in TOPICS), (), 2)
    assert await topics.wrong(timestamps=timestamps) == []
    assert await topics.wrong(timestamps=None) == []
    assert {topic.partitions for topic in (await topics.found()).values()} == {2}


async def test_to_make_topics_again_changes_nothing(topics: Topics) -> None:
    await topics.create()
    before = await topics.found()
    created = await topics.create()
    assert created == Created((), tuple(topics.prefix + topic for topic in TOPICS), 2)
    assert await topics.found() == before


async def test_what_is_there_is_left_as_it_is_and_the_rest_gets_as_many_partitions(topics: Topics) -> None:
    await topics.make("prap.referrals", 3, retention__ms="1000")
    created = await topics.create()
    assert created.kept == (f"{topics.prefix}prap.referrals",)
    assert created.partitions == 3
    there = await topics.found()
    assert {topic.partitions for topic in there.values()} == {3}
    assert there["prap.referrals"].settings["retention.ms"] == "1000"
    (wrong,) = await topics.wrong()
    assert wrong == (
        "prap.referrals: message.timestamp.type is CreateTime and should be LogAppendTime, because what a "
        "sender says of the time would decide whether a deadline was met; set "
        "message.timestamp.type=LogAppendTime with kafka-configs"
    )
    (note,) = await topics.notes()
    assert note.startswith("prap.referrals: retention.ms is 1000 and should be 2592000000, because 30 days")


async def test_nothing_is_made_where_the_partition_counts_would_differ(topics: Topics) -> None:
    await topics.make(STATE_TOPIC, 3)
    with pytest.raises(LogError, match=r"gateway.state has 3 partitions and GATEWAY_PARTITIONS is 2; set "):
        await topics.create(partitions=2)
    await topics.make("prap.referrals", 2)
    with pytest.raises(
        LogError, match=r"nothing was made, because .* has 2 partitions and .* has 3 partitions"
    ):
        await topics.create()
    assert set(await topics.found()) == {STATE_TOPIC, "prap.referrals"}


async def test_more_replicas_than_brokers_are_reported(topics: Topics) -> None:
    with pytest.raises(
        LogError, match=r"too few brokers for the replicas .*; set GATEWAY_REPLICATION to as many"
    ):
        await topics.create(replication=3)
    assert (await topics.create(replication=1)).partitions == 2


async def test_topics_that_are_missing_are_reported_and_not_made_by_looking(topics: Topics) -> None:
    missing = (
        "missing, because nothing of that name is there, or nothing that this user may see; run `gateway"
    )
    (wrong,) = await topics.wrong()
    assert wrong.startswith(f"all topics: {missing}")
    assert await topics.found() == {}


async def test_partition_counts_that_differ_are_reported(topics: Topics) -> None:
    await topics.create()
    assert await topics.wrong(partitions=2) == []
    (wrong,) = await topics.wrong(partitions=4)
    assert (
        ": the partitions are 2 and should be 4, because GATEWAY_PARTITIONS says so; set it to 2, or" in wrong
    )
    assert wrong.startswith(", ".join((*INBOUND_TOPICS, STATE_TOPIC)))


async def test_an_outbound_topic_with_another_partition_count_is_reported(topics: Topics) -> None:
    """Its events would be missing behind cursors, so no gateway starts."""
    await topics.make("jobcentre.notices", 3)
    await topics.create(partitions=2)
    (wrong,) = await topics.wrong()
    assert wrong.startswith("jobcentre.notices: the partitions are 3 and should be 2, because cursors over ")


async def test_partitions_that_do_not_meet_are_reported(topics: Topics) -> None:
    for count, topic in enumerate(INBOUND_TOPICS, 1):
        await topics.make(topic, count, message__timestamp__type="LogAppendTime")
    wrong = await topics.wrong()
    assert any(
        "the partitions are 1, 2, 3, 4 and should be equal, because the messages of a purchase order and its "
        "state must meet on one partition" in one
        for one in wrong
    )


async def test_a_state_that_is_not_compacted_is_reported(topics: Topics) -> None:
    await topics.create()
    await topics.set(STATE_TOPIC, cleanup__policy="compact,delete")
    (wrong,) = await topics.wrong()
    assert wrong == (
        "gateway.state: cleanup.policy is compact,delete and should be compact, because the states of "
        "referrals would be deleted; set cleanup.policy=compact with kafka-configs"
    )
    assert [note.split(",")[0] for note in await topics.notes()] == [
        "gateway.state: max.compaction.lag.ms is 9223372036854775807 and should be 86400000",
        "gateway.state: max.message.bytes is 1048588 and should be 16777216 or more",
    ]


@pytest.mark.parametrize("topic", ["prap.referrals", "gateway.outcomes", "gateway.dead-letters"])
async def test_what_would_lose_records_by_compaction_is_reported(topic: str, topics: Topics) -> None:
    await topics.create()
    kept = (await topics.found())[topic].settings
    same = {name: kept[name] for name in ("message.timestamp.type", "max.message.bytes")}
    await topics.set(topic, cleanup__policy="compact", **same)
    (wrong,) = await topics.wrong()
    assert wrong.startswith(
        f"{topic}: cleanup.policy is compact and should be delete, because of the records"
    )


async def test_topics_dated_by_whoever_makes_a_message_are_for_time_by_the_log_only(topics: Topics) -> None:
    await topics.create(timestamps="create")
    (wrong,) = await topics.wrong(timestamps="log")
    assert wrong.startswith(
        f"{', '.join(INBOUND_TOPICS)}: message.timestamp.type is CreateTime and should be"
    )
    await topics.set("jobcentre.wp11", message__timestamp__type="LogAppendTime", retention__ms="-1")
    (mixed,) = await topics.wrong(timestamps=None)
    assert mixed.startswith(
        "jobcentre.wp11: message.timestamp.type is LogAppendTime and should be CreateTime"
    )


async def test_old_messages_are_not_deleted_before_they_are_decided(topics: Topics) -> None:
    await topics.create(timestamps="create")
    await topics.set("jobcentre.wp11", message__timestamp__type="CreateTime")
    (wrong,) = await topics.wrong(timestamps="create")
    assert wrong.startswith(
        "jobcentre.wp11: retention.ms is 604800000 and should be -1, because messages could"
    )


async def test_dead_letters_hold_what_the_inbound_topics_take(topics: Topics) -> None:
    ten_megabytes = 10 * 1024 * 1024
    await topics.make(
        "prap.referrals", message__timestamp__type="LogAppendTime", max__message__bytes=str(ten_megabytes)
    )
    await topics.create()
    largest = (await topics.found())["gateway.dead-letters"].settings["max.message.bytes"]
    assert int(largest) == 2 * ten_megabytes + 65536
    assert await topics.wrong() == []
    await topics.set("gateway.dead-letters", retention__ms="2592000000")
    (wrong,) = await topics.wrong()
    assert wrong.startswith(
        "gateway.dead-letters: max.message.bytes is 1048588 and should be 21037056 or more, because the "
        "letter of a large message would not fit, and its partition would stop; set"
    )


async def test_a_record_of_ten_megabytes_and_its_letter_go_through(topics: Topics) -> None:
    await topics.make(
        "prap.referrals", message__timestamp__type="LogAppendTime", max__message__bytes=str(11 * 1024 * 1024)
    )
    await topics.create()
    async with AIOKafkaProducer(
        **topics.connection.arguments(), max_request_size=64 * 1024 * 1024
    ) as producer:
        value = bytes(10 * 1024 * 1024)
        for topic in ("prap.referrals", "gateway.dead-letters"):
            await producer.send_and_wait(topics.prefix + topic, value, key=b"PO1")
