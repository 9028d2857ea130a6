"""Who decides the programme: the gateway and its peers, and how each is started."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

from msgspec import Struct, json

from benchmarks.processes import GATEWAY, Weighed

_REPOSITORY: Final = Path(__file__).parents[2]
#: Made by `make bench-peers`.
_PYTHON: Final = _REPOSITORY / ".benchmarks" / "peers" / "bin" / "python"
#: What is not through by then never will be.
_PATIENCE_S: Final = 600.0

GATEWAY_NAME: Final = "the gateway"
BARE_LOOP: Final = "a bare aiokafka loop"
FASTSTREAM: Final = "FastStream, batch subscriber"
QUIX: Final = "Quix Streams, exactly-once"


class Contender(Struct, frozen=True):
    """Who decides. name: as in the report.

    module: a peer's, in this folder; None: it is the gateway. first_only: it is given the first messages
    only, because it takes so long. leaves_out: what of the gateway's work it doesn't do.
    """

    name: str
    module: str | None
    leaves_out: str
    first_only: bool = False

    @property
    def one_input(self) -> bool:
        """Whether it reads one topic with all messages, in order of time."""
        return self.module is not None


CONTENDERS: Final = (
    Contender(GATEWAY_NAME, None, "nothing, but logs no decisions here, as the peers log none"),
    Contender(BARE_LOOP, "bare_loop", "deadlines, order among topics, durable state, transactions"),
    Contender(
        FASTSTREAM,
        "faststream_batch",
        "deadlines, order among topics, durable state, transactions, headers of each event",
    ),
    Contender(QUIX, "quix_streams", "deadlines, order among topics"),
    Contender(
        "DBOS, a workflow a referral",
        "dbos_workflows",
        "deadlines, order among topics, transactions with Kafka (an event may go out twice)",
        first_only=True,
    ),
)


class Failed(RuntimeError):
    """A contender ended with another status than 0, so there is nothing to measure."""


class Place(Struct, frozen=True):
    """Where a contender works: its broker, the prefix of its topics, and a folder for what it keeps."""

    folder: Path
    bootstrap: str
    prefix: str
    partitions: int

    def gateway(self, *arguments: str, **settings: str) -> list[str]:
        """The command of a gateway, with settings in its environment."""
        settings |= {"log_url": f"kafka://{self.bootstrap}", "topic_prefix": self.prefix}
        named = [f"GATEWAY_{name.upper()}={value}" for name, value in settings.items()]
        return ["env", *named, str(GATEWAY), *arguments]

    def peer(self, module: str, *options: str) -> list[str]:
        """The command of a peer."""
        told = [self.bootstrap, self.prefix, "--partitions", str(self.partitions), *options]
        return [str(_PYTHON), "-W", "ignore", "-m", f"benchmarks.peers.{module}", *told]

    def weighed(self, command: list[str]) -> "Running":
        """Start a command, and weigh it."""
        said = self.folder / f"said-{self.prefix}txt"
        with said.open("ab") as log:
            weighing = [sys.executable, "-m", "benchmarks.weigh", *command]
            return Running(self._started(weighing, log, subprocess.PIPE), said)

    def live(self, command: list[str]) -> "subprocess.Popen[bytes]":
        """Start a command that goes on until it is stopped."""
        with (self.folder / f"said-{self.prefix}txt").open("ab") as log:
            # `env` becomes the command, so the process is the one to weigh and to stop.
            return self._started(command, log, subprocess.DEVNULL)

    def _started(self, command: list[str], log: IO[bytes], out: int) -> "subprocess.Popen[bytes]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=kept | {"PYTHONPATH": str(_REPOSITORY)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=log,
            start_new_session=True,
        )


class Running:
    """A command that is being weighed."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: Path) -> None:
        self._process = process
        self._said = said

    def ended(self) -> Weighed:
        """Wait for its end. Raises Failed."""
        try:
            out, _ = self._process.communicate(timeout=_PATIENCE_S)
        except BaseException:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise
        if self._process.returncode:
            raise Failed(f"{self._process.args}: {self._said.read_text(errors='replace')[-1_000:]}")
        return json.decode(out, type=Weighed)
