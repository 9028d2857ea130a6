"""Who is signed in, browser by browser: kept in this process, and named by a cookie.

A cookie is a random name and says nothing. Its name changes when somebody signs in, so that one that was
planted in a browser beforehand is worth nothing. What is kept is found by the cookie's hash.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b, sha256
from hmac import compare_digest
from secrets import token_urlsafe
from typing import Final

from aiohttp import web

from gateway.api.callers import OPERATE, PERSONAL_DATA

#: How long somebody stays signed in, at the longest, and without doing anything.
SIGNED_IN_S: Final = 8 * 3600.0
IDLE_S: Final = 3600.0
#: How long signing in may take.
SIGNING_IN_S: Final = 600.0
#: So many may sign in at a time, and be signed in; beyond, the oldest has to begin again.
MOST: Final = 10_000
_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Operator:
    """Who is signed in. subject: by what the issuer knows them. name: what they are called, or the same."""

    issuer: str
    subject: str
    name: str
    scopes: frozenset[str]

    @property
    def id(self) -> str:
        """Issuer and subject as 32 hexadecimal digits: a subject may be a name, which no log line shows."""
        named = f"{len(self.issuer)}:{self.issuer}{self.subject}"
        return blake2b(named.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    @property
    def operates(self) -> bool:
        """Whether they may use the console."""
        return OPERATE in self.scopes

    @property
    def sees_people(self) -> bool:
        """Whether they may see whom a referral is about."""
        return PERSONAL_DATA in self.scopes


@dataclass(slots=True)
class Browser:
    """A browser that signs in, or in which somebody has. csrf: what its forms must send.

    to: where to go then. state, nonce, verifier: of signing in at a provider.
    """

    ends_s: float
    operator: Operator | None = None
    to: str = ""
    idle_s: float = 0.0
    csrf: str = field(default_factory=lambda: token_urlsafe(_BYTES), repr=False)
    state: str = field(default_factory=lambda: token_urlsafe(_BYTES), repr=False)
    nonce: str = field(default_factory=lambda: token_urlsafe(_BYTES), repr=False)
    verifier: str = field(default_factory=lambda: token_urlsafe(_BYTES), repr=False)

    def has_sent(self, form: "web.FileField | str | bytes | bytearray | None") -> bool:
        """Whether a form is one of this browser's."""
        return isinstance(form, str) and compare_digest(form.encode(), self.csrf.encode())


class Browsers:
    """Those that are known. secure: they come by https. now_s: a clock that doesn't go back, in seconds."""

    def __init__(
        self, *, secure: bool, now_s: Callable[[], float] = time.monotonic, most: int = MOST
    ) -> None:
        self._secure = secure
        self._now_s = now_s
        self._most = most
        #: A browser takes a cookie of this name from nobody but this very host.
        self.cookie = "__Host-gateway-console" if secure else "gateway-console"
        self._signing_in: dict[bytes, Browser] = {}
        self._signed_in: dict[bytes, Browser] = {}

    def of(self, request: web.Request) -> Browser | None:
        """The browser that a request comes from, where somebody has signed in there or is about to."""
        name = self._name(request)
        now_s = self._now_s()
        for known in (self._signed_in, self._signing_in):
            browser = known.get(name)
            if browser is None:
                continue
            if now_s < browser.ends_s and (browser.operator is None or now_s < browser.idle_s):
                browser.idle_s = now_s + IDLE_S
                return browser
            del known[name]
        return None

    def begin(self, response: web.StreamResponse, to: str) -> Browser:
        """One in which somebody begins to sign in. to: where they wanted to go."""
        browser = Browser(self._now_s() + SIGNING_IN_S, to=to)
        self._keep(self._signing_in, browser, response)
        return browser

    def sign_in(self, request: web.Request, response: web.StreamResponse, operator: Operator) -> None:
        """Somebody has signed in: from now on the browser has another name."""
        self.forget(request)
        now_s = self._now_s()
        browser = Browser(now_s + SIGNED_IN_S, operator, idle_s=now_s + IDLE_S)
        self._keep(self._signed_in, browser, response)

    def sign_out(self, request: web.Request, response: web.StreamResponse) -> None:
        """Forget a browser, and let it forget its name."""
        self.forget(request)
        response.del_cookie(self.cookie, path="/", secure=self._secure, httponly=True, samesite="Lax")

    def forget(self, request: web.Request) -> None:
        """What was known of the browser that a request comes from is known no more."""
        name = self._name(request)
        self._signed_in.pop(name, None)
        self._signing_in.pop(name, None)

    def _name(self, request: web.Request) -> bytes:
        return sha256(request.cookies.get(self.cookie, "").encode()).digest()

    def _keep(self, known: dict[bytes, Browser], browser: Browser, response: web.StreamResponse) -> None:
        name = token_urlsafe(_BYTES)
        while len(known) >= self._most:
            del known[next(iter(known))]
        known[sha256(name.encode()).digest()] = browser
        response.set_cookie(self.cookie, name, path="/", secure=self._secure, httponly=True, samesite="Lax")
