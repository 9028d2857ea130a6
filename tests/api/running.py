"""Gateways on a sandbox: in this process, or as the command in a process of its own; and who asks them."""

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientConnectionError, ClientSession
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.api.callers.development import key_path, token
from gateway.api.limits import DEFAULT, Limits
from gateway.api.webhooks.delivering import Clock
from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.engine.log import Draft, Record
from gateway.engine.workers import Workers
from gateway.processes.plan import plan_of
from gateway.processes.serving import served
from gateway.reading.tables import LogTables
from gateway.sandbox import BEGINS_AT
from gateway.sandbox.beginning import open_sandbox
from gateway.settings.settings import Settings
from schemas.codec import encode
from schemas.json import parse
from tests.cli.running import GATEWAY, Json, clean_environment
from tests.patience import PATIENCE_S, eventually
from tests.ports import free_port

#: When the sandbox begins.
NOW: Final = "2016-03-14T09:00:00Z"
ACCEPTED: Final[Json] = {"type": "ReferralAccepted", "accepted_at": NOW}
DAY_S: Final = 86_400


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """What problem details are known by."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        return str(self.json["code"])


@dataclass
class Client:
    """Somebody who asks, with a token."""

    session: ClientSession
    token: str

    async def ask(self, method: str, path: str, data: bytes | None = None, **headers: str | None) -> Answer:
        """One request. A header's name is written with _; None takes one away."""
        named = CIMultiDict[str](Authorization=f"Bearer {self.token}")
        for name, value in headers.items():
            if value is None:
                named.pop(name.replace("_", "-"), None)
            else:
                named[name.replace("_", "-")] = value
        async with self.session.request(method, path, data=data, headers=named) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, **headers: str | None) -> Answer:
        """One request for something that is there."""
        return await self.ask("GET", path, None, **headers)

    async def send(self, method: str, path: str, value: object, **headers: str | None) -> Answer:
        """One request with a body in JSON."""
        data = json.dumps(value).encode()
        return await self.ask(method, path, data=data, Content_Type="application/json", **headers)

    async def record(
        self, po_number: str, key: str, value: Json = ACCEPTED, *, wait: int | None = 20
    ) -> Answer:
        """Send a record on a referral. wait: for how long its outcome may be waited for, in seconds."""
        prefer = {} if wait is None else {"Prefer": f"wait={wait}"}
        path = f"/v1/referrals/{po_number}/records"
        return await self.send("POST", path, value, Idempotency_Key=key, **prefer)

    async def message(self, topic: str, kind: str, value: Json, *, wait: int = 20) -> Answer:
        """Send a message of anybody to a sandbox."""
        body = {"topic": topic, "type": kind, "value": value}
        return await self.send("POST", "/sandbox/messages", body, Prefer=f"wait={wait}")

    async def new_referral(self, po_number: str, **fields: object) -> None:
        """Refer somebody, in a sandbox."""
        answer = await self.message("prap.referrals", "Referral", referral(po_number, **fields))
        assert answer.status == 200, answer.body

    async def clock(self, at: str) -> None:
        """Move a sandbox's clock."""
        answer = await self.send("POST", "/sandbox/clock", {"at": at})
        assert answer.status == 200, answer.body


def referral(po_number: str, **fields: object) -> Json:
    """A first revision, of somebody who need not come."""
    value: Json = {
        "message_id": f"{po_number}-referral",
        "po_number": po_number,
        "po_revision": 1,
        "action_plan_annotation": "Work Programme Information Session-Voluntary",
        "referred_on": NOW[:10],
        "provider_id": "PRV01",
        "contract_package_area": "CPA01",
        "jobcentre_id": "JCP-LEEDS",
        "benefit": "ESA",
        "claimant_group": "ESA_C_WRAG",
        "participant": {"forename": "Qzforename", "surname": "Qzsurname", "nino": "AB123456C"},
    }
    return value | fields


def booking(session_id: str, at: str = "2016-03-17T10:00:00Z", **fields: object) -> Json:
    """A session, booked and notified."""
    value: Json = {
        "type": "SessionBooked",
        "session_id": session_id,
        "session_name": "Information session",
        "starts_at": at,
        "duration_minutes": 60,
        "location": "Qzhall",
        "format": "GROUP",
        "notified_at": NOW,
    }
    return value | fields


def token_of(
    log: Path,
    *providers: str,
    valid_for_s: int = DAY_S,
    scopes: Iterable[str] = (),
    jobcentres: Iterable[str] = (),
) -> str:
    """A token of the development key beside a log."""
    return token(
        key_path(log),
        providers=providers,
        jobcentres=jobcentres,
        scopes=scopes,
        valid_for_s=valid_for_s,
        now_s=time.time(),
    )


@dataclass
class Sandbox:
    """One that is served in this process."""

    path: Path
    log: EmbeddedLog
    workers: Workers
    stop: asyncio.Event
    working: asyncio.Task[None]
    session: ClientSession
    port: int

    async def stop_deciding(self) -> None:
        """Let nothing be decided any more; it is served on."""
        self.stop.set()
        await self.working

    def client(self, *providers: str, valid_for_s: int = DAY_S) -> Client:
        """Somebody who speaks for these providers; PRV01 where none is named."""
        return Client(self.session, token_of(self.path, *(providers or ("PRV01",)), valid_for_s=valid_for_s))

    def jobcentre(self, *jobcentres: str, scopes: Iterable[str] = ("jobcentre:send",)) -> Client:
        """Somebody who speaks for these Jobcentres; JCP-LEEDS where none is named."""
        named = jobcentres or ("JCP-LEEDS",)
        return Client(self.session, token_of(self.path, scopes=scopes, jobcentres=named))

    def prap(self) -> Client:
        """PRaP."""
        return Client(self.session, token_of(self.path, scopes=["prap:send"]))

    def clerk(self) -> Client:
        """Somebody who enters actions on PRaP."""
        return Client(self.session, token_of(self.path, scopes=["prap:actions"]))

    async def records(self, *topics: str) -> list[Record]:
        """What is on these topics."""
        return [record async for record in self.log.follow(topics, from_start=True, wait=False)]

    async def ready(self) -> None:
        """Wait until all is decided and can be asked for."""
        await until_ready(self.session)


async def until_ready(session: ClientSession) -> None:
    """Wait until a gateway says that it is ready."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                async with session.get("/readyz") as answer:
                    if answer.status == 200:
                        return
            except (OSError, ClientConnectionError):  # nobody listens yet
                pass
            await asyncio.sleep(0.02)


@asynccontextmanager
async def sandbox(
    path: Path,
    *,
    partitions: int = 1,
    limits: Limits = DEFAULT,
    rate_clock_s: Callable[[], float] = time.monotonic,
    begins_at: int = BEGINS_AT,
    webhook_clock: Clock | None = None,
    **settings: Any,
) -> AsyncIterator[Sandbox]:
    """A sandbox on a file, new or not, served in this process for as long as the block lasts.

    rate_clock_s: the clock by which callers may ask again. begins_at: see open_sandbox. webhook_clock: that
    by which webhooks are tried again.
    """
    port = free_port()
    settings = {"log_url": f"sqlite:///{path}", "http_port": port, **settings}
    given, stop = Settings(**settings), asyncio.Event()
    log = await open_sandbox(path, partitions, LogTables(), begins_at=begins_at)
    try:
        plan = plan_of(given, sandbox=True)
        async with served(
            plan, log, stop, limits=limits, rate_clock_s=rate_clock_s, webhook_clock=webhook_clock
        ) as workers:
            working = asyncio.create_task(workers.run(stop))
            try:
                async with ClientSession(f"http://127.0.0.1:{port}") as session:
                    await until_ready(session)
                    yield Sandbox(path, log, workers, stop, working, session, port)
            finally:
                stop.set()
                await working
    finally:
        await log.close()


@dataclass
class Process:
    """`gateway run --sandbox`, or with other arguments. What it logs goes to a file."""

    folder: Path
    arguments: Sequence[str] = ("run", "--sandbox")
    port: int = field(default_factory=free_port)
    settings: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def path(self) -> Path:
        """Its log."""
        return self.folder / "gateway.db"

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin, or go on."""
        environment = {"GATEWAY_HTTP_PORT": str(self.port)} | {
            f"GATEWAY_{name.upper()}": value for name, value in self.settings.items()
        }
        with (self.folder / "said").open("ab") as said:
            self.process = subprocess.Popen(
                [GATEWAY, *self.arguments],
                cwd=self.folder,
                env=clean_environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def terminate(self) -> None:
        """SIGTERM."""
        assert self.process is not None
        self.process.terminate()

    def ended(self) -> int:
        """Its exit status, which is waited for."""
        assert self.process is not None
        return self.process.wait(PATIENCE_S)

    @property
    def said(self) -> str:
        """All that it has logged."""
        return (self.folder / "said").read_text("utf-8")

    @property
    def logged(self) -> list[Json]:
        """The same, line by line, without the sentence that it may end with."""
        said = self.said
        lines = said[: said.rfind("\n") + 1].splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def until(self, event: str) -> None:
        """Wait until it has logged that."""
        eventually(lambda: self._has_logged(event))

    def _has_logged(self, event: str) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.said
        return any(line["event"] == event for line in self.logged)

    def client(self, session: ClientSession, *providers: str) -> Client:
        """Somebody who speaks for these providers; PRV01 where none is named."""
        return Client(session, token_of(self.path, *(providers or ("PRV01",))))


@contextmanager
def process(folder: Path, **settings: str) -> Iterator[Process]:
    """One that is killed at the end, where it has not ended."""
    made = Process(folder, settings=settings)
    try:
        made.start()
        yield made
    finally:
        made.kill()


async def records_of(path: Path, *topics: str) -> list[Record]:
    """What is on topics of a log that nobody decides on at the moment, or somebody does."""
    log = await open_embedded(path, tables=LogTables())
    try:
        return [record async for record in log.follow(topics, from_start=True, wait=False)]
    finally:
        await log.close()


def draft(topic: str, kind: str, value: Json) -> Draft:
    """A message as a record for the log."""
    message = parse(kind, value)
    return Draft(topic, message.po_number.encode(), encode(message))
