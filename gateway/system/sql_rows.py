"""Rows put into a table of SQLite, many at once."""

import sqlite3
from collections.abc import Sequence
from functools import cache
from typing import Final

#: How many rows one statement writes at the most, a power of two.
AT_ONCE: Final = 1_024


def put_rows(db: sqlite3.Connection, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Run a statement on rows, many at once: each statement waits for the interpreter's lock once.

    With a statement for each row, writing would come to a stand while another thread decides. Sizes are
    powers of two, so that there are few statements to prepare. sql: with {} in the place of the rows.
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
