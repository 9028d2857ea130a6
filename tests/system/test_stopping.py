"""What tells a process to stop, where it has next to nothing left."""

import asyncio
import os
import signal
import threading

import pytest

from gateway.system.stopping import stop_on_signals
from tests.patience import PATIENCE_S


def no_thread(_: threading.Thread) -> None:
    """As where the system has no thread left."""
    raise RuntimeError("can't start new thread")


async def test_a_signal_stops_it_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    with stop_on_signals() as stop:
        monkeypatch.setattr(threading.Thread, "start", no_thread)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            await stop.wait()


async def test_the_end_of_its_supervisor_stops_it_where_no_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lifeline, other_side = os.pipe()
    with stop_on_signals(lifeline) as stop:
        monkeypatch.setattr(threading.Thread, "start", no_thread)
        os.close(other_side)
        async with asyncio.timeout(PATIENCE_S):
            await stop.wait()
    os.close(lifeline)
