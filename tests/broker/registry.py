"""A real schema registry with Confluent's API: Apicurio Registry, which keeps all in memory."""

import fcntl
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.broker.jars import NoBroker, registry
from tests.ports import free_port

_KEEPER = Path(__file__).with_name("keeper.py")
_START_S = 120.0
_JVM = ("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")


class Registry:
    """A registry with its log and its port in a folder of its own. It ends when nobody has it any more.

    folder: made where it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._port = free_port()
        self._use = (self._folder / "users.lock").open("w")
        fcntl.flock(self._use, fcntl.LOCK_SH)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._use.close()

    @property
    def url(self) -> str:
        """What stands before /subjects: the same after each start."""
        return f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def start(self) -> None:
        """Start it, empty, where it does not run, and wait until it answers. Raises NoBroker."""
        if self._is_running():
            return
        folder = registry()
        (jar,) = folder.glob("*-runner.jar")
        address = ("-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={self._port}")
        with (self._folder / "running.lock").open("w") as running:
            fcntl.flock(running, fcntl.LOCK_EX)
            lock = running.fileno()
            subprocess.run(
                [
                    *(sys.executable, "-I", "-S", str(_KEEPER), str(self._folder), str(lock), "users.lock"),
                    *("java", *_JVM, *address, "-jar", str(jar)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(lock,),
                start_new_session=True,
                check=True,
            )
        self._until(self._answers)

    def kill(self) -> None:
        """End it at once, with all that was registered."""
        self._signal(signal.SIGKILL)
        self._until(lambda: not self._is_running())

    def pause(self) -> None:
        """Let it answer nothing, with its connections open (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._is_running():
            os.kill(int((self._folder / "pid").read_text()), number)

    def _is_running(self) -> bool:
        with (self._folder / "running.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _answers(self) -> bool:
        if not self._is_running():
            raise NoBroker(f"The schema registry ended while it started:\n{self._last_lines()}")
        try:
            with urllib.request.urlopen(f"{self.url}/subjects", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _until(self, holds: Callable[[], bool]) -> None:
        give_up_at = time.monotonic() + _START_S
        while not holds():
            if time.monotonic() > give_up_at:
                raise NoBroker(f"The schema registry took more than {_START_S:.0f} s:\n{self._last_lines()}")
            time.sleep(0.02)

    def _last_lines(self) -> str:
        return "\n".join((self._folder / "server.log").read_text(errors="replace").splitlines()[-30:])
