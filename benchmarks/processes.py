"""The command `gateway` as a user runs it: a process of its own, timed from start to end."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct, json

GATEWAY: Final = Path(sys.executable).with_name("gateway")
_REPOSITORY: Final = Path(__file__).parent.parent


class Weighed(Struct, frozen=True):
    """What a process took: wall-clock seconds, processor seconds, and memory at its peak in MiB."""

    seconds: float
    processor_s: float
    peak_mib: float


class GatewayFailed(RuntimeError):
    """The command ended with another status than 0, so there is nothing to measure."""


class Commands:
    """Runs `gateway` in a folder, with its log there, and no settings but the defaults and those given."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.log = folder / "gateway.db"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        self._environment = kept | {
            "GATEWAY_LOG_URL": f"sqlite:///{self.log}",
            "PYTHONPATH": str(_REPOSITORY),
        }
        self._environment |= {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}

    def gateway(self, *arguments: str | Path, stdin: Iterable[bytes] | None = None) -> Weighed:
        """Run one command. stdin: what it is given, in pieces; else nothing. Raises GatewayFailed."""
        said = self.folder / "stderr.txt"
        with said.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.weigh", str(GATEWAY), *map(str, arguments)],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
            with process:
                if process.stdin is not None and stdin is not None:
                    _give(process, stdin)
                out = process.stdout.read() if process.stdout is not None else b""
        if process.returncode:
            raise GatewayFailed(f"gateway {arguments[0]} failed: {said.read_text(errors='replace')[-1_000:]}")
        return json.decode(out, type=Weighed)

    def started(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start one command, which is one process; its end is the caller's affair."""
        return subprocess.Popen(
            [GATEWAY, *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def output(self, *arguments: str) -> str:
        """What one command prints. Raises CalledProcessError."""
        return subprocess.run(
            [GATEWAY, *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout

    def forget_log(self) -> None:
        """Remove the log, so that the next command begins a fresh one."""
        for file in self.folder.glob(f"{self.log.name}*"):
            file.unlink()


def _give(process: subprocess.Popen[bytes], pieces: Iterable[bytes]) -> None:
    assert process.stdin is not None
    try:
        with process.stdin as pipe:
            for piece in pieces:
                pipe.write(piece)
    except BrokenPipeError:
        pass  # it has ended early, and its exit status says so
