"""Writes lines to a file descriptor without ever waiting for whoever reads them."""

import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Queue
from typing import Final

#: How many lines wait for the reader at the most; more are dropped. A step of many decisions logs thousands.
MOST_LINES: Final = 65_536


class Unblocked:
    """Lines for a descriptor, written by a thread of their own: only that one waits where nobody reads.

    most: how many lines wait at the most. dropped: called with how many were dropped, when it goes on. A
    descriptor that can't be written to any more is no error: that nobody reads changes nothing else.
    """

    def __init__(self, descriptor: int, dropped: Callable[[int], None], *, most: int = MOST_LINES) -> None:
        self._descriptor = descriptor
        self._note = dropped
        self._most = most
        self._lines: Queue[bytes] = Queue()
        self._waiting = 0
        self._dropped = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> None:
        """Have some lines written soon; those for which there is no room are dropped and counted."""
        line = text.encode(getattr(sys.stderr, "encoding", None) or "utf-8", "backslashreplace")
        if not self._is_at_work():
            self._write_at_once(line)
            return
        count = line.count(b"\n")
        if self._waiting + count <= self._most:
            self._note_dropped()
        with self._lock:
            if self._waiting + count > self._most:
                self._dropped += count
                return
            self._waiting += count
            self._lines.put_nowait(line)

    def flush(self) -> None:
        """Do nothing: what was written is on its way."""

    def drain(self, within_s: float) -> bool:
        """Wait until all lines have been written, but no longer than that; whether they have been."""
        with self._lines.all_tasks_done:
            return self._lines.all_tasks_done.wait_for(lambda: not self._lines.unfinished_tasks, within_s)

    def _is_at_work(self) -> bool:
        """Whether the thread is there. It is started with the first line, and again after a fork."""
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                # A daemon: a process ends although it waits.
                thread = threading.Thread(target=self._run, name="log-lines", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no thread can be started
                    return False
                self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            line = self._lines.get()
            with self._lock:
                self._waiting -= line.count(b"\n")
            try:
                self._put(line)
            finally:
                self._lines.task_done()
            if self._lines.empty():
                self._note_dropped()

    def _put(self, line: bytes) -> None:
        with suppress(OSError):
            while line:
                try:
                    # Not by sys.stderr: its lock would be held while this waits, also when the process ends.
                    line = line[os.write(self._descriptor, line) :]
                except BlockingIOError:
                    select.select([], [self._descriptor], [])

    def _write_at_once(self, line: bytes) -> None:
        """Without the thread: where there is room, else the line is dropped."""
        with suppress(OSError, ValueError):
            if select.select([], [self._descriptor], [], 0)[1]:
                os.write(self._descriptor, line)
                return
        self._dropped += line.count(b"\n")

    def _note_dropped(self) -> None:
        with self._lock:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._note(dropped)
