"""The command `gateway projection`."""

import asyncio
import sys
from typing import Annotated

import typer

from gateway.cli.on_log import Config, counted, on_log, read_settings
from gateway.engine.log import Log

projection_app = typer.Typer(no_args_is_help=True, help="The file that answers over HTTP come from.")

Worker = Annotated[
    int | None, typer.Option(min=0, help="Which worker's file, of several that run with --workers.")
]


@projection_app.command("rebuild")
def rebuild(worker: Worker = None, config: Config = None) -> None:
    """Make the projection anew from the log, while no gateway uses it.

    A gateway does the same by itself when it starts and the file is gone, and answers when it is done.
    """
    from gateway.reading.following import Following
    from gateway.reading.tables import ProjectionFile

    settings = read_settings(config, must_exist=True)

    async def work(log: Log) -> int:
        file = ProjectionFile(settings.projection_path(worker), anew=True)
        try:
            await Following(log, file).run(asyncio.Event(), until_filled=True)
            return file.referrals()
        finally:
            file.close()

    found = on_log(settings, work)
    print(f"the projection has {counted(found, 'referral')}", file=sys.stderr)
