"""`gateway report`: what was decided in a period, as CSV."""

import sys
from codecs import BOM_UTF8
from typing import Annotated

import typer

from gateway.cli.on_log import Config, day, on_log, read_settings
from gateway.engine.log import Log
from gateway.system.errors import UsageError
from gateway.system.terminal import printable, write_lines


def report_command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="REPORT",
            help="sanction-notifications, cancellations, expenses (by provider), or breaches.",
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(help="The first day, of the decision or payment, such as 2016-04-01."),
    ] = None,
    until: Annotated[str | None, typer.Option(help="The last day.")] = None,
    config: Config = None,
) -> None:
    """Print a report as CSV for spreadsheets, from what is on the log. It has nothing about a person."""
    from gateway.reading.reports import REPORTS, Period, csv_of

    if name not in REPORTS:
        raise UsageError(f"there is no report {printable(name)}; name one of {', '.join(REPORTS)}")
    shown = sys.stdout.isatty()
    period = Period(day("--since", since), day("--until", until))

    async def work(log: Log) -> None:
        async for part in csv_of(log, name, period):
            # A terminal would show the marks that spreadsheets want.
            write_lines(part.removeprefix(BOM_UTF8).replace(b"\r\n", b"\n") if shown else part)
        sys.stdout.buffer.flush()

    on_log(read_settings(config, must_exist=True), work)
