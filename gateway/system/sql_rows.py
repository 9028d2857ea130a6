"""Rows put into a table of SQLite, many at once."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, cast

#: How many rows one statement writes at the most, a power of two.
AT_ONCE: Final = 1_024

# Bytes and None are bound as they are. Of a value that is neither a number nor a text sqlite3 first looks for
# an adapter in three places, and makes an error of each where there is none: a sixth of what a record takes.
# Both are functions in C: `{}.get` gives None for None.
sqlite3.register_adapter(bytes, bytes)
sqlite3.register_adapter(type(None), cast(Callable[[None], None], {}.get))


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
