"""The commands `gateway partitions`."""

import asyncio
import sys
from typing import Annotated

import structlog
import typer

from gateway.cli.on_log import Config, on_log, read_settings, system_user
from gateway.engine.pausing import Pause
from gateway.settings.settings import InvalidSettings
from gateway.system.clock import wall_clock
from gateway.system.errors import UsageError

partitions_app = typer.Typer(no_args_is_help=True, help="The partitions of a log.")
Number = Annotated[int, typer.Argument(min=0, help="Its number, as /readyz and the log show it.")]


@partitions_app.command("accept-loss")
def accept_loss(
    partition: Number,
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
            losses = await log.accept_loss(partition, reason.strip(), system_user())
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


@partitions_app.command("pause")
def pause(
    partition: Number,
    reason: Annotated[str, typer.Option(help="Why, for the audit and the log. Name no person in it.")],
    config: Config = None,
) -> None:
    """Decide nothing on a partition until it is resumed, also after a restart.

    A gateway that runs finishes its step, and stops there within seconds. Messages go on arriving; what falls
    due meanwhile keeps its own date. The pause and its reason are kept on gateway.audit.
    """
    settings = read_settings(config, must_exist=True)
    if not reason.strip():
        raise UsageError("--reason says nothing; say why the partition is paused")
    made = Pause(reason.strip(), system_user(), wall_clock())
    if not on_log(settings, lambda log: log.pause(partition, made)):
        raise UsageError(f"partition {partition} is paused already; /readyz says since when and why")
    print(f"partition {partition} is paused; `gateway partitions resume {partition}` lets it go on")


@partitions_app.command("resume")
def resume(partition: Number, config: Config = None) -> None:
    """Let a partition that was paused go on: all that has arrived and fallen due meanwhile is decided."""
    settings = read_settings(config, must_exist=True)
    if not on_log(settings, lambda log: log.resume(partition, system_user(), wall_clock())):
        raise UsageError(f"partition {partition} is not paused")
    print(f"partition {partition} goes on")
