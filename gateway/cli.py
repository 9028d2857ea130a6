"""The command `gateway` (contracts: Command line). Exit 0, 1 (failed), 2 (bad usage or input)."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Literal, NoReturn

import typer

from gateway import settings as gateway_settings
from gateway import telemetry
from gateway.app import OUTBOUND_TOPICS, open_log, read_event
from gateway.app import run as run_gateway
from gateway.engine.log import LogError, Lost
from gateway.lines import InvalidLine
from gateway.replay import EndsBeforeInput, to_line
from gateway.rules.events import DeadLetter, Event
from gateway.settings import InvalidSettings, Settings

app = typer.Typer(
    name="gateway",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Decides, exactly once, what comes of each message about a Work Programme Information Session.",
)

Config = Annotated[Path | None, typer.Option("--config", help="A settings file (TOML).")]
INPUT_ERROR = 2


def main() -> NoReturn:
    """Run a command, and say what went wrong in one sentence; a stack trace is for --debug."""
    debug = "--debug" in sys.argv
    status = 0
    try:
        app(standalone_mode=True)
    except (InvalidLine, InvalidSettings, EndsBeforeInput) as error:
        status = _failed(error, INPUT_ERROR, debug)
    except (LogError, Lost) as error:
        status = _failed(error, 1, debug)
    except BrokenPipeError:
        # Whoever read the output has gone, as `head` does: no error, and nothing left to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except OSError as error:
        status = _failed(error, 1, debug)
    except KeyboardInterrupt:
        status = 130
    except Exception as error:  # the last resort: a sentence, not a stack trace
        if debug:
            raise
        name = type(error).__name__
        print(
            f"gateway: failed unexpectedly ({name}); run it with --debug and report what it says",
            file=sys.stderr,
        )
        status = 1
    sys.exit(status)


def _failed(error: Exception, status: int, debug: bool) -> int:
    if debug:
        raise error
    print(f"gateway: {error}", file=sys.stderr)
    return status


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show a stack trace where something fails.")] = False,
) -> None:
    telemetry.configure("info")


@app.command(help="Consume, decide, emit.", epilog="Settings: " + gateway_settings.described())
def run(
    workers: Annotated[
        int, typer.Option(min=1, help="How many processes; on the embedded log there is one.")
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
            help="With --clock log: decide all that is in the log, then what is due by then; exit 0."
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Consume, decide, emit."""
    settings = _settings(config)
    settings.log_path()
    if workers > 1:
        raise InvalidSettings("the embedded log is for one process; run with --workers 1")
    if until is not None and clock != "log":
        raise InvalidSettings("--until needs --clock log")
    asyncio.run(run_gateway(settings, clock=clock, until=_instant("--until", until)))


@app.command()
def replay(
    file: Annotated[Path | None, typer.Argument(help="JSON lines; standard input without it.")] = None,
    until: Annotated[
        str | None, typer.Option(help="One more tick at the end, such as 2016-04-05T00:00:00Z.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy file with other limits.")] = None,
    diff: Annotated[
        Path | None, typer.Option(help="A second policy file: print what it would have changed, by referral.")
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="A table instead of lines.")] = False,
    config: Config = None,
) -> None:
    """Run the rules on JSON lines under a virtual clock, with nothing kept, and print what they decide."""
    from gateway import replaying

    settings = _settings(config)
    policies = settings.policies() if policy is None else gateway_settings.read_policies(policy)
    if diff is not None and summary:
        raise InvalidSettings("--diff and --summary can't be combined; name one of them")
    last = _instant("--until", until)
    with _input(file) as stream:
        if diff is not None:
            replaying.print_diff(stream, policies, gateway_settings.read_policies(diff), last)
        elif summary:
            replaying.print_summary(stream, policies, last)
        else:
            replaying.print_lines(stream, policies, last)


@app.command()
def feed(
    file: Annotated[Path, typer.Argument(help="JSON lines as for replay; - is standard input.")],
    keep_time: Annotated[
        bool, typer.Option("--keep-time", help="A record's timestamp is its `at`, not now.")
    ] = False,
    config: Config = None,
) -> None:
    """Put messages on the inbound topics; all lines are checked before one is put."""
    from gateway.feed import feed as put
    from gateway.replaying import progress

    async def work() -> int:
        log = await open_log(settings, clock="log" if keep_time else "wall")
        try:
            with (
                _input(None if str(file) == "-" else file) as stream,
                progress(stream, "checking") as (lines, done),
            ):
                return await put(log, lines, keep_time=keep_time, checked=done)
        finally:
            await log.close()

    settings = _settings(config)
    print(f"{asyncio.run(work())} messages put on the log {settings.log_path()}", file=sys.stderr)


@app.command()
def tail(
    topics: Annotated[list[str] | None, typer.Argument(help="Outbound topics; all without one.")] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the first record.")] = False,
    no_follow: Annotated[
        bool, typer.Option("--no-follow", help="End with the last record there is.")
    ] = False,
    config: Config = None,
) -> None:
    """Print outbound records as JSON lines, in replay's form."""
    for topic in topics or ():
        if topic not in OUTBOUND_TOPICS:
            raise InvalidSettings(
                f"no outbound topic has that name; name some of {', '.join(OUTBOUND_TOPICS)}"
            )

    async def work() -> None:
        log = await open_log(settings)
        try:
            async for record in log.follow(
                topics or OUTBOUND_TOPICS, from_start=from_start, wait=not no_follow
            ):
                sys.stdout.buffer.write(to_line(read_event(record)))
                if not no_follow:
                    sys.stdout.buffer.flush()
            sys.stdout.buffer.flush()
        finally:
            await log.close()

    settings = _settings(config, must_exist=True)
    asyncio.run(work())


@app.command()
def explain(
    po_number: Annotated[str, typer.Argument(help="The number of the purchase order.")],
    config: Config = None,
) -> None:
    """Tell the decisions on one referral, each with the guidance it follows."""
    from gateway.explain import tell

    async def work() -> list[Event | DeadLetter]:
        log = await open_log(settings)
        try:
            return [
                read_event(record)
                async for record in log.follow(OUTBOUND_TOPICS, from_start=True, wait=False)
                if record.key == po_number.encode()
            ]
        finally:
            await log.close()

    settings = _settings(config, must_exist=True)
    events = asyncio.run(work())
    if not events:
        raise LogError(
            f"nothing was decided on this purchase order in {settings.log_path()}; check the number"
        )
    tell(events)


topics_app = typer.Typer(no_args_is_help=True, help="What the log needs.")
app.add_typer(topics_app, name="topics")


@topics_app.command("create")
def topics_create(config: Config = None) -> None:
    """Make the log with its topics, where it isn't there yet."""
    settings = _settings(config)
    print(asyncio.run(_partitions(settings)), "partitions in", settings.log_path())


@topics_app.command("check")
def topics_check(config: Config = None) -> None:
    """Compare the log with the settings; exit 1 where they differ."""
    settings = _settings(config, must_exist=True)
    found = asyncio.run(_partitions(settings))
    if found != settings.partitions:
        raise LogError(
            f"the log {settings.log_path()} has {found} partitions and GATEWAY_PARTITIONS is "
            f"{settings.partitions}; set it to {found}, or feed a new log"
        )
    print("the log is as the settings say:", found, "partitions")


@app.command()
def sample(
    referrals: Annotated[int, typer.Option(min=1, help="How many referrals.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same programme.")] = 0,
) -> None:
    """Print JSON lines of a believable programme, for replay and feed."""
    from gateway.sample import programme

    for line in programme(referrals, seed):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


async def _partitions(settings: Settings) -> int:
    log = await open_log(settings)
    try:
        return await log.partitions()
    finally:
        await log.close()


def _settings(config: Path | None, *, must_exist: bool = False) -> Settings:
    settings = gateway_settings.load(config)
    telemetry.configure(settings.log_level)
    if must_exist and not settings.log_path().exists():
        raise LogError(f"there is no log {settings.log_path()} yet; start `gateway run` or feed it first")
    return settings


def _instant(option: str, text: str | None) -> int | None:
    from schemas.json import NotAnInstant, parse_instant

    try:
        return None if text is None else parse_instant(text)
    except NotAnInstant as error:
        raise InvalidSettings(f"{option} {error}") from None


@contextmanager
def _input(file: Path | None) -> Iterator[IO[bytes]]:
    if file is None:
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise InvalidSettings(f"{file} can't be read: {error.strerror}") from None
    with stream:
        yield stream
