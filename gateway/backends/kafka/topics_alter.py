"""What gives the records of topics their timestamps, changed on topics that are there."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.topics import TIMESTAMP_TYPE, Timestamps, administering
from gateway.engine.log import LogBusy, LogError

_TYPE: Final = "message.timestamp.type"
#: Kafka's number for a setting that a topic has of its own.
_OF_THE_TOPIC: Final = 1
_SHOWN_S: Final = 30.0


async def set_timestamps(connection: BrokerConnection, names: Sequence[str], timestamps: Timestamps) -> None:
    """Have the topics date what is put on them from now on. What is on them keeps its time.

    names: with their prefix. Raises LogError where this user may not, and LogBusy.
    """
    wanted = TIMESTAMP_TYPE[timestamps]
    async with administering(connection) as client:
        for name in names:
            own = await _own(client, name)
            if own.get(_TYPE) == wanted:
                continue
            # The request sets all that a topic has of its own, so what is to stay is said as well.
            changed = ConfigResource(ConfigResourceType.TOPIC, name, own | {_TYPE: wanted})
            (answer,) = await client.alter_configs([changed])
            (taken,) = answer.to_object()["resources"]
            if taken["error_code"]:
                raise LogError(
                    f"the brokers did not set {_TYPE} of {name} ({for_code(taken['error_code']).__name__}); "
                    "let this user alter the topic's configuration"
                )
        try:
            async with asyncio.timeout(_SHOWN_S):
                for name in names:
                    while (await _own(client, name)).get(_TYPE) != wanted:  # noqa: ASYNC110 - nobody says
                        await asyncio.sleep(0.05)
        except TimeoutError:
            raise LogBusy(f"the brokers don't show {_TYPE} as it was set; see what they log") from None


async def _own(client: AIOKafkaAdminClient, name: str) -> dict[str, str]:
    (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    (described,) = answer.to_object()["resources"]
    if described["error_code"]:
        raise LogError(
            f"the brokers don't show how the topic {name} is set; let this user describe its configuration"
        )
    return {
        entry["config_names"]: entry["config_value"]
        for entry in described["config_entries"]
        if entry["config_source"] == _OF_THE_TOPIC
    }
