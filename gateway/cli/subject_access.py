"""The command `gateway subject-access`."""

import os
import sqlite3
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated

import typer

from gateway.backends.embedded.log import EmbeddedLog
from gateway.cli.on_log import Config, on_log, read_settings, reason_given, refuse_no_number, system_user
from gateway.cli.state import state_of
from gateway.engine.log import Log, LogError
from gateway.explain.subject_access import Export, act_of_looking, all_about
from gateway.settings.settings import Settings
from gateway.system.clock import wall_clock
from gateway.system.errors import UsageError
from gateway.system.terminal import write_lines


def subject_access(
    po_number: Annotated[str, typer.Argument(help="The number of the purchase order.")],
    reason: Annotated[
        str, typer.Option(help="Why you look, for the audit. Name no person in it.", show_default=False)
    ],
    html: Annotated[
        Path | None, typer.Option(help="A new file, for a page to print.", show_default=False)
    ] = None,
    config: Config = None,
) -> None:
    """Print all that is held about somebody, as JSON: hand it to nobody but them.

    That is what is kept of the referral, each message as it came, what was decided, dead letters, and what
    answers are made of. Your name and the reason are kept on gateway.audit first.
    """
    from msgspec import json

    settings = read_settings(config, must_exist=True)
    why = reason_given(reason, "say why you look at this")
    refuse_no_number(po_number)
    if html is not None:
        _refuse_place(html)

    async def work(log: Log) -> Export:
        at = wall_clock()
        with ExitStack() as until_read:
            try:
                found = await _found(log, settings, po_number, at, until_read)
            except sqlite3.Error as error:
                said = getattr(error, "sqlite_errorname", "unknown")
                raise LogError(
                    f"the read side can't be read ({said}); check the disk and its folder"
                ) from None
        if found.is_empty():
            raise LogError(
                f"nothing is held about this purchase order on the log {settings.log_name}; check its number"
            )
        # Before anything is shown: no look without a trace of it.
        await log.append([act_of_looking(po_number, system_user(), why, at)])
        return found

    export = on_log(settings, work)
    if html is not None:
        from gateway.explain.subject_page import page_of

        with os.fdopen(os.open(html, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(page_of(export))
    write_lines(json.encode(export) + b"\n")
    if export.standing == "FORGOTTEN":
        print("this referral was forgotten; what is printed is all that is left", file=sys.stderr)


async def _found(log: Log, settings: Settings, po_number: str, at: int, until_read: ExitStack) -> Export:
    """What is held, on either log."""
    from gateway.reading.copy_file import view_of

    state = await state_of(log, po_number)
    if isinstance(log, EmbeddedLog):
        view = until_read.enter_context(closing(log.file.view()))
        return await all_about(log, po_number, state, {settings.log_name: view}, at)
    copies = {
        str(path): until_read.enter_context(closing(view_of(path))) for path in settings.projections_here()
    }
    return await all_about(log, po_number, state, copies, at)


def _refuse_place(html: Path) -> None:
    if html.exists():
        raise UsageError(f"{html} is there already; name a new file for the page")
    if not html.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {html.parent}; make it first, or name another file")
