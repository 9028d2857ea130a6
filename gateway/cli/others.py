"""All commands but `run`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.backup import backup
from gateway.cli.clock import clock_app
from gateway.cli.dead_letters import dead_letters_app
from gateway.cli.feed import feed, replay
from gateway.cli.find import find_command, list_command
from gateway.cli.forget import forget
from gateway.cli.keys import keys_app
from gateway.cli.migrate import migrate_command
from gateway.cli.partitions import partitions_app
from gateway.cli.prap import prap_app
from gateway.cli.projection import projection_app
from gateway.cli.read import explain, tail
from gateway.cli.report import report_command
from gateway.cli.schemas import schemas_app
from gateway.cli.subject_access import subject_access
from gateway.cli.token import token
from gateway.cli.topics import topics_app
from gateway.cli.what_if import what_if_command
from gateway.system.terminal import printable


def add_to(app: typer.Typer) -> None:
    """Add them, in the order in which the help lists them."""
    app.command()(replay)
    app.command()(feed)
    app.command()(tail)
    app.command()(explain)
    app.command("find")(find_command)
    app.command("list")(list_command)
    app.command("what-if")(what_if_command)
    app.command("report")(report_command)
    app.command("subject-access")(subject_access)
    app.command()(forget)
    app.command()(backup)
    app.command("migrate")(migrate_command)
    app.command()(sample)
    app.command()(token)
    app.command()(docs)
    app.add_typer(dead_letters_app, name="dead-letters")
    app.add_typer(topics_app, name="topics")
    app.add_typer(schemas_app, name="schemas")
    app.add_typer(partitions_app, name="partitions")
    app.add_typer(prap_app, name="prap")
    app.add_typer(projection_app, name="projection")
    app.add_typer(clock_app, name="clock")
    app.add_typer(keys_app, name="keys")


def sample(
    referrals: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many referrals.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same programme.")] = 0,
    until: Annotated[
        str | None,
        typer.Option(
            help="A date, or today: it ends on the day before, so that, fed with --keep-time, it can "
            "be run by the wall clock.  Default: one of 2016.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print JSON lines of a believable programme, for replay and feed."""
    from gateway.sample import ends_on, programme

    for line in programme(referrals, seed, None if until is None else ends_on(until)):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def docs(
    folder: Annotated[Path, typer.Argument(help="Where to; made where it isn't there.")] = Path("docs"),
) -> None:
    """Write what describes topics and HTTP to other programs: AsyncAPI 3 and OpenAPI 3.1."""
    from gateway.contracts.files import write_docs

    for path in write_docs(folder):
        print(printable(str(path)))
