"""The commands that look for purchase orders: `gateway find`, `gateway list`."""

import re
import sys
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import typer

from gateway.backends.embedded.log import EmbeddedLog
from gateway.cli.on_log import Config, counted, instant, on_log, read_settings
from gateway.engine.log import Log, LogError, SharedLog
from gateway.explain.finding import (
    STATES,
    By,
    OrderFilter,
    find,
    listed,
    outcomes_of,
    own_refusals,
    own_states,
    shared_states,
)
from gateway.system.errors import UsageError
from gateway.system.terminal import printable, write_lines

#: A table shows so many rows at the most.
MOST_ROWS: Final = 500
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")


def find_command(
    message: Annotated[str | None, typer.Option(help="A message_id.")] = None,
    event: Annotated[str | None, typer.Option(help="An event_id.")] = None,
    trace: Annotated[str | None, typer.Option(help="A trace_id: 32 hexadecimal digits.")] = None,
    config: Config = None,
) -> None:
    """Print which purchase orders a message, an event or a trace is about; `explain` prints their history."""
    ids: dict[By, str | None] = {"message": message, "event": event, "trace": trace}
    named = [(by, wanted) for by, wanted in ids.items() if wanted]
    if len(named) != 1:
        raise UsageError("name one of --message, --event and --trace, with an id")
    by, wanted = named[0]
    if by == "trace" and not _TRACE_ID.fullmatch(wanted):
        raise UsageError("--trace is not the id of a trace; expected 32 hexadecimal digits, in lower case")
    settings = read_settings(config, must_exist=True)
    found = on_log(settings, lambda log: find(log, by, wanted))
    if not found:
        raise LogError(f"nothing on the log {settings.log_name} has this id; check it")
    for po_number in found:
        print(printable(po_number))


def list_command(
    provider: Annotated[str | None, typer.Option(help="Only referrals to this provider.")] = None,
    state: Annotated[
        str | None,
        typer.Option(help=f"Only those in this state: {', '.join(STATES)} (messages wait for a referral)."),
    ] = None,
    due_before: Annotated[
        str | None,
        typer.Option(help="Only those on which something falls due before this instant."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Only those on which something was decided at this instant or later, such as "
            "2016-04-05T00:00:00Z."
        ),
    ] = None,
    refused: Annotated[
        bool, typer.Option("--refused", help="Only those about which a message was refused.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, also on a terminal.")] = False,
    config: Config = None,
) -> None:
    """List purchase orders: a table on a terminal, JSON lines elsewhere."""
    if state not in {None, *STATES}:
        raise UsageError(f"--state is no state of a referral; expected one of {', '.join(STATES)}")
    which = OrderFilter(
        provider, state, instant("--due-before", due_before), instant("--since", since), refused
    )

    async def work(log: Log) -> None:
        if isinstance(log, EmbeddedLog):
            rows = listed(own_states(log.file, which), own_refusals(log.file, which), which)
        else:
            rows = listed(shared_states(_shared(log)), outcomes_of(_shared(log)), which)
        if as_json or not sys.stdout.isatty():
            await _print_lines(rows)
        else:
            await _print_table(rows)

    on_log(read_settings(config, must_exist=True), work)


def _shared(log: Log) -> SharedLog:
    from gateway.backends.kafka.log import KafkaLog

    if not isinstance(log, KafkaLog):
        raise TypeError("no other log has states")
    return log


async def _print_lines(rows: AsyncIterator[dict[str, Any]]) -> None:
    from msgspec import json

    async for row in rows:
        write_lines(json.encode(row) + b"\n")
    sys.stdout.buffer.flush()


async def _print_table(rows: AsyncIterator[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("purchase order", "provider", "state", "referred", "next due", "refused"):
        table.add_column(column, overflow="fold")
    count = 0
    async for row in rows:
        count += 1
        if count <= MOST_ROWS:
            refused = ", ".join(f"{code} {many}" for code, many in row.get("refused", {}).items())
            cells = (row["po_number"], row["provider_id"], row["state"], row["referred_on"], row["due_at"])
            table.add_row(*(Text(printable(cell or "")) for cell in cells), refused)
    console = Console(highlight=False)
    if not count:
        console.print("No purchase order is like that.")
        return
    console.print(table)
    if count > MOST_ROWS:
        console.print(
            f"These are the first {MOST_ROWS} of {counted(count, 'purchase order')}; --json prints all."
        )
