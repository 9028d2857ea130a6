"""Making the topics that are not there yet. What is there is left as it is."""

from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.new_topic import NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.topics import (
    DEAD_LETTERS_TOPIC,
    TOGETHER,
    TOPICS,
    Timestamps,
    Topic,
    administering,
    found,
    inbound_bytes,
    needed,
    until_there,
)
from gateway.engine.log import LogError


@dataclass(frozen=True, slots=True)
class Created:
    """made, kept: topics with their prefix. partitions: what the made ones have."""

    made: tuple[str, ...]
    kept: tuple[str, ...]
    partitions: int


async def create(
    connection: BrokerConnection,
    prefix: str,
    *,
    partitions: int | None,
    default_partitions: int,
    replication: int | None,
    timestamps: Timestamps,
    ready_s: float = 30.0,
) -> Created:
    """Make what is missing.

    1. All but the dead letters. partitions: None: as many as those have that are there, or else the default.
       replication: None: as the brokers have it.
    2. Then the dead letters, which must hold the largest record that the others take.
    ready_s: how long the brokers may take until each part can be used.
    Raises LogError, before anything is made, where the partition counts would differ.
    """
    async with administering(connection) as client:
        there = await found(client, prefix)
        count = _partitions(there, partitions, default_partitions)
        missing = [topic for topic in TOPICS if topic not in there]
        for part in (
            [topic for topic in missing if topic != DEAD_LETTERS_TOPIC],
            [topic for topic in missing if topic == DEAD_LETTERS_TOPIC],
        ):
            if not part:
                continue
            size = inbound_bytes(await found(client, prefix))
            await _make(
                client,
                {prefix + topic: _settings(topic, timestamps, size, replication) for topic in part},
                count,
                replication,
            )
            await until_there(client, {prefix + topic for topic in part}, ready_s)
    return Created(
        tuple(prefix + topic for topic in missing), tuple(topic.name for topic in there.values()), count
    )


def _partitions(there: dict[str, Topic], wanted: int | None, default: int) -> int:
    counts = {topic.partitions: topic.name for topic in map(there.get, TOGETHER) if topic}
    if len(counts) > 1 or (wanted and counts and wanted not in counts):
        said = [f"{name} has {count} partitions" for count, name in counts.items()]
        said += [f"GATEWAY_PARTITIONS is {wanted}"] if wanted else []
        raise LogError(
            f"nothing was made, because {' and '.join(said)}; set GATEWAY_PARTITIONS to what they have, "
            "or begin with another GATEWAY_TOPIC_PREFIX"
        )
    return next(iter(counts), wanted or default)


def _settings(
    topic: str, timestamps: Timestamps, size: int | None, replication: int | None
) -> dict[str, str]:
    settings = {name: need.value for name, need in needed(topic, timestamps, size).items()}
    if replication is not None and replication >= 3:
        # Else a step that was said to be kept could be lost with the one broker that had it.
        settings["min.insync.replicas"] = "2"
    return settings


async def _make(
    client: AIOKafkaAdminClient, topics: dict[str, dict[str, str]], partitions: int, replication: int | None
) -> None:
    # With no assignments at all, instead of none given, aiokafka takes -1 for "as the brokers have it".
    new = [
        NewTopic(name, partitions, replication, None, settings)
        if replication is not None
        else NewTopic(name, partitions, -1, {}, settings)
        for name, settings in topics.items()
    ]
    answer = await client.create_topics(new)
    for made in answer.to_object()["topic_errors"]:
        name, code = made["topic"], made["error_code"]
        error = for_code(code)
        if not code or error is TopicAlreadyExistsError:  # somebody else makes them too
            continue
        if error in {TopicAuthorizationFailedError, ClusterAuthorizationFailedError}:
            raise LogError(
                f"this user may not create the topic {name}; allow it, or have somebody else do it"
            )
        if error is InvalidReplicationFactorError:
            raise LogError(
                f"there are too few brokers for the replicas of the topic {name}; set GATEWAY_REPLICATION to "
                "as many as there are, or fewer"
            )
        raise LogError(
            f"the brokers did not make the topic {name} ({error.__name__}: {made['error_message']}); correct "
            "that, and do it again"
        )
