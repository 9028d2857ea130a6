"""The file of a copy of a log on Kafka: its tables, who may use it, and where in the log it stands."""

import fcntl
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import msgpack

from gateway.engine.log import LogError
from gateway.reading.tables import SCHEMA
from gateway.system.ownership import BESIDE_SQLITE, exposed

#: 'WPIR': marks the file as a projection.
APPLICATION_ID: Final = 0x57504952
#: Of the tables. A file of another version is made anew.
VERSION: Final = 9
#: See CopyFile; pages have 4 KiB.
MOST_UNTIDY: Final = 16_384

#: The tables of records and states are those of an embedded log, as far as they are asked for. `event_order`
#: has the order that a Jobcentre's events of a purchase order have across topics; there, offsets say it.
_SCHEMA: Final = f"""
CREATE TABLE history (offset INTEGER PRIMARY KEY, id BLOB NOT NULL) STRICT;
CREATE TABLE source (identity TEXT NOT NULL, positions BLOB NOT NULL) STRICT;
CREATE TABLE inbound (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    value BLOB, po_number TEXT, provider_id TEXT, message_id TEXT, caller TEXT,
    upload TEXT, line INTEGER, PRIMARY KEY (topic, partition, offset)) STRICT, WITHOUT ROWID;
CREATE TABLE outbound (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    value BLOB, po_number TEXT, provider_id TEXT, message_id TEXT, status TEXT, trace_id TEXT,
    jobcentre_id TEXT, PRIMARY KEY (topic, partition, offset)) STRICT, WITHOUT ROWID;
CREATE TABLE state (
    partition INTEGER NOT NULL, po_number TEXT NOT NULL, state BLOB NOT NULL, changed_at INTEGER, due_at
    INTEGER, messages INTEGER, PRIMARY KEY (partition, po_number)) STRICT, WITHOUT ROWID;
CREATE TABLE control (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE event_order (
    po_number TEXT NOT NULL, decided_at INTEGER NOT NULL, number INTEGER NOT NULL, jobcentre_id TEXT NOT NULL,
    topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (po_number, decided_at, number)) STRICT, WITHOUT ROWID;
CREATE TABLE handled (
    letter TEXT PRIMARY KEY, done TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
{SCHEMA}
"""
_TABLES: Final = (
    "referral",
    "booking",
    "duty",
    "state",
    "inbound",
    "outbound",
    "event_order",
    "plan",
    "plan_key",
    "control",
    "handled",
    "history",
    "source",
)
_positions: Final = msgpack.Decoder(dict[str, int]).decode
pack_positions: Final = msgpack.Encoder().encode


class ProjectionInUse(LogError):
    """Another gateway uses the projection; the message says what to do."""


class CopyFile:
    """The file, which one process uses at a time.

    It holds personal data, so nobody else may read it.
    """

    def __init__(self, path: Path, *, anew: bool = False, most_untidy: int = MOST_UNTIDY) -> None:
        """Take the file, and make it where it can't be gone on with, or `anew`. Raises LogError.

        most_untidy: pages that may be in the write-ahead log before it is copied by whoever writes next.
        """
        self.path = path
        self._most_untidy = most_untidy
        #: See Source.
        self.made_anew = 0
        self.one_order = False
        #: Something was erased since the last checkpoint, or may have been by a process that was killed.
        self.erased = True
        if why := exposed(path, BESIDE_SQLITE):
            raise LogError(f"the projection {why}, or delete it: it is made anew")
        self._lock = _locked(path)
        try:
            db = _open(path, most_untidy)
            if anew or _pragma(db, "user_version") != VERSION:
                db.close()
                self._remove()
                db = _open(path, most_untidy)
            self._db = db
        except (sqlite3.Error, LogError) as error:
            os.close(self._lock)
            if isinstance(error, LogError):
                raise
            raise LogError(_why(path, error)) from None

    @property
    def db(self) -> sqlite3.Connection:
        """The connection that writes."""
        return self._db

    def view(self) -> sqlite3.Connection:
        """Another connection, which reads what was committed last. Nothing in a copy is sealed."""
        return _prepared(sqlite3.connect(self.path, isolation_level=None, check_same_thread=False))

    def positions(self, identity: str) -> dict[str, int] | None:
        """How far it has been filled from this log; None: it is of another, or new, and must be emptied."""
        row = self._db.execute("SELECT identity, positions FROM source").fetchone()
        return _positions(row[1]) if row is not None and row[0] == identity else None

    def empty(self, identity: str) -> None:
        """Begin anew, from the beginning of a log."""
        with self._db as db:
            db.execute("BEGIN IMMEDIATE")
            for table in _TABLES:
                db.execute(f"DELETE FROM {table}")
            db.execute("INSERT INTO source VALUES (?, ?)", (identity, pack_positions({})))
            db.execute("INSERT INTO history VALUES (0, ?)", (identity.encode(),))

    def keep_positions(self, positions: Mapping[str, int]) -> None:
        """How far it is filled now; part of the transaction that has filled it."""
        self._db.execute("UPDATE source SET positions = ?", (pack_positions(positions),))

    def make_anew(self) -> None:
        """Throw away what can't be read any more, and begin with nothing. Raises sqlite3.Error or OSError."""
        with suppress(sqlite3.Error):
            self._db.close()
        self._remove()
        self._db = _open(self.path, self._most_untidy)
        self.made_anew += 1

    def look(self) -> None:
        """A quick look at each table. Raises sqlite3.Error where it can't be read."""
        for table in _TABLES:
            self._db.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()

    def drop_undecided(self) -> None:
        """Drop the messages of which nothing has come, where there is no referral that could show it.

        Where all is decided, their referral has been forgotten: on a log whose topics have no common order,
        that may be read before the messages are.
        """
        with self._db as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute(
                "DELETE FROM inbound WHERE po_number NOT IN (SELECT po_number FROM referral)"
                " AND NOT EXISTS (SELECT 1 FROM outbound o WHERE o.po_number = inbound.po_number"
                " AND o.message_id = inbound.message_id AND o.provider_id = inbound.provider_id)"
            )

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).unlink()

    def checkpoint(self) -> None:
        """Copy what is in the write-ahead log into the file itself, beside those who read and write.

        What was erased is in the write-ahead log until that is truncated, which takes a moment then; where
        somebody reads it, the next time.
        """
        erased, self.erased = self.erased, False
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=0)
        try:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            if erased:
                busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                self.erased |= bool(busy)
        except sqlite3.Error:
            self.erased |= erased
            raise
        finally:
            db.close()

    def referrals(self) -> int:
        """How many there are in it."""
        return int(self._db.execute("SELECT count(*) FROM referral").fetchone()[0])

    def close(self) -> None:
        """Let go of the file. Never raises."""
        with suppress(sqlite3.Error):
            self._db.close()
        os.close(self._lock)


def view_of(path: Path) -> sqlite3.Connection:
    """A connection that reads a projection beside whoever uses it. Raises LogError where it can't be read."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        if (_pragma(db, "application_id"), _pragma(db, "user_version")) != (APPLICATION_ID, VERSION):
            raise LogError(
                f"{path} is no projection of this version; move it away, or delete it where it is one"
            )
        return _prepared(db)
    except sqlite3.Error as error:
        db.close()
        raise LogError(_why(path, error)) from None
    except LogError:
        db.close()
        raise


def _open(path: Path, most_untidy: int) -> sqlite3.Connection:
    """Open the file, and make it where there is none. Raises LogError where it is something else."""
    with suppress(OSError):  # what is wrong with the file, SQLite says below
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        if not _pragma(db, "application_id"):
            _make(db, path)
        elif _pragma(db, "application_id") != APPLICATION_ID:
            raise LogError(_another(path))
        db.execute("PRAGMA journal_mode = WAL")
        # The log has it all: what a power failure takes is read again.
        db.execute("PRAGMA synchronous = NORMAL")
        # Whatever SQLite was built with: what is deleted is overwritten.
        db.execute("PRAGMA secure_delete = ON")
        # Only `checkpoint` waits for the disk, unless that has fallen far behind.
        db.execute(f"PRAGMA wal_autocheckpoint = {most_untidy}")
        db.execute("PRAGMA cache_size = -65536")
    except BaseException:
        db.close()
        raise
    return db


def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    """A connection that only reads, and answers what those of an embedded log do."""
    db.execute("PRAGMA query_only = ON")
    db.execute("PRAGMA cache_size = -32768")
    db.create_function("opened", 3, lambda _purpose, _po_number, value: value, deterministic=True)
    return db


def _make(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise LogError(_another(path))
    with db:
        db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")


def _locked(path: Path) -> int:
    """The lock of a file, which the system lets go of when this process dies."""
    real = path.resolve()
    try:
        lock = os.open(real.with_name(real.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LogError(
            f"the projection {path} can't be locked ({error.strerror}); check its folder, or name another "
            "file with GATEWAY_PROJECTION"
        ) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise ProjectionInUse(
            f"another gateway uses the projection {path}; name another file with GATEWAY_PROJECTION"
        ) from None
    return lock


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def _another(path: Path) -> str:
    return f"{path} is not a projection; name another file with GATEWAY_PROJECTION"


def is_damage(error: sqlite3.Error) -> bool:
    """Whether a file is damaged, and not only out of reach."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} or "decode to UTF-8" in str(error)


def _why(path: Path, error: sqlite3.Error) -> str:
    if is_damage(error):
        return f"{path} is damaged, or no projection; delete it where it is one, and it is made anew"
    said = getattr(error, "sqlite_errorname", "unknown")
    return (
        f"the projection {path} can't be used ({said}); check the disk and its folder, or name another file "
        "with GATEWAY_PROJECTION"
    )
