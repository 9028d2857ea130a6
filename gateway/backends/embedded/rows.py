"""Records as rows of the embedded log's tables `inbound` and `outbound`, and rows written fast."""

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import islice
from typing import Final

from msgspec import msgpack

from gateway.engine.log import Draft, Headers, Record

#: The columns of a record; {} stands for the table.
SELECT: Final = "SELECT topic, partition, offset, timestamp, key, value, headers FROM {}"

#: How many rows one statement writes at the most, a power of two.
AT_ONCE: Final = 1_024

Row = tuple[str, int, int, int, bytes | None, bytes | None, bytes]

_pack: Final = msgpack.Encoder().encode
_headers: Final = msgpack.Decoder(Headers).decode
_NO_HEADERS: Final = _pack(())


def record_of(row: Row) -> Record:
    """The record of a row that SELECT gave."""
    topic, partition, offset, timestamp, key, value, headers = row
    return Record(
        topic, partition, offset, timestamp, key, value, () if headers == _NO_HEADERS else _headers(headers)
    )


def packed_headers(draft: Draft) -> bytes:
    """What stands in the column `headers`."""
    return _pack(draft.headers) if draft.headers else _NO_HEADERS


def put_all(db: sqlite3.Connection, sql: str, rows: Iterable[tuple[object, ...]]) -> int:
    """As `put_rows`, for rows that are made on the way; returns how many there were."""
    count = 0
    rows = iter(rows)
    while some := list(islice(rows, AT_ONCE)):
        put_rows(db, sql, some)
        count += len(some)
    return count


def put_rows(db: sqlite3.Connection, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Run a statement on rows, many at once: each statement waits for the interpreter's lock once.

    With a statement for each row, writing would come to a stand while another thread decides. Sizes are
    powers of two, so that there are few statements to prepare.
    """
    start, size = 0, AT_ONCE
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        some = rows[start : start + size]
        db.execute(_statement(sql, len(some[0]), size), [value for row in some for value in row])
        start += size


@cache
def _statement(sql: str, columns: int, rows: int) -> str:
    row = f"({', '.join('?' * columns)})"
    return sql.format(", ".join([row] * rows))
