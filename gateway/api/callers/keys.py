"""A JSON Web Key Set: which keys may have signed a token, and by which algorithm each.

Source: RFC 7517; RFC 7518, 3 and 6; RFC 8725, 3.1 and 3.2.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import UNSET, Raw, UnsetType

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

#: The algorithms that there are, by the type and curve of the keys that they fit.
ALGORITHMS: Final[Mapping[tuple[str, str | None], tuple[str, ...]]] = {
    ("RSA", None): ("RS256", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
LARGEST_SET: Final = 256 * 1024
MOST_KEYS: Final = 100
LONGEST_KID: Final = 200
#: Nothing that is looked at is nested more deeply, from the set on.
DEEPEST: Final = 10
#: A longer one would take a caller's place in the loop for too long.
RSA_BITS: Final = (2048, 8192)
#: A string of JSON, where one begins that doesn't end all the rest, or a bracket.
_STRING_OR_BRACKET: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[][{}]', re.DOTALL)


class NoKeySet(ValueError):
    """What was read is no set of keys; the message says what is wrong with it and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a set, by id and algorithm, and by algorithm. left_out: how many can't be used here."""

    document: bytes
    by_use: Mapping[tuple[str, str], PublicKey]
    by_algorithm: Mapping[str, Sequence[PublicKey]]
    kids: frozenset[str]
    count: int
    left_out: int

    def knows(self, kid: str | None, algorithm: str) -> bool:
        """Whether there is a key of that id; None: one for that algorithm."""
        return algorithm in self.by_algorithm if kid is None else kid in self.kids

    def find(self, kid: str | None, algorithm: str) -> PublicKey | None:
        """The key of that id, or without an id the only one for that algorithm: of several none is tried."""
        if kid is not None:
            return self.by_use.get((kid, algorithm))
        fitting = self.by_algorithm.get(algorithm, ())
        return fitting[0] if len(fitting) == 1 else None


class _Set(msgspec.Struct, frozen=True):
    keys: list[Raw]


class _Key(msgspec.Struct, frozen=True):
    """A member of a set. d: there in a private key only."""

    kty: str
    kid: str | UnsetType = UNSET
    use: str = "sig"
    key_ops: list[str] | None = None
    alg: str | None = None
    crv: str | None = None
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""
    d: Raw | UnsetType = UNSET


def read_keys(document: bytes) -> Keys:
    """The keys of a set. Raises NoKeySet.

    A key that is for something else, too weak, or of an algorithm that isn't taken is left out: it must not
    spoil the others.
    """
    if len(document) > LARGEST_SET:
        raise NoKeySet(f"it is larger than {LARGEST_SET // 1024} KiB")
    try:
        members = msgspec.json.decode(_without_depths(document), type=_Set).keys
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NoKeySet("it is no JSON Web Key Set") from None
    if len(members) > MOST_KEYS:
        raise NoKeySet(f"it has more than {MOST_KEYS} keys")
    by_use: dict[tuple[str, str], PublicKey] = {}
    by_algorithm: dict[str, list[PublicKey]] = {}
    count = 0
    for member in members:
        found = _read(member)
        count += bool(found)
        for (kid, algorithm), key in found.items():
            by_algorithm.setdefault(algorithm, []).append(key)
            if kid is not None:
                # Of two keys with one id, the first: which is meant can't be known.
                by_use.setdefault((kid, algorithm), key)
    kids = frozenset(kid for kid, _ in by_use)
    return Keys(document, by_use, by_algorithm, kids, count, len(members) - count)


def _without_depths(document: bytes) -> bytes:
    """A JSON text with 0 in the place of what is nested too deeply: not even to skip it is there a stack."""
    kept: list[bytes] = []
    depth = begins = 0
    for found in _STRING_OR_BRACKET.finditer(document):
        if found[0] in {b"[", b"{"}:
            depth += 1
            if depth == DEEPEST + 1:
                kept += [document[begins : found.start()], b"0"]
        elif found[0] in {b"]", b"}"}:
            depth -= 1
            if depth == DEEPEST:
                begins = found.end()
    return b"".join([*kept, document[begins:]]) if depth == 0 else b""  # no JSON, if brackets stay open


def _read(member: Raw) -> dict[tuple[str | None, str], PublicKey]:
    """A key by its id, if it has one, and each of its algorithms; nothing where it can't be used."""
    try:
        key = msgspec.json.decode(member, type=_Key)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    is_public = key.d is UNSET  # a private key that is published may have signed anything
    is_for_this = key.use == "sig" and (key.key_ops is None or "verify" in key.key_ops)
    kid = None if key.kid is UNSET else key.kid
    if not (is_public and is_for_this and (kid is None or 1 <= len(kid) <= LONGEST_KID)):
        return {}
    fitting = ALGORITHMS.get((key.kty, None if key.kty == "RSA" else key.crv), ())
    algorithms = [algorithm for algorithm in fitting if key.alg in {None, algorithm}]
    if not algorithms:
        return {}
    members = {name: getattr(key, name) for name in ("kty", "crv", "n", "e", "x", "y")}
    try:
        public = jwt.PyJWK(members, algorithms[0]).key
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, OverflowError):
        return {}
    shortest, longest = RSA_BITS
    if isinstance(public, RSAPublicKey) and not shortest <= public.key_size <= longest:
        return {}
    return {(kid, algorithm): public for algorithm in algorithms}
