"""Seals values, each with the key that its referral has, and opens them."""

import os
import time
from collections.abc import Callable, Collection, Sequence
from threading import RLock
from typing import Final, Literal, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.engine.log import LogBusy, LogError
from gateway.sealing.key_store import Kept, KeyStore
from gateway.sealing.wrapping import KEY_BYTES, NONCE_BYTES, Wrapped, WrappingKeys

T = TypeVar("T")

#: What a value is: it can't be put in the place of one that is something else, or another referral's.
Purpose = Literal["inbound", "state", "dead letter"]

#: The first byte of what is sealed so: then the key's id, the nonce, and the value with its tag.
_VERSION: Final = b"\x01"
_ID_BYTES: Final = 8
_NONCE_AT: Final = 1 + _ID_BYTES
_VALUE_AT: Final = _NONCE_AT + NONCE_BYTES
#: How many keys are made at once at first, and at the most: each time is a durable write.
_FIRST: Final = 64
_MOST: Final = 4_096
#: How many keys are at hand, unwrapped, at the most; each takes about 2 kB.
AT_HAND: Final = 8_192
#: How long a key service that did not answer is not asked again: who waits for it waits in the log's thread.
_AGAIN_S: Final = 1.0


class Vault:
    """The keys of a log's referrals, and what is sealed with them. It may be used from several threads.

    wrapping: unwraps the store's key when something is first sealed or opened. at_hand: see AT_HAND.
    now_s: a clock that doesn't go back, in seconds.
    """

    def __init__(
        self,
        store: KeyStore,
        wrapping: WrappingKeys,
        *,
        at_hand: int = AT_HAND,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self._wrapping = wrapping
        self._at_hand = at_hand
        self._now_s = now_s
        self._lock = RLock()
        #: By id; None: it was destroyed.
        self._ciphers: dict[int, AESGCM | None] = {}
        self._store_keys: dict[int, AESGCM] = {}
        #: Keys that are in the store and used by nobody.
        self._spare: list[int] = []
        self._next = _FIRST
        self._away: tuple[float, LogBusy] | None = None

    def unlock(self) -> None:
        """See that the wrapping key is there, and the right one. Raises LogError, LogBusy: it is away."""
        with self._lock:
            self._newest_store_key()

    def new_keys(self, count: int) -> list[int]:
        """The ids of keys that nothing is sealed with; durable when they are returned."""
        with self._lock:
            if len(self._spare) < count:
                self._make(max(count - len(self._spare), self._next))
                self._next = min(2 * self._next, _MOST)
            taken, self._spare = self._spare[:count], self._spare[count:]
            return taken

    def alive(self, ids: Collection[int]) -> set[int]:
        """Those of these keys that were not destroyed. Raises LogError where one was never in the store."""
        with self._lock:
            self._make_room()
            self._take_out([each for each in ids if each not in self._ciphers])
            return {each for each in ids if self._ciphers[each] is not None}

    def seal(self, key: int, purpose: Purpose, name: str, value: bytes) -> bytes:
        """A value, sealed. key: one that is alive. name: of the purchase order whose it is; '': not said."""
        cipher = self._cipher(key)
        if cipher is None:
            raise LogError("a key was destroyed while it was used; start the gateway again")
        nonce = os.urandom(NONCE_BYTES)
        about = f"{purpose}\0{name}".encode()
        return b"".join(
            (_VERSION, key.to_bytes(_ID_BYTES, "big"), nonce, cipher.encrypt(nonce, value, about))
        )

    def open(self, purpose: Purpose, name: str, sealed: bytes) -> bytes | None:
        """What was sealed; None: it was forgotten. Raises LogError where it isn't what it should be."""
        cipher = None
        if sealed[:1] == _VERSION and len(sealed) > _VALUE_AT:
            cipher = self._cipher(int.from_bytes(sealed[1:_NONCE_AT], "big"))
            if cipher is None:
                return None
            try:
                about = f"{purpose}\0{name}".encode()
                return cipher.decrypt(sealed[_NONCE_AT:_VALUE_AT], sealed[_VALUE_AT:], about)
            except InvalidTag:
                pass
        raise LogError("something in the log is not what was sealed there; restore the log from a backup")

    def open_all(self, purpose: Purpose, sealed: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
        """What was sealed, of many: by name, as `open` does, but what is not at hand is fetched at once."""
        keys = {int.from_bytes(value[1:_NONCE_AT], "big") for _, value in sealed}
        with self._lock:
            self._make_room()
            self._take_out([key for key in keys if key not in self._ciphers])
            return [self.open(purpose, name, value) for name, value in sealed]

    def opened(self, purpose: Purpose, name: str, sealed: bytes | None) -> bytes | None:
        """The function `opened` of SQL statements: as `open`; NULL stays that."""
        return None if sealed is None else self.open(purpose, name, sealed)

    def readable(self, sealed: bytes) -> bool:
        """Whether a sealed value was not forgotten."""
        return self._cipher(int.from_bytes(sealed[1:_NONCE_AT], "big")) is not None

    def destroy(self, ids: Sequence[int]) -> None:
        """Destroy keys: nobody opens what is sealed with them any more. Durable when it returns."""
        with self._lock:
            self.store.destroy(ids)
            for each in ids:
                self._ciphers[each] = None

    def rotate(self, at_once: int = _MOST) -> int:
        """Wrap all keys anew, with a new key of the store, and that with the newest wrapping key; how many.

        Other processes go on meanwhile: both keys of the store are there until all is done. Killed anywhere,
        it can be done again. at_once: how many keys one transaction wraps.
        """
        with self._lock:
            value = os.urandom(KEY_BYTES)
            wrapped = self._asked(lambda: self._wrapping.wrap(value))
            with self.store.transaction():
                number = self.store.put_store_key(wrapped)
            wrapping = self._store_keys[number] = AESGCM(value)
            count, last = 0, -1
            while True:
                with self.store.transaction():
                    some = self.store.older(number, last, at_once)
                    if not some:
                        self.store.drop_store_keys(number)
                        return count
                    self.store.put_anew(
                        [
                            (number, _wrapped(wrapping, each.id, self._unwrapped(each)), each.id)
                            for each in some
                        ]
                    )
                count, last = count + len(some), some[-1].id

    def close(self) -> None:
        """Let go of the store. Never raises."""
        with self._lock:
            self.store.close()

    def _cipher(self, key: int) -> AESGCM | None:
        try:
            return self._ciphers[key]
        except KeyError:
            with self._lock:
                self._make_room()
                self._take_out([key])
                return self._ciphers[key]

    def _make_room(self) -> None:
        while len(self._ciphers) > self._at_hand:
            del self._ciphers[next(iter(self._ciphers))]  # the one that came to hand first

    def _take_out(self, ids: Sequence[int]) -> None:
        """Unwrap keys that are not at hand."""
        if not ids:
            return
        found = self.store.get(ids)
        if len(found) < len(set(ids)):
            raise LogError(
                f"the keys {self.store.path} are older than the log: one that it was sealed with is not "
                "among them; put the newest copy of the keys back"
            )
        for kept in found:
            self._ciphers[kept.id] = None if kept.value is None else AESGCM(self._unwrapped(kept))

    def _unwrapped(self, kept: Kept) -> bytes:
        if kept.value is None or kept.by is None:
            raise LogError(f"the keys {self.store.path} are damaged; put a copy of them back")
        wrapping = self._store_key(kept.number, kept.by)
        nonce, wrapped = kept.value[:NONCE_BYTES], kept.value[NONCE_BYTES:]
        try:
            return wrapping.decrypt(nonce, wrapped, kept.id.to_bytes(_ID_BYTES, "big"))
        except InvalidTag:
            raise LogError(f"the keys {self.store.path} are damaged; put a copy of them back") from None

    def _make(self, count: int) -> None:
        made: list[tuple[int, int, bytes]] = []
        ciphers: dict[int, AESGCM | None] = {}
        self._newest_store_key()
        with self.store.transaction():
            number, wrapping = self._newest_store_key()
            for _ in range(count):
                # Of 63 bits: SQLite's integers have a sign.
                key, value = int.from_bytes(os.urandom(_ID_BYTES), "big") >> 1, os.urandom(KEY_BYTES)
                made.append((key, number, _wrapped(wrapping, key, value)))
                ciphers[key] = AESGCM(value)
            self.store.put(made)
        self._ciphers |= ciphers
        self._spare += ciphers

    def _newest_store_key(self) -> tuple[int, AESGCM]:
        """The key that keys are wrapped with, and its number; in a new store one is made."""
        newest = self.store.store_key()
        if newest is None:
            key = os.urandom(KEY_BYTES)
            wrapped = self._asked(lambda: self._wrapping.wrap(key))
            with self.store.transaction():
                newest = self.store.store_key() or (self.store.put_store_key(wrapped), wrapped)
        return newest[0], self._store_key(*newest)

    def _store_key(self, number: int, wrapped: Wrapped) -> AESGCM:
        cipher = self._store_keys.get(number)
        if cipher is None:
            cipher = AESGCM(self._asked(lambda: self._wrapping.unwrap(wrapped)))
            self._store_keys[number] = cipher
        return cipher

    def _asked(self, ask: Callable[[], T]) -> T:
        """Ask for the wrapping key, but not at once again where it is away. Raises LogError or LogBusy."""
        now_s = self._now_s()
        if self._away is not None and now_s < self._away[0]:
            raise self._away[1]
        try:
            answer = ask()
        except LogBusy as error:
            self._away = now_s + _AGAIN_S, error
            raise
        self._away = None
        return answer


def _wrapped(wrapping: AESGCM, key: int, value: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + wrapping.encrypt(nonce, value, key.to_bytes(_ID_BYTES, "big"))
