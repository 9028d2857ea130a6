"""A key beside the embedded log, and tokens signed with it: for trying the API without an identity provider.

Whoever can read the key can speak for any provider. So only the user that runs the gateway can.
"""

import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

from gateway.api.callers.keys import LARGEST_SET
from gateway.api.callers.sources import NotFetched, Source
from gateway.settings.settings import InvalidSettings
from gateway.system.ownership import exposed

ISSUER: Final = "urn:information-session-gateway:development"
AUDIENCE: Final = "information-session-gateway"
SUBJECT: Final = "gateway-token"
_LONGEST_SUBJECT: Final = 256
_ALGORITHM: Final = "ES256"
#: The permission of users who are neither the owner nor of the file's group.
_OF_OTHERS: Final = 0o007


def key_path(log: Path) -> Path:
    """Where the key of an embedded log is."""
    return log.with_name(f"{log.name}.key")


def development_key(path: Path) -> EllipticCurvePrivateKey:
    """The key in a file, made where there is none. Raises InvalidSettings or OSError.

    Processes that begin at the same time get the same one.
    """
    if not path.exists():
        _make(path)
    if why := exposed(path):
        raise InvalidSettings(f"the development key {why}, or delete it for a new one")
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & _OF_OTHERS:
            raise InvalidSettings(
                f"every user of this machine may use the development key {path}; run chmod 600 on it, or "
                "delete it for a new one"
            )
        content = file.read(LARGEST_SET)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise InvalidSettings(f"{path} holds no development key; delete it, and a new one is made")
    return key


def _make(path: Path) -> None:
    """Write a new key beside the place, and put it there whole, unless another process was quicker."""
    key = generate_private_key(SECP256R1())
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def key_set(path: Path) -> bytes:
    """The public half of the key in a file, as a JSON Web Key Set. Raises as `development_key`."""
    key = development_key(path)
    public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return msgspec.json.encode({"keys": [public | {"kid": _kid(key), "alg": _ALGORITHM, "use": "sig"}]})


def from_key(path: Path) -> Source:
    """The public half of the key that a file has at the moment: one that was made anew is found."""

    async def fetch() -> bytes:
        try:
            return key_set(path)
        except (InvalidSettings, OSError) as error:
            why = str(error) if isinstance(error, InvalidSettings) else type(error).__name__
            raise NotFetched(f"the development key can't be used: {why}") from None

    return fetch


def token(
    path: Path, *, providers: Iterable[str], scopes: Iterable[str], valid_for_s: int, now_s: float
) -> str:
    """A token signed with the key in a file. now_s: UTC seconds since 1970. Raises as `development_key`."""
    named = sorted(set(providers))
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": _subject(named),
        "iat": int(now_s),
        "exp": int(now_s) + valid_for_s,
        "scope": " ".join(scopes),
    }
    if named:
        claims["provider_id"] = named[0] if len(named) == 1 else named
    key = development_key(path)
    return jwt.encode(claims, key, _ALGORITHM, headers={"kid": _kid(key)})


def _subject(providers: Sequence[str]) -> str:
    """Tokens differ by the subject they are for: an Idempotency-Key belongs to one subject."""
    subject = " ".join((SUBJECT, *providers))
    return (
        subject if len(subject) <= _LONGEST_SUBJECT else f"{SUBJECT} {sha256(subject.encode()).hexdigest()}"
    )


def _kid(key: EllipticCurvePrivateKey) -> str:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(public).hexdigest()[:16]
