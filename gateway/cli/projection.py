"""The command `gateway projection`."""

import asyncio
import sys
from typing import Annotated

import typer

from gateway.cli.on_log import Config, counted, read_settings
from gateway.settings.settings import InvalidSettings

projection_app = typer.Typer(no_args_is_help=True, help="The read model of a log on Kafka.")

Worker = Annotated[
    int | None, typer.Option(min=0, help="Which worker's file, of several that run with --workers.")
]


@projection_app.command("rebuild")
def rebuild(worker: Worker = None, config: Config = None) -> None:
    """Rebuild the read model of a log on Kafka, while no gateway uses it.

    A gateway does the same when it starts and the file is gone, and answers requests when it is done.
    """
    from gateway.processes.logs import open_kafka
    from gateway.reading.copy_file import CopyFile
    from gateway.reading.following import Following

    settings = read_settings(config, must_exist=True)
    if not settings.on_kafka:
        raise InvalidSettings(
            "an embedded log is its own read model, so there is nothing to rebuild; name brokers in "
            "GATEWAY_LOG_URL"
        )

    async def work() -> int:
        log = open_kafka(settings)
        file = CopyFile(settings.projection_path(worker), anew=True)
        try:
            await Following(log, file).run(asyncio.Event(), until_filled=True)
            return file.referrals()
        finally:
            file.close()
            await log.close()

    found = asyncio.run(work())
    print(f"the read model has {counted(found, 'referral')}", file=sys.stderr)
