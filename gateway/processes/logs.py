"""The log that the settings name, opened."""

from typing import TYPE_CHECKING, Final

from gateway.engine.log import SharedLog
from gateway.processes.options import Clock
from gateway.reading.tables import LogTables
from gateway.settings.settings import Settings
from gateway.settings.wrapping import wrapping_keys

# Of the two backends, only the one that is opened is imported.
if TYPE_CHECKING:
    from gateway.backends.embedded.log import EmbeddedLog
    from gateway.backends.kafka.log import KafkaLog

#: How long putting records on a log on Kafka may take: in a gateway, what came over HTTP, and in a command,
#: a large file. So long, or a little longer, one that is killed meanwhile hides what comes after them.
SERVED_S: Final = 10.0
FED_S: Final = 60.0


async def open_log(
    settings: Settings, *, clock: Clock = "wall", own: bool = False
) -> "EmbeddedLog | SharedLog":
    """Open the log that the settings name; `own`: to decide on it. Raises LogError or InvalidSettings.

    One on Kafka is connected to when something is first asked of it.
    """
    if settings.on_kafka:
        return open_kafka(settings, clock=clock, append_s=SERVED_S if own else FED_S)
    return await open_file(settings, clock=clock, own=own)


async def open_file(
    settings: Settings, *, clock: Clock = "wall", own: bool = False, anew: bool = False
) -> "EmbeddedLog":
    """The embedded log; anew: made on purpose where it is missing. Raises LogError or InvalidSettings."""
    from gateway.backends.embedded.log import open_embedded

    return await open_embedded(
        settings.log_path(),
        partitions=settings.partition_count,
        clock=clock,
        own=own,
        must_exist=settings.log_must_exist,
        anew=anew,
        tables=LogTables(),
        wrapping=wrapping_keys(settings),
    )


def open_kafka(settings: Settings, *, clock: Clock = "wall", append_s: float = SERVED_S) -> "KafkaLog":
    """The log on Kafka. Raises InvalidSettings."""
    from gateway.backends.kafka.log import KafkaLog
    from gateway.processes.framing import framing
    from gateway.settings.connecting import connection

    return KafkaLog(
        connection(settings),
        prefix=settings.topic_prefix,
        clock=clock,
        grace_s=settings.grace_s,
        session_timeout_s=settings.session_timeout_s,
        append_s=append_s,
        framing=framing(settings),
    )
