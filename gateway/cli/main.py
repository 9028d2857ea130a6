"""The command `gateway` (contracts: Command line). Exit 0, 1 (failed), 2 (bad usage or input)."""

import gc
import os
import re
import resource
import signal
import sys
import traceback
from errno import EBADF
from io import TextIOWrapper
from typing import Annotated, Final, NoReturn

import structlog
import typer

from gateway.cli.run import DEBUG, run, settings_help
from gateway.system import telemetry
from gateway.system.errors import UsageError, UserError
from gateway.system.stopping import Terminated
from gateway.system.terminal import printable
from gateway.system.version import gateway_version

#: How many objects more there are when the garbage collector looks at them.
COLLECT_AFTER: Final = 50_000
INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM


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
    # A crash writes no image of the memory, which holds secrets and personal data.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
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
        with typer.main.get_command(_app(arguments)).make_context("gateway", arguments) as context:
            context.command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as ended:
        return ended.exit_code
    except BrokenPipeError:
        return 1  # whoever read the output has gone, as `head` does, and wants to hear nothing
    except KeyboardInterrupt:
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    except Exception as error:  # noqa: BLE001 - the last resort: a sentence, not a stack trace
        _say(error, debug, as_event=_runs(arguments) and not sys.stderr.isatty())
        return _exit_status(error)
    return 0


def _runs(arguments: list[str]) -> bool:
    """Whether it is `run`, whose standard error is a log."""
    return next((argument for argument in arguments if not argument.startswith("-")), None) == "run"


def _say(error: Exception, debug: bool, *, as_event: bool) -> None:
    """Say what went wrong: to a person, or to whoever reads a log, where every line is JSON."""
    sentence = _sentence(error)
    if as_event:
        reason, _, what_to_do = sentence.rpartition("; ")
        facts = {"reason": reason or what_to_do, "what_to_do": what_to_do if reason else ""}
        if debug:
            facts["trace"] = traceback.format_exc()
        structlog.get_logger("gateway").error("gateway.failed", code=_code(error), **facts)
    elif debug:
        telemetry.print_last(traceback.format_exc().rstrip())
    elif sentence:
        telemetry.print_last(f"gateway: {printable(sentence)}")


def _code(error: Exception) -> str:
    match error:
        case UserError():
            return error.code
        case typer.TyperException():
            return UsageError.code
        case OSError():
            return "SYSTEM"
    return "UNEXPECTED"


def _exit_status(error: Exception) -> int:
    match error:
        case UserError():
            return error.exit_status
        case typer.TyperException():
            return UsageError.exit_status
    return 1


def _sentence(error: Exception) -> str:
    """What went wrong, and what to do. Nothing where it has been said already."""
    match error:
        case typer.TyperException():
            return _usage(error)
        case UserError():
            return str(error)
        case OSError():
            where = f"{error.filename}: " if error.filename is not None else ""
            if error.errno == EBADF and not where:
                return "standard output is closed; open it, or redirect it to a file"
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
    (r"Value error, ", ""),
    (r"(Input should be a valid|Unable to parse input string as an) integer.*", "expected a whole number"),
    (r"Input should be greater than or equal to (\S+)", r"expected \1 or more"),
    (r"\. Did you", ", did you"),
    (r"\?$", ""),
)


def _on_sigterm(_: int, __: object) -> NoReturn:
    raise Terminated(TERMINATED)


def _open_what_is_closed() -> None:
    """Where a process was started without standard streams, give it such as lead nowhere.

    Else the first file it opens, such as the log, would be taken for one of them.
    """
    while (null := os.open(os.devnull, os.O_RDWR)) <= 2:
        if null == 1:  # what a command prints there is lost, which has to show: it can't be written to
            os.dup2(os.open(os.devnull, os.O_RDONLY), 1)
    os.close(null)
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def _app(arguments: list[str]) -> typer.Typer:
    """The commands: all of them, or `run` alone, which starts sooner without what only others need."""
    app = typer.Typer(
        name="gateway",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        help="Decides, exactly once, what comes of each message about a Work Programme Information Session.",
        callback=_common,
    )
    app.command(epilog=settings_help())(run)
    if not _runs(arguments):
        from gateway.cli.others import add_to

        add_to(app)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gateway {gateway_version()}")
        raise typer.Exit


def _common(
    # It does nothing here: `main` takes --debug out, wherever it stands.
    debug: Annotated[bool, typer.Option(DEBUG, help="Show a stack trace where something fails.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    telemetry.configure("info")
