"""Processes of `gateway run` on a broker, known by number."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cli.running import GATEWAY, Json, clean_environment
from tests.patience import PATIENCE_S


class Gateway:
    """A process that runs. What it logs goes to a file: a pipe that nobody reads would stop it in the end."""

    def __init__(self, folder: Path, environment: dict[str, str], arguments: Sequence[str]) -> None:
        self._log = folder / f"gateway-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [GATEWAY, *arguments],
                cwd=folder,
                env=clean_environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    @property
    def logged(self) -> list[Json]:
        """What it has logged so far."""
        said = self._log.read_text("utf-8")
        return [json.loads(line) for line in said[: said.rfind("\n") + 1].splitlines()]

    @property
    def said(self) -> str:
        """All that is on its standard error."""
        return self._log.read_text("utf-8")

    def assigned(self) -> set[int] | None:
        """The partitions of its newest assignment; None where there is none yet."""
        found = [line["partitions"] for line in self.logged if line["event"] == "partitions.assigned"]
        return set(found[-1]) if found else None

    def claims(self) -> list[int]:
        """The partitions that it has claimed, one after the other."""
        return [line["partition"] for line in self.logged if line["event"] == "partition.claimed"]

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def ended(self) -> int:
        """Its exit status, which is waited for."""
        return self.process.wait(PATIENCE_S)

    def decided(self) -> int:
        """How much it says to have decided, having ended."""
        return sum(line["decided"] for line in self.logged if line["event"] == "gateway.stopped")


@contextmanager
def running(
    folder: Path,
    bootstrap: str,
    prefix: str,
    *arguments: str,
    source: Path | str | None = None,
    **settings: str,
) -> Iterator[Gateway]:
    """A `gateway run` with these arguments, killed at the end where it has not ended.

    source: the folder whose code it is; None: this checkout.
    """
    environment = {"GATEWAY_LOG_URL": f"kafka://{bootstrap}", "GATEWAY_TOPIC_PREFIX": prefix}
    environment |= {} if source is None else {"PYTHONPATH": str(source)}
    environment |= {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}
    gateway = Gateway(folder, environment, ["run", *arguments])
    try:
        yield gateway
    finally:
        gateway.kill()
        gateway.process.wait()


@contextmanager
def several(
    number: int, folder: Path, bootstrap: str, prefix: str, *arguments: str, **settings: str
) -> Iterator[list[Gateway]]:
    """So many of them."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(running(folder, bootstrap, prefix, *arguments, **settings))
            for _ in range(number)
        ]


def share(gateways: Sequence[Gateway], partitions: int) -> bool:
    """Whether all partitions are assigned and claimed, and as many processes have some as can have."""
    assigned = [gateway.assigned() for gateway in gateways]
    if any(numbers is None for numbers in assigned):
        return False
    held = [numbers for numbers in assigned if numbers]
    claimed = all(
        numbers <= set(gateway.claims())
        for gateway, numbers in zip(gateways, assigned, strict=True)
        if numbers
    )
    return (
        claimed
        and sorted(number for numbers in held for number in numbers) == [*range(partitions)]
        and len(held) == min(len(gateways), partitions)
    )
