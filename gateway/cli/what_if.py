"""`gateway what-if`: what another policy would have decided of what is on the log."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.backends.embedded.log import EmbeddedLog
from gateway.cli.on_log import Config, counted, day, on_log, read_settings
from gateway.engine.log import Log
from gateway.rules.calendar import instant_text, midnight
from gateway.settings.settings import read_policies
from gateway.system.clock import wall_clock

if TYPE_CHECKING:
    from rich.console import Console

    from gateway.replay.what_if import Found


def what_if_command(
    policy: Annotated[Path, typer.Option(help="The other policy file.")],
    since: Annotated[
        str | None,
        typer.Option(
            help="Only purchase orders of which the first message came on this day or later, such as "
            "2016-04-05."
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Print what another policy would have decided of the messages on the log. Nothing is changed."""
    from rich.console import Console

    from gateway.replay.diff import print_changes
    from gateway.replay.what_if import Found, Otherwise, Question, what_if

    other = read_policies(policy)
    first = day("--since", since)
    settings = read_settings(config, must_exist=True)
    policies = settings.policies()
    found = Found()

    async def compare(log: Log) -> list[Otherwise]:
        begin = None if first is None else midnight(first)
        question = Question(policies, other, begin, await _time(log))
        with Console(stderr=True).status("reading the log") as status:
            differing = []
            async for each in what_if(log, question, found):
                status.update(f"deciding twice: {found.done:,} of {counted(found.read, 'message')}")
                differing.append(each)
        return differing

    differing = on_log(settings, compare)
    console = Console(highlight=False)
    _print_counts(console, found)
    for each in differing:
        print_changes(console, each.po_number, each.changes)
    console.print(
        f"{found.otherwise:,} of {found.purchase_orders:,} purchase orders would have been decided otherwise "
        "(- what would not have been, + what would have been instead)",
        soft_wrap=True,
    )


async def _time(log: Log) -> int:
    """Up to when is decided: what the log's clock says, UTC milliseconds, or when it decided last."""
    if isinstance(log, EmbeddedLog):
        sandbox_now = await log.file.run(lambda: log.file.sandbox_now)
        if sandbox_now is not None:
            return sandbox_now
    decided_to = await log.decided_to()
    if await log.keeps_time():
        return decided_to or 0
    return max(wall_clock(), decided_to or 0)


def _print_counts(console: "Console", found: "Found") -> None:
    """What was compared, and how many events of each kind differ."""
    if found.begins_at is not None:
        console.print(
            f"{counted(found.messages, 'message')} about "
            f"{counted(found.purchase_orders, 'purchase order')}, the first of "
            f"{instant_text(found.begins_at)}, decided up to {instant_text(found.until)}",
            soft_wrap=True,
        )
    for count, what, why in (
        (found.earlier, "purchase order", "which began before --since"),
        (found.not_whole, "purchase order", "of which the log no longer has all messages"),
        (found.failed, "purchase order", "on which the rules fail"),
        (found.unreadable, "record", "which can't be read"),
    ):
        if count:
            console.print(f"Left out: {counted(count, what)}, {why}", soft_wrap=True)
    kinds = sorted(found.before.keys() | found.after.keys())
    if kinds:
        console.print(f"{'what would be different':<60}{'now':>12}{'then':>12}", style="bold", soft_wrap=True)
    for each in kinds:
        what = " ".join(each)
        console.print(f"{what:<60}{found.before[each]:>12,}{found.after[each]:>12,}", soft_wrap=True)
