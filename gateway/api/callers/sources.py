"""Where a set of keys comes from: an address of the identity provider, or a file.

PyJWT has a client for such addresses, which holds up its thread, the gateway's loop; hence aiohttp.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from stat import S_ISREG, S_IWOTH
from typing import Final

import aiohttp

from gateway.api.callers.keys import LARGEST_SET

TIMEOUT_S: Final = 5.0

Source = Callable[[], Awaitable[bytes]]


class NotFetched(Exception):
    """The keys can't be fetched; the message says why, and what to do."""


def from_url(url: str, *, timeout_s: float = TIMEOUT_S) -> Source:
    """What an address answers. It raises NotFetched."""

    async def fetch() -> bytes:
        try:
            async with (
                # A compressed answer could be of any size when it is unpacked.
                aiohttp.ClientSession(
                    timeout=aiohttp.ClientTimeout(total=timeout_s), auto_decompress=False
                ) as session,
                # A redirection would let whoever can set one say who may call.
                session.get(
                    url,
                    headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                    allow_redirects=False,
                ) as response,
            ):
                if response.status != HTTPStatus.OK:
                    raise NotFetched(
                        f"GATEWAY_JWKS_URL answers with status {response.status}; check it, and what "
                        "the identity provider logs"
                    )
                return await _read(response)
        except aiohttp.ClientConnectorCertificateError:
            raise NotFetched(
                "the certificate of GATEWAY_JWKS_URL is not trusted; name its CA in SSL_CERT_FILE"
            ) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NotFetched(
                f"GATEWAY_JWKS_URL can't be reached ({type(error).__name__}); check it"
            ) from None

    return fetch


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, up to a byte more than a set may have."""
    body = b""
    async for part in response.content.iter_any():
        body += part
        if len(body) > LARGEST_SET:
            break
    return body


def from_file(path: Path) -> Source:
    """What a file holds at the moment. It raises NotFetched."""

    async def fetch() -> bytes:
        return await asyncio.to_thread(read_file, path)

    return fetch


def read_file(path: Path) -> bytes:
    """What a file holds, up to a byte more than a set may have. Raises NotFetched."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if S_ISREG(mode) and mode & S_IWOTH:  # whoever can write to it says who may call
                raise NotFetched(
                    "GATEWAY_JWKS_FILE can be written by every user of this machine; run chmod o-w on it"
                )
            return file.read(LARGEST_SET + 1)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise NotFetched(
            f"GATEWAY_JWKS_FILE can't be read ({why}); write the identity provider's keys to it"
        ) from None
