"""The embedded log as it is handed over to another log, opened. It is only read.

What was forgotten is left out.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from gateway.backends.embedded.file import EmbeddedFile
from gateway.backends.embedded.records import SELECT, records_of
from gateway.engine.log import CONTROL, DEAD_LETTERS, Draft
from gateway.engine.moving import STATES, CannotMove, Whole
from gateway.engine.partitioner import partition_for
from gateway.engine.pausing import Pause
from gateway.rules.events import OUTBOUND
from gateway.sealing.vault import Vault

#: Before any instant, for a topic of which nothing is too old.
ALWAYS: Final = -(2**62)

#: How many records are opened at once.
_AT_ONCE: Final = 1_000
#: Where each record and state goes, by its new partition number; `decided`: whether a message was.
_GOING: Final = """
CREATE TEMP TABLE going_in (
    target INTEGER, decided INTEGER, offset INTEGER, PRIMARY KEY (target, decided, offset)) WITHOUT ROWID;
CREATE TEMP TABLE going_out (target INTEGER, offset INTEGER, PRIMARY KEY (target, offset)) WITHOUT ROWID;
CREATE TEMP TABLE oldest (topic TEXT PRIMARY KEY, timestamp INTEGER) WITHOUT ROWID;
CREATE TEMP TABLE going_state (target INTEGER, po_number TEXT, PRIMARY KEY (target, po_number)) WITHOUT ROWID
"""


class EmbeddedLeaving:
    """What a file has, read in one transaction. To be closed.

    partitions: of the new log. oldest: by topic, the instant (UTC milliseconds) before which the new log
    keeps nothing: what was decided, and what has come out, before then is left out. staying: what the keys of
    gateway.control begin with that stay on the file. Raises CannotMove.
    """

    def __init__(
        self, file: EmbeddedFile, partitions: int, oldest: Mapping[str, int], staying: tuple[str, ...] = ()
    ) -> None:
        self._file = file
        self._partitions = partitions
        self._staying = staying
        self._db = sqlite3.connect(file.path.absolute(), isolation_level=None, check_same_thread=False)
        try:
            self._arrange(oldest)
        except BaseException:
            self.close()
            raise

    def _arrange(self, oldest: Mapping[str, int]) -> None:
        """Say of each record where it goes: to read through the file once for each partition takes longer."""
        db = self._db
        for statement in _GOING.split(";"):
            db.execute(statement)
        db.executemany("INSERT INTO oldest VALUES (?, ?)", oldest.items())
        db.create_function("target", 2, self._target, deterministic=True)
        db.create_function("readable", 1, self._file.vault.readable)
        db.execute("BEGIN")
        (self._from,) = db.execute("SELECT user_version >> 8 FROM pragma_user_version").fetchone()
        mark = db.execute("SELECT hex(id) FROM history ORDER BY offset DESC LIMIT 1").fetchone()
        ends = [
            db.execute(f"SELECT max(offset) FROM {table}").fetchone()[0] for table in ("inbound", "outbound")
        ]
        self.identity = "/".join(map(str, ["" if mark is None else mark[0], *ends]))
        db.execute(
            "INSERT INTO going_in SELECT target(key, i.partition), i.offset < ifnull(p.offset, 1) AS decided,"
            " i.offset FROM inbound i LEFT JOIN position p ON p.partition = i.partition AND p.topic = i.topic"
            " LEFT JOIN oldest o ON o.topic = i.topic WHERE (NOT decided OR i.timestamp >= o.timestamp)"
            " AND (i.value IS NULL OR readable(i.value))"
        )
        db.execute(
            "INSERT INTO going_out SELECT target(key, partition), offset FROM outbound"
            " JOIN oldest USING (topic) WHERE outbound.timestamp >= oldest.timestamp"
            # Their ids are places of this log: letters of the new one may come to have the same.
            f" AND topic != '{DEAD_LETTERS}'"
        )
        topics = ",".join(f"'{topic}'" for topic in OUTBOUND)
        # What was decided on is known by what came out: where there is no state, it was forgotten.
        db.execute(
            "INSERT OR IGNORE INTO going_state SELECT target(key, partition), CAST(key AS TEXT) FROM outbound"
            f" WHERE topic IN ({topics}) AND key IS NOT NULL"
        )
        db.execute(
            "INSERT OR IGNORE INTO going_state SELECT target(CAST(po_number AS BLOB), partition), po_number"
            " FROM state"
        )
        if waiting := self._waiting_letters():
            raise CannotMove(
                f"dead letters wait ({waiting:,}), and stay on the file; replay or discard them (`gateway "
                "dead-letters list`), and migrate then"
            )
        (undecided,) = db.execute("SELECT count(*) FROM going_in WHERE NOT decided").fetchone()
        if undecided and self._from not in {1, self._partitions}:
            raise CannotMove(
                f"{undecided:,} messages are not decided yet, and those of {self._from} partitions can't be "
                f"put in one order on {self._partitions}; run the gateway on the file until /readyz says "
                "that nothing is behind, stop it, and migrate then"
            )

    def _waiting_letters(self) -> int:
        """How many dead letters were neither put back nor discarded."""
        rows = self._db.execute(f"{SELECT.format('outbound')} WHERE topic = '{DEAD_LETTERS}'")
        found = filter(None, records_of(rows.fetchall(), self._file.vault))
        letters = {(dict(record.headers)["ce_id"] or b"").decode() for record in found}
        return len(letters - {letter for (letter,) in self._db.execute("SELECT letter FROM handled")})

    def _target(self, key: bytes | None, partition: int) -> int:
        return partition % self._partitions if key is None else partition_for(key, self._partitions)

    def counts(self) -> dict[str, int]:
        """How many records of each topic, and of all else, there are."""
        db = self._db
        found: dict[str, int] = {}
        for table in ("in", "out"):
            sql = f"SELECT topic, count(*) FROM going_{table} JOIN {table}bound USING (offset) GROUP BY topic"
            found |= dict(db.execute(sql))
        found[STATES] = db.execute("SELECT count(*) FROM state").fetchone()[0]
        found[CONTROL] = len(self._control())
        return found

    def part(self, partition: int) -> "EmbeddedPart":
        """What belongs on a partition number of the new log."""
        where = f"WHERE partition = {partition}" if self._from == self._partitions else ""
        row = self._db.execute(f"SELECT max(decided_to) FROM ownership {where}").fetchone()
        return EmbeddedPart(self._db, self._file.vault, partition, row[0])

    def whole(self) -> Whole:
        """What belongs to no purchase order. A pause of partitions that are others now is one of them all."""
        return Whole(self._control(), self._pauses(), self._file.clock_accepted)

    def _control(self) -> dict[str, bytes]:
        rows = self._db.execute("SELECT key, value FROM control")
        return {key: value for key, value in rows if not key.startswith(self._staying)}

    def _pauses(self) -> Mapping[int, Pause]:
        pauses = self._file.pauses
        if self._from == self._partitions or not pauses:
            return pauses
        return dict.fromkeys(range(self._partitions), next(iter(pauses.values())))

    def close(self) -> None:
        """Let go of the file. Never raises."""
        with suppress(sqlite3.Error):
            self._db.close()


class EmbeddedPart:
    """What belongs on one partition number of the new log."""

    def __init__(self, db: sqlite3.Connection, vault: Vault, partition: int, decided_to: int | None) -> None:
        self._db = db
        self._vault = vault
        self._partition = partition
        self.decided_to: int | None = decided_to

    def inbound(self, *, decided: bool) -> Iterator[Draft]:
        """The messages that are decided, or those that are not."""
        return self._records(
            f"{SELECT.format('inbound')} JOIN going_in USING (offset) WHERE target = ? AND decided = ?"
            " ORDER BY going_in.offset",
            decided,
        )

    def outbound(self) -> Iterator[Draft]:
        """What has come out."""
        return self._records(
            f"{SELECT.format('outbound')} JOIN going_out USING (offset) WHERE target = ?"
            " ORDER BY going_out.offset"
        )

    def _records(self, sql: str, *more: object) -> Iterator[Draft]:
        rows = self._db.execute(sql, (self._partition, *more))
        while some := rows.fetchmany(_AT_ONCE):
            for record in records_of(some, self._vault):
                if record is not None:
                    yield Draft(record.topic, record.key, record.value, record.headers, record.timestamp)

    def states(self) -> Iterator[tuple[str, bytes | None]]:
        """Packed states by po_number; None: it was forgotten."""
        sql = "SELECT po_number, state FROM going_state LEFT JOIN state USING (po_number) WHERE target = ?"
        for po_number, state in self._db.execute(sql, (self._partition,)):
            yield po_number, self._vault.opened("state", po_number, state)
