"""One delivery of an event to a webhook's URL, bounded in time and size.

Sources: Standard Webhooks 1.0; CloudEvents 1.0.2, HTTP protocol binding and "HTTP 1.1 Web Hooks for Event
Delivery" (abuse protection).
"""

from collections.abc import Mapping
from http import HTTPMethod, HTTPStatus
from typing import Final
from urllib.parse import quote

import aiohttp
from msgspec import Struct

from gateway.api.webhooks.addresses import NotPublic, Sockets
from gateway.api.webhooks.keys import Secrets

#: By when a receiver must have answered.
TIMEOUT_S: Final = 10.0
#: How large the headers of its answer may be; of its body nothing is read.
_LARGEST_LINE: Final = 8_190
_CONNECTIONS: Final = 64
_USER_AGENT: Final = "information-session-gateway"


class Message(Struct, frozen=True):
    """What is delivered. event_id: also of what is delivered again. body: JSON."""

    event_id: str
    media_type: str
    body: bytes


class Attempt(Struct, frozen=True):
    """What came of a delivery. failure: None: it was taken. gone: it never will be."""

    failure: str | None = None
    gone: bool = False


class Sender:
    """Delivers for as long as it is open. origin: what this gateway is called where it asks for permission.

    local: to this machine, too. timeout_s: by when a receiver must have answered.
    """

    def __init__(self, secrets: Secrets, *, origin: str, local: bool, timeout_s: float = TIMEOUT_S) -> None:
        self.secrets = secrets
        self._origin = origin
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self.local = local
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()

    async def send(self, webhook_id: str, url: str, message: Message, now: int) -> Attempt:
        """Deliver once, signed. now: UTC milliseconds. Never raises but when it is cancelled."""
        # An id may have characters that a header has not.
        message_id = quote(message.event_id, safe="/:@!$&'()*+,;=")
        at_s = now // 1_000
        headers = {
            "Content-Type": message.media_type,
            "webhook-id": message_id,
            "webhook-timestamp": str(at_s),
            "webhook-signature": self.secrets.signature(webhook_id, message_id, at_s, message.body),
        }
        status, _, failure = await self._ask(HTTPMethod.POST, url, headers, message.body)
        if failure is not None:
            return Attempt(failure)
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Attempt()
        return Attempt(f"STATUS_{status}", gone=status == HTTPStatus.GONE)

    async def is_welcome(self, url: str) -> str | None:
        """Ask a receiver of CloudEvents whether it takes them from here; why not, or None."""
        headers = {"WebHook-Request-Origin": self._origin}
        status, answered, failure = await self._ask(HTTPMethod.OPTIONS, url, headers, None)
        if failure is None and not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            failure = f"STATUS_{status}"
        allowed = answered.get("WebHook-Allowed-Origin", "")
        if failure is None and allowed not in {"*", self._origin}:
            failure = "NO_PERMISSION"
        return failure

    async def _ask(
        self, method: HTTPMethod, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> tuple[int, Mapping[str, str], str | None]:
        """The status and the headers of an answer, or why there is none."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=_CONNECTIONS, use_dns_cache=False, socket_factory=Sockets(local=self.local)
                ),
                timeout=self._timeout,
                headers={"User-Agent": _USER_AGENT},
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                max_line_size=_LARGEST_LINE,
                max_field_size=_LARGEST_LINE,
            )
        try:
            # A redirection would lead to what its owner has not registered.
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as answered:
                answered.close()  # whatever follows: a body without end would be read until the timeout
                return answered.status, answered.headers, None
        except TimeoutError:
            return 0, {}, "TOO_SLOW"
        except aiohttp.ClientConnectorCertificateError:
            return 0, {}, "CERTIFICATE_NOT_TRUSTED"
        except aiohttp.ClientConnectorError as error:
            return 0, {}, "NOT_A_PUBLIC_ADDRESS" if isinstance(error.os_error, NotPublic) else "UNREACHABLE"
        except (aiohttp.ClientError, OSError, ValueError):
            return 0, {}, "UNREACHABLE"
