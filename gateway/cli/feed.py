"""The commands that take messages in: `gateway replay`, and `gateway feed`, also for PRaP downloads."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Annotated, cast

import typer

from gateway.cli.on_log import Config, counted, instant, on_log, read_settings, refuse_far_clock
from gateway.engine.log import Log
from gateway.settings import settings as gateway_settings
from gateway.settings.settings import Settings
from gateway.system.errors import UsageError
from gateway.system.terminal import printable


def replay(
    file: Annotated[
        Path | None, typer.Argument(help="JSON lines; without it or with -: standard input.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            help="Decide at the end what is due by this instant, too, such as 2016-04-05T00:00:00Z."
        ),
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy file with other limits.")] = None,
    diff: Annotated[
        Path | None, typer.Option(help="A second policy file: print what it would have changed, by referral.")
    ] = None,
    summary: Annotated[bool, typer.Option("--summary", help="A table instead of lines.")] = False,
    config: Config = None,
) -> None:
    """Run the rules on JSON lines under a virtual clock, with nothing kept, and print what they decide."""
    from gateway.replay.diff import print_diff
    from gateway.replay.printing import print_lines, print_summary
    from gateway.replay.sharding import shards_for

    settings = read_settings(config)
    policies = settings.policies() if policy is None else gateway_settings.read_policies(policy)
    if diff is not None and summary:
        raise UsageError("--diff and --summary can't be combined; name one of them")
    other = None if diff is None else gateway_settings.read_policies(diff)
    last = instant("--until", until)
    with given(file) as stream:
        if other is not None:
            print_diff(stream, policies, other, last)
        elif summary:
            print_summary(stream, policies, last)
        else:
            print_lines(stream, policies, last, shards_for(stream))


def feed(
    file: Annotated[
        Path,
        typer.Argument(
            help="JSON lines as for replay; - is standard input. Or a PRaP download, a zip or a CSV."
        ),
    ],
    keep_time: Annotated[
        bool,
        typer.Option("--keep-time", help="A record's timestamp is its `at`, not now; not for a download."),
    ] = False,
    config: Config = None,
) -> None:
    """Put messages on the inbound topics; all are checked before one is put.

    Rows of a download that can't be read are listed, and the others put: exit 1.
    Feed it again when they are corrected; what was put before counts once.
    """
    from gateway.intake.feed import feed as put
    from gateway.intake.prap import is_download
    from gateway.replay.progress import progress

    settings = read_settings(config)
    with given(file) as stream:
        if is_download(stream, file.name):
            if keep_time:
                raise UsageError(
                    "a PRaP download does not say at what time its rows arrived; leave out --keep-time"
                )
            _feed_download(settings, stream, "standard input" if str(file) == "-" else file.name)
            return

        async def work(log: Log) -> int:
            if not keep_time:
                await refuse_far_clock(log, settings)
            with progress(stream, "checking") as bar:
                return await put(log, bar.lines, keep_time=keep_time, checked=bar.stop)

        count = on_log(settings, work, clock="log" if keep_time else "wall")
    print(f"{counted(count, 'message')} put on the log {printable(settings.log_name)}", file=sys.stderr)


def _feed_download(settings: Settings, stream: BufferedReader, name: str) -> None:
    """Put a PRaP download on the log. Lists the rows that can't be read, and then raises typer.Exit."""
    from gateway.intake.feed import Fed, feed_download
    from gateway.rules.calendar import london_day

    policies = settings.policies()
    today = london_day(time.time_ns() // 1_000_000)

    async def put(log: Log) -> Fed:
        await refuse_far_clock(log, settings)
        return await feed_download(
            log,
            stream,
            name=printable(name),
            today=today,
            policies=policies,
            bad=lambda row: print(row, file=sys.stderr),
        )

    fed = on_log(settings, put)
    passed_over = f"; {counted(fed.passed_over, 'row')} passed over" if fed.passed_over else ""
    log_name = printable(settings.log_name)
    print(f"{counted(fed.put, 'referral')} put on the log {log_name}{passed_over}", file=sys.stderr)
    if fed.bad:
        rows = counted(fed.bad, "row")
        print(f"gateway: {rows} could not be read; correct what is listed and feed it again", file=sys.stderr)
        raise typer.Exit(1)


@contextmanager
def given(file: Path | None) -> Iterator[BufferedReader]:
    """The file, or standard input without one. Raises UsageError."""
    if file is None or str(file) == "-":
        if sys.stdin.isatty():
            print("reading JSON lines from the terminal; Ctrl-D ends them", file=sys.stderr)
        yield cast(BufferedReader, sys.stdin.buffer)
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise UsageError(f"{file} can't be read ({error.strerror}); name another file") from None
    with stream:
        yield stream
