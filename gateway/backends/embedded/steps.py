"""How a step of the engine is written to the embedded log: one SQL transaction."""

from collections.abc import Mapping, Sequence
from sqlite3 import Connection
from typing import Protocol

from gateway.backends.embedded.file import EmbeddedFile
from gateway.backends.embedded.records import INSERT_OUTBOUND, outbound_row
from gateway.engine.log import Commit, Listing, Lost, Record
from gateway.system.sql_rows import put_rows


class ReadTables(Protocol):
    """The tables and indexes by which the log is asked. They are filled in the steps' own transactions."""

    schema: str

    def put(self, db: Connection, partition: int, listings: Mapping[str, Listing]) -> None:
        """Make purchase orders findable as they are listed now, by po_number."""

    def put_plan(self, db: Connection, record: Record) -> object:
        """Make a delivery plan findable in the place of the one before it."""

    def put_control(self, db: Connection, key: str) -> None:
        """Have what is listed show what stands under a key of gateway.control now, or no longer does."""

    def put_handled(self, db: Connection, letter: str) -> None:
        """Have a dead letter stand as what was done with it says. letter: its event_id."""

    def forget(self, db: Connection, forgotten: Sequence[tuple[str, int, int]]) -> None:
        """Make unfindable what was decided on purchase orders, and the messages it was about.

        forgotten: their numbers, each with when it was forgotten (UTC milliseconds: what arrived before was
        decided before), and the offset below which was put what was decided on it.
        """


def check_owner(file: EmbeddedFile, partition: int, epoch: int) -> None:
    """Raises Lost where a partition was claimed by somebody else since; to be called in a transaction."""
    sql = "SELECT epoch FROM ownership WHERE partition = ?"
    if file.db.execute(sql, (partition,)).fetchone()[0] != epoch:
        raise Lost(f"partition {partition} has another owner now")


def write_step(
    file: EmbeddedFile, tables: ReadTables | None, partition: int, epoch: int, step: Commit
) -> None:
    """Outputs, states and positions, if the partition is still owned. Raises Lost, CannotDraft or LogError.

    epoch: that of the claim.
    """
    outputs = [
        outbound_row(record, partition, step.decided_to if record.timestamp is None else record.timestamp)
        for record in step.records()
    ]
    # In the order of the table, so that what stands beside each other is written together.
    kept = sorted(
        (partition, po_number, state, *_when(step.listings.get(po_number)))
        for po_number, state in step.states.items()
        if state is not None
    )
    forgotten = [(po_number,) for po_number, state in step.states.items() if state is None]
    positions = [(partition, topic, offset) for topic, offset in step.positions.items()]
    forget = f"DELETE FROM state WHERE partition = {partition} AND po_number IN (VALUES {{}})"
    with file.transaction() as db:
        check_owner(file, partition, epoch)
        put_rows(db, INSERT_OUTBOUND, outputs)
        put_rows(db, "INSERT OR REPLACE INTO state VALUES {}", kept)
        put_rows(db, forget, forgotten)
        put_rows(db, "INSERT OR REPLACE INTO position VALUES {}", positions)
        if tables is not None:
            if step.forgotten:
                first = file.end("outbound") - len(outputs)
                tables.forget(
                    db, [(po, each.at, first + each.outputs) for po, each in step.forgotten.items()]
                )
            tables.put(db, partition, step.listings)
        db.execute("UPDATE ownership SET decided_to = ? WHERE partition = ?", (step.decided_to, partition))
    if step.erases or forgotten:
        file.note_erased()


def _when(listing: Listing | None) -> tuple[int | None, int | None, int | None]:
    return (None, None, None) if listing is None else (listing.changed_at, listing.due_at, listing.messages)
