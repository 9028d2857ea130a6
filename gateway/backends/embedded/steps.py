"""How a step of the engine is written to the embedded log: one SQL transaction."""

from collections.abc import Mapping, Sequence
from sqlite3 import Connection
from typing import Protocol

from gateway.backends.embedded.file import EmbeddedFile
from gateway.backends.embedded.records import INSERT_OUTBOUND, outbound_row
from gateway.backends.embedded.seals import drop_letters, keys_of, lose_keys, name_of
from gateway.engine.log import DEAD_LETTERS, Commit, Draft, Listing, Lost, Record
from gateway.sealing.vault import Vault
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

    1. What is to be written, as far as it needs no transaction.
    2. Those who are erased lose their keys, with all that was written before. What comes after it in the step
       is sealed with others.
    3. The rest, sealed.
    4. When that is durable, the keys are destroyed. Who is killed in between leaves that to the next claim.

    epoch: that of the claim.
    """
    records = step.records()
    stamps = [step.decided_to if record.timestamp is None else record.timestamp for record in records]
    letters = [place for place, record in enumerate(records) if record.topic == DEAD_LETTERS]
    forgotten = [(po_number,) for po_number, state in step.states.items() if state is None]
    positions = [(partition, topic, offset) for topic, offset in step.positions.items()]
    forget = f"DELETE FROM state WHERE partition = {partition} AND po_number IN (VALUES {{}})"
    vault = file.vault
    with file.transaction() as db:
        check_owner(file, partition, epoch)
        earlier = [place for place in letters if _is_before(step, place, records[place])]
        sealed = _sealed(db, vault, records, earlier)
        doomed = lose_keys(db, vault, partition, step.erased) if step.erased else []
        sealed |= _sealed(db, vault, records, [place for place in letters if place not in sealed])
        put_rows(
            db,
            INSERT_OUTBOUND,
            [
                outbound_row(record, partition, stamp, sealed.get(place, record.value))
                for place, (record, stamp) in enumerate(zip(records, stamps, strict=True))
            ],
        )
        first = file.end("outbound") - len(records) if step.erased or step.forgotten else 0
        drop_letters(db, {po_number: first + each.outputs for po_number, each in step.erased.items()})
        put_rows(db, "INSERT OR REPLACE INTO state VALUES {}", _states(db, vault, partition, step))
        put_rows(db, forget, forgotten)
        put_rows(db, "INSERT OR REPLACE INTO position VALUES {}", positions)
        if step.answered:
            db.executemany(
                "DELETE FROM control WHERE key = ?", [(each.key.decode(),) for each in step.answered]
            )
        if tables is not None:
            if step.forgotten:
                tables.forget(
                    db, [(po, each.at, first + each.outputs) for po, each in step.forgotten.items()]
                )
            tables.put(db, partition, step.listings)
        db.execute("UPDATE ownership SET decided_to = ? WHERE partition = ?", (step.decided_to, partition))
    if doomed:
        file.destroy_doomed()


def _is_before(step: Commit, place: int, record: Draft) -> bool:
    """Whether an output comes before its purchase order is erased in the step."""
    erased = step.erased.get(name_of(record.key))
    return erased is not None and place < erased.outputs


def _sealed(
    db: Connection, vault: Vault, records: Sequence[Draft], places: Sequence[int]
) -> dict[int, bytes]:
    """The values of these dead letters, sealed."""
    if not places:
        return {}
    names = {place: name_of(records[place].key) for place in places}
    keys = keys_of(db, vault, names.values())
    return {
        place: vault.seal(keys[name], "dead letter", "", value)
        for place, name in names.items()
        if (value := records[place].value) is not None
    }


def _states(db: Connection, vault: Vault, partition: int, step: Commit) -> list[tuple[object, ...]]:
    """The rows of states, in the order of the table: what stands beside each other is written together."""
    kept = sorted((po_number, state) for po_number, state in step.states.items() if state is not None)
    keys = keys_of(db, vault, [po_number for po_number, _ in kept])
    return [
        (
            partition,
            po_number,
            vault.seal(keys[po_number], "state", po_number, state),
            *_when(step.listings.get(po_number)),
        )
        for po_number, state in kept
    ]


def _when(listing: Listing | None) -> tuple[int | None, int | None, int | None]:
    return (None, None, None) if listing is None else (listing.changed_at, listing.due_at, listing.messages)
