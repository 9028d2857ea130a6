"""An identity provider of the tests: keys, tokens, and a place where its keys are."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import jwt
import time_machine
from aiohttp import ClientSession, web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.api.callers import Authenticator, Refusals
from gateway.api.callers.authenticating import MOST_REMEMBERED
from gateway.api.callers.keyring import Keyring
from gateway.api.callers.keys import read_keys
from gateway.api.problems import answer_with_problems
from gateway.api.security import LOGGED_APART_S, none_of_theirs
from tests.patience import PATIENCE_S

ISSUER: Final = "https://issuer.example"
AUDIENCE: Final = "gateway"
NOW_S: Final = 1_700_000_000.0
#: What stands in the path of each request, and must stand nowhere else.
PO_NUMBER: Final = "PO-Featherstonehaugh"

Json = dict[str, Any]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """A key; the same one for the same arguments."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(curve: str = "P-256", number: int = 0) -> ec.EllipticCurvePrivateKey:
    """A key; the same one for the same arguments."""
    curves: Mapping[str, ec.EllipticCurve] = {
        "P-256": ec.SECP256R1(),
        "P-384": ec.SECP384R1(),
        "secp256k1": ec.SECP256K1(),
    }
    return ec.generate_private_key(curves[curve])


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    """A key, always the same one."""
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key: PrivateKey, kid: str, **more: object) -> Json:
    """The public half of a key."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    public.pop("key_ops", None)
    return {**public, "kid": kid, **more}


def key_set(*keys: object) -> bytes:
    """A JSON Web Key Set."""
    return json.dumps({"keys": keys}).encode()


def claims(**changes: object) -> Json:
    """What a good token says; None takes a claim away."""
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "client-1",
        "iat": NOW_S - 10,
        "exp": NOW_S + 300,
        "provider_id": "PRV01",
        "scope": "",
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def token(
    key: PrivateKey | None = None, kid: str | None = "ec", alg: str = "ES256", **changes: object
) -> str:
    """A token, signed with a key of ours unless there is another."""
    return signed(claims(**changes), key or ec_key(), kid, alg)


def signed(
    payload: Json, key: PrivateKey, kid: str | None = "ec", alg: str = "ES256", **header: object
) -> str:
    """A token with this payload and these further members of its header."""
    members = header if kid is None else {"kid": kid, **header}
    return signed_bytes(json.dumps(payload).encode(), key, alg, members)


def signed_bytes(
    payload: bytes, key: PrivateKey, alg: str = "ES256", header: Mapping[str, object] | None = None
) -> str:
    """A token whose payload is these bytes, whatever they are."""
    return jwt.PyJWS().encode(payload, key, alg, {"kid": "ec"} if header is None else dict(header))


def usual_keys() -> bytes:
    """One key of each kind."""
    return key_set(
        jwk(rsa_key(), "rsa"), jwk(ec_key(), "ec", alg="ES256", use="sig"), jwk(ed_key(), "ed", alg="EdDSA")
    )


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    body: Json
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """The problem's code; empty where there is none."""
        return str(self.body.get("code", ""))


@dataclass(frozen=True)
class Served:
    """An API that is asked. refused: the reason of each refusal, as it was counted. clock: the machine's."""

    session: ClientSession
    authenticator: Authenticator
    refused: list[str]
    clock: time_machine.Traveller

    async def ask(self, *authorization: str, path: str = f"/v1/referrals/{PO_NUMBER}") -> Answer:
        """One request with these headers Authorization."""
        headers = [("Authorization", value) for value in authorization]
        async with self.session.get(path, headers=headers) as response:
            return Answer(response.status, await response.json(content_type=None), response.headers)

    async def bearing(self, bearer: str, path: str = f"/v1/referrals/{PO_NUMBER}") -> Answer:
        """One request with this token."""
        return await self.ask(f"Bearer {bearer}", path=path)


def fixed_keyring(document: bytes) -> Keyring:
    """Keys that stay what they are."""

    async def fetch() -> bytes:
        return document

    return Keyring(fetch, known=read_keys(document))


@asynccontextmanager
async def served(
    keyring: Keyring,
    issuer: str = ISSUER,
    audience: str = AUDIENCE,
    most_remembered: int = MOST_REMEMBERED,
    logged_apart_s: float = LOGGED_APART_S,
) -> AsyncIterator[Served]:
    """An API whose answers say who asked. It is NOW_S for as long as the block lasts."""
    refused: list[str] = []
    authenticator = Authenticator(
        keyring,
        issuer=issuer,
        audience=audience,
        refusals=Refusals(refused.append, apart_s=logged_apart_s),
        most_remembered=most_remembered,
    )

    def says(caller: Any) -> web.Response:
        return web.json_response(
            {
                "providers": sorted(caller.providers),
                "scopes": sorted(caller.scopes),
                "subject": caller.subject,
                "ends_at": caller.ends_at,
            }
        )

    async def anybody(request: web.Request) -> web.Response:
        return says(await authenticator.caller(request))

    async def anothers(request: web.Request) -> web.Response:
        await authenticator.caller(request)
        none_of_theirs(request, another=request.match_info["po"] == PO_NUMBER)
        return web.json_response({}, status=404)

    app = web.Application(middlewares=[answer_with_problems])
    app.add_routes(
        [
            web.get("/v1/referrals/{po}", anybody),
            web.get("/v1/anothers/{po}", anothers),
        ]
    )
    with time_machine.travel(NOW_S, tick=False) as clock:
        async with authenticator, serving(app) as url, ClientSession(url) as session:
            yield Served(session, authenticator, refused, clock)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """Serve on a free port of this machine."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Endpoint:
    """Where the identity provider's keys are. answer: what it says; asked: how often it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self.document = usual_keys()
        self.answer: Mapping[str, Any] | None = None
        self.speaks = asyncio.Event()
        self.speaks.set()
        self._heard = asyncio.Condition()

    async def handle(self, _: web.Request) -> web.Response:
        """Answer."""
        async with self._heard:
            self.asked += 1
            self._heard.notify_all()
        await self.speaks.wait()
        return web.Response(body=self.document) if self.answer is None else web.Response(**self.answer)

    async def was_asked(self, times: int) -> None:
        """Wait until it was asked so often."""
        async with asyncio.timeout(PATIENCE_S), self._heard:
            await self._heard.wait_for(lambda: self.asked >= times)


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    """A place where keys are, on this machine."""
    made = Endpoint()
    app = web.Application()
    app.router.add_get("/keys", made.handle)
    async with serving(app) as url:
        made.url = f"{url}/keys"
        try:
            yield made
        finally:
            made.speaks.set()
