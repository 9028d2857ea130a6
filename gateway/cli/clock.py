"""The command `gateway clock`."""

import typer

from gateway.cli.on_log import Config, on_log, read_settings
from gateway.system.clock import wall_clock

clock_app = typer.Typer(no_args_is_help=True, help="The clock that deadlines fall due by.")


@clock_app.command("accept")
def accept(config: Config = None) -> None:
    """Say that this machine's clock is right, so that a gateway which stopped because of its clock goes on.

    It goes on where its own clock agrees with this one. Look at the clock first: what falls due by a wrong
    one can't be taken back.
    """
    from schemas.json import format_instant

    settings = read_settings(config, must_exist=True)
    at = wall_clock()
    on_log(settings, lambda log: log.accept_clock(at))
    print(f"accepted: it is {format_instant(at)}; gateways whose clocks agree with that go on")
