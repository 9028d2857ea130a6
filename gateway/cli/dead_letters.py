"""The commands `gateway dead-letters`."""

import sys
from typing import Annotated, Literal

import typer

from gateway.cli.on_log import Config, counted, on_log, read_settings, refuse_far_clock
from gateway.dead_letters.handling import DeadLetterFilter
from gateway.engine.log import INBOUND_TOPICS, Log, LogError
from gateway.settings.settings import Settings
from gateway.system.errors import UsageError
from schemas.codec import UnreadableCode

dead_letters_app = typer.Typer(
    no_args_is_help=True, help="Records that could not be read, or on which the rules failed."
)

Ids = Annotated[list[str] | None, typer.Argument(help="The letters' ids, as `list` shows them.")]
Code = Annotated[UnreadableCode | None, typer.Option("--code", help="Only letters with this code.")]
FromTopic = Annotated[str | None, typer.Option("--topic", help="Only letters from this topic.")]
AllWaiting = Annotated[bool, typer.Option("--all", help="All letters that wait.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON lines, also on a terminal.")]


@dead_letters_app.command("list")
def dead_letters_list(
    code: Code = None,
    topic: FromTopic = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that were replayed or discarded, too.")
    ] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List the dead letters that wait: a table on a terminal, JSON lines elsewhere."""
    from gateway.dead_letters.printing import print_dead_letters

    which = _filter(None, code, topic, True)
    settings = read_settings(config, must_exist=True)
    on_log(settings, lambda log: print_dead_letters(log, which, everything=everything, as_json=as_json))


@dead_letters_app.command("show")
def dead_letters_show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The letter's id, as `list` shows it.")],
    value: Annotated[
        bool, typer.Option("--value", help="What it holds, too: it may be about a person.")
    ] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Show one dead letter, why it is one, and what became of it."""
    from gateway.dead_letters.handling import dead_letter
    from gateway.dead_letters.printing import print_dead_letter

    settings = read_settings(config, must_exist=True)
    found = on_log(settings, lambda log: dead_letter(log, event_id))
    print_dead_letter(found, value=value, as_json=as_json)


@dead_letters_app.command("replay")
def dead_letters_replay(
    ids: Ids = None,
    code: Code = None,
    topic: FromTopic = None,
    everything: AllWaiting = False,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway",
            help="With --all, --code or --topic: also those that this version can't read, and that fail "
            "again. One that is named is put back in any case.",
        ),
    ] = False,
    config: Config = None,
) -> None:
    """Put dead letters back on their topics, each once.

    Of those that are not named, what this version can't read either stays.
    """
    from gateway.dead_letters.handling import PutBack, put_back

    which = _filter(ids, code, topic, everything)
    settings = read_settings(config, must_exist=True)
    waiting = _waiting(settings, which, "REPLAYED")

    async def work(log: Log) -> PutBack:
        if not await log.keeps_time():
            await refuse_far_clock(log, settings)
        return await put_back(log, waiting, anyway=anyway or bool(which.ids))

    result = on_log(settings, work)
    print(f"{counted(result.done, 'dead letter')} put back", file=sys.stderr)
    if result.failing:
        name, why = next(iter(result.failing.items()))
        more = f", and so will {len(result.failing) - 1} more" if len(result.failing) > 1 else ""
        print(f"{name} will fail again ({why.removesuffix('.')}){more}", file=sys.stderr)
    if result.left:
        name, why = next(iter(result.left.items()))
        raise LogError(
            f"{counted(len(result.left), 'dead letter')} would fail again and stayed, such as {name} "
            f"({why.removesuffix('.')}); upgrade the gateway, name --anyway, or discard what can't be helped"
        )


@dead_letters_app.command("discard")
def dead_letters_discard(
    ids: Ids = None,
    code: Code = None,
    topic: FromTopic = None,
    everything: AllWaiting = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask, as is done on a terminal.")] = False,
    config: Config = None,
) -> None:
    """Mark dead letters as handled without putting them back. It can't be undone."""
    from gateway.dead_letters.handling import discard

    which = _filter(ids, code, topic, everything)
    settings = read_settings(config, must_exist=True)
    waiting = _waiting(settings, which, "DISCARDED")
    if waiting and not yes and sys.stdin.isatty():
        print(
            f"Discard {counted(len(waiting), 'dead letter')}? It can't be undone. [y/N] ", end="", flush=True
        )
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise LogError("nothing was discarded; answer y, or name --yes, to discard")
    done = on_log(settings, lambda log: discard(log, waiting))
    print(f"{counted(done, 'dead letter')} discarded", file=sys.stderr)


def _filter(ids: list[str] | None, code: str | None, topic: str | None, everything: bool) -> DeadLetterFilter:
    """The letters that are meant; naming them excludes other ways of choosing."""
    if topic is not None and topic not in INBOUND_TOPICS:
        raise UsageError(f"no inbound topic has that name; name one of {', '.join(INBOUND_TOPICS)}")
    chosen = code is not None or topic is not None or everything
    if ids and chosen:
        raise UsageError("ids and --code, --topic or --all can't be combined; name one of them")
    if not ids and not chosen:
        raise UsageError("no dead letter is named; name ids, --code, --topic or --all")
    return DeadLetterFilter(frozenset(ids or ()), code, topic)


def _waiting(
    settings: Settings, which: DeadLetterFilter, wanted: Literal["REPLAYED", "DISCARDED"]
) -> list[str]:
    """The matching letters that wait. Prints with which the same was done before.

    Raises LogError, before anything is done, where one of them was not `wanted` but handled otherwise.
    """
    from gateway.dead_letters.handling import choose

    chosen = on_log(settings, lambda log: choose(log, which))
    for name, mark in chosen.items():
        if mark and mark.done != wanted:
            raise LogError(f"{name} was {mark.done.lower()} before, so nothing was done; leave it out")
    for name, mark in chosen.items():
        if mark:
            print(f"{name} was {mark.done.lower()} before", file=sys.stderr)
    return [name for name, mark in chosen.items() if not mark]
