"""The commands `gateway schemas`."""

import asyncio
from typing import TYPE_CHECKING

import typer

from gateway.cli.on_log import Config, counted, read_settings
from gateway.engine.log import LogError
from gateway.settings.settings import InvalidSettings, Settings

if TYPE_CHECKING:
    from gateway.backends.kafka.schema_registry import SchemaRegistry

schemas_app = typer.Typer(no_args_is_help=True, help="Put the schemas into a schema registry, or check them.")


@schemas_app.command("register")
def schemas_register(config: Config = None) -> None:
    """Register the schemas of all topics, the inbound ones too; what is registered is left as it is."""
    asyncio.run(_register(read_settings(config)))


@schemas_app.command("check")
def schemas_check(config: Config = None) -> None:
    """Say which schemas the registry lacks, and whether it would take them; exit 1 where it lacks any."""
    asyncio.run(_check(read_settings(config)))


async def _register(settings: Settings) -> None:
    from gateway.backends.kafka.schema_registry import NotRegistered
    from gateway.processes.framing import READ, WRITTEN, subject

    registry = _registry(settings)
    try:
        for topic, record in (*READ, *WRITTEN):
            one = subject(topic, record)
            name = one.called(settings.topic_prefix)
            try:
                print(f"{name} is registered with id {await registry.id_of(name, one.schema)}")
            except NotRegistered:
                print(f"registered {name} with id {await registry.register(name, one.schema)}")
    finally:
        await registry.close()


async def _check(settings: Settings) -> None:
    from gateway.backends.kafka.schema_registry import NotRegistered
    from gateway.processes.framing import READ, WRITTEN, subject

    registry = _registry(settings)
    missing = 0
    try:
        for topic, record in (*READ, *WRITTEN):
            one = subject(topic, record)
            name = one.called(settings.topic_prefix)
            try:
                print(f"{name} is registered with id {await registry.id_of(name, one.schema)}")
            except NotRegistered:
                missing += 1
                fits = await registry.is_compatible(name, one.schema)
                print(f"{name} is missing{'' if fits else ', and not compatible with the latest version'}")
    finally:
        await registry.close()
    if missing:
        raise LogError(
            f"the schema registry lacks {counted(missing, 'schema')}; register them with "
            "`gateway schemas register`"
        )


def _registry(settings: Settings) -> "SchemaRegistry":
    if settings.on_kafka:
        from gateway.settings.connecting import schema_registry

        if (registry := schema_registry(settings)) is not None:
            return registry
        raise InvalidSettings("no schema registry is set; set GATEWAY_SCHEMA_REGISTRY_URL")
    settings.log_path()  # it refuses the settings of Kafka
    raise InvalidSettings(
        "an embedded log needs no schema registry; set GATEWAY_LOG_URL to brokers such as kafka://HOST:PORT"
    )
