"""The command `gateway` (contracts: Command line). Exit 0, 1 (failed), 2 (bad usage or input)."""

import asyncio
import gc
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from textwrap import wrap
from typing import IO, Annotated, Final, Literal, NoReturn

import structlog
import typer

from gateway import settings as gateway_settings
from gateway import telemetry
from gateway.api import PortInUse
from gateway.app import (
    ALL_OUTBOUND_TOPICS,
    DISTRIBUTION,
    OUTBOUND_TOPICS,
    Serve,
    read_event,
    read_plan,
)
from gateway.app import run as run_gateway
from gateway.cli_letters import letters_app
from gateway.cli_log import Config, counted, on_log, read_settings
from gateway.cli_projection import projection_app
from gateway.cli_token import token
from gateway.cli_topics import topics_app
from gateway.engine.log import DELIVERY_PLANS, INBOUND_TOPICS, Log, LogError, Lost
from gateway.letters import UnknownLetter
from gateway.lines import InvalidLine
from gateway.prap import InvalidDownload
from gateway.replay import EndsBeforeInput, plan_to_line, to_line
from gateway.rules.events import DeadLetter, Event, place_in_time
from gateway.settings import InvalidSettings, Settings

INPUT_ERROR: Final = 2
DEBUG: Final = "--debug"
HIGHEST_PORT: Final = 65535
#: How many objects more there are when the garbage collector looks at them.
COLLECT_AFTER: Final = 50_000
INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM
#: In the help, where the description of a setting begins, and how wide it is at 80 columns.
_NAMES: Final = 20
_DESCRIPTION: Final = 57


class _Terminated(SystemExit):
    """SIGTERM came. A SystemExit, because asyncio lets no other exception out of its loop at once."""


def main() -> NoReturn:
    """Run a command, and say what went wrong in one sentence; a stack trace is for --debug."""
    _open_what_is_closed()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a terminal's encoding lacks is no error
    arguments = sys.argv[1:]
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    debug = DEBUG in options
    if debug:
        arguments.remove(DEBUG)
    signal.signal(signal.SIGTERM, _on_sigterm)
    # What has been imported stays, and what is decided makes no cycles: looking for them takes a tenth of a
    # replay's time, and finds next to nothing.
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    status = _attempt(arguments, debug)
    try:
        sys.stdout.flush()
    except OSError:
        # What could not be written can't be written by the interpreter's last flush either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _attempt(arguments: list[str], debug: bool) -> int:
    """Run a command; returns the exit status."""
    try:
        with typer.main.get_command(app).make_context("gateway", arguments) as context:
            context.command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as ended:
        return ended.exit_code
    except BrokenPipeError:
        return 1  # whoever read the output has gone, as `head` does, and wants to hear nothing
    except KeyboardInterrupt:
        return INTERRUPTED
    except _Terminated:
        return TERMINATED
    except Exception as error:  # noqa: BLE001 - the last resort: a sentence, not a stack trace
        with suppress(OSError):
            if debug:
                traceback.print_exc()
            elif sentence := _sentence(error):
                print(f"gateway: {sentence}", file=sys.stderr)
        return INPUT_ERROR if isinstance(error, _BAD_INPUT) else 1
    return 0


def _sentence(error: Exception) -> str:
    """What went wrong, and what to do. Nothing where it has been said already."""
    match error:
        case typer.TyperException():
            return _usage(error)
        case InvalidLine() | InvalidDownload() | InvalidSettings() | EndsBeforeInput() | UnknownLetter():
            return str(error)
        case LogError() | Lost() | PortInUse():
            return str(error)
        case OSError():
            where = f"{error.filename}: " if error.filename is not None else ""
            return f"{where}{(error.strerror or type(error).__name__).lower()}; correct it and try again"
    return f"failed unexpectedly ({type(error).__name__}); run it with --debug and report what it says"


def _usage(error: typer.TyperException) -> str:
    said = " ".join(error.format_message().split()).removesuffix(".")
    if not said:
        return ""  # the help was asked for by naming no command, and has been printed
    for wording, plain in _PLAINER:
        said = re.sub(wording, plain, said)
    context = getattr(error, "ctx", None)
    command = "gateway" if context is None else context.command_path
    return f"{said[:1].lower()}{said[1:]}; see `{command} --help`"


#: What the libraries say of an argument, and how a person says it.
_PLAINER: Final = (
    (r"(Input should be a valid|Unable to parse input string as an) integer.*", "expected a whole number"),
    (r"Input should be greater than or equal to (\S+)", r"expected \1 or more"),
    (r"\. Did you", ", did you"),
    (r"\?$", ""),
)
_BAD_INPUT: Final = (
    InvalidLine,
    InvalidDownload,
    InvalidSettings,
    EndsBeforeInput,
    UnknownLetter,
    typer.TyperException,
)


def _on_sigterm(_: int, __: object) -> NoReturn:
    raise _Terminated(TERMINATED)


def _open_what_is_closed() -> None:
    """Where a process was started without standard streams, give it such as lead nowhere.

    Else the first file it opens, such as the log, would be taken for one of them.
    """
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(null)
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def _settings_help() -> str:
    """Each setting, its description beside its name, or below a long one."""
    lines = ["[bold]Settings[/bold], from the environment, a .env file, or --config (there as log_url):", ""]
    for name, description in gateway_settings.described():
        first, *rest = wrap(description, _DESCRIPTION)
        if len(name) < _NAMES:
            lines.append(f"[cyan]{name}[/cyan]{' ' * (_NAMES - len(name))}{first}")
        else:
            lines += [f"[cyan]{name}[/cyan]", " " * _NAMES + first]
        lines += [" " * _NAMES + line for line in rest]
    return "\n".join(lines)


app = typer.Typer(
    name="gateway",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Decides, exactly once, what comes of each message about a Work Programme Information Session.",
)
app.add_typer(letters_app, name="dead-letters")
app.add_typer(topics_app, name="topics")
app.add_typer(projection_app, name="projection")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gateway {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def _common(
    # It does nothing here: `main` takes --debug out, wherever it stands.
    debug: Annotated[bool, typer.Option(DEBUG, help="Show a stack trace where something fails.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    telemetry.configure("info")


@app.command(epilog=_settings_help())
def run(
    workers: Annotated[
        int, typer.Option(min=1, help="How many processes, kept alive; on the embedded log there is one.")
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
    config: Config = None,
    as_worker: Annotated[int | None, typer.Option(min=0, hidden=True)] = None,
) -> None:
    """Decide what arrives on the log, as it arrives, until told to stop.

    Serves the providers' API, health and metrics over HTTP meanwhile, on GATEWAY_HTTP_PORT.
    """
    settings = read_settings(config, worker=as_worker)
    if until is not None and clock != "log":
        raise InvalidSettings("--until needs --clock log; name both")
    last = _instant("--until", until)
    _check_log(settings)
    if sandbox and (clock == "log" or workers > 1):
        raise InvalidSettings("a sandbox has one process and a clock of its own; name nothing but --sandbox")
    if sandbox and not settings.http_port:
        raise InvalidSettings("a sandbox is asked over HTTP and GATEWAY_HTTP_PORT is 0; set it to a port")
    if workers > 1 and as_worker is None:
        raise typer.Exit(_supervise(settings, workers, clock, until, config))
    if unknown := gateway_settings.unknown():
        names = ", ".join(gateway_settings.PREFIX + name.upper() for name in unknown)
        structlog.get_logger("gateway").warning("settings.unknown", names=names)
    serve: Serve | None = None
    if settings.http_port:
        from gateway.serving import served_crew

        serve = served_crew
    asyncio.run(
        run_gateway(settings, clock=clock, until=last, worker=as_worker, sandbox=sandbox, serve=serve)
    )


def _check_log(settings: Settings) -> None:
    """Raises InvalidSettings where the settings of the log can't be used."""
    if settings.on_kafka:
        from gateway.connecting import connection

        connection(settings)
    else:
        settings.log_path()


def _supervise(settings: Settings, workers: int, clock: str, until: str | None, config: Path | None) -> int:
    """Run so many processes; returns the exit status."""
    from gateway.supervisor import Supervisor

    if not settings.on_kafka:
        raise InvalidSettings("the embedded log is for one process; run with --workers 1")
    settings.policies()
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


@app.command()
def replay(
    file: Annotated[
        Path | None, typer.Argument(help="JSON lines; without it or with -: standard input.")
    ] = None,
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

    settings = read_settings(config)
    policies = settings.policies() if policy is None else gateway_settings.read_policies(policy)
    if diff is not None and summary:
        raise InvalidSettings("--diff and --summary can't be combined; name one of them")
    other = None if diff is None else gateway_settings.read_policies(diff)
    last = _instant("--until", until)
    with _input(file) as stream:
        if other is not None:
            replaying.print_diff(stream, policies, other, last)
        elif summary:
            replaying.print_summary(stream, policies, last)
        else:
            replaying.print_lines(stream, policies, last)


@app.command()
def feed(
    file: Annotated[
        Path,
        typer.Argument(help="JSON lines as for replay; - is standard input. Or a PRaP download, a zip."),
    ],
    keep_time: Annotated[
        bool,
        typer.Option("--keep-time", help="A record's timestamp is its `at`, not now; not for a zip."),
    ] = False,
    config: Config = None,
) -> None:
    """Put messages on the inbound topics; all are checked before one is put.

    Rows of a download that can't be read are listed, and the others put: exit 1.
    Feed it again when they are corrected; what was put before counts once.
    """
    from gateway.feed import feed as put
    from gateway.prap import is_download
    from gateway.replaying import progress

    settings = read_settings(config)
    with _input(file) as stream:
        if is_download(stream, file.name):
            if keep_time:
                raise InvalidSettings(
                    "a PRaP download does not say at what time its rows arrived; leave out --keep-time"
                )
            _feed_download(settings, stream)
            return

        async def work(log: Log) -> int:
            with progress(stream, "checking") as (lines, done):
                return await put(log, lines, keep_time=keep_time, checked=done)

        count = on_log(settings, work, clock="log" if keep_time else "wall")
    print(f"{counted(count, 'message')} put on the log {settings.log_name}", file=sys.stderr)


def _feed_download(settings: Settings, stream: IO[bytes]) -> None:
    """Put a PRaP download on the log. Lists the rows that can't be read, and then raises typer.Exit."""
    from gateway.feed import Fed, feed_download
    from gateway.rules.calendar import london_day

    policies = settings.policies()
    today = london_day(time.time_ns() // 1_000_000)

    async def put(log: Log) -> Fed:
        return await feed_download(
            log, stream, today=today, policies=policies, bad=lambda row: print(row, file=sys.stderr)
        )

    fed = on_log(settings, put)
    passed_over = f"; {counted(fed.passed_over, 'row')} passed over" if fed.passed_over else ""
    print(f"{counted(fed.put, 'referral')} put on the log {settings.log_name}{passed_over}", file=sys.stderr)
    if fed.bad:
        rows = counted(fed.bad, "row")
        print(f"gateway: {rows} could not be read; correct what is listed and feed it again", file=sys.stderr)
        raise typer.Exit(1)


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
        if topic not in ALL_OUTBOUND_TOPICS:
            raise InvalidSettings(
                f"no outbound topic has that name; name some of {', '.join(ALL_OUTBOUND_TOPICS)}"
            )

    async def work(log: Log) -> None:
        async for record in log.follow(
            topics or ALL_OUTBOUND_TOPICS, from_start=from_start, wait=not no_follow
        ):
            sys.stdout.buffer.write(
                plan_to_line(read_plan(record), record.timestamp)
                if record.topic == DELIVERY_PLANS
                else to_line(read_event(record))
            )
            if not no_follow:
                sys.stdout.buffer.flush()
        sys.stdout.buffer.flush()

    settings = read_settings(config, must_exist=True)
    try:
        on_log(settings, work)
    except (KeyboardInterrupt, _Terminated):
        if no_follow:
            raise


@app.command()
def explain(
    po_number: Annotated[str, typer.Argument(help="The number of the purchase order.")],
    config: Config = None,
) -> None:
    """Tell the decisions on one referral, each with the guidance it follows."""
    from consumers import READERS
    from gateway.explain import Arrival, tell
    from schemas.codec import Unreadable

    async def work(log: Log) -> tuple[list[Arrival], list[Event | DeadLetter]]:
        key = os.fsencode(po_number)
        arrived = [
            Arrival(record.timestamp, message)
            async for record in log.follow(INBOUND_TOPICS, from_start=True, wait=False)
            if record.key == key and not isinstance(message := READERS[record.topic](record), Unreadable)
        ]
        # Second: what is decided meanwhile is about messages that have been read, or are not told yet.
        decided = [
            read_event(record)
            async for record in log.follow(OUTBOUND_TOPICS, from_start=True, wait=False)
            if record.key == key
        ]
        return arrived, decided

    settings = read_settings(config, must_exist=True)
    arrivals, events = on_log(settings, work)
    if not events and not arrivals:
        raise LogError(
            f"nothing has come for this purchase order to the log {settings.log_name}; check its number"
        )
    if settings.on_kafka:  # where topics have no common order
        arrivals.sort(key=lambda arrival: arrival.at)
        events.sort(key=place_in_time)
    tell(po_number, events, arrivals)


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


app.command()(token)


@app.command()
def docs(
    folder: Annotated[Path, typer.Argument(help="Where to; made where it isn't there.")] = Path("docs"),
) -> None:
    """Write what describes topics and HTTP to other programs: AsyncAPI 3 and OpenAPI 3.1."""
    from gateway.described import write_docs

    for path in write_docs(folder):
        print(path)


def _instant(option: str, text: str | None) -> int | None:
    from schemas.json import NotAnInstant, parse_instant

    try:
        return None if text is None else parse_instant(text)
    except NotAnInstant as error:
        raise InvalidSettings(f"{option} {error}") from None


@contextmanager
def _input(file: Path | None) -> Iterator[IO[bytes]]:
    if file is None or str(file) == "-":
        if sys.stdin.isatty():
            print("reading JSON lines from the terminal; Ctrl-D ends them", file=sys.stderr)
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise InvalidSettings(f"{file} can't be read ({error.strerror}); name another file") from None
    with stream:
        yield stream
