"""From a token to who bears it, if it is one of ours and holds.

PyJWT checks the signature, the issuer, the audience and the times. The claims are read by type on the way,
because a claim of another type than it should have is no claim.

Source: RFC 7519; RFC 7515, 4.1; RFC 8725; RFC 9068, 2 and 4.
"""

import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Final, TypeVar

import jwt
import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from gateway.api.callers.keys import LONGEST_KID, PUBLIC_KEYS
from gateway.api.security import TokenReason
from schemas.json_objects import decode_json, twice
from schemas.limits import LONGEST_ID, wrong_with_id

T = TypeVar("T")

#: The scope of operators.
OPERATE: Final = "gateway:operate"
#: The scope of operators who may see whom a referral is about.
PERSONAL_DATA: Final = "gateway:personal-data"
#: The scope of a Jobcentre, which the claim jobcentre_id names: to send its messages.
SEND_AS_JOBCENTRE: Final = "jobcentre:send"
#: The scope of a Jobcentre, which the claim jobcentre_id names: to follow the events that are for it.
SUBSCRIBE_AS_JOBCENTRE: Final = "jobcentre:subscribe"
#: What a Jobcentre may do; each counts only with the claim jobcentre_id.
OF_JOBCENTRES: Final = frozenset({SEND_AS_JOBCENTRE, SUBSCRIBE_AS_JOBCENTRE})
#: The scope of PRaP, whose referrals may be for any provider and any Jobcentre.
SEND_AS_PRAP: Final = "prap:send"
#: The scope of those who enter on PRaP what was decided: all actions are theirs.
ENTER_ON_PRAP: Final = "prap:actions"
#: All that there are.
SCOPES: Final = OF_JOBCENTRES | {OPERATE, PERSONAL_DATA, SEND_AS_PRAP, ENTER_ON_PRAP}
_OF_PRAP: Final = frozenset({SEND_AS_PRAP, ENTER_ON_PRAP})
LARGEST_TOKEN: Final = 6144
#: How many providers, or Jobcentres, a token may name.
MOST_NAMED: Final = 100
LONGEST_SUBJECT: Final = 256
#: How far the clocks of gateway and identity provider may differ.
LEEWAY_S: Final = 10.0

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
#: What a header may say that the token is: not one for logging out, nor a proof of possession.
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
#: Why a token is refused of which PyJWT says this; for anything else it is malformed.
_REASONS: Final[Mapping[type[jwt.PyJWTError], TokenReason]] = {
    jwt.InvalidSignatureError: "signature",
    jwt.InvalidIssuerError: "issuer",
    jwt.InvalidAudienceError: "audience",
    jwt.MissingRequiredClaimError: "audience",  # it is an empty list; that it is there is known by then
    jwt.ImmatureSignatureError: "not_yet_valid",
    jwt.ExpiredSignatureError: "expired",
}

PartyId = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]
PartyIds = PartyId | Annotated[list[PartyId], Meta(max_length=MOST_NAMED)]


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


class _Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    iss: str
    aud: str | list[str]
    exp: float
    sub: Annotated[str, Meta(min_length=1, max_length=LONGEST_SUBJECT)]
    nbf: float | None = None
    iat: float | None = None
    provider_id: PartyIds | None = None
    jobcentre_id: PartyIds | None = None
    scope: str = ""


class _Tokens(jwt.PyJWT):
    def _decode_payload(self, decoded: dict[str, Any]) -> dict[str, Any]:
        """The claims, each of its type; PyJWT would take a time that is a text. Raises DecodeError."""
        claims = _read_once(decoded["payload"], _Claims)
        found: dict[str, Any] = msgspec.to_builtins(claims)
        return found


_TOKENS: Final = _Tokens()


@dataclass(frozen=True, slots=True)
class Caller:
    """What a verified token says of its bearer.

    providers: those it may speak for; a prime contractor has several, an operator perhaps none. subject: whom
    the token was given to. ends_at: when the token expires, UTC seconds since 1970. kid: the key that signed
    it, where the token names one. issuer: who gave the token. jobcentres: those it may speak for, as far as
    its scopes go.
    """

    providers: frozenset[str]
    scopes: frozenset[str]
    subject: str
    ends_at: float
    kid: str | None = None
    issuer: str = ""
    jobcentres: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """Issuer and subject as 32 hexadecimal digits: a subject may be a name, which no log line shows."""
        named = f"{len(self.issuer)}:{self.issuer}{self.subject}"
        return blake2b(named.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    @property
    def operates(self) -> bool:
        """Whether it is an operator's."""
        return OPERATE in self.scopes

    @property
    def has_rights(self) -> bool:
        """Whether there is anything that it may do."""
        as_jobcentre = bool(self.jobcentres) and not OF_JOBCENTRES.isdisjoint(self.scopes)
        return bool(self.providers) or self.operates or as_jobcentre or not _OF_PRAP.isdisjoint(self.scopes)

    @property
    def party(self) -> tuple[str, frozenset[str]]:
        """Whom it speaks for: what is limited for each party is limited for these together."""
        if self.providers:
            return "provider", self.providers
        if self.jobcentres:
            return "jobcentre", self.jobcentres
        return "subject", frozenset({self.subject})

    @property
    def has_expired(self) -> bool:
        """Whether the token has."""
        return self.ends_at + LEEWAY_S <= time.time()


def _read_once(text: bytes, kind: type[T]) -> T:
    """What a JSON text says, where it says each thing once (RFC 7515, 4; RFC 7519, 4). Raises DecodeError."""
    found = msgspec.json.decode(text, type=kind)
    if twice(text, decode_json(text)):
        raise msgspec.DecodeError
    return found


def header_of(token: str) -> Header:
    """The header, with an algorithm that is taken. Raises TokenRefused."""
    if len(token) > LARGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise TokenRefused("malformed")
    encoded = token.partition(".")[0]
    try:
        header = _read_once(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)), Header)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise TokenRefused("malformed") from None
    if header.alg not in PUBLIC_KEYS:
        raise TokenRefused("algorithm")
    # No extension is understood here, so a token that insists on one can't be judged.
    if header.crit is not UNSET or header.typ.lower() not in _TYPES:
        raise TokenRefused("header")
    if header.key_id is not None and not 1 <= len(header.key_id) <= LONGEST_KID:
        raise TokenRefused("key_unknown")
    return header


def verify(token: str, kid: str | None, key: jwt.PyJWK, *, issuer: str, audience: str) -> Caller:
    """Who bears a token. kid, key: the one that signed it, by its header. Raises TokenRefused."""
    try:
        claims = msgspec.convert(
            _TOKENS.decode(token, key, issuer=issuer, audience=audience, leeway=LEEWAY_S), _Claims
        )
    except jwt.PyJWTError as error:
        raise TokenRefused(_REASONS.get(type(error), "malformed"), kid) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise TokenRefused("claims", kid) from None
    providers, jobcentres = _named(claims.provider_id), _named(claims.jobcentre_id)
    if any(map(wrong_with_id, providers | jobcentres)):  # they are logged
        raise TokenRefused("claims", kid)
    scopes = frozenset(claims.scope.split())
    return Caller(providers, scopes, claims.sub, claims.exp, kid, claims.iss, jobcentres)


def _named(claim: str | list[str] | None) -> frozenset[str]:
    return frozenset([claim] if isinstance(claim, str) else claim or ())
