"""The command `gateway run`."""

import asyncio
import sys
from pathlib import Path
from textwrap import wrap
from typing import Annotated, Final, Literal

import structlog
import typer

from gateway.cli.on_log import Config, instant, read_settings
from gateway.engine.log import RecordsLost
from gateway.processes.options import refuse_contradictions
from gateway.processes.supervisor import NOTHING_LEFT
from gateway.settings import settings as gateway_settings
from gateway.settings.settings import InvalidSettings, Settings
from gateway.system.errors import UserError

DEBUG: Final = "--debug"
HIGHEST_PORT: Final = 65535
#: In the help, where the description of a setting begins, and how wide it is at 80 columns.
_NAMES: Final = 20
_DESCRIPTION: Final = 57


def settings_help() -> str:
    """Each setting, its description beside its name, or below a long one."""
    lines = ["[bold]Settings[/bold], from the environment, a .env file, or --config (there as log_url):", ""]
    for name, description in gateway_settings.described():
        first, *rest = wrap(description, _DESCRIPTION, break_on_hyphens=False)
        if len(name) < _NAMES:
            lines.append(f"[cyan]{name}[/cyan]{' ' * (_NAMES - len(name))}{first}")
        else:
            lines += [f"[cyan]{name}[/cyan]", " " * _NAMES + first]
        lines += [" " * _NAMES + line for line in rest]
    return "\n".join(lines)


def run(
    workers: Annotated[
        int,
        typer.Option(min=1, help="On Kafka: how many processes share the partitions; they are kept alive."),
    ] = 1,
    clock: Annotated[
        Literal["wall", "log"],
        typer.Option(
            help="'log': time is what the messages' timestamps say; nothing falls due by the wall clock."
        ),
    ] = "wall",
    until: Annotated[
        str | None,
        typer.Option(
            help="With --clock log: decide all that is in the log, then what is due by this instant, such as "
            "2016-04-05T00:00:00Z; then end."
        ),
    ] = None,
    sandbox: Annotated[
        bool,
        typer.Option(
            "--sandbox",
            help="A log to try the API on, in a folder of its own: with ready-made referrals of the provider "
            "PRV01, and a clock that the caller moves. `gateway token` makes tokens for it.",
        ),
    ] = False,
    today: Annotated[
        bool,
        typer.Option(
            "--today",
            help="With --sandbox: a new one begins at this machine's time, not on 14 March 2016, and its "
            "ready-made referrals are as much later.",
        ),
    ] = False,
    config: Config = None,
    as_worker: Annotated[int | None, typer.Option(min=0, hidden=True)] = None,
) -> None:
    """Decide what arrives on the log, as it arrives, until told to stop.

    Serves the providers' API, health and metrics over HTTP meanwhile, on GATEWAY_HTTP_PORT.
    """
    settings = read_settings(config, worker=as_worker)
    _check_log(settings)
    if sandbox and workers > 1:
        raise InvalidSettings(
            "a sandbox has one process and a clock of its own; name nothing but --sandbox, and --today"
        )
    until_at = instant("--until", until)
    refuse_contradictions(
        settings, clock=clock, until=until_at, worker=as_worker, sandbox=sandbox, today=today
    )
    if workers > 1 and as_worker is None:
        if status := _supervise(settings, workers, clock, until, config):
            raise WorkersFailed(status)
        return
    # A supervisor starts its workers without what only they need.
    from gateway.processes.plan import plan_of
    from gateway.processes.start import run as run_plan

    plan = plan_of(settings, clock=clock, until=until_at, worker=as_worker, sandbox=sandbox, today=today)
    if unknown := gateway_settings.unknown():
        names = ", ".join(gateway_settings.PREFIX + name.upper() for name in unknown)
        structlog.get_logger("gateway").warning("settings.unknown", names=names)
    try:
        asyncio.run(run_plan(plan))
    except RecordsLost as error:
        if as_worker is None:
            raise
        raise NothingLeft(error) from None


class NothingLeft(UserError):
    """Records of all partitions of a worker are lost: for its supervisor."""

    code = RecordsLost.code
    exit_status = NOTHING_LEFT


class WorkersFailed(UserError):
    """The workers could not go on."""

    code = "WORKERS_FAILED"

    def __init__(self, status: int) -> None:
        super().__init__("the workers can't go on; see what the lines above it say")
        self.exit_status = status  # type: ignore[misc] # that of the worker


def _check_log(settings: Settings) -> None:
    """Raises InvalidSettings where the settings of the log can't be used."""
    if settings.on_kafka:
        from gateway.settings.connecting import connection

        connection(settings)
    else:
        settings.log_path()


def _supervise(settings: Settings, workers: int, clock: str, until: str | None, config: Path | None) -> int:
    """Run so many processes; returns the exit status."""
    from gateway.processes.supervisor import Supervisor

    if not settings.on_kafka:
        raise InvalidSettings(
            "--workers is for a log on Kafka and GATEWAY_LOG_URL names an embedded one; leave it out"
        )
    last_port = settings.http_port + workers - 1
    if settings.http_port and last_port > HIGHEST_PORT:
        raise InvalidSettings(
            f"GATEWAY_HTTP_PORT with --workers {workers} needs the ports up to {last_port}, and there are "
            f"none above {HIGHEST_PORT}; set a lower one, or 0 for no HTTP"
        )
    options = ["--clock", clock]
    for name, value in (("--until", until), ("--config", config)):
        options += [] if value is None else [name, str(value)]
    options += [DEBUG] if DEBUG in sys.argv else []

    def command(number: int) -> list[str]:
        # -P: what lies in the working folder is no part of the program.
        return [sys.executable, "-P", "-m", "gateway", "run", *options, "--as-worker", str(number)]

    return asyncio.run(Supervisor(command, workers, until=until is not None).run())
