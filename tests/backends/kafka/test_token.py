"""Tokens are shown while they hold, renewed before they end, and asked for without haste."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.backends.kafka.token import ClientCredentials, NoToken, TokenFile

SECRET = "hunter2 & hunter3:"


class Endpoint:
    """A token endpoint: gives token-1, token-2 …, or answers as it is told."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self.heard: list[tuple[str | None, Mapping[str, Any]]] = []
        self.expires_in: object = 100
        self.answer: web.Response | None = None
        self.speaks = asyncio.Event()
        self.speaks.set()

    async def handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        self.heard.append((request.headers.get("Authorization"), dict(await request.post())))
        await self.speaks.wait()
        if self.answer is not None:
            return web.Response(status=self.answer.status, body=self.answer.body, headers=self.answer.headers)
        given = {"access_token": f"token-{self.asked}", "token_type": "Bearer", "expires_in": self.expires_in}
        return web.json_response({name: value for name, value in given.items() if value is not None})


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_post("/token", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    yield made
    made.speaks.set()
    await runner.cleanup()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(endpoint: Endpoint, clock: Clock) -> ClientCredentials:
    return ClientCredentials(endpoint.url, "gate/way", SECRET, "kafka", now_s=clock)


async def refused(tokens: ClientCredentials | TokenFile) -> str:
    with pytest.raises(NoToken) as failed:
        await tokens.token()
    assert "hunter" not in str(failed.value)
    return str(failed.value)


async def test_an_endpoint_hears_who_asks_and_for_what(endpoint: Endpoint, tokens: ClientCredentials) -> None:
    assert await tokens.token() == "token-1"
    ((authorization, form),) = endpoint.heard
    assert authorization is not None
    scheme, _, login = authorization.partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(login) == b"gate%2Fway:hunter2+%26+hunter3%3A"
    assert form == {"grant_type": "client_credentials", "scope": "kafka"}


async def test_a_token_is_shared_until_four_fifths_of_its_life(
    endpoint: Endpoint, tokens: ClientCredentials, clock: Clock
) -> None:
    assert set(await asyncio.gather(*(tokens.token() for _ in range(10)))) == {"token-1"}
    clock.at += 79.9
    assert await tokens.token() == "token-1"
    clock.at += 0.1
    assert await tokens.token() == "token-2"
    assert endpoint.asked == 2


@pytest.mark.parametrize("expires_in", [None, 0])
async def test_a_token_of_unknown_life_is_used_once(
    expires_in: int | None, endpoint: Endpoint, tokens: ClientCredentials
) -> None:
    endpoint.expires_in = expires_in
    assert [await tokens.token(), await tokens.token()] == ["token-1", "token-2"]


async def test_a_life_that_is_written_as_text_is_understood(
    endpoint: Endpoint, tokens: ClientCredentials
) -> None:
    endpoint.expires_in = "3599"
    assert [await tokens.token(), await tokens.token()] == ["token-1", "token-1"]


async def test_while_a_token_holds_an_endpoint_that_fails_does_no_harm(
    endpoint: Endpoint, tokens: ClientCredentials, clock: Clock
) -> None:
    await tokens.token()
    endpoint.answer = web.Response(status=503)
    clock.at += 90
    assert await tokens.token() == "token-1"
    clock.at += 10
    assert "it answers with status 503" in await refused(tokens)
    endpoint.answer = None
    clock.at += 30
    assert await tokens.token() == "token-4"


async def test_an_endpoint_that_fails_is_asked_ever_more_seldom(
    endpoint: Endpoint, tokens: ClientCredentials, clock: Clock
) -> None:
    endpoint.answer = web.Response(status=500)
    asked_at = []
    for _ in range(1000):
        before = endpoint.asked
        await refused(tokens)
        if endpoint.asked > before:
            asked_at.append(clock.at - 1000)
        clock.at += 0.1
    assert [round(at) for at in asked_at] == [0, 1, 3, 7, 15, 31, 61, 91]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (web.Response(status=401), "it refuses the client id or its secret; correct them"),
        (web.Response(status=401, text='{"error":"invalid_client"}'), "refuses the client id or its secret"),
        (web.Response(status=400, text='{"error":"invalid_scope"}'), "it refuses the scope; correct it"),
        (web.Response(status=400, text='{"error":"unauthorized_client"}'), "may not ask for tokens"),
        (web.Response(status=400, text='{"error":"unsupported_grant_type"}'), "name another endpoint"),
        (web.Response(status=400, text='{"error":"hunter2"}'), "it answers with status 400; check its URL"),
        (web.Response(status=400, body=b"\xff"), "it answers with status 400"),
        (web.Response(status=302, headers={"Location": "/token"}), "it answers with status 302"),
        (web.Response(text="{}"), "holds no bearer token; check its URL"),
        (web.Response(text="<html>"), "holds no bearer token"),
        (web.Response(body=b"\xff"), "holds no bearer token"),
        (web.Response(text='{"access_token":"x","token_type":"mac"}'), "holds no bearer token"),
        (web.Response(text='{"access_token":"a\\u0001b","token_type":"bearer"}'), "holds no bearer token"),
        (
            web.Response(text='{"access_token":"x","token_type":"bearer"}' + " " * 70000),
            "holds no bearer token",
        ),
    ],
)
async def test_what_an_endpoint_answers_instead_of_a_token_is_reported(
    answer: web.Response, expected: str, endpoint: Endpoint, tokens: ClientCredentials
) -> None:
    endpoint.answer = answer
    assert expected in await refused(tokens)


async def test_an_endpoint_that_says_nothing_or_is_not_there_is_reported(
    endpoint: Endpoint,
) -> None:
    endpoint.speaks.clear()
    silent = ClientCredentials(endpoint.url, "me", SECRET, timeout_s=0.05)
    assert "the token endpoint can't be reached (TimeoutError); check its URL" in await refused(silent)
    nobody = ClientCredentials("http://127.0.0.1:1/token", "me", SECRET)
    assert "the token endpoint can't be reached (ClientConnectorError); check its URL" in await refused(
        nobody
    )


async def test_a_token_file_is_read_each_time(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "token")
    assert "can't be read (no such file or directory)" in await refused(tokens)
    for given in ("one.two.three", "four\n"):
        (tmp_path / "token").write_text(given)
        assert await tokens.token() == given.strip()


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"two tokens", b"one\ntwo", b"a\x01b", b"\xff", b'{"token":1}']
)
async def test_a_file_without_a_token_is_reported_without_its_content(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(content)
    said = await refused(TokenFile(tmp_path / "token"))
    assert said == f"the token file {tmp_path / 'token'} holds no token; write one to it, and nothing else"
