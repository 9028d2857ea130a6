"""The topics on Kafka: which there are, what each must be like, and what is there."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, Literal

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.metadata import MetadataRequest

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.reach import reach
from gateway.engine.log import (
    AUDIT,
    CONTROL,
    DEAD_LETTERS,
    DELIVERY_PLANS,
    INBOUND_TOPICS,
    STATE,
    LogBusy,
    LogError,
)
from gateway.rules.events import OUTBOUND

#: What gives a record its timestamp: the log when it arrives, or whoever made it.
Timestamps = Literal["log", "create"]

STATE_TOPIC: Final = STATE
DEAD_LETTERS_TOPIC: Final = DEAD_LETTERS
#: What was done by hand, each with a key of its own; and, one after the other, that it was done.
CONTROL_TOPIC: Final = CONTROL
AUDIT_TOPIC: Final = AUDIT
#: They have one partition count, so that a purchase order's messages and its state meet on one number.
TOGETHER: Final = (*INBOUND_TOPICS, STATE_TOPIC)
TOPICS: Final = (*TOGETHER, *OUTBOUND, DELIVERY_PLANS, CONTROL_TOPIC, AUDIT_TOPIC, DEAD_LETTERS_TOPIC)

_DAY_MS: Final = 24 * 3600 * 1000
#: Longer than any outage should last: what is deleted before it was decided is lost.
INBOUND_DAYS: Final = 30
#: As long as a referral is remembered, so that its whole history can be read.
OUTBOUND_DAYS: Final = 400
FOREVER: Final = "-1"
DELETED_EARLY: Final = "messages could be deleted before they are decided"
TIMESTAMP_TYPE: Final = {"log": "LogAppendTime", "create": "CreateTime"}
#: The state of one purchase order grows with its messages, each of which may have a megabyte.
STATE_BYTES: Final = 16 * 1024 * 1024
#: A dead letter has the record's value in it, and its key and headers twice: they are the letter's as well.
LETTER_TIMES: Final = 2
LETTER_MORE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Needed:
    """What a topic's configuration must be.

    least: a larger number is as good. why: what goes wrong otherwise. breaks: whether that is that something
    is lost or decided wrongly, so that the gateway does not start.
    """

    value: str
    why: str
    breaks: bool = False
    least: bool = False

    def suits(self, found: str) -> bool:
        """Whether a value found is as good."""
        return found == self.value or (self.least and int(found) >= int(self.value))


def needed(topic: str, timestamps: Timestamps, inbound_bytes: int | None = None) -> dict[str, Needed]:
    """What the configuration of a topic must be, by Kafka's names.

    inbound_bytes: the largest record that an inbound topic takes, where it is known.
    """
    if topic == STATE_TOPIC:
        return {
            "cleanup.policy": Needed("compact", "the states of referrals would be deleted", breaks=True),
            "max.compaction.lag.ms": Needed(
                str(_DAY_MS), "what is forgotten of a referral would stay on the disks for long"
            ),
            "max.message.bytes": Needed(
                str(STATE_BYTES), "a purchase order with much in it would stop its partition", least=True
            ),
        }
    if topic == DELIVERY_PLANS:
        return {
            "cleanup.policy": Needed("compact", "a provider's last plan would be deleted with its age"),
            "max.compaction.lag.ms": Needed(str(_DAY_MS), "plans that are replaced would stay for long"),
        }
    if topic == CONTROL_TOPIC:
        return {"cleanup.policy": Needed("compact", "what was done by hand would be deleted with its age")}
    delete = Needed("delete", "of the records with one key all but the last would be lost", breaks=True)
    if topic in INBOUND_TOPICS:
        return {"cleanup.policy": delete, **_inbound(timestamps)}
    if topic == DEAD_LETTERS_TOPIC:
        size = (
            {}
            if inbound_bytes is None
            else {
                "max.message.bytes": Needed(
                    str(LETTER_TIMES * inbound_bytes + LETTER_MORE_BYTES),
                    "the letter of a large message would not fit, and its partition would stop",
                    breaks=True,
                    least=True,
                )
            }
        )
        return {"cleanup.policy": delete, **_age(INBOUND_DAYS, timestamps), **size}
    return {"cleanup.policy": delete, **_age(OUTBOUND_DAYS, timestamps)}


def _inbound(timestamps: Timestamps) -> dict[str, Needed]:
    stamped = Needed(
        TIMESTAMP_TYPE[timestamps],
        "what a sender says of the time would decide whether a deadline was met"
        if timestamps == "log"
        else "the times that messages are fed with would be replaced",
        breaks=True,
    )
    return {
        "message.timestamp.type": stamped,
        **_age(INBOUND_DAYS, timestamps, undecided=True),
        "retention.bytes": Needed(FOREVER, DELETED_EARLY),
    }


def _age(days: int, timestamps: Timestamps, *, undecided: bool = False) -> dict[str, Needed]:
    """How old, or how far in the future, records may be. What comes out is dated as what goes in.

    undecided: what is deleted may not have been decided yet.
    """
    if timestamps == "log":
        return {"retention.ms": _kept(days)}
    return {
        "retention.ms": Needed(
            FOREVER,
            DELETED_EARLY if undecided else "time would take away records of years ago at once",
            breaks=undecided,
        ),
        "message.timestamp.after.max.ms": Needed(
            str(2**63 - 1), "records dated in the future would be refused"
        ),
    }


def _kept(days: int) -> Needed:
    return Needed(
        str(days * _DAY_MS),
        f"{days} days are meant: less may delete what nobody has read, more keeps personal data for longer",
    )


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that is there. name: with its prefix. replicas: of the partition that has fewest."""

    name: str
    partitions: int
    replicas: int
    settings: Mapping[str, str]


@asynccontextmanager
async def administering(connection: BrokerConnection) -> AsyncIterator[AIOKafkaAdminClient]:
    """A client for topics. Raises LogError or LogBusy where the brokers can't be used."""
    await reach(connection)
    request_ms = int(connection.answer_s * 1000)
    client = AIOKafkaAdminClient(**connection.arguments(), request_timeout_ms=request_ms)
    try:
        await client.start()
        yield client
    except (KafkaError, TimeoutError) as error:
        raise LogBusy(
            f"the brokers did not answer ({type(error).__name__}); see what they log, and try again"
        ) from error
    finally:
        await client.close()


async def found(client: AIOKafkaAdminClient, prefix: str) -> dict[str, Topic]:
    """Which of the topics are there, by name without the prefix. Raises LogError."""
    # All that there are: to ask by name makes those that are missing, where brokers are set to do so.
    described = {topic["topic"]: topic["partitions"] for topic in await client.describe_topics()}
    names = [topic for topic in TOPICS if described.get(prefix + topic)]
    settings = await _settings(client, [prefix + topic for topic in names])
    return {
        topic: Topic(
            prefix + topic,
            len(described[prefix + topic]),
            min(len(partition["replicas"]) for partition in described[prefix + topic]),
            settings[prefix + topic],
        )
        for topic in names
    }


async def _settings(client: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    answers = await client.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    )
    described: dict[str, dict[str, str]] = {}
    for resource in (resource for answer in answers for resource in answer.to_object()["resources"]):
        name = resource["resource_name"]
        if (code := resource["error_code"]) == UnknownTopicOrPartitionError.errno:
            raise LogBusy(f"a broker does not know the topic {name}, which others have; try again")
        if code:
            raise LogError(
                f"the brokers don't show how the topic {name} is set ({for_code(code).__name__}); let this "
                "user describe topics and their configurations"
            )
        described[name] = {
            entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]
        }
    return described


def inbound_bytes(there: Mapping[str, Topic]) -> int | None:
    """The largest record that any inbound topic takes, compressed; None: there is no such topic."""
    sizes = [int(there[topic].settings["max.message.bytes"]) for topic in INBOUND_TOPICS if topic in there]
    return max(sizes, default=None)


async def until_there(client: AIOKafkaAdminClient, names: set[str], within_s: float) -> None:
    """Wait until all brokers show the topics with their settings: each learns of a new one in its own time.

    Raises LogBusy where that takes longer.
    """
    try:
        async with asyncio.timeout(within_s):
            for broker in client._client.cluster.brokers():  # noqa: SLF001 - it asks any one of them
                while not names <= await _shown_by(client, broker.nodeId):  # noqa: ASYNC110 - nobody says
                    await asyncio.sleep(0.1)
            # Of whatever broker is asked, in whatever request.
            while True:
                with suppress(LogBusy):
                    await _settings(client, sorted(names))
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise LogBusy(
            f"the new topics are not ready after {within_s:g} s, or this user may not describe them; see "
            "what the brokers log, and try again"
        ) from None


async def _shown_by(client: AIOKafkaAdminClient, broker: int) -> set[str]:
    """The topics that a broker shows with a leader for each partition."""
    answer = await client._client.send(broker, MetadataRequest())  # noqa: SLF001 - it asks any one of them
    return {
        topic["topic"]
        for topic in answer.to_object()["topics"]
        if topic["partitions"] and all(part["leader"] >= 0 for part in topic["partitions"])
    }
