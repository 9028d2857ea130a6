"""`gateway run --workers N`: N processes of one group, kept alive."""

import asyncio
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog

from gateway.system.stopping import SIGNALS

#: A worker that was told to stop and has not ended by then is killed.
PATIENCE_S: Final = 10.0
#: A worker that died is started again after this time, then after twice as long, and so on up to the longest.
FIRST_BACKOFF_S: Final = 1.0
LONGEST_BACKOFF_S: Final = 30.0
#: After so long a life the next death counts as the first one.
STEADY_S: Final = 60.0
#: With this a worker says that starting it again would be of no use: bad usage, bad settings.
BAD_INPUT: Final = 2
#: With this a worker says that nothing is left to it, for as long as records are lost: others go on.
NOTHING_LEFT: Final = 3
#: The status of a worker that the system could not start.
NOT_STARTED: Final = 126
#: How a worker ends that was told to stop: by itself, or before it could listen to signals.
_STOPPED: Final = {0, *(-number for number in SIGNALS), *(128 + number for number in SIGNALS)}


class Supervisor:
    """Keeps worker processes alive until told to stop.

    command: the command line of a worker, by its number from 0. Its standard input is a pipe that ends when
    the supervisor is gone, whatever ended it. until: the workers come to an end by themselves; one that fails
    then ends them all, because somebody waits for the end.
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        workers: int,
        *,
        until: bool = False,
        patience_s: float = PATIENCE_S,
        first_backoff_s: float = FIRST_BACKOFF_S,
    ) -> None:
        self._command = command
        self._workers = workers
        self._until = until
        self._patience_s = patience_s
        self._first_backoff_s = first_backoff_s
        self._processes: dict[int, Process] = {}
        self._stop = asyncio.Event()
        self._status = 0
        #: The workers that have something to work on, as far as is known.
        self._left = set(range(workers))
        self._say = structlog.get_logger("gateway")

    async def run(self) -> int:
        """Work until told to stop by SIGTERM or SIGINT, or until the workers have come to an end.

        Returns the exit status: 0; 1 where a worker failed at the end or had to be killed, or where none has
        anything left to work on; 2 where one said that its settings are bad.
        """
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        self._say.info("supervisor.started", workers=self._workers)
        ended = asyncio.create_task(self._keep_all())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({ended}, timeout=self._patience_s)
            self._kill()
            await ended
        finally:
            self._kill()
            stopping.cancel()
            for number in SIGNALS:
                loop.remove_signal_handler(number)
        self._say.info("supervisor.stopped", status=self._status)
        return self._status

    async def _keep_all(self) -> None:
        await asyncio.gather(*(self._keep(number) for number in range(self._workers)))

    async def _keep(self, number: int) -> None:
        """Start a worker, and start it again whenever it has died."""
        clock = asyncio.get_running_loop().time
        backoff_s = self._first_backoff_s
        while not self._stop.is_set():
            began_s = clock()
            status = await self._live(number)
            if self._stop.is_set():
                self._note_end(status)
            elif self._until and status == 0:
                return
            elif status == NOTHING_LEFT:
                self._say.error("supervisor.nothing_left", worker=number)
                self._left.discard(number)
                if not self._left:
                    self._status = 1
                    self._end_all(signal.SIGTERM)
                return
            elif status == BAD_INPUT or (self._until and status > 0):
                self._say.error("supervisor.gave_up", worker=number, status=status)
                self._status = status
                self._end_all(signal.SIGTERM)
            else:
                if clock() - began_s >= STEADY_S:
                    backoff_s = self._first_backoff_s
                self._say.warning(
                    "supervisor.worker_died", worker=number, status=status, again_in_s=backoff_s
                )
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), backoff_s)
                backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    async def _live(self, number: int) -> int:
        """One life of a worker; returns its exit status, or minus the signal that ended it.

        In a session of its own, so that Ctrl-C reaches it through the supervisor only: once, and in order.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command(number), stdin=PIPE, start_new_session=True
            )
        except (OSError, RuntimeError):  # no memory, process number or thread is left; that may pass
            return NOT_STARTED
        self._processes[number] = process
        self._say.info("supervisor.worker_started", worker=number, pid=process.pid)
        if self._stop.is_set():
            process.send_signal(signal.SIGTERM)
        try:
            return await process.wait()
        finally:
            del self._processes[number]

    def _on_signal(self, number: signal.Signals) -> None:
        self._say.info("supervisor.stopping", signal=number.name)
        self._end_all(number)

    def _end_all(self, number: signal.Signals) -> None:
        self._stop.set()
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.send_signal(number)

    def _note_end(self, status: int) -> None:
        if status not in _STOPPED and not self._status:
            self._status = 1

    def _kill(self) -> None:
        for number, process in self._processes.items():
            self._say.error("supervisor.killed", worker=number, after_s=self._patience_s)
            with suppress(ProcessLookupError):
                process.kill()
