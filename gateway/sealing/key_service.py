"""A wrapping key that a key service has and never gives away: the transit engine of Vault, or of OpenBao.

The service is asked at a start, and when keys rotate. Which version of its key wraps is its own affair: it
knows by what it gave which version unwraps that.
Source: the HTTP API of the transit secrets engine, `encrypt` and `decrypt`.
"""

import ssl
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Final, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from msgspec import DecodeError, Struct, json

from gateway.engine.log import LogBusy, LogError
from gateway.sealing.wrapping import KEY_BYTES, Wrapped

#: How long an answer may take, and how large it may be.
ANSWER_S: Final = 5.0
LARGEST_ANSWER: Final = 64 * 1024
#: A token has no more bytes.
_LARGEST_TOKEN: Final = 16 * 1024
_REFUSES: Final[dict[int, str]] = {
    HTTPStatus.BAD_REQUEST: "can't unwrap the log's keys, because another key wrapped them, or a version "
    "that it no longer uses; name that one, or have it used again",
    HTTPStatus.FORBIDDEN: "refuses the token in {token}; renew it, and let it encrypt and decrypt",
    HTTPStatus.NOT_FOUND: "has no such key, or no transit engine there; correct GATEWAY_KEY_SERVICE_URL and "
    "GATEWAY_KEY_SERVICE_KEY_NAME",
}


class _Data(Struct):
    plaintext: str = ""
    ciphertext: str = ""


class _Answer(Struct):
    data: _Data


class _NoRedirect(HTTPRedirectHandler):
    """A token is shown to nobody else."""

    def redirect_request(self, *_: object) -> None:
        """None: there is no other request."""


class KeyService:
    """A key of a service at a URL, such as https://vault.example:8200/v1/transit.

    token_file: what holds the token, which is read each time. ca_file: of the service's certificate; None:
    the machine's own. answer_s: how long an answer may take.
    """

    def __init__(
        self, url: str, key: str, token_file: Path, ca_file: Path | None = None, answer_s: float = ANSWER_S
    ) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._token_file = token_file
        self._answer_s = answer_s
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise LogError(
                f"the CA of the key service, {ca_file}, can't be used ({error.strerror}); name a file with "
                "certificates (PEM)"
            ) from None
        self._opener = build_opener(ProxyHandler({}), HTTPSHandler(context=context), _NoRedirect)

    def wrap(self, key: bytes) -> Wrapped:
        """The key, wrapped with the newest version of the service's."""
        data = self._ask("encrypt", {"plaintext": b64encode(key).decode()})
        if not data.ciphertext:
            self._not_understood()
        return Wrapped(f"key service, {self._key}", data.ciphertext.encode())

    def unwrap(self, wrapped: Wrapped) -> bytes:
        """The key that was wrapped."""
        data = self._ask("decrypt", {"ciphertext": wrapped.value.decode(errors="replace")})
        try:
            key = b64decode(data.plaintext, validate=True)
        except NotBase64:
            key = b""
        if len(key) != KEY_BYTES:
            self._not_understood()
        return key

    def _not_understood(self) -> NoReturn:
        raise LogError("what answers at GATEWAY_KEY_SERVICE_URL is no transit engine; correct the address")

    def _ask(self, what: str, body: dict[str, str]) -> _Data:
        request = Request(
            f"{self._url}/{what}/{quote(self._key, safe='')}",
            json.encode(body),
            {"X-Vault-Token": self._token(), "Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=self._answer_s) as answer:
                return json.decode(answer.read(LARGEST_ANSWER), type=_Answer).data
        except HTTPError as error:
            error.close()
            if why := _REFUSES.get(error.code):
                raise LogError(f"the key service {why.format(token=self._token_file)}") from None
            raise LogBusy(f"the key service answers {error.code}; see to it") from None
        except (DecodeError, UnicodeDecodeError):
            self._not_understood()
        except (URLError, HTTPException, OSError) as error:
            # Only what kind of error it was: its text may quote what was sent.
            cause = getattr(error, "reason", error)
            raise LogBusy(f"the key service does not answer ({type(cause).__name__}); see to it") from None

    def _token(self) -> str:
        try:
            with self._token_file.open("rb") as file:
                token = file.read(_LARGEST_TOKEN).strip()
        except OSError as error:
            raise LogError(
                f"the key service's token {self._token_file} can't be read ({error.strerror}); write one to "
                "it"
            ) from None
        if not token or not token.isascii() or any(byte <= 0x20 for byte in token):
            raise LogError(f"{self._token_file} holds no token for the key service; write one to it")
        return token.decode("ascii")
