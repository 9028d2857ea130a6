"""How a step of the engine is written to the embedded log: one SQL transaction."""

from typing import Final

from msgspec import msgpack

from gateway.backends.embedded.file import SqliteFile
from gateway.backends.embedded.rows import packed_headers, put_rows
from gateway.engine.log import Commit, Lost
from gateway.rules.events import OUTBOUND

INSERT_OUTBOUND: Final = "INSERT INTO outbound (topic, partition, timestamp, key, value, headers) VALUES {}"

_pack: Final = msgpack.Encoder().encode


def check_owner(file: SqliteFile, partition: int, epoch: int) -> None:
    """Raises Lost where a partition was claimed by somebody else since; to be called in a transaction."""
    sql = "SELECT epoch FROM ownership WHERE partition = ?"
    if file.db.execute(sql, (partition,)).fetchone()[0] != epoch:
        raise Lost(f"partition {partition} has another owner now")


def write_step(file: SqliteFile, partition: int, epoch: int, step: Commit) -> None:
    """Outputs, states and positions, if the partition is still owned. Raises Lost, CannotDraft or LogError.

    epoch: that of the claim.
    """
    records = step.records()
    outputs = [
        (
            record.topic,
            partition,
            step.decided_to if record.timestamp is None else record.timestamp,
            record.key,
            record.value,
            packed_headers(record),
        )
        for record in records
    ]
    # In the order of the table, so that what stands beside each other is written together.
    kept = sorted(
        (partition, po_number, state) for po_number, state in step.states.items() if state is not None
    )
    forgotten = [(po_number,) for po_number, state in step.states.items() if state is None]
    positions = [(partition, topic, offset) for topic, offset in step.positions.items()]
    told = {record.key for record in records if record.topic in OUTBOUND}
    quiet = [po_number for po_number in step.states if po_number.encode() not in told]
    forget = f"DELETE FROM state WHERE partition = {partition} AND po_number IN (VALUES {{}})"
    with file.transaction() as db:
        check_owner(file, partition, epoch)
        put_rows(db, INSERT_OUTBOUND, outputs)
        put_rows(db, "INSERT OR REPLACE INTO state VALUES {}", kept)
        put_rows(db, forget, forgotten)
        put_rows(db, "INSERT OR REPLACE INTO position VALUES {}", positions)
        if quiet:
            db.execute("INSERT INTO quiet (partition, po_numbers) VALUES (?, ?)", (partition, _pack(quiet)))
        db.execute("UPDATE ownership SET decided_to = ? WHERE partition = ?", (step.decided_to, partition))
