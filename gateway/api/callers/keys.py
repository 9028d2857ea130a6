"""A JSON Web Key Set: which keys may have signed a token, and by which algorithm each.

PyJWT reads each key. Which of them are used is decided here: PyJWKSet takes private and symmetric keys too,
gives an RSA key one algorithm, and raises for a set without keys.

Source: RFC 7517; RFC 7518, 3 and 6; RFC 8725, 3.1 and 3.2.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from msgspec import UNSET, Meta, UnsetType

Algorithm = Literal["RS256", "PS256", "ES256", "EdDSA"]

#: What a key is, by its algorithm; no private one: where that is published, anybody may sign with it.
PUBLIC_KEYS: Final[Mapping[Algorithm, type]] = {
    "RS256": RSAPublicKey,
    "PS256": RSAPublicKey,
    "ES256": EllipticCurvePublicKey,
    "EdDSA": Ed25519PublicKey,
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
    by_use: Mapping[tuple[str, str], PyJWK]
    by_algorithm: Mapping[str, Sequence[PyJWK]]
    kids: frozenset[str]
    count: int
    left_out: int

    def find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """The key of that id, or without an id the only one for that algorithm: of several none is tried."""
        if kid is not None:
            return self.by_use.get((kid, algorithm))
        fitting = self.by_algorithm.get(algorithm, ())
        return fitting[0] if len(fitting) == 1 else None


class _Set(msgspec.Struct, frozen=True):
    keys: list[Any]


class _Use(msgspec.Struct, frozen=True):
    """What a member of a set says that it is for."""

    kid: Annotated[str, Meta(min_length=1, max_length=LONGEST_KID)] | UnsetType = UNSET
    use: Literal["sig"] = "sig"
    key_ops: list[str] | None = None
    alg: Algorithm | None = None


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
    by_use: dict[tuple[str, str], PyJWK] = {}
    by_algorithm: dict[str, list[PyJWK]] = {}
    count = 0
    for member in members:
        found = _read(member)
        count += bool(found)
        for key in found:
            by_algorithm.setdefault(key.algorithm_name, []).append(key)
            if key.key_id is not None:
                # Of two keys with one id, the first: which is meant can't be known.
                by_use.setdefault((key.key_id, key.algorithm_name), key)
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


def _read(member: Any) -> list[PyJWK]:  # noqa: ANN401 - whatever the JSON holds
    """A key for each of its algorithms; none where it can't be used."""
    try:
        use = msgspec.convert(member, _Use)
    except msgspec.ValidationError:
        return []
    if use.key_ops is not None and "verify" not in use.key_ops:
        return []
    algorithms = PUBLIC_KEYS if use.alg is None else (use.alg,)
    return [key for algorithm in algorithms if (key := _key(member, algorithm)) is not None]


def _key(member: dict[str, Any], algorithm: Algorithm) -> PyJWK | None:
    try:
        key = PyJWK(member, algorithm)
        public = key.Algorithm.prepare_key(key.key)  # which looks at the curve
    except Exception:  # noqa: BLE001 - whatever a key holds, it must not spoil the others
        return None
    shortest, longest = RSA_BITS
    if isinstance(public, RSAPublicKey) and not shortest <= public.key_size <= longest:
        return None
    return key if isinstance(public, PUBLIC_KEYS[algorithm]) else None
