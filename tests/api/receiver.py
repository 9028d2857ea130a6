"""Somebody who receives webhooks over real connections, and the clock by which a gateway tries them again."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.patience import PATIENCE_S

HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Got:
    """A delivery that came."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """By the letter of Standard Webhooks, with nothing of the gateway's."""
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return self.headers["webhook-signature"] == f"v1,{expected}"


@dataclass
class Receiver:
    """Answers each delivery as the next of `answers` says; with 204 once these are used up.

    allows: what it answers to who asks for permission.
    """

    url: str = ""
    got: list[Got] = field(default_factory=list)
    answers: list[int | Callable[[], Awaitable[web.StreamResponse]]] = field(default_factory=list)
    allows: str | None = "*"
    asked: list[str] = field(default_factory=list)
    _come: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, count: int) -> list[Got]:
        """Wait until so many deliveries have come."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.got) < count:
                self._come.clear()
                await self._come.wait()
        return self.got

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            self.asked.append(request.headers["WebHook-Request-Origin"])
            return web.Response(headers={"WebHook-Allowed-Origin": self.allows} if self.allows else {})
        self.got.append(
            Got({name.lower(): text for name, text in request.headers.items()}, await request.read())
        )
        self._come.set()
        answer = self.answers.pop(0) if self.answers else 204
        if not isinstance(answer, int):
            return await answer()
        return web.Response(status=answer, headers={"Location": self.url} if answer == 302 else {})


@asynccontextmanager
async def receiver(**given: Any) -> AsyncIterator[Receiver]:
    """One that listens on this machine for as long as the block lasts."""
    made = Receiver(**given)
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", made.handle)
    server = TestServer(app)
    await server.start_server()
    made.url = str(server.make_url("/hook"))
    try:
        yield made
    finally:
        await server.close()


class HandClock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self._now = 1_700_000_000_000
        self._come = asyncio.Event()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> int:
        return self._now

    async def until(self, at: int) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((at, done))
        self._come.set()
        await done

    async def move(self, by_ms: int | None = None) -> int:
        """Wait until somebody waits, and move on by so much, or to the instant that is waited for first.

        Returns by how much it was moved.
        """
        async with asyncio.timeout(PATIENCE_S):
            while not (waiting := [each for each in self._waiting if not each[1].done()]):
                self._come.clear()
                await self._come.wait()
        before = self._now
        self._now = min(at for at, _ in waiting) if by_ms is None else before + by_ms
        for at, done in waiting:
            if at <= self._now:
                done.set_result(None)
        return self._now - before
