"""The commands `gateway partitions`."""

import asyncio
import getpass
import os
import sys
from typing import Annotated

import structlog
import typer

from gateway.cli.on_log import Config, read_settings
from gateway.settings.settings import InvalidSettings
from gateway.system.errors import UsageError

partitions_app = typer.Typer(no_args_is_help=True, help="The partitions of a log on Kafka.")


@partitions_app.command("accept-loss")
def accept_loss(
    partition: Annotated[int, typer.Argument(min=0, help="Its number, as /readyz and the log show it.")],
    reason: Annotated[str, typer.Option(help="Why that is accepted, for the audit. Name no person in it.")],
    config: Config = None,
) -> None:
    """Go on with a partition although records that were not decided are lost; says which.

    A gateway that runs goes on with it by itself. What is accepted is kept on gateway.control, and on
    gateway.audit.
    """
    from gateway.processes.logs import open_kafka

    settings = read_settings(config)
    if not settings.on_kafka:
        raise InvalidSettings(
            "an embedded log loses no records, so there is nothing to accept; name brokers in GATEWAY_LOG_URL"
        )
    if not reason.strip():
        raise UsageError("--reason says nothing; say why the loss is accepted")

    async def work() -> list[str]:
        log = open_kafka(settings)
        try:
            losses = await log.accept_loss(partition, reason.strip(), _somebody())
        finally:
            await log.close()
        for loss in losses:
            structlog.get_logger("gateway").warning(
                "partition.loss_accepted",
                partition=partition,
                topic=loss.topic,
                decided=loss.decided,
                goes_on=loss.goes_on,
            )
        return [loss.what for loss in losses]

    lost = asyncio.run(work())
    if not lost:
        raise UsageError(f"nothing is lost on partition {partition}, so there is nothing to accept")
    for what in lost:
        print(what)
    print(f"partition {partition} goes on behind that", file=sys.stderr)


def _somebody() -> str:
    """The system's user, by name where it has one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
