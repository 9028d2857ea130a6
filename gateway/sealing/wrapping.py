"""The wrapping key, which the key store's own key is wrapped with: from a file, or a key service."""

import os
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from gateway.engine.log import LogError
from gateway.system.ownership import exposed

#: Of AES-256, and of a nonce of GCM.
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
#: A file of wrapping keys has no more bytes.
_LARGEST: Final = 64 * 1024


class Wrapped(Struct, frozen=True):
    """A key, encrypted. by: the id of the wrapping key that did it, which is no secret."""

    by: str
    value: bytes


class WrappingKeys(Protocol):
    """Wraps keys, and unwraps them; there may be several wrapping keys, of which the newest wraps."""

    def wrap(self, key: bytes) -> Wrapped:
        """The key, wrapped. Raises LogError or LogBusy."""

    def unwrap(self, wrapped: Wrapped) -> bytes:
        """The key that was wrapped. Raises LogError where it can't be had, LogBusy: not at the moment."""


class WrappingKeyFile:
    """Wrapping keys in a file, in base64, one a line; the last one is the newest.

    The file is read each time something is wrapped or unwrapped, which is at a start and when keys rotate.
    """

    def __init__(self, path: Path, *, make: bool = False) -> None:
        """make: a missing file is made when something is first wrapped, readable by its owner alone."""
        self._path = path
        self._make = make

    def wrap(self, key: bytes) -> Wrapped:
        """The key, wrapped with the last one."""
        if self._make and not self._path.exists():
            self._make_file()
        newest = self._keys()[-1]
        nonce = os.urandom(NONCE_BYTES)
        return Wrapped(_id(newest), nonce + AESGCM(newest).encrypt(nonce, key, None))

    def unwrap(self, wrapped: Wrapped) -> bytes:
        """The key that was wrapped."""
        for key in self._keys():
            if _id(key) == wrapped.by:
                try:
                    return AESGCM(key).decrypt(wrapped.value[:NONCE_BYTES], wrapped.value[NONCE_BYTES:], None)
                except InvalidTag:
                    break
        raise LogError(
            f"none of the wrapping keys in {self._path} is the one that the log's keys are wrapped with "
            f"({wrapped.by}); put that one back, as a line of the file"
        )

    def _keys(self) -> list[bytes]:
        if why := exposed(self._path):
            raise LogError(f"the wrapping key {why}")
        try:
            with self._path.open("rb") as file:
                lines = file.read(_LARGEST + 1).split()
        except FileNotFoundError:
            raise LogError(
                f"there is no wrapping key {self._path}, and nothing that is sealed can be read without it; "
                "put it back"
            ) from None
        except OSError as error:
            raise LogError(f"the wrapping key {self._path} can't be read ({error.strerror})") from None
        keys = []
        for number, line in enumerate(lines, 1):
            try:
                key = b64decode(line, validate=True)
            except NotBase64:
                key = b""
            if len(key) != KEY_BYTES:
                raise LogError(
                    f"line {number} of the wrapping keys {self._path} is none; expected {KEY_BYTES} random "
                    f"bytes in base64, such as `openssl rand -base64 {KEY_BYTES}` makes"
                )
            keys.append(key)
        if not keys:
            raise LogError(
                f"the wrapping key {self._path} is empty; write one to it with `openssl rand -base64 "
                f"{KEY_BYTES}`"
            )
        return keys

    def _make_file(self) -> None:
        """Make it whole or not at all, and durable before anything is wrapped with it."""
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(b64encode(os.urandom(KEY_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(part, self._path)
            except FileExistsError:
                return  # another process has made it meanwhile
            finally:
                part.unlink()
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise LogError(
                f"the wrapping key {self._path} can't be made ({error.strerror}); allow it, or name a file "
                "with one in GATEWAY_WRAPPING_KEY_FILE"
            ) from None


def _id(key: bytes) -> str:
    """What tells a key from others and says nothing of it."""
    return sha256(b"gateway wrapping key\0" + key).hexdigest()[:16]
