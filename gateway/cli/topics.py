"""The commands `gateway topics`."""

import asyncio
import sys
from typing import Annotated, Literal

import typer

from gateway.cli.on_log import Config, counted, on_log, read_settings, refuse_missing
from gateway.engine.log import LogError
from gateway.processes.logs import open_file
from gateway.settings.settings import Settings
from gateway.system.errors import UsageError
from gateway.system.terminal import printable

topics_app = typer.Typer(no_args_is_help=True, help="Make the log and its topics, or check them.")

Timestamps = Annotated[
    Literal["log", "create"] | None,
    typer.Option(
        help="On Kafka: what dates a message, the 'log' when it arrives, or for --keep-time whoever makes it "
        "('create').  Default: log. An embedded log takes both kinds.",
        show_default=False,
    ),
]


@topics_app.command("create")
def topics_create(timestamps: Timestamps = None, config: Config = None) -> None:
    """Make the log with its topics, where they are not there yet; what is there is left as it is."""
    settings = read_settings(config)
    if settings.on_kafka:
        from gateway.cli import kafka_topics

        asyncio.run(kafka_topics.print_created(settings, timestamps or "log"))
        return
    if timestamps is not None:
        print("gateway: --timestamps does nothing here: an embedded log takes both kinds", file=sys.stderr)
    partitions = asyncio.run(_made(settings))
    print(f"the log {_named(settings)} has {counted(partitions, 'partition')}")


@topics_app.command("check")
def topics_check(timestamps: Timestamps = None, config: Config = None) -> None:
    """Say what of the log is not as it should be; exit 1 where that would change what is decided."""
    settings = read_settings(config)
    if settings.on_kafka:
        from gateway.cli import kafka_topics

        asyncio.run(kafka_topics.print_checked(settings, timestamps or "log"))
        return
    refuse_missing(settings)
    found = on_log(settings, lambda log: log.partitions())
    if wrong := settings.other_than(found):
        raise LogError(wrong)
    print(f"the log {_named(settings)} is as the settings say: {counted(found, 'partition')}")


@topics_app.command("acls")
def topics_acls(
    user: Annotated[
        str, typer.Option(help="The user's name, as the brokers know it.", metavar="NAME", show_default=False)
    ],
    role: Annotated[
        Literal["gateway", "setup", "prap", "jobcentre"],
        typer.Option(
            "--for",
            help="Who it is: the gateway, whoever makes the topics (setup), or a system of PRaP or of a "
            "Jobcentre.",
        ),
    ] = "gateway",
    config: Config = None,
) -> None:
    """Print the commands that allow a user of Kafka what it needs, and no more. They change nothing yet."""
    settings = read_settings(config)
    if not settings.on_kafka:
        raise UsageError("an embedded log has no users; set GATEWAY_LOG_URL to kafka://host:port")
    from gateway.cli import kafka_topics

    kafka_topics.print_acls(settings, role, user)


def _named(settings: Settings) -> str:
    return printable(settings.log_name)


async def _made(settings: Settings) -> int:
    """Make the embedded log where it is not there; how many partitions it has."""
    log = await open_file(settings, anew=True)
    try:
        return await log.partitions()
    finally:
        await log.close()
