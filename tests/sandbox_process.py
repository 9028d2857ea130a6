"""`gateway run --sandbox` as a process of its own, for those who ask it from outside."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

from tests.cli.running import GATEWAY, Json, clean_environment, spawn
from tests.patience import PATIENCE_S
from tests.ports import free_port


class Sandbox(NamedTuple):
    """Where it is, and a token of its provider."""

    folder: Path
    port: int
    token: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str) -> Any:
        """What it answers the provider."""
        request = Request(self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        with urlopen(request, timeout=PATIENCE_S) as answer:
            return json.loads(answer.read())


@contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """A new one in a folder, for as long as the block lasts. Nothing that it logs is an error."""
    said, port = folder / "said.jsonl", free_port()
    with said.open("wb") as log:
        process = subprocess.Popen(
            [GATEWAY, "run", "--sandbox"],
            cwd=folder,
            env=clean_environment() | {"GATEWAY_HTTP_PORT": str(port)},
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        while not any(line["event"] == "http.started" for line in told(said)):
            assert process.poll() is None, said.read_text("utf-8")
            time.sleep(0.02)
        yield Sandbox(folder, port, spawn("token", "--provider", "PRV01", cwd=folder).out.decode().strip())
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
    assert not [line for line in told(said) if line["level"] == "error"]


def told(said: Path) -> list[Json]:
    """The whole lines of a log."""
    whole, _, _ = said.read_text("utf-8").rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]
