"""Which key each purchase order has now, and how its rows lose it.

`sealed_with` is part of the log, and written in its transactions: whoever puts something on the log either
comes before the transaction in which a purchase order loses its key, and is found there, or sees that it has
lost it. The keys themselves are in a file of their own, and are there before a row names them.
"""

from collections.abc import Collection, Iterable, Mapping
from sqlite3 import Connection
from typing import Final

from msgspec import json

from gateway.engine.log import DEAD_LETTERS, Erased
from gateway.sealing.vault import Vault
from gateway.system.sql_rows import put_rows

#: A key of a record that is longer names no purchase order.
LONGEST_NAME: Final = 100
#: doomed: keys that nothing is sealed with any more that is to be read, and which are still to be destroyed.
SCHEMA: Final = """
CREATE TABLE sealed_with (po_number TEXT PRIMARY KEY, key INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE doomed (key INTEGER PRIMARY KEY) STRICT;
CREATE TABLE key_store (one INTEGER PRIMARY KEY, id BLOB NOT NULL) STRICT
"""


def name_of(key: bytes | None) -> str:
    """The purchase order that a record's key names; '': none, so it is sealed with a key of the log's own."""
    if key is None or len(key) > LONGEST_NAME:
        return ""
    try:
        return key.decode()
    except UnicodeDecodeError:
        return ""


def keys_of(db: Connection, vault: Vault, names: Iterable[str]) -> dict[str, int]:
    """The key of each, made where it has none. To be called in a transaction."""
    wanted = set(names)
    found = dict(
        db.execute(
            "SELECT po_number, key FROM sealed_with WHERE po_number IN (SELECT value FROM json_each(?))",
            (_listed(wanted),),
        )
    )
    # A log that was restored from a backup may name one that was destroyed since.
    alive = vault.alive(found.values())
    missing = sorted(name for name in wanted if found.get(name) not in alive)
    if missing:
        new = dict(zip(missing, vault.new_keys(len(missing)), strict=True))
        put_rows(db, "INSERT OR REPLACE INTO sealed_with VALUES {}", [*new.items()])
        found |= new
    return found


def lose_keys(db: Connection, vault: Vault, partition: int, erased: Mapping[str, Erased]) -> list[int]:
    """Have purchase orders lose their keys, which are returned and doomed. To be called in a transaction.

    What was not decided before, or isn't yet, is sealed anew: it belongs to what begins then.
    """
    listed = _listed(erased)
    rows = db.execute(
        "SELECT offset, topic, po_number, value FROM inbound WHERE partition = ? AND offset >= ?"
        " AND po_number IN (SELECT value FROM json_each(?)) AND value IS NOT NULL",
        (partition, min(min(each.positions.values()) for each in erased.values()), listed),
    ).fetchall()
    later = [
        (offset, name, value)
        for offset, topic, name, sealed in rows
        if offset >= erased[name].positions[topic]
        and (value := vault.open("inbound", name, sealed)) is not None
    ]
    gone = db.execute(
        "DELETE FROM sealed_with WHERE po_number IN (SELECT value FROM json_each(?)) RETURNING key", (listed,)
    ).fetchall()
    put_rows(db, "INSERT OR IGNORE INTO doomed VALUES {}", gone)
    if later:
        keys = keys_of(db, vault, {name for _, name, _ in later})
        db.executemany(
            "UPDATE inbound SET value = ? WHERE offset = ?",
            [(vault.seal(keys[name], "inbound", name, value), at) for at, name, value in later],
        )
    return [key for (key,) in gone]


def drop_letters(db: Connection, below: Mapping[str, int]) -> None:
    """Drop the dead letters of purchase orders at lower offsets, which nobody can open any more."""
    db.executemany(
        f"DELETE FROM outbound WHERE topic = '{DEAD_LETTERS}' AND key = ? AND offset < ?",
        [(po_number.encode(), offset) for po_number, offset in below.items()],
    )


def _listed(names: Collection[str]) -> str:
    return json.encode([*names]).decode()
