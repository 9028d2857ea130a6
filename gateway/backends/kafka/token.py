"""Tokens for OAUTHBEARER: from a file, or from an OAuth 2.0 token endpoint by client credentials.

A token is asked for whenever a connection to a broker is made, and shown to that broker only.
Source: RFC 6749, 2.3.1, 4.4 and 5; RFC 6750, 2.1.
"""

import asyncio
import re
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus

import msgspec
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError

from gateway.system.withheld import Withheld

if TYPE_CHECKING:
    from aiohttp import ClientResponse

LARGEST_ANSWER: Final = 65536
#: A token is replaced when this part of its life is over.
RENEWED_AFTER: Final = 0.8
#: How long nothing is asked of an endpoint after a failure: doubled each time, up to the second number.
ASKED_AGAIN_AFTER_S: Final = (1.0, 30.0)

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
#: What RFC 6749, 5.2 has an endpoint say, and what to do.
_REFUSALS: Final = {
    "invalid_client": "it refuses the client id or its secret; correct them",
    "unauthorized_client": "this client may not ask for tokens by client credentials; have it allowed",
    "unsupported_grant_type": "it gives no tokens for client credentials; name another endpoint",
    "invalid_scope": "it refuses the scope; correct it",
}


class NoToken(KafkaError):
    """There is no token to show to a broker; the message says what to do.

    It is one of aiokafka's errors, because aiokafka goes on trying after those and ends at any other.
    """

    retriable = True

    def __str__(self) -> str:
        return str(self.args[0])


class TokenFile(AbstractTokenProvider):
    """The token that a file holds at the moment: whoever renews it writes the file anew."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """The token. Raises NoToken."""
        try:
            text = await asyncio.to_thread(self._path.read_text, "utf-8")
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise NoToken(f"the token file {self._path} can't be read ({why}); write a token to it") from None
        except UnicodeDecodeError:
            text = ""
        if not _TOKEN.fullmatch(text.strip()):
            raise NoToken(f"the token file {self._path} holds no token; write one to it, and nothing else")
        return text.strip()


class _Answer(Withheld, msgspec.Struct):
    access_token: str
    token_type: str
    expires_in: float = 0


class _Refusal(msgspec.Struct):
    error: str


class ClientCredentials(AbstractTokenProvider):
    """Tokens from an endpoint, each kept for most of its life and shared by all connections.

    timeout_s: how long the endpoint has to answer. now_s: a clock that doesn't go back, in seconds.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        client_secret: str,
        scope: str | None = None,
        *,
        timeout_s: float = 10.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        login = f"{quote_plus(client_id)}:{quote_plus(client_secret)}".encode()
        self._headers = {"Authorization": f"Basic {b64encode(login).decode()}", "Accept": "application/json"}
        self._form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        self._timeout_s = timeout_s
        self._now_s = now_s
        self._one_at_a_time = asyncio.Lock()
        self._token = ""
        self._renew_at = self._ends_at = now_s()
        self._failure = ""
        self._failures = 0
        self._ask_again_at = now_s()

    async def token(self) -> str:
        """A token with a fifth of its life before it, or less where it can't be renewed. Raises NoToken."""
        async with self._one_at_a_time:
            if self._now_s() >= self._renew_at and self._now_s() >= self._ask_again_at:
                await self._renew()
            if self._failure and self._now_s() >= self._ends_at:
                raise NoToken(self._failure)
            return self._token

    async def _renew(self) -> None:
        asked_at = self._now_s()
        try:
            answer = await self._ask()
        except NoToken as failure:
            shortest, longest = ASKED_AGAIN_AFTER_S
            self._ask_again_at = self._now_s() + min(longest, shortest * 2**self._failures)
            self._failures = min(self._failures + 1, 10)
            self._failure = str(failure)
        else:
            self._failure, self._failures = "", 0
            self._token = answer.access_token
            self._renew_at = asked_at + answer.expires_in * RENEWED_AFTER
            self._ends_at = asked_at + answer.expires_in

    async def _ask(self) -> _Answer:
        # It takes a sixth of a start, and few ask an endpoint.
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=self._timeout_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                # A redirection would send the secret to wherever it leads.
                session.post(
                    self._url, data=self._form, headers=self._headers, allow_redirects=False
                ) as response,
            ):
                body = await _read(response)
                status = response.status
        except aiohttp.ClientConnectorCertificateError:
            raise NoToken(
                "the token endpoint's certificate is not trusted; name its CA in SSL_CERT_FILE"
            ) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NoToken(
                f"the token endpoint can't be reached ({type(error).__name__}); check its URL"
            ) from None
        if status != 200:
            raise NoToken(f"the token endpoint gives no token: {_refusal(status, body)}")
        try:
            answer = msgspec.json.decode(body, type=_Answer, strict=False)
        except (msgspec.DecodeError, UnicodeDecodeError):
            answer = _Answer("", "")
        if answer.token_type.lower() != "bearer" or not _TOKEN.fullmatch(answer.access_token):
            raise NoToken("the token endpoint's answer holds no bearer token; check its URL")
        return answer


async def _read(response: "ClientResponse") -> bytes:
    """The whole body, or nothing where it is larger than any token's."""
    body = b""
    async for part in response.content.iter_any():
        body += part
        if len(body) > LARGEST_ANSWER:
            return b""
    return body


def _refusal(status: int, body: bytes) -> str:
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = "invalid_client" if status == 401 else ""
    return _REFUSALS.get(error, f"it answers with status {status}; check its URL, and what it logs")
