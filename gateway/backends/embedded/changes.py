"""What is committed on the embedded log: records of its topics, and which states have changed.

The positions are places in the tables `inbound`, `outbound` and `quiet`, which are read side by side, in one
snapshot each time. What was decided on a purchase order is under its number in `outbound`, so that tells
which states may have changed; `quiet` has those that changed without a word on any such topic.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from msgspec import msgpack

from gateway.backends.embedded.file import SqliteFile
from gateway.backends.embedded.rows import SELECT, record_of
from gateway.engine.log import INBOUND_TOPICS, Changes, PositionsGone, Record
from gateway.rules.events import OUTBOUND

#: How often it is looked for what other processes have put there. They decide nothing.
LOOK_AGAIN_S: Final = 0.25
#: How many rows of a table, or purchase orders of `quiet`, one read goes past.
MOST: Final = 1_000
#: What is more than this is read in a thread.
AT_HAND: Final = 300
#: A read takes no more of a table when what it has of it is as large as this.
MOST_BYTES: Final = 8 * 1024 * 1024

#: What each table is ordered by.
_TABLES: Final = {"inbound": "offset", "outbound": "offset", "quiet": "place"}
#: Keyed by po_number, unlike dead letters and delivery plans.
_DECIDED: Final = tuple(OUTBOUND)

_po_numbers: Final = msgpack.Decoder(list[str]).decode


class SqliteChanges:
    """Reads the tables from some places on. Made by the log.

    committed: set when this process has put something there. closed: called when nobody reads any more.
    """

    def __init__(
        self,
        file: SqliteFile,
        topics: Sequence[str],
        positions: Mapping[str, int],
        committed: asyncio.Event,
        closed: Callable[[], None],
    ) -> None:
        self._file = file
        self._topics = {
            "inbound": [topic for topic in topics if topic in INBOUND_TOPICS],
            "outbound": [topic for topic in topics if topic not in INBOUND_TOPICS],
        }
        self._next = {table: positions.get(table, 1) for table in _TABLES}
        self._committed = committed
        self._closed = closed
        self._db: sqlite3.Connection | None = None
        #: At the last read it came to the end.
        self._has_all = False

    async def read(self, wait_s: float) -> Changes:
        """What has been committed since the last read."""
        clock = asyncio.get_running_loop().time
        deadline_s = clock() + wait_s
        while True:
            if self._has_all and (left_s := deadline_s - clock()) > 0:
                # What has come since is told of, or comes from another process and is soon looked for.
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._committed.wait(), min(left_s, LOOK_AGAIN_S))
            self._committed.clear()
            before = self._next
            changes = await self._changes()
            self._has_all = not changes.behind
            if changes.positions != before or clock() >= deadline_s:
                return changes

    async def close(self) -> None:
        """Wait for nothing any more."""
        self._closed()
        if self._db is not None:
            self._db.close()

    async def _changes(self) -> Changes:
        """Look, in a thread where there is much: a little is read in less time than handing it over takes."""
        await asyncio.sleep(0)  # others have their turn
        if self._file.plainly(self._behind) <= AT_HAND:
            return self._file.plainly(self._look)
        return await asyncio.get_running_loop().run_in_executor(None, self._file.plainly, self._look)

    def _behind(self) -> int:
        if self._db is None:
            self._db = self._file.reading()
        return sum(end - self._next[table] for table, end in _ends(self._db).items())

    def _look(self) -> Changes:
        records: list[Record] = []
        following: dict[str, int] = {}
        assert self._db is not None
        with _snapshot(self._db) as db:
            ends = _ends(db)
            if any(self._next[table] > end for table, end in ends.items()):
                raise PositionsGone(
                    f"the log {self._file.path} ends before the position from which to go on, so it is not "
                    "the one that was read before; begin anew"
                )
            for table in self._topics:
                found, following[table] = self._records(db, table, ends[table])
                records += found
            changed, following["quiet"] = self._quiet(db)
            for partition, key in db.execute(
                "SELECT DISTINCT partition, key FROM outbound WHERE offset >= ? AND offset < ?"
                f" AND topic IN ({_marks(_DECIDED)}) AND key IS NOT NULL",
                (self._next["outbound"], following["outbound"], *_DECIDED),
            ):
                changed.setdefault(partition, set()).add(key.decode())
            states = {
                po_number: state
                for partition, po_numbers in changed.items()
                for po_number, state in _states(db, partition, sorted(po_numbers))
            }
        behind = sum(end - following[table] for table, end in ends.items())
        self._next = following
        return Changes(records, states, following, behind)

    def _records(self, db: sqlite3.Connection, table: str, end: int) -> tuple[list[Record], int]:
        """What comes next in a table, and up to where this went."""
        topics = self._topics[table]
        upto = min(end, self._next[table] + MOST)
        records: list[Record] = []
        size = 0
        rows = db.execute(
            f"{SELECT.format(table)} WHERE offset >= ? AND offset < ?"
            f" AND topic IN ({_marks(topics)}) ORDER BY offset",
            (self._next[table], upto, *topics),
        )
        for row in rows:
            record = record_of(row)
            records.append(record)
            size += len(record.value or b"")
            if size >= MOST_BYTES:
                rows.close()
                return records, record.offset + 1
        return records, upto

    def _quiet(self, db: sqlite3.Connection) -> tuple[dict[int, set[str]], int]:
        """The purchase orders that changed without a word, by partition, and up to where this went."""
        changed: dict[int, set[str]] = {}
        count = 0
        rows = db.execute(
            "SELECT place, partition, po_numbers FROM quiet WHERE place >= ? ORDER BY place LIMIT ?",
            (self._next["quiet"], MOST),
        )
        upto = self._next["quiet"]
        for place, partition, packed in rows:
            po_numbers = _po_numbers(packed)
            changed.setdefault(partition, set()).update(po_numbers)
            upto = place + 1
            count += len(po_numbers)
            if count >= MOST:
                rows.close()
                break
        return changed, upto


def _states(
    db: sqlite3.Connection, partition: int, po_numbers: Sequence[str]
) -> Iterator[tuple[str, bytes | None]]:
    """The states of purchase orders as they are now."""
    for start in range(0, len(po_numbers), MOST):
        some = po_numbers[start : start + MOST]
        found = dict(
            db.execute(
                f"SELECT po_number, state FROM state WHERE partition = ? AND po_number IN ({_marks(some)})",
                (partition, *some),
            )
        )
        for po_number in some:
            yield po_number, found.get(po_number)


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def ends_of(file: SqliteFile) -> dict[str, int]:
    """The positions of a reader that has read all there is; to be called in the file's thread."""
    with _snapshot(file.db) as db:
        return _ends(db)


@contextmanager
def _snapshot(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    db.execute("BEGIN")
    try:
        yield db
    finally:
        if db.in_transaction:  # after some errors SQLite has ended it by itself
            db.execute("COMMIT")


def _ends(db: sqlite3.Connection) -> dict[str, int]:
    return {
        table: db.execute(f"SELECT ifnull(max({place}), 0) + 1 FROM {table}").fetchone()[0]
        for table, place in _TABLES.items()
    }
