"""Who asks, by the token that a request has."""

import re
from hashlib import sha256
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from gateway.api.callers.keyring import Keyring
from gateway.api.callers.keys import Keys
from gateway.api.callers.verifying import LARGEST_TOKEN, Caller, Header, TokenRefused, header_of, verify
from gateway.api.security import Refusals, TokenReason

#: How many tokens are remembered as good.
MOST_REMEMBERED: Final = 10_000
#: Why a token is refused that a key may have signed which is not known here yet.
_OF_KEYS: Final[frozenset[TokenReason]] = frozenset({"key_unknown", "algorithm", "signature"})
_BEARER: Final = re.compile(r"bearer +([^ ]+) *", re.IGNORECASE)


class Authenticator:
    """Says who asks. Keeps its keys up to date for as long as the block lasts.

    A signature is checked once for each token: what was found good is remembered by the token's hash until it
    expires, or until the keys change. most_remembered: how many tokens are.
    """

    def __init__(
        self,
        keyring: Keyring,
        *,
        issuer: str,
        audience: str,
        refusals: Refusals,
        most_remembered: int = MOST_REMEMBERED,
    ) -> None:
        self.refusals = refusals
        self.keyring = keyring
        self._issuer = issuer
        self._audience = audience
        self._most_remembered = most_remembered
        self._verified: dict[bytes, Caller] = {}
        #: Those by which they were.
        self._keys: Keys | None = None

    async def __aenter__(self) -> Self:
        await self.keyring.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.keyring.__aexit__(kind, error, trace)

    async def caller(self, request: web.Request) -> Caller:
        """Who asks: a provider, a Jobcentre, PRaP or an operator.

        Raises Problem (401, 403 or 503), and logs it.
        """
        try:
            caller = await self.bearer(_bearer(request))
        except TokenRefused as refused:
            raise self.refusals.token(request, refused.reason, refused.kid) from None
        self.refusals.admitted(request, {"providers": caller.providers, "jobcentres": caller.jobcentres})
        if not caller.has_rights:
            raise self.refusals.no_rights(request)
        return caller

    async def bearer(self, token: str) -> Caller:
        """Who bears a token. Raises TokenRefused."""
        keys = self.keyring.keys or await self.keyring.newest()
        if keys is None:
            raise TokenRefused("keys_unavailable")
        name = sha256(token.encode()).digest()
        known = self._remembered(keys).get(name)
        if known is not None:
            if not known.has_expired:
                return known
            del self._verified[name]
            raise TokenRefused("expired", known.kid)
        header = header_of(token)
        try:
            found = self._verified_by(keys, token, header)
        except TokenRefused as refused:
            newest = await self.keyring.newest() if refused.reason in _OF_KEYS else keys
            # There may be a new key under the id of an old one.
            if newest is None or newest is keys:
                raise
            keys = newest
            found = self._verified_by(keys, token, header)
        remembered = self._remembered(keys)
        if len(remembered) >= self._most_remembered:
            del remembered[next(iter(remembered))]
        remembered[name] = found
        return found

    def _verified_by(self, keys: Keys, token: str, header: Header) -> Caller:
        """Who bears a token, by these keys. Raises TokenRefused."""
        kid = header.key_id
        key = keys.find(kid, header.alg)
        if key is None:
            if kid is not None and kid in keys.kids:
                raise TokenRefused("algorithm", kid)
            raise TokenRefused("key_unknown")
        return verify(token, kid, key, issuer=self._issuer, audience=self._audience)

    def _remembered(self, keys: Keys) -> dict[bytes, Caller]:
        """What was found good by these keys: nothing that a key signed which has been withdrawn."""
        if keys is not self._keys:
            self._keys = keys
            self._verified.clear()
        return self._verified


def _bearer(request: web.Request) -> str:
    """The token of a request. Raises TokenRefused. One in the query or the body is not looked for."""
    given = request.headers.getall("Authorization", [])
    if not given:
        raise TokenRefused("missing")
    # With two of them, a proxy may have looked at the other one.
    found = _BEARER.fullmatch(given[0]) if len(given) == 1 else None
    if found is None or len(found[1]) > LARGEST_TOKEN or not found[1].isascii():
        raise TokenRefused("malformed")
    return found[1]
