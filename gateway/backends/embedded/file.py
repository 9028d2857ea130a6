"""The file of the embedded log: opening, locking, transactions, and what SQLite's errors mean.

All work on the file is done in one thread of its own, off the event loop.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from gateway.backends.embedded.records import INSERT_OUTBOUND, outbound_row
from gateway.backends.embedded.seals import SCHEMA as _SEALS
from gateway.engine.forgetting import Asked, asked_of
from gateway.engine.log import (
    AUDIT,
    DEAD_LETTERS,
    DELIVERY_PLANS,
    Draft,
    LogBusy,
    LogError,
    NoSuchPartition,
    TooLarge,
)
from gateway.engine.pausing import Pause, key_of, pause_of, paused, resumed
from gateway.sealing.key_store import KeyStore
from gateway.sealing.vault import Vault
from gateway.sealing.wrapping import WrappingKeyFile, WrappingKeys
from gateway.system.ownership import BESIDE_SQLITE, exposed
from gateway.system.sql_rows import put_rows

T = TypeVar("T")

#: 'WPIS': marks the file as a gateway log.
APPLICATION_ID: Final = 0x57504953
#: Of the tables; kept in the low byte of user_version, the partition count above it.
VERSION: Final = 8
#: How long to wait for another process that writes, such as a large feed.
BUSY_MS: Final = 60_000
MOST_PARTITIONS: Final = 1_000
#: Of a new file. States are written all over their table: with SQLite's 4 KiB a large step takes half as long
#: again to write, and one of a single message about as long.
PAGE_BYTES: Final = 16_384
#: What lies beside a log that has been used: SQLite's files, the lock, the development key, and its keys.
_BESIDE: Final = ("-wal", "-shm", ".lock", ".key", ".keys")
#: How much is written beside the file before it is copied into it.
CHECKPOINT_BYTES: Final = 64 * 1024 * 1024

_SCHEMA: Final = f"""{_SEALS};
CREATE TABLE inbound (
    offset INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    key BLOB, value BLOB, headers BLOB NOT NULL, po_number TEXT, provider_id TEXT, message_id TEXT,
    caller TEXT, upload TEXT, line INTEGER) STRICT;
CREATE TABLE outbound (
    offset INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, timestamp INTEGER NOT NULL,
    key BLOB, value BLOB, headers BLOB NOT NULL, po_number TEXT, provider_id TEXT, message_id TEXT,
    status TEXT, trace_id TEXT, jobcentre_id TEXT) STRICT;
CREATE INDEX outbound_compacted ON outbound (key, offset) WHERE topic = '{DELIVERY_PLANS}';
CREATE INDEX outbound_dead_letter ON outbound (offset) WHERE topic = '{DEAD_LETTERS}';
CREATE INDEX outbound_letter_of ON outbound (key, offset) WHERE topic = '{DEAD_LETTERS}';
CREATE INDEX outbound_act ON outbound (offset) WHERE topic = '{AUDIT}';
CREATE TABLE state (
    partition INTEGER NOT NULL, po_number TEXT NOT NULL, state BLOB NOT NULL, changed_at INTEGER, due_at
    INTEGER, messages INTEGER, PRIMARY KEY (partition, po_number)) STRICT, WITHOUT ROWID;
CREATE TABLE position (
    partition INTEGER NOT NULL, topic TEXT NOT NULL, offset INTEGER NOT NULL,
    PRIMARY KEY (partition, topic)) STRICT, WITHOUT ROWID;
CREATE TABLE kept_time (yes INTEGER PRIMARY KEY) STRICT;
CREATE TABLE ownership (
    partition INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, decided_to INTEGER) STRICT;
CREATE TABLE history (offset INTEGER PRIMARY KEY, id BLOB NOT NULL) STRICT;
CREATE TABLE control (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE handled (
    letter TEXT PRIMARY KEY, done TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID
"""

_WHAT_TO_DO: Final = {
    sqlite3.SQLITE_FULL: "the disk is full, so nothing more can be written to the log {path}; make room",
    sqlite3.SQLITE_READONLY: "the log {path} can't be written; allow it, or name another file",
    sqlite3.SQLITE_CANTOPEN: "the log {path} can't be opened; check the name, permissions and disk",
    sqlite3.SQLITE_CORRUPT: "the log {path} is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "{path} is not a gateway log; name another file",
    sqlite3.SQLITE_IOERR: "the log {path} can't be read or written; check the disk",
}


class Moved(Struct, frozen=True):
    """Where to a log is being moved, since when, and when that was done: UTC milliseconds; None: not yet."""

    target: str
    begun_at: int
    done_at: int | None = None


class EmbeddedFile:
    """One SQLite file with the tables of a log, used from one thread only.

    `run` does work in that thread; everything else is for work that runs there.
    """

    def __init__(
        self,
        path: Path,
        schema: str = "",
        busy_ms: int = BUSY_MS,
        wrapping: WrappingKeys | None = None,
    ) -> None:
        """schema: more tables and indexes of a new file, as SQL statements with ; between them.

        busy_ms: how long to wait for another process that writes. wrapping: what wraps the keys by which it
        is sealed; None: a key in a file beside it, which is made.
        """
        self.path = path
        # Beside the file itself, whatever link it was named by.
        real = path.resolve()
        self.vault = Vault(
            KeyStore(real.with_name(f"{real.name}.keys")),
            wrapping or WrappingKeyFile(real.with_name(f"{real.name}.wrapping-key"), make=True),
        )
        #: It is never made anew while it is used, and all that comes out has one order.
        self.made_anew = 0
        self.one_order = True
        self._busy_ms = busy_ms
        self._schema = f"{_SCHEMA};{schema}" if schema else _SCHEMA
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-log")
        self._lock: int | None = None
        self._db: sqlite3.Connection | None = None
        #: Which file it is, whatever is found under its name later; None: not opened yet.
        self._opened: tuple[int, int] | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work in the file's thread; what SQLite says of the file becomes a LogError."""
        try:
            done = asyncio.get_running_loop().run_in_executor(self._thread, self.plainly, work)
        except RuntimeError:
            raise LogError(f"the log {self.path} has been closed") from None
        return await done

    async def close(self) -> None:
        """Let go of the file and its lock. Never raises."""

        def shut() -> None:
            if self._db is not None:
                with suppress(sqlite3.Error):
                    self._db.close()
                self._db = None
            self.vault.close()

        with suppress(RuntimeError):
            await asyncio.get_running_loop().run_in_executor(self._thread, shut)
        self._thread.shutdown(wait=False)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def take_lock(self) -> None:
        """One process at a time decides on a file; the system lets go of the lock when it dies.

        Raises LogError where another has it.
        """
        # Beside the file itself, whatever link it was named by.
        real = self.path.resolve()
        lock = real.with_name(real.name + ".lock")
        try:
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LogError(
                f"another gateway runs on the log {self.path}; stop it first, or name another log"
            ) from None
        except OSError as error:
            raise LogError(
                f"the log {self.path} can't be locked ({error.strerror}); check its folder"
            ) from None

    def begin_history(self) -> None:
        """Give what comes out from now on a mark of its own.

        A copy of the file, such as a backup, has the marks up to where it was copied; whoever goes on with it
        gives others from there on. So a place in the log says of which history it is. To be called in a
        transaction, by whoever claims a partition.
        """
        self.db.execute("INSERT OR REPLACE INTO history VALUES (?, randomblob(8))", (self.end("outbound"),))

    @property
    def keeps_time(self) -> bool:
        """Whether records were put in it with timestamps of their own."""
        return self.db.execute("SELECT yes FROM kept_time").fetchone() is not None

    @property
    def sandbox_now(self) -> int | None:
        """The time in a sandbox, UTC milliseconds; None: this is none."""
        if self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'sandbox'").fetchone() is None:
            return None
        return int(self.db.execute("SELECT now FROM sandbox").fetchone()[0])

    def make_sandbox(self, now: int) -> None:
        """Make a log that is still empty a sandbox. Raises LogError where it isn't empty."""
        with self.transaction() as db:
            if db.execute("SELECT 1 FROM inbound UNION ALL SELECT 1 FROM outbound LIMIT 1").fetchone():
                raise LogError(
                    f"the log {self.path} has messages of its own, so it can't be a sandbox; name another "
                    "file with GATEWAY_LOG_URL"
                )
            db.execute("CREATE TABLE sandbox (now INTEGER NOT NULL) STRICT")
            db.execute("INSERT INTO sandbox VALUES (?)", (now,))

    def move_sandbox(self, now: int) -> int:
        """Move the time of a sandbox forward, and return it; what lies behind leaves it as it is."""
        with self.transaction() as db:
            db.execute("UPDATE sandbox SET now = max(now, ?)", (now,))
            return int(db.execute("SELECT now FROM sandbox").fetchone()[0])

    @property
    def clock_accepted(self) -> int | None:
        """The time that was accepted last; see Log."""
        if self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'clock'").fetchone() is None:
            return None
        return int(self.db.execute("SELECT accepted FROM clock").fetchone()[0])

    def accept_clock(self, at: int) -> None:
        """Keep the time that was accepted, in a table that most logs never need."""
        with self.transaction() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY, accepted INTEGER NOT NULL) STRICT"
            )
            db.execute("INSERT OR REPLACE INTO clock VALUES (1, ?)", (at,))

    @property
    def moved(self) -> Moved | None:
        """Where to it is being moved, or was; None: nowhere."""
        if self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'moved'").fetchone() is None:
            return None
        row = self.db.execute("SELECT target, begun_at, done_at FROM moved").fetchone()
        return None if row is None else Moved(*row)

    def mark_moved(self, moved: Moved | None) -> None:
        """Keep that, in a table that most logs never need; None: it is used again."""
        with self.transaction() as db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS moved (one INTEGER PRIMARY KEY, target TEXT NOT NULL,"
                " begun_at INTEGER NOT NULL, done_at INTEGER) STRICT"
            )
            db.execute("DELETE FROM moved")
            if moved is not None:
                db.execute(
                    "INSERT INTO moved VALUES (1, ?, ?, ?)", (moved.target, moved.begun_at, moved.done_at)
                )

    def refuse_moved(self) -> None:
        """Raises LogError where it is being moved, or was: what is put on it, or decided, would be lost."""
        if (moved := self.moved) is not None:
            done = "is being moved" if moved.done_at is None else "was moved"
            raise LogError(
                f"the log {self.path} {done} to {moved.target}; name that in GATEWAY_LOG_URL, or take the "
                f"file back with `gateway migrate {self.path} --take-back`"
            )

    @property
    def pauses(self) -> dict[int, Pause]:
        """The partitions that are paused; see Log."""
        if self.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'pause'").fetchone() is None:
            return {}
        return {number: pause_of(act) for number, act in self.db.execute("SELECT partition, act FROM pause")}

    @property
    def asked(self) -> list[Asked]:
        """The questions to forget a referral that are not answered; see Log."""
        # By the beginning of the key, as SQLite finds it in the index.
        rows = self.db.execute("SELECT value FROM control WHERE key >= 'forget/' AND key < 'forget0'")
        return [asked_of(value) for (value,) in rows]

    def pause(self, partition: int, pause: Pause) -> bool:
        """Keep that a partition is paused, in a table that most logs never need; False: it was."""
        act = paused(partition, pause)
        with self.transaction() as db:
            self._check_partition(partition)
            db.execute(
                "CREATE TABLE IF NOT EXISTS pause (partition INTEGER PRIMARY KEY, act BLOB NOT NULL) STRICT"
            )
            if not db.execute("INSERT OR IGNORE INTO pause VALUES (?, ?)", (partition, act)).rowcount:
                return False
            self._keep_act(partition, act, pause.at)
        return True

    def resume(self, partition: int, by: str, at: int) -> bool:
        """Keep that it may go on, and the act; False: it was not paused."""
        with self.transaction() as db:
            self._check_partition(partition)
            if partition not in self.pauses:
                return False
            db.execute("DELETE FROM pause WHERE partition = ?", (partition,))
            self._keep_act(partition, resumed(partition, by, at), at)
        return True

    def _check_partition(self, partition: int) -> None:
        if not 0 <= partition < self.partitions:
            raise NoSuchPartition(partition)

    def _keep_act(self, partition: int, act: bytes, at: int) -> None:
        """Keep what somebody did by hand among what comes out; part of a transaction."""
        row = outbound_row(Draft(AUDIT, key_of(partition), act), partition, at, act)
        put_rows(self.db, INSERT_OUTBOUND, [row])

    def refuse_gone(self, *, must_exist: bool, left_behind: bool) -> None:
        """Raises LogError where there is no log and must be one or, with `left_behind`, was one.

        An empty one in its place would be ready, and every deadline lost in silence.
        """
        with suppress(OSError):
            if self.path.stat().st_size:
                return
        real = Path(os.path.realpath(self.path))
        names = {path.with_name(path.name + end) for path in (self.path, real) for end in _BESIDE}
        left = next((name for name in sorted(names) if left_behind and os.access(name, os.F_OK)), None)
        if left is None and not must_exist:
            return
        why = "GATEWAY_LOG_MUST_EXIST is set" if left is None else f"{left} is there"
        raise LogError(
            f"there is no log {self.path} any more, or it is empty, but {why}; see that its disk is mounted "
            "and put it back, or make a new log on purpose with `gateway topics create`"
        )

    def keep_time(self) -> None:
        """Remember that records with timestamps of their own were put in it; part of a transaction."""
        self.db.execute("INSERT OR IGNORE INTO kept_time VALUES (1)")

    def connect(self, partitions: int) -> None:
        """Open the file, or make it with that many partitions. Raises LogError where it can't be used."""
        if not self.path.parent.is_dir():
            raise LogError(f"there is no folder {self.path.parent} for the log; make it first")
        if not 1 <= partitions <= MOST_PARTITIONS:
            raise LogError(f"a log has 1 to {MOST_PARTITIONS} partitions; {partitions} can't be")
        if why := exposed(self.path, BESIDE_SQLITE):
            raise LogError(f"the log {why}")
        with suppress(OSError):  # what is wrong with the file, SQLite says below
            # It holds personal data: nobody else may read it. SQLite gives the files beside it the same mode.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        # Absolute: a name such as :memory: is that of a file here.
        db = sqlite3.connect(self.path.absolute(), isolation_level=None, check_same_thread=False)
        self._db = db
        self._opened = self._found()
        db.execute(f"PRAGMA busy_timeout = {self._busy_ms}")
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        self._make_once(partitions)
        if self._pragma("application_id") != APPLICATION_ID:
            raise LogError(f"{self.path} is not a gateway log; name another file")
        version = self._pragma("user_version") & 0xFF
        if version > VERSION:
            raise LogError(f"the log {self.path} was written by a later version; upgrade the gateway")
        if version < VERSION:
            raise LogError(
                f"the log {self.path} was written before the first release, and can't be used any more; "
                "name another file with GATEWAY_LOG_URL, or move it away, and feed its messages again"
            )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        # A step writes a few megabytes: copied into the main file every few steps, not within each.
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_BYTES // self._pragma('page_size')}")
        db.execute("PRAGMA cache_size = -65536")
        self._meet_keys()

    def _meet_keys(self) -> None:
        """Open the keys that the log is sealed with, or make them for a new one. Raises LogError.

        A key service that is away is asked again when something is to be sealed or opened.
        """
        of_log = "SELECT id FROM key_store"
        row = self.db.execute(of_log).fetchone()
        if row is None:
            with self.transaction() as db:
                row = db.execute(of_log).fetchone()
                if row is None:  # or another process has made them meanwhile
                    row = (self.vault.store.make(),)
                    db.execute("INSERT INTO key_store VALUES (1, ?)", row)
        if self.vault.store.open() != row[0]:
            raise LogError(
                f"the keys {self.vault.store.path} are those of another log than {self.path}; put its own "
                "back"
            )
        with suppress(LogBusy):
            self.vault.unlock()

    @property
    def db(self) -> sqlite3.Connection:
        """The connection. Raises LogError when the file was closed."""
        if self._db is None:
            raise LogError(f"the log {self.path} has been closed")
        return self._db

    @property
    def partitions(self) -> int:
        """How many partitions the file was made with."""
        return self._pragma("user_version") >> 8

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes: all of it takes effect, or nothing.

        Raises LogError where the file was removed or replaced: what is written to it would be gone with it.
        """
        db = self.db
        db.execute("BEGIN IMMEDIATE")
        try:
            self._check_in_place()
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def destroy_doomed(self) -> None:
        """Destroy the keys that are doomed, when that is durable.

        That it was done is kept in a transaction of its own: one that was destroyed may be destroyed again.
        """
        doomed = [key for (key,) in self.db.execute("SELECT key FROM doomed")]
        if doomed:
            self.vault.destroy(doomed)
            with self.transaction() as db:
                db.execute("DELETE FROM doomed")

    def view(self) -> sqlite3.Connection:
        """Another connection, which only reads, beside whoever writes, in whatever thread.

        Its SQL has the function opened(purpose, po_number, value), which is NULL where that was forgotten.
        """
        db = sqlite3.connect(self.path.absolute(), isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA query_only = ON")
        db.execute("PRAGMA cache_size = -32768")
        db.create_function("opened", 3, self.vault.opened)
        return db

    def end(self, table: str) -> int:
        """The offset that the next record of `inbound` or `outbound` gets; to be called in a transaction."""
        return int(self.db.execute(f"SELECT ifnull(max(offset), 0) + 1 FROM {table}").fetchone()[0])

    @contextmanager
    def snapshot(self) -> Iterator[bool]:
        """A transaction that reads; True: while it lasts, no other process is in the middle of writing.

        Raises LogError where the file was removed or replaced: what is put on the log now is elsewhere.
        """
        db = self.db
        self._check_in_place()
        alone = self._begin_alone(db)
        if not alone:
            db.execute("BEGIN")
        try:
            yield alone
        finally:
            if db.in_transaction:  # after some errors SQLite has ended it by itself
                db.execute("COMMIT")

    def _found(self) -> tuple[int, int] | None:
        """Which file is under its name; None: there is none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _check_in_place(self) -> None:
        if self._found() != self._opened:
            raise LogError(
                f"the log {self.path} was removed or replaced while it was in use; see to what did that, put "
                "the file back, and start again"
            )

    def _begin_alone(self, db: sqlite3.Connection) -> bool:
        db.execute("PRAGMA busy_timeout = 0")
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return False
        finally:
            db.execute(f"PRAGMA busy_timeout = {self._busy_ms}")
        return True

    def _pragma(self, name: str) -> int:
        return int(self.db.execute(f"PRAGMA {name}").fetchone()[0])

    def _make_once(self, partitions: int) -> None:
        if self._pragma("application_id") or self._pragma("user_version"):
            return
        with self.transaction() as db:
            if self._pragma("user_version"):
                return  # another process has made it meanwhile
            if db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise LogError(f"{self.path} is not a gateway log; name another file")
            for statement in self._schema.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {partitions << 8 | VERSION}")

    def plainly(self, work: Callable[[], T]) -> T:
        """Do the work here; what SQLite says of the file becomes a LogError."""
        try:
            return work()
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                raise LogBusy(
                    f"another process has been writing to the log {self.path} for a minute; wait for it"
                ) from error
            if code == sqlite3.SQLITE_TOOBIG:
                raise TooLarge(f"it is larger than the log {self.path} takes; make it smaller") from error
            if code in _WHAT_TO_DO:
                raise LogError(_WHAT_TO_DO[code].format(path=self.path)) from error
            raise
