"""The keys of referrals, wrapped, in an SQLite file of their own beside the log.

They are wrapped with a key of this store, and that with the wrapping key, so that a key service is asked once
and not for each referral. A key that was destroyed leaves its id: what is sealed with it was forgotten, and
is not lost.

The file has a rollback journal and no write-ahead log: what was overwritten in it is nowhere else once the
transaction is over.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from msgspec import Struct, json

from gateway.engine.log import LogBusy, LogError
from gateway.sealing.wrapping import Wrapped
from gateway.system.ownership import exposed
from gateway.system.sql_rows import put_rows

#: 'WPIK': marks the file as a key store.
APPLICATION_ID: Final = 0x5750494B
VERSION: Final = 1
_BUSY_MS: Final = 60_000
_BESIDE: Final = ("-journal",)
_SCHEMA: Final = """
CREATE TABLE identity (id BLOB NOT NULL) STRICT;
CREATE TABLE store_key (
    number INTEGER PRIMARY KEY AUTOINCREMENT, wrapped_by TEXT NOT NULL, wrapped BLOB NOT NULL) STRICT;
CREATE TABLE key (id INTEGER PRIMARY KEY, store_key INTEGER, wrapped BLOB) STRICT
"""


#: In one statement, so that a store's key is not dropped in between.
_KEPT: Final = (
    "SELECT id, key.store_key, key.wrapped, wrapped_by, store_key.wrapped FROM key"
    " LEFT JOIN store_key ON number = key.store_key"
)


class Kept(Struct, frozen=True):
    """A key. value: wrapped with the store's key of that number, itself wrapped as `by`; None: destroyed."""

    id: int
    number: int = 0
    value: bytes | None = None
    by: Wrapped | None = None


def _kept(
    key: int, number: int | None, value: bytes | None, wrapped_by: str | None, wrapped: bytes | None
) -> Kept:
    if number is None or wrapped_by is None or wrapped is None:
        return Kept(key)
    return Kept(key, number, value, Wrapped(wrapped_by, wrapped))


class KeyStore:
    """The file. To be used from one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: sqlite3.Connection | None = None
        #: Which file it is, whatever is found under its name later.
        self._opened: tuple[int, int] | None = None

    def make(self) -> bytes:
        """Open it, or make it where it is missing; returns its identity. Raises LogError."""
        with suppress(OSError):  # what is wrong with the file, SQLite says below
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return self.open()

    def open(self) -> bytes:
        """Open it; returns its identity. Raises LogError where it is missing or can't be used."""
        self.close()
        if not self.path.exists():
            raise LogError(
                f"there are no keys {self.path}, and the log can't be read without them; put them back"
            )
        if why := exposed(self.path, _BESIDE):
            raise LogError(f"the keys {why}")
        with self.plainly():
            self._open = sqlite3.connect(self.path.absolute(), isolation_level=None, check_same_thread=False)
            db = self._open
            self._opened = self._found()
            db.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            db.execute("PRAGMA journal_mode = TRUNCATE")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA secure_delete = ON")
            if not self._pragma("user_version"):
                with self.transaction():
                    self._make_tables()
            if self._pragma("application_id") != APPLICATION_ID:
                raise LogError(f"{self.path} is no key store of a gateway; put the log's own back")
            if self._pragma("user_version") > VERSION:
                raise LogError(f"the keys {self.path} were written by a later version; upgrade the gateway")
            return bytes(db.execute("SELECT id FROM identity").fetchone()[0])

    def _make_tables(self) -> None:
        db = self.db
        if self._pragma("user_version"):
            return  # another process has made them meanwhile
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise LogError(f"{self.path} is no key store of a gateway; put the log's own back")
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.execute("INSERT INTO identity VALUES (?)", (os.urandom(16),))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")

    def _found(self) -> tuple[int, int] | None:
        """Which file is under its name; None: there is none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _pragma(self, name: str) -> int:
        return int(self.db.execute(f"PRAGMA {name}").fetchone()[0])

    @property
    def db(self) -> sqlite3.Connection:
        """The connection. Raises LogError where it was closed."""
        if self._open is None:
            raise LogError(f"the keys {self.path} have been closed")
        return self._open

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: all of it takes effect, or nothing.

        Raises LogError where the file was removed or replaced: keys that are written to it would be gone.
        """
        db = self.db
        if self._found() != self._opened:
            raise LogError(
                f"the keys {self.path} were removed or replaced while they were in use; see to what did "
                "that, put the file back, and start again"
            )
        with self.plainly():
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    @contextmanager
    def plainly(self) -> Iterator[None]:
        """What SQLite says of the file becomes a LogError."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                raise LogBusy(
                    f"another process has been writing to the keys {self.path}; wait for it"
                ) from error
            name = getattr(error, "sqlite_errorname", "unknown")
            raise LogError(
                f"the keys {self.path} can't be used ({name}); check the file, its disk and its folder"
            ) from error

    def store_key(self) -> tuple[int, Wrapped] | None:
        """The newest key of the store, wrapped, and its number; None: there is none yet."""
        sql = "SELECT number, wrapped_by, wrapped FROM store_key ORDER BY number DESC LIMIT 1"
        with self.plainly():
            row = self.db.execute(sql).fetchone()
        return None if row is None else (row[0], Wrapped(row[1], row[2]))

    def put_store_key(self, wrapped: Wrapped) -> int:
        """Keep a new key of the store; returns its number. To be called in a transaction."""
        sql = "INSERT INTO store_key (wrapped_by, wrapped) VALUES (?, ?) RETURNING number"
        return int(self.db.execute(sql, (wrapped.by, wrapped.value)).fetchone()[0])

    def put(self, keys: Sequence[tuple[int, int, bytes]]) -> None:
        """Keep keys: id, number of the store's key, the key, wrapped with that. In a transaction."""
        put_rows(self.db, "INSERT INTO key VALUES {}", keys)

    def get(self, ids: Sequence[int]) -> list[Kept]:
        """Those of these keys that there are."""
        with self.plainly():
            rows = self.db.execute(
                f"{_KEPT} WHERE id IN (SELECT value FROM json_each(?))", (json.encode(ids).decode(),)
            ).fetchall()
        return [_kept(*row) for row in rows]

    def older(self, number: int, after: int, most: int) -> list[Kept]:
        """Keys that a store's key before this one wraps, by id behind one, so many at the most."""
        rows = self.db.execute(
            f"{_KEPT} WHERE key.store_key < ? AND id > ? ORDER BY id LIMIT ?", (number, after, most)
        )
        return [_kept(*row) for row in rows.fetchall()]

    def put_anew(self, keys: Sequence[tuple[int, bytes, int]]) -> None:
        """Keep keys in the place of what they were: the store's key, the key, wrapped with it, the id."""
        self.db.executemany("UPDATE key SET store_key = ?, wrapped = ? WHERE id = ?", keys)

    def drop_store_keys(self, number: int) -> None:
        """Drop the store's keys before this one. To be called in a transaction."""
        self.db.execute("DELETE FROM store_key WHERE number < ?", (number,))

    def destroy(self, ids: Sequence[int]) -> None:
        """Overwrite keys; durable when it returns."""
        with self.transaction() as db:
            db.execute(
                "UPDATE key SET wrapped = NULL, store_key = NULL"
                " WHERE id IN (SELECT value FROM json_each(?))",
                (json.encode(ids).decode(),),
            )

    def close(self) -> None:
        """Let go of it. Never raises."""
        with suppress(sqlite3.Error):
            if self._open is not None:
                self._open.close()
        self._open = None
