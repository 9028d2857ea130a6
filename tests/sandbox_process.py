"""A sandbox as people run one, asked from outside: the command in a folder of its own, and a token for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from gateway.sandbox import PROVIDER
from tests.api.running import Process, process
from tests.cli.running import spawn
from tests.patience import PATIENCE_S, eventually

#: The options of a token with which everything can be asked.
OF_EVERYBODY: Final = (
    *("--provider", PROVIDER, "--jobcentre", "JCP-LEEDS", "--scope", "jobcentre:send"),
    *("--scope", "jobcentre:subscribe", "--scope", "prap:send", "--scope", "prap:actions"),
)


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
    """Where it is, and who asks. token: of the provider whose referrals are ready-made."""

    process: Process
    token: str

    @property
    def folder(self) -> Path:
        """Where its log is."""
        return self.process.folder

    @property
    def port(self) -> int:
        """Where it is asked."""
        return self.process.port

    @property
    def url(self) -> str:
        """The same, as an address."""
        return self.process.url

    def until_ready(self) -> None:
        """Wait until it has decided all that is ready-made."""
        eventually(lambda: self.ask("GET", "/readyz").status == 200)

    def get(self, path: str) -> Any:
        """What it answers the provider, in JSON."""
        answered = self.ask("GET", path)
        assert answered.status == 200, answered.body
        return json.loads(answered.body)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Answered:
        """One request, with the token. `Idempotency_Key=` is that header; an empty one is left out."""
        sent = {"Authorization": f"Bearer {self.token}" if self.token else ""}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            named = {name: value for name, value in sent.items() if value}
            connection.request(method, path, body or None, named)
            response = connection.getresponse()
            # A stream has no end: its first event is enough.
            streams = response.headers.get_content_type() == "text/event-stream"
            content = b"".join(response.readline() for _ in range(5)) if streams else response.read()
            return Answered(response.status, dict(response.headers.items()), content)
        finally:
            connection.close()


@contextmanager
def sandbox(folder: Path) -> Iterator[Sandbox]:
    """A new one that answers, for as long as the block lasts. Nothing that it logs is an error."""
    with process(folder) as run:
        run.until("http.started")
        yield Sandbox(run, spawn("token", *OF_EVERYBODY, cwd=folder).out.decode().strip())
        run.terminate()
        assert run.ended() == 0
    assert not [line for line in run.logged if line["level"] == "error"]
