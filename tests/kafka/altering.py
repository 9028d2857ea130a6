"""A topic's configuration, as somebody sets it: when this returns, the broker has taken it and shows it."""

import asyncio
from typing import Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.topics import administering
from tests.patience import PATIENCE_S

#: Kafka's number for a setting that a topic has of its own.
OF_THE_TOPIC: Final = 1


async def alter(connection: BrokerConnection, topic: str, configs: dict[str, str]) -> None:
    """Set a topic's configuration to these, and all else to the brokers' own. topic: its name there."""
    async with administering(connection) as client, asyncio.timeout(PATIENCE_S):
        # The client raises nothing for what the broker refuses, and a refused change leaves the old value.
        (answer,) = await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])
        (taken,) = answer.to_object()["resources"]
        if taken["error_code"]:
            raise for_code(taken["error_code"])(taken["error_message"])
        # A broker hears of it a moment later.
        while True:
            if await _set_on(client, topic) == set(configs.items()):
                return
            await asyncio.sleep(0.02)


async def _set_on(client: AIOKafkaAdminClient, topic: str) -> set[tuple[str, str]]:
    """What the topic has of its own, beside what is the brokers'."""
    (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    (described,) = answer.to_object()["resources"]
    return {
        (entry["config_names"], entry["config_value"])
        for entry in described["config_entries"]
        if entry["config_source"] == OF_THE_TOPIC
    }
