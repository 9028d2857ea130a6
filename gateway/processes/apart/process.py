"""Forks the process that decides, before there is any thread or loop, and sees to its end."""

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import ForkProcess
from multiprocessing.util import register_after_fork
from typing import Final, Literal

from gateway.processes.apart.deciding import Orders, decide
from gateway.processes.app import SWITCH_INTERVAL_S
from gateway.rules.policy import Policies
from gateway.settings.settings import Settings
from gateway.system.stopping import SIGNALS, signals_held

#: How long it may take to end when nobody listens to it any more; nothing is lost when it is killed.
END_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Process:
    """The process that decides. wire: this side's end of what leads to it."""

    wire: socket.socket
    process: ForkProcess

    @property
    def pid(self) -> int:
        """Its number."""
        assert self.process.pid is not None
        return self.process.pid

    def kill(self) -> None:
        """End it, whatever it is doing."""
        self.process.kill()


@contextmanager
def deciding_apart(
    settings: Settings, policies: Policies, clock: Literal["wall", "log"], worker: int | None
) -> Iterator[Process]:
    """A process that will decide when it is told to; it ends with the block, or with this process.

    To be forked while this process has neither a thread, nor a lock that it would share.
    """
    ours, theirs = socket.socketpair()
    orders = Orders(settings, policies, clock, worker)
    # No daemon: that could have no process of its own. It ends when the wire does.
    process = get_context("fork").Process(target=_decide, args=(theirs, ours, orders), name="deciders")
    with signals_held():
        process.start()
    theirs.close()
    try:
        yield Process(ours, process)
    finally:
        ours.close()
        process.join(END_S)
        process.kill()
        process.join()


def _decide(wire: socket.socket, parents: socket.socket, orders: Orders) -> None:
    """All that the process does."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # a terminal sends them to all; the parent sees to it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    parents.close()  # so that it is heard when the parent is gone
    # And the parent is to hear when this one is, though the process that this one forks may live on for a
    # step.
    register_after_fork(wire, socket.socket.close)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    asyncio.run(decide(wire, orders))
