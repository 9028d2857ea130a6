"""The command `gateway keys`."""

import asyncio

import typer

from gateway.cli.on_log import Config, counted, read_settings
from gateway.settings.settings import InvalidSettings

keys_app = typer.Typer(no_args_is_help=True, help="The keys that an embedded log is encrypted with.")


@keys_app.command("rotate")
def rotate(config: Config = None) -> None:
    """Encrypt all keys of the log anew, with the newest wrapping key, while the gateway runs or doesn't.

    First put the new wrapping key into its file, as the last line, or have the key service make a new
    version. When this is done, the old one is needed for older copies of the keys only. Killed, it can be
    started anew.
    """
    settings = read_settings(config, must_exist=True)
    if settings.on_kafka:
        raise InvalidSettings("a log on Kafka has no such keys; name an embedded log in GATEWAY_LOG_URL")
    from gateway.processes.logs import open_file

    async def work() -> int:
        log = await open_file(settings)
        try:
            return await log.file.run(log.file.vault.rotate)
        finally:
            await log.close()

    count = asyncio.run(work())
    print(f"{counted(count, 'key')} of the log encrypted anew, with the newest wrapping key")
