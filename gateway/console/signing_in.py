"""Signing in at the operators' OpenID Connect provider: authorization code with PKCE.

Source: OpenID Connect Core 1.0, 3.1; OpenID Connect Discovery 1.0, 4; RFC 7636; RFC 9700, 2.1 and 4.
"""

import asyncio
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
import jwt
import msgspec
from aiohttp import web

from gateway.api.callers.keyring import Keyring
from gateway.api.callers.keys import Keys
from gateway.api.callers.sources import TIMEOUT_S, from_url
from gateway.api.callers.verifying import LEEWAY_S, TokenRefused, header_of
from gateway.console.browsers import Browser, Operator
from gateway.settings.settings import is_this_machine
from gateway.settings.signing_in import SignInSettings
from gateway.system.errors import UserError
from gateway.system.withheld import Withheld

T = TypeVar("T")

CALLBACK: Final = "/console/signed-in"
#: Neither a discovery document nor an answer with tokens is larger.
_LARGEST: Final = 256 * 1024
_LONGEST_NAME: Final = 200


class SignInFailed(UserError):
    """Somebody could not be signed in; the message says why, and what to do."""

    code = "SIGN_IN_FAILED"


class _Discovered(msgspec.Struct, frozen=True):
    """What a provider says of itself."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str


class _Tokens(Withheld, msgspec.Struct, frozen=True):
    """What it answers to a code."""

    id_token: str


class Provider:
    """The operators' provider. What it says of itself is asked for once it is needed, and kept."""

    def __init__(self, settings: SignInSettings) -> None:
        self._settings = settings
        self._found: tuple[_Discovered, Keyring] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def address(self, browser: Browser) -> str:
        """Where a browser is sent to sign in. Raises SignInFailed."""
        found, _ = await self._discovered()
        challenge = urlsafe_b64encode(sha256(browser.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.url + CALLBACK,
            "scope": "openid profile",
            "state": browser.state,
            "nonce": browser.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(found.authorization_endpoint).query else "?"
        return found.authorization_endpoint + joint + urlencode(query)

    async def operator(self, request: web.Request, browser: Browser) -> Operator:
        """Who has come back from it. Raises SignInFailed."""
        query = request.query
        if not compare_digest(query.get("state", "").encode(), browser.state.encode()):
            raise SignInFailed("this answer is not to a sign-in of this browser; sign in again")
        found, keyring = await self._discovered()
        # RFC 9207: of two providers, one must not answer for the other.
        if query.get("iss", found.issuer) != found.issuer:
            raise SignInFailed("this answer is from another identity provider; sign in again")
        code = query.get("code")
        if not code:
            raise SignInFailed("the identity provider did not let you sign in; sign in again, or ask it why")
        token = await self._exchange(found, code, browser.verifier)
        return self._verified(await _key_of(keyring, token), token, found.issuer, browser.nonce)

    async def _discovered(self) -> tuple[_Discovered, Keyring]:
        async with self._one_at_a_time:
            if self._found is None:
                url = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
                found = _read(await _ask("GET", url), _Discovered)
                if found.issuer != self._settings.issuer:
                    raise SignInFailed(
                        "the identity provider calls itself otherwise than GATEWAY_CONSOLE_ISSUER does; set "
                        "that to its `issuer`"
                    )
                for each in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
                    parts = urlsplit(each)
                    if parts.scheme != "https" and not is_this_machine(parts.hostname or ""):
                        raise SignInFailed("the identity provider's endpoints are not https; correct that")
                self._found = found, Keyring(from_url(found.jwks_uri))
            return self._found

    async def _exchange(self, found: _Discovered, code: str, verifier: str) -> str:
        """The ID token for a code."""
        settings = self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": settings.url + CALLBACK,
            "code_verifier": verifier,
        }
        authorization = None
        if settings.client_secret is None:
            form["client_id"] = settings.client_id
        else:
            # RFC 6749, 2.3.1: each is encoded as in a form first.
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
            authorization = f"Basic {b64encode(pair.encode()).decode()}"
        return _read(await _ask("POST", found.token_endpoint, form, authorization), _Tokens).id_token

    def _verified(self, key: jwt.PyJWK, token: str, issuer: str, nonce: str) -> Operator:
        """Whom an ID token is about (OpenID Connect Core 1.0, 3.1.3.7)."""
        settings = self._settings
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=issuer,
                audience=settings.client_id,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "sub", "nonce"]},
            )
        except jwt.PyJWTError as error:
            raise SignInFailed(
                f"the identity provider's ID token can't be used ({type(error).__name__}); check the client "
                "there, and the clocks"
            ) from None
        if not compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise SignInFailed("the ID token is of another sign-in; sign in again")
        if claims.get("azp", settings.client_id) != settings.client_id:
            raise SignInFailed("the ID token was given to another client; sign in again")
        subject = str(claims["sub"])
        name = claims.get("name") or claims.get("preferred_username")
        held = claims.get(settings.claim)
        scopes = held.split() if isinstance(held, str) else held if isinstance(held, list) else []
        return Operator(
            issuer,
            subject,
            name[:_LONGEST_NAME] if isinstance(name, str) else subject[:_LONGEST_NAME],
            frozenset(each for each in scopes if isinstance(each, str)),
        )


async def _key_of(keyring: Keyring, token: str) -> jwt.PyJWK:
    """The key that a token is signed with, by its header; keys that are not known yet are fetched."""
    try:
        header = header_of(token)
    except TokenRefused:
        raise SignInFailed(
            "the identity provider's ID token can't be used; let it sign with RS256, PS256, ES256 or EdDSA"
        ) from None

    def found(keys: Keys | None) -> jwt.PyJWK | None:
        return None if keys is None else keys.find(header.key_id, header.alg)

    key = found(keyring.keys) or found(await keyring.newest())
    if key is None:
        raise SignInFailed("the identity provider's keys can't be had, or are others; try again")
    return key


async def _ask(
    method: str, url: str, form: Mapping[str, str] | None = None, authorization: str | None = None
) -> bytes:
    """What the provider answers. Raises SignInFailed."""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if authorization is not None:
        headers["Authorization"] = authorization
    try:
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S), auto_decompress=False
            ) as session,
            session.request(method, url, data=form, headers=headers, allow_redirects=False) as response,
        ):
            if response.status != HTTPStatus.OK:
                raise SignInFailed(
                    f"the identity provider answers with status {response.status}; check the console's "
                    "settings and what it logs"
                )
            body = b""
            async for part in response.content.iter_any():
                body += part
                if len(body) > _LARGEST:
                    raise SignInFailed("the identity provider's answer is too large; check its address")
            return body
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise SignInFailed(
            f"the identity provider can't be reached ({type(error).__name__}); try again, or check "
            "GATEWAY_CONSOLE_ISSUER"
        ) from None


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SignInFailed(
            "the identity provider's answer is not what OpenID Connect says; check GATEWAY_CONSOLE_ISSUER"
        ) from None
