"""What the commands `gateway topics` print of a log on Kafka."""

from gateway.backends.kafka.acls import Role, commands
from gateway.backends.kafka.topics import Timestamps
from gateway.backends.kafka.topics_check import Difference, differences
from gateway.backends.kafka.topics_create import create
from gateway.engine.log import LogError
from gateway.settings.connecting import connection
from gateway.settings.settings import Settings


async def print_created(settings: Settings, timestamps: Timestamps) -> None:
    """Make what is missing, and print it, and what about the rest is not as it should be.

    Raises LogError, also where something of the rest would be lost or decided wrongly.
    """
    created = await create(
        connection(settings),
        settings.topic_prefix,
        partitions=settings.partitions,
        default_partitions=settings.partition_count,
        replication=settings.replication,
        timestamps=timestamps,
    )
    for topic in created.made:
        print(f"made {topic} with {created.partitions} partition{'' if created.partitions == 1 else 's'}")
    for topic in created.kept:
        print(f"left {topic} as it is")
    _print(await _differences(settings, timestamps))


async def print_checked(settings: Settings, timestamps: Timestamps) -> None:
    """Print what is not as it should be. Raises LogError where something would be lost or decided wrongly."""
    found = await _differences(settings, timestamps)
    _print(found)
    if not found:
        print("the topics are as they should be")


def print_acls(settings: Settings, role: Role, user: str) -> None:
    """Print the commands that allow a user what its role needs."""
    servers = ",".join(connection(settings).servers)
    for command in commands(role, settings.topic_prefix, user, servers):
        print(command)


async def _differences(settings: Settings, timestamps: Timestamps) -> list[Difference]:
    return await differences(
        connection(settings), settings.topic_prefix, timestamps=timestamps, partitions=settings.partitions
    )


def _print(found: list[Difference]) -> None:
    for difference in found:
        print(f"{'wrong' if difference.breaks else 'note'}: {difference}")
    if wrong := sum(difference.breaks for difference in found):
        raise LogError(
            f"what is said to be wrong ({wrong}) would lose messages or decide them wrongly, and `gateway "
            "run` does not start so; mend it first"
        )
