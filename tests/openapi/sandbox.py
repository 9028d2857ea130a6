"""A sandbox as people run one: the command, in a folder of its own, and a token for it."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from gateway.sandbox import PROVIDER
from tests.cli.running import GATEWAY, clean_environment, spawn
from tests.patience import PATIENCE_S
from tests.ports import free_port


@dataclass(frozen=True)
class Answered:
    """What came back. headers: the last of each name."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def type(self) -> str | None:
        """The media type, without what follows it."""
        found = self.headers.get("Content-Type")
        return None if found is None else found.partition(";")[0]


@dataclass(frozen=True)
class Sandbox:
    """Where it is, and who asks. token: of the provider whose referrals are ready-made.

    folder: where its log is.
    """

    port: int
    token: str
    folder: Path

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        """Whether it decides what arrives, and answers."""
        try:
            return self.ask("GET", "/readyz").status == 200
        except OSError:
            return False

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answered:
        """One request, with the token. `Idempotency_Key=` is that header; an empty one is left out."""
        sent = {"Authorization": f"Bearer {self.token}" if self.token else ""}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            named = {name: value for name, value in sent.items() if value}
            connection.request(method, path, body or None, named)
            response = connection.getresponse()
            # A stream has no end: its first lines are enough.
            streams = response.headers.get_content_type() == "text/event-stream"
            content = b"".join(response.readline() for _ in range(6)) if streams else response.read()
            return Answered(response.status, dict(response.headers.items()), content)
        finally:
            connection.close()


@contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """One that is new. What it logs is in `logged.jsonl` of the folder."""
    port = free_port()
    environment = clean_environment() | {"GATEWAY_HTTP_PORT": str(port)}
    with (
        (folder / "logged.jsonl").open("wb") as log,
        subprocess.Popen([GATEWAY, "run", "--sandbox"], cwd=folder, env=environment, stderr=log) as run,
    ):
        try:
            here = Sandbox(port, "", folder)
            give_up_at = time.monotonic() + PATIENCE_S
            while not here.is_ready():
                assert run.poll() is None, (folder / "logged.jsonl").read_text()
                assert time.monotonic() < give_up_at, (folder / "logged.jsonl").read_text()
                time.sleep(0.02)
            token = spawn("token", "--provider", PROVIDER, cwd=folder).out.decode().strip()
            yield Sandbox(port, token, folder)
        finally:
            run.terminate()
