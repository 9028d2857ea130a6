"""CSV for people: what a spreadsheet opens, with nothing in it that it would run."""

import csv
from codecs import BOM_UTF8
from collections.abc import Iterable
from io import StringIO

from gateway.intake.uploads.cells import FORMULA
from gateway.intake.uploads.uploaded_record import Mistake


def neutral(cell: str) -> str:
    """A text as a cell that is no formula: before what might be one stands an apostrophe."""
    return f"'{cell}" if FORMULA.match(cell.rstrip()) else cell


def csv_rows(rows: Iterable[Iterable[str | int]]) -> bytes:
    """Rows of CSV in UTF-8, with CRLF; every cell is quoted.

    Texts are neutralised. Numbers are not: what begins with a minus there is a number.
    """
    text = StringIO(newline="")
    # Quoted, each of them: a cell must not break up in a spreadsheet that expects another separator.
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in rows:
        writer.writerow([neutral(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue().encode()


def csv_bytes(header: Iterable[str], rows: Iterable[Iterable[str | int]]) -> bytes:
    """A CSV file, with a byte order mark, which Excel needs to know it by; see csv_rows."""
    return BOM_UTF8 + csv_rows((header, *rows))


def mistakes_csv(mistakes: Iterable[Mistake]) -> bytes:
    """What is wrong with an upload, a mistake a row: line, field, problem. Line 0: the upload as a whole."""
    rows = ((mistake.line, mistake.field, mistake.problem) for mistake in mistakes)
    return csv_bytes(("line", "field", "problem"), rows)
