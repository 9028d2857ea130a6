"""The commands `gateway prap`: what is to be entered on PRaP, and who has entered it."""

import sys
from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from getpass import getuser
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from gateway.backends.embedded.log import EmbeddedLog
from gateway.cli.on_log import Config, counted, on_log, read_settings
from gateway.engine.log import CONTROL, Log, LogError
from gateway.system.clock import wall_clock
from gateway.system.errors import UsageError
from gateway.system.terminal import printable, write_lines

if TYPE_CHECKING:
    from gateway.reading.view import View

prap_app = typer.Typer(no_args_is_help=True, help="What is to be entered on PRaP, and who has entered it.")
#: So many actions are read at once.
_PAGE: Final = 500
_OF_ANOTHER_LOG: Final = (
    "--since is a cursor of another log, or from behind a backup that was restored; begin without one"
)


@prap_app.command("actions")
def prap_actions(
    since: Annotated[
        str | None,
        typer.Option(metavar="CURSOR", help="Only those behind this cursor: that of the last row you had."),
    ] = None,
    marked: Annotated[
        Literal["true", "false", "overdue"] | None,
        typer.Option(help="Only what is marked as entered, what is not, or what is not and should be."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines in place of CSV.")] = False,
    config: Config = None,
) -> None:
    """Print the actions for PRaP in order, as CSV for spreadsheets."""
    from msgspec import json

    from gateway.api.exports import cells
    from gateway.api.prap_actions import COLUMNS, overdue_before
    from gateway.api.rendering import prap_action
    from gateway.intake.uploads.export import csv_rows
    from gateway.reading.cursor import CursorOfAnotherLog, NotACursor, beginning, parse_cursor
    from gateway.reading.tables import PRAP_ACTIONS

    settings = read_settings(config, must_exist=True)
    within = settings.prap_enter_within_working_days
    plainly = sys.stdout.isatty()  # a terminal would show the marks that spreadsheets want

    def write_rows(rows: list[list[str | int]]) -> None:
        write_lines(csv_rows(rows).replace(b"\r\n", b"\n") if plainly else csv_rows(rows))

    async def work(log: Log) -> None:
        before = overdue_before(within, await _time(log))
        partitions = await log.partitions()
        try:
            cursor = beginning(partitions) if since is None else parse_cursor(since, partitions)
        except NotACursor:
            raise UsageError("--since is no cursor; expected that of a row, as it is") from None
        except CursorOfAnotherLog:
            raise UsageError(_OF_ANOTHER_LOG) from None
        async with _view(log) as view:
            if not view.is_at(PRAP_ACTIONS, cursor):
                raise UsageError(_OF_ANOTHER_LOG)
            if not as_json:
                write_lines(b"" if plainly else BOM_UTF8)
                write_rows([[*COLUMNS]])
            while found := view.prap_actions(marked or "all", before, cursor, _PAGE):
                shown = [prap_action(e.event, e.mark, within, before, e.cursor) for e in found]
                if as_json:
                    write_lines(b"".join(json.encode(each) + b"\n" for each in shown))
                else:
                    write_rows([cells(COLUMNS, each) for each in shown])
                cursor = found[-1].cursor
        sys.stdout.buffer.flush()

    on_log(settings, work)


@prap_app.command("mark")
def prap_mark(
    event_ids: Annotated[
        list[str], typer.Argument(metavar="EVENT_ID…", help="The actions, by their event_id.")
    ],
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who has entered them.  Default: the user of this machine."),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take their marks away: they were not.")] = False,
    config: Config = None,
) -> None:
    """Mark actions as entered on PRaP. Of one that is marked already, the first mark stays."""
    from producers.control import Mark, act_of_marking, mark
    from schemas.limits import wrong_with_id

    name = getuser() if by is None else by
    if problem := wrong_with_id(name):
        raise UsageError(f"--by {problem}")

    async def work(log: Log) -> int:
        now = await _time(log)
        async with _view(log) as view:
            found = {each: view.prap_action(each) for each in event_ids}
        if unknown := [each for each, action in found.items() if action is None]:
            raise LogError(
                f"there is no action {printable(unknown[0])}; take the event_id from `gateway prap actions`"
            )
        drafts = []
        to_do = [each for each, action in found.items() if action is not None and (action[1] is None) != undo]
        for each in to_do:
            drafts.append(mark(each, None if undo else Mark(name, now)))
            drafts.append(act_of_marking(each, name, now, entered=not undo))
        if drafts:
            await log.append(drafts)
        return len(to_do)

    done = on_log(read_settings(config, must_exist=True), work)
    already = len(set(event_ids)) - done
    rest = f"; {counted(already, 'action')} {'had no mark' if undo else 'had one'} before" if already else ""
    print(f"{counted(done, 'action')} {'unmarked' if undo else 'marked'}{rest}")


async def _time(log: Log) -> int:
    """What the log's clock says, UTC milliseconds."""
    return await log.time() if isinstance(log, EmbeddedLog) else wall_clock()


@asynccontextmanager
async def _view(log: Log) -> "AsyncIterator[View]":
    """What the actions and their marks can be asked of."""
    from gateway.reading.view import View

    if isinstance(log, EmbeddedLog):
        with closing(View(log.file)) as view:
            yield view
        return
    from gateway.backends.kafka.log import KafkaLog
    from gateway.reading.extract import extract
    from gateway.reading.tables import PRAP_ACTIONS

    if not isinstance(log, KafkaLog):
        raise TypeError("no other log has marks")
    async with extract(log, (PRAP_ACTIONS, CONTROL)) as view:
        yield view
