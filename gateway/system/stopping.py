"""When to stop: SIGTERM, SIGINT, or the end of the supervisor. And how long that may take."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from gateway.system.telemetry import drain

#: Who was told to stop and has not let go by then ends at once. A log that is away can hold a step up for
#: longer than whoever stops the process will wait; ending so is no worse than SIGKILL, which is provided for.
LET_GO_S: Final = 8.0
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Terminated(SystemExit):
    """SIGTERM came. A SystemExit, because asyncio lets no other exception out of its loop at once."""


@contextmanager
def stop_on_signals(lifeline: int | None = None) -> Iterator[asyncio.Event]:
    """An event that is set on SIGTERM, on SIGINT and when the lifeline ends; then the process has LET_GO_S.

    lifeline: a file descriptor from which nothing is ever read but the end, when its other side is gone.
    """
    loop = asyncio.get_running_loop()
    say = structlog.get_logger("gateway")
    stop = asyncio.Event()

    def begin() -> None:
        """Stop first: whatever else fails here, the stop is not lost."""
        if stop.is_set():
            return
        stop.set()
        # A daemon, so that it keeps no process alive; a thread, because the loop may be what is stuck.
        timer = threading.Timer(LET_GO_S, _end_at_once)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # no thread can be started
            loop.call_later(LET_GO_S, _end_at_once)

    def on_signal(name: str) -> None:
        begin()
        say.info("gateway.stopping", signal=name)

    def on_lifeline(descriptor: int) -> None:
        if not os.read(descriptor, 1024):
            begin()
            loop.remove_reader(descriptor)
            say.warning("supervisor.gone")

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal, number.name)
    if lifeline is not None:
        loop.add_reader(lifeline, on_lifeline, lifeline)
    try:
        yield stop
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
        if lifeline is not None:
            loop.remove_reader(lifeline)


def _end_at_once() -> None:
    structlog.get_logger("gateway").warning("gateway.gave_up", after_s=LET_GO_S)
    drain()
    os._exit(0)
