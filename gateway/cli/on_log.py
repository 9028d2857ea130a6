"""What the commands share: the settings, and the log that they name."""

import asyncio
import getpass
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from gateway.engine.log import Log, LogError
from gateway.processes.options import Clock
from gateway.settings import settings as gateway_settings
from gateway.settings.settings import Settings
from gateway.system import telemetry
from gateway.system.errors import UsageError

T = TypeVar("T")

Config = Annotated[Path | None, typer.Option("--config", help="A settings file (TOML).")]


def read_settings(config: Path | None, *, must_exist: bool = False, worker: int | None = None) -> Settings:
    """The settings, with the log level set by them. Raises InvalidSettings.

    must_exist: raise LogError where an embedded log isn't there. worker: this process's number, for its log.
    """
    settings = gateway_settings.load(config)
    telemetry.configure(settings.log_level, worker=worker)
    if must_exist:
        refuse_missing(settings)
    return settings


def refuse_missing(settings: Settings) -> None:
    """Raises LogError where an embedded log isn't there."""
    if not settings.on_kafka and not settings.log_path().exists():
        raise LogError(f"there is no log {settings.log_path()} yet; start `gateway run` or feed it first")


def on_log(
    settings: Settings, work: Callable[[Log], Coroutine[None, None, T]], *, clock: Clock = "wall"
) -> T:
    """Open the log, do the work, and let go of it."""

    from gateway.processes.logs import open_log

    async def opened() -> T:
        log = await open_log(settings, clock=clock)
        try:
            return await work(log)
        finally:
            await log.close()

    return asyncio.run(opened())


async def refuse_far_clock(log: Log, settings: Settings) -> None:
    """See that the log may date messages by the wall clock. Raises ClockFar or LogBusy.

    A sandbox dates them by its own, which the caller moves.
    """
    from gateway.backends.embedded.log import EmbeddedLog
    from gateway.engine.clock_watch import refuse_far

    if not (isinstance(log, EmbeddedLog) and log.sandbox):
        await refuse_far(log, gap_ms=settings.clock_gap_ms)


def system_user() -> str:
    """The system's user, by name where it has one: who does by hand what is kept on gateway.audit."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


#: It stays on gateway.audit for good.
LONGEST_REASON: Final = 1_000


def reason_given(reason: str, what: str) -> str:
    """What --reason says. what: to say in it. Raises UsageError."""
    if not reason.strip():
        raise UsageError(f"--reason says nothing; {what}")
    if len(reason.strip()) > LONGEST_REASON:
        raise UsageError(f"--reason is longer than {LONGEST_REASON:,} characters; say it more briefly")
    return reason.strip()


def refuse_no_number(po_number: str) -> None:
    """Raises UsageError for bytes that are no text, which no purchase order's number has."""
    try:
        po_number.encode()
    except UnicodeEncodeError:
        raise UsageError("the number is no text in UTF-8; check it") from None


def counted(number: int, what: str) -> str:
    """A number of things: 1 message, 2,000 messages."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def instant(option: str, text: str | None) -> int | None:
    """The instant that an option names, UTC milliseconds; None: it is not given. Raises UsageError."""
    from schemas.json import NotAnInstant, parse_instant

    try:
        return None if text is None else parse_instant(text)
    except NotAnInstant as error:
        raise UsageError(f"{option} {error}") from None


def day(option: str, text: str | None) -> int | None:
    """The day that an option names, since 1970; None: it is not given. Raises UsageError."""
    from schemas.json import parse_day

    try:
        return None if text is None else parse_day(text)
    except ValueError:
        raise UsageError(f"{option} is not a date; expected one such as 2016-04-05") from None
