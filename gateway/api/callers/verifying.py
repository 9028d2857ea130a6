"""From a token to what it says, if it is one of ours and holds.

PyJWT checks the signature. The claims are read by type here, because the times are compared with a clock that
is passed in, and because a claim of another type than it should have is no claim.

Source: RFC 7519; RFC 7515, 4.1; RFC 8725; RFC 9068, 2 and 4.
"""

import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Annotated, Final

import jwt
import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from gateway.api.callers.caller import Caller
from gateway.api.callers.keys import ALGORITHMS, LONGEST_KID, PublicKey
from gateway.api.security import TokenReason

LARGEST_TOKEN: Final = 6144
MOST_PROVIDERS: Final = 100
LONGEST_PROVIDER_ID: Final = 100
LONGEST_SUBJECT: Final = 256
#: How far the clocks of gateway and identity provider may differ.
LEEWAY_S: Final = 10.0

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_ALGORITHMS: Final = frozenset(name for names in ALGORITHMS.values() for name in names)
#: What a header may say that the token is: not one for logging out, nor a proof of possession.
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_JWS: Final = jwt.PyJWS()

ProviderId = Annotated[str, Meta(min_length=1, max_length=LONGEST_PROVIDER_ID)]


class TokenRefused(Exception):
    """A token is not taken. kid: the key that it names, where that is one of ours."""

    def __init__(self, reason: TokenReason, kid: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kid = kid


class Header(msgspec.Struct, frozen=True):
    """What a token says of itself. Keys in it, or addresses of keys, are not even looked at."""

    alg: str
    kid: str | UnsetType = UNSET
    typ: str = "JWT"
    crit: Raw | UnsetType = UNSET

    @property
    def key_id(self) -> str | None:
        """The id of the key that signed it, where it says one."""
        return None if self.kid is UNSET else self.kid


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str | list[str]
    exp: float
    nbf: float | None = None
    iat: float | None = None
    sub: Annotated[str, Meta(max_length=LONGEST_SUBJECT)] = ""
    provider_id: ProviderId | Annotated[list[ProviderId], Meta(max_length=MOST_PROVIDERS)] | None = None
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that was found good. kid: of the key that signed it, where the token names it."""

    caller: Caller
    kid: str | None

    def holds(self, now_s: float) -> bool:
        """Whether it has not expired."""
        return now_s < self.caller.ends_at + LEEWAY_S


def header_of(token: str) -> Header:
    """The header, with an algorithm that is taken. Raises TokenRefused."""
    if len(token) > LARGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise TokenRefused("malformed")
    encoded = token.partition(".")[0]
    try:
        header = msgspec.json.decode(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)), type=Header)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise TokenRefused("malformed") from None
    if header.alg not in _ALGORITHMS:
        raise TokenRefused("algorithm")
    # No extension is understood here, so a token that insists on one can't be judged.
    if header.crit is not UNSET or header.typ.lower() not in _TYPES:
        raise TokenRefused("header")
    if header.key_id is not None and not 1 <= len(header.key_id) <= LONGEST_KID:
        raise TokenRefused("key_unknown")
    return header


def verify(
    token: str, header: Header, key: PublicKey, *, issuer: str, audience: str, now_s: float
) -> Verified:
    """What a token says. key: the one that signed it, by its header. now_s: UTC seconds since 1970.

    Raises TokenRefused.
    """
    kid = header.key_id
    try:
        payload = _JWS.decode(token, key, algorithms=[header.alg])
    except jwt.InvalidSignatureError:
        raise TokenRefused("signature", kid) from None
    except (jwt.PyJWTError, ValueError, RecursionError):  # it reads the header again, and what is in it
        raise TokenRefused("malformed", kid) from None
    try:
        claims = msgspec.json.decode(payload, type=_Claims)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenRefused("claims", kid) from None
    if claims.iss != issuer:
        raise TokenRefused("issuer", kid)
    if audience not in ([claims.aud] if isinstance(claims.aud, str) else claims.aud):
        raise TokenRefused("audience", kid)
    if max(claims.nbf or 0, claims.iat or 0) > now_s + LEEWAY_S:
        raise TokenRefused("not_yet_valid", kid)
    named = claims.provider_id
    providers = frozenset([named] if isinstance(named, str) else named or ())
    caller = Caller(providers, frozenset(claims.scope.split()), claims.sub, claims.exp)
    verified = Verified(caller, kid)
    if not verified.holds(now_s):
        raise TokenRefused("expired", kid)
    return verified
