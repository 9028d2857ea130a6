"""The command `gateway migrate`."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.on_log import Config, read_settings
from gateway.settings.settings import InvalidSettings
from gateway.system.errors import UsageError

if TYPE_CHECKING:
    from gateway.processes.migrate import Migrated

Source = Annotated[
    Path, typer.Argument(help="The file of the embedded log, on which no gateway runs.", show_default=False)
]
Timestamps = Annotated[
    Literal["log", "create"],
    typer.Option(help="What dates messages on the topics, as they were made by `gateway topics create`."),
]
TakeBack = Annotated[
    bool,
    typer.Option(
        "--take-back", help="Move nothing: let the file be used again. What was moved stays on Kafka."
    ),
]


def migrate_command(
    file: Source, timestamps: Timestamps = "log", take_back: TakeBack = False, config: Config = None
) -> None:
    """Move an embedded log to the empty topics on Kafka that GATEWAY_LOG_URL names, and count both.

    Exit 1 where the counts differ. When it is killed, start it again: it goes on. The file keeps all that it
    has, and is marked, so that nothing is decided on it any more.
    """
    from gateway.processes import migrate as moving

    settings = read_settings(config)
    if take_back:
        if not asyncio.run(moving.take_back(file, settings)):
            raise UsageError(f"{file} was not moved, so there is nothing to take back")
        print(f"{file} can be used again", file=sys.stderr)
        return
    if not settings.on_kafka:
        raise InvalidSettings("GATEWAY_LOG_URL names no brokers; set it to the log on Kafka to move to")

    def progress(done: int, of: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {of} partitions", end="\n" if done == of else "", file=sys.stderr)

    migrated = asyncio.run(moving.migrate(file, settings, timestamps, progress))
    _print(migrated)
    if not migrated.whole:
        print(
            "gateway: the counts differ; start no gateway on the topics, see what the brokers log, and "
            "migrate again to empty topics",
            file=sys.stderr,
        )
        raise typer.Exit(1)
    print(f"{file} is moved; start the gateway on Kafka", file=sys.stderr)


def _print(migrated: "Migrated") -> None:
    table = Table("what", box=None, pad_edge=False)
    table.add_column("embedded log", justify="right")
    table.add_column("Kafka", justify="right")
    for name in sorted({*migrated.before, *migrated.after}):
        before, after = migrated.before.get(name, 0), migrated.after.get(name, 0)
        if before or after:
            table.add_row(name, f"{before:,}", f"{after:,}", style="" if before == after else "bold red")
    Console(highlight=False).print(table)
