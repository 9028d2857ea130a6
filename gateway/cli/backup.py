"""The command `gateway backup`."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.on_log import Config, read_settings
from gateway.settings.settings import InvalidSettings
from gateway.system.errors import UsageError

Target = Annotated[Path, typer.Argument(help="A new file for the copy.", show_default=False)]


def backup(target: Target, config: Config = None) -> None:
    """Copy the embedded log to a new file, while the gateway runs or while it doesn't."""
    settings = read_settings(config, must_exist=True)
    if settings.on_kafka:
        raise InvalidSettings(
            "the log is on Kafka: back its topics up with the brokers' means, or name an embedded log in "
            "GATEWAY_LOG_URL"
        )
    if target.exists():
        raise UsageError(f"{target} is there already; name a new file for the backup")
    if not target.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}; make it first, or name another file")
    from gateway.backends.embedded.backup import back_up
    from gateway.processes.logs import open_file

    async def work() -> int:
        log = await open_file(settings)
        try:
            return await log.file.run(lambda: back_up(log.file.db, target))
        finally:
            await log.close()

    size = asyncio.run(work())
    print(f"{target} is a copy of the log, of {size / 1024**2:,.1f} MiB", file=sys.stderr)
