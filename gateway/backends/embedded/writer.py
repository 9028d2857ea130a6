"""Writes the steps of the embedded log in a process of its own, so that the next one is decided meanwhile.

What goes out is handed over as events: to make records of them, and to write those, takes about as long as to
decide. A thread could not do it beside the one that decides, since both need the interpreter.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, msgpack

from gateway.backends.embedded.file import SqliteFile
from gateway.backends.embedded.steps import write_step
from gateway.engine.log import CannotDraft, Commit, Draft, Drafting, LogError, Output
from gateway.rules.events import OUTBOUND
from gateway.system.stopping import SIGNALS, signals_held

#: How long the process may take to end; it has nothing left to do by then. Well below what its parent is
#: given to let go: who is killed before it could kill this one leaves it behind.
END_S: Final = 0.3

#: What an output can be.
_KINDS: Final[tuple[type[Any], ...]] = (*OUTBOUND.values(), Draft)
_KIND_OF: Final = {kind: number for number, kind in enumerate(_KINDS)}
_DRAFT: Final = _KIND_OF[Draft]


class Handed(Struct, frozen=True, array_like=True):
    """A step, as it is handed over.

    kinds: which of _KINDS each output is. outputs: per kind, those that are, packed as a list. traces: the
    trace contexts of the events, in order.
    """

    partition: int
    epoch: int
    kinds: bytes
    outputs: list[bytes]
    traces: list[str | None]
    states: dict[str, bytes | None]
    positions: dict[str, int]
    decided_to: int


_pack: Final = msgpack.Encoder().encode
_unpack: Final = msgpack.Decoder(Handed).decode
_unpack_outputs: Final = [msgpack.Decoder(list[kind]).decode for kind in _KINDS]  # type: ignore[valid-type]


def handed_over(partition: int, epoch: int, step: Commit) -> bytes:
    """A step of a claim as bytes. Raises CannotDraft where an event can't be written as bytes."""
    try:
        return _handed_over(partition, epoch, step)
    except Exception as error:
        raise CannotDraft(type(error).__name__) from error


def _handed_over(partition: int, epoch: int, step: Commit) -> bytes:
    by_kind: list[list[object]] = [[] for _ in _KINDS]
    kinds = bytearray()
    traces = []
    for item in step.outputs:
        if isinstance(item, Draft):
            kind = _DRAFT
            by_kind[kind].append(item)
        else:
            event, trace = item
            kind = _KIND_OF[type(event)]
            by_kind[kind].append(event)
            traces.append(trace)
        kinds.append(kind)
    outputs = [_pack(some) for some in by_kind]
    states, positions = dict(step.states), dict(step.positions)
    return _pack(Handed(partition, epoch, bytes(kinds), outputs, traces, states, positions, step.decided_to))


def taken_over(frame: bytes, draft: Drafting) -> tuple[int, int, Commit]:
    """Partition, epoch and step of what `handed_over` gave. Raises CannotDraft for an event that can't be."""
    step = _unpack(frame)
    try:
        outputs = _outputs(step)
    except Exception as error:
        raise CannotDraft(type(error).__name__) from error
    commit = Commit(outputs, step.states, step.positions, step.decided_to, draft)
    return step.partition, step.epoch, commit


def _outputs(step: Handed) -> Sequence[Output]:
    by_kind = [iter(unpack(some)) for unpack, some in zip(_unpack_outputs, step.outputs, strict=True)]
    traces = iter(step.traces)
    return [
        next(by_kind[kind]) if kind == _DRAFT else (next(by_kind[kind]), next(traces)) for kind in step.kinds
    ]


class Writer:
    """The process, as its parent sees it."""

    def __init__(self, path: Path, draft: Drafting) -> None:
        """Start it. It is forked, so this process must not have other threads yet, nor the log's lock.

        path: of the log. draft: what makes records of events.
        """
        context = get_context("fork")
        self._path = path
        self._wire, theirs = context.Pipe()
        self._process = context.Process(
            target=_write_steps, args=(theirs, self._wire, path, draft), daemon=True
        )
        with signals_held():
            self._process.start()
        theirs.close()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-steps")

    async def write(self, partition: int, epoch: int, step: Commit) -> None:
        """As `write_step`. Raises LogError also where the process has been stopped."""
        frame = handed_over(partition, epoch, step)
        error = await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, frame)
        if error is not None:
            raise error

    def _exchange(self, frame: bytes) -> Exception | None:
        try:
            self._wire.send_bytes(frame)
            return self._wire.recv()  # type: ignore[no-any-return]
        except (EOFError, OSError):
            return LogError(
                f"the process that writes to the log {self._path} was stopped; see to memory, and start again"
            )

    def close(self) -> None:
        """End the process, when it has written what it was given. Never raises."""
        self._thread.shutdown(wait=False)
        self._wire.close()
        self._process.join(END_S)
        if self._process.is_alive():  # in the middle of a step, for which nobody waits any more
            self._process.kill()
            self._process.join()


def _write_steps(wire: Connection, parents: Connection, path: Path, draft: Drafting) -> None:
    """Write what is handed over until the parent is gone: all that the process does."""
    for number in SIGNALS:  # a terminal or a service manager sends them to all; the parent sees to it
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    parents.close()  # so that it is heard when the parent is gone
    file = SqliteFile(path)
    opened = False
    while True:
        try:
            frame = wire.recv_bytes()
        except (EOFError, OSError):
            os._exit(0)
        error: Exception | None = None
        try:
            if not opened:
                file.plainly(lambda: file.connect(1))  # it has been made, with as many as it has
                opened = True
            partition, epoch, step = taken_over(frame, draft)
            file.plainly(lambda: write_step(file, partition, epoch, step))  # noqa: B023 - called at once
        except Exception as raised:  # noqa: BLE001 - the parent raises it
            error = raised
        with suppress(OSError):  # the parent is gone, as is seen at once
            wire.send(error)
