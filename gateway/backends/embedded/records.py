"""Records as rows of the tables `inbound` and `outbound`.

What came in, and dead letters, are sealed with the key of the purchase order that they are keyed by.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from sqlite3 import Connection
from typing import Final

from msgspec import msgpack

from gateway.backends.embedded.seals import keys_of, name_of
from gateway.engine.log import DEAD_LETTERS, INBOUND_TOPICS, Draft, Headers, Record
from gateway.sealing.vault import Purpose, Vault
from gateway.system.sql_rows import AT_ONCE, put_rows

#: The columns of a record; {} stands for the table.
SELECT: Final = "SELECT topic, partition, offset, timestamp, key, value, headers FROM {}"
INSERT_INBOUND: Final = (
    "INSERT INTO inbound (topic, partition, timestamp, key, value, headers, po_number, provider_id,"
    " message_id, caller, upload, line) VALUES {}"
)
INSERT_OUTBOUND: Final = (
    "INSERT INTO outbound (topic, partition, timestamp, key, value, headers, po_number, provider_id,"
    " message_id, status, trace_id, jobcentre_id) VALUES {}"
)

Row = tuple[str, int, int, int, bytes | None, bytes | None, bytes]

#: What the values of a topic are sealed as, where they are.
_SEALED: Final[dict[str, Purpose]] = {
    **dict.fromkeys(INBOUND_TOPICS, "inbound"),
    DEAD_LETTERS: "dead letter",
}
_pack: Final = msgpack.Encoder().encode
_headers: Final = msgpack.Decoder(Headers).decode
_NO_HEADERS: Final = _pack(())


def records_of(rows: Sequence[Row], vault: Vault) -> list[Record | None]:
    """The records of rows that SELECT gave; None: it was forgotten."""
    sealed: dict[Purpose, list[int]] = {"inbound": [], "dead letter": []}
    for place, row in enumerate(rows):
        if row[5] is not None and row[0] in _SEALED:
            sealed[_SEALED[row[0]]].append(place)
    values: dict[int, bytes | None] = {}
    for purpose, places in sealed.items():
        some = [
            (name_of(rows[place][4]) if purpose == "inbound" else "", rows[place][5] or b"")
            for place in places
        ]
        values.update(zip(places, vault.open_all(purpose, some), strict=True))
    return [
        None if place in values and values[place] is None else _record(row, values.get(place, row[5]))
        for place, row in enumerate(rows)
    ]


def _record(row: Row, value: bytes | None) -> Record:
    topic, partition, offset, timestamp, key, _, headers = row
    return Record(
        topic, partition, offset, timestamp, key, value, () if headers == _NO_HEADERS else _headers(headers)
    )


def put_inbound(db: Connection, vault: Vault, stamped: Iterable[tuple[Draft, int, int]]) -> int:
    """Put drafts, each with its partition and timestamp, sealed; returns how many. In a transaction."""
    count, drafts = 0, iter(stamped)
    while some := list(islice(drafts, AT_ONCE)):
        names = [name_of(draft.key) for draft, _, _ in some]
        keys = keys_of(db, vault, names)
        put_rows(
            db,
            INSERT_INBOUND,
            [
                _inbound_row(
                    draft,
                    partition,
                    timestamp,
                    name,
                    None if draft.value is None else vault.seal(keys[name], "inbound", name, draft.value),
                )
                for name, (draft, partition, timestamp) in zip(names, some, strict=True)
            ],
        )
        count += len(some)
    return count


def _inbound_row(
    draft: Draft, partition: int, timestamp: int, name: str, sealed: bytes | None
) -> tuple[object, ...]:
    columns = draft.columns
    return (
        draft.topic,
        partition,
        timestamp,
        draft.key,
        sealed,
        _packed(draft.headers),
        name or None,  # also of what can't be read: whoever forgets a purchase order must find it
        columns.provider_id,
        columns.message_id,
        columns.caller,
        columns.upload,
        columns.line,
    )


def outbound_row(draft: Draft, partition: int, timestamp: int, value: bytes | None) -> tuple[object, ...]:
    """The values of INSERT_OUTBOUND. value: as it is to stand there: a dead letter's is sealed."""
    columns = draft.columns
    return (
        draft.topic,
        partition,
        timestamp,
        draft.key,
        value,
        _packed(draft.headers),
        columns.po_number,
        columns.provider_id,
        columns.message_id,
        columns.status,
        columns.trace_id,
        columns.jobcentre_id,
    )


def _packed(headers: Headers) -> bytes:
    return _pack(headers) if headers else _NO_HEADERS
