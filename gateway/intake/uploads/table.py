"""An upload as CSV: a provider record a row, a column for each field that some record has."""

from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Final

from msgspec import convert

from gateway.intake.csv_rows import CsvRow, InvalidCsv, read_rows
from gateway.intake.uploads.cells import BadCell, bare, likeness
from gateway.intake.uploads.columns import COLUMN_LIKE, COLUMNS_OF, NEEDED, RECORD_LIKE
from gateway.intake.uploads.uploaded_record import NO_PROVIDER_ID, RECORDS, UNKNOWN, Mistake, UploadedRecord
from gateway.rules.messages import SessionRecord

_EMPTY: Final = "is empty; fill it in"


def read_table(body: bytes) -> Iterator[UploadedRecord | Mistake]:
    """The rows in their order. A mistake alone is of the row of names, or of CSV that goes wrong there."""
    rows = read_rows(BytesIO(body), separators=",;")
    try:
        header = next(rows, None)
        if header is None:
            return
        columns = _columns(header)
        if isinstance(columns, list):
            yield from columns
            return
        for row in rows:
            yield _read(row, columns)
    except InvalidCsv as error:
        yield Mistake(error.line, "", error.problem)


def _columns(header: CsvRow) -> tuple[str, ...] | list[Mistake]:
    """The columns in the file's order, or what is wrong with their names."""
    names = [bare(cell) for cell in header.cells]
    while names and not names[-1]:  # spreadsheets save some that were emptied
        names.pop()
    columns = [COLUMN_LIKE.get(likeness(name)) for name in names]
    if missing := [column for column in NEEDED if column not in columns]:
        # Where the names are missing altogether, a row of content stands there: no word about its cells.
        problem = "is missing; the first row has to name it, with commas or semicolons between the names"
        return [Mistake(header.line, column, problem) for column in missing]
    mistakes: list[Mistake] = []
    seen: set[str] = set()
    for number, (name, column) in enumerate(zip(names, columns, strict=True)):
        if likeness(name) == "providerid":
            mistakes.append(Mistake(header.line, "provider_id", NO_PROVIDER_ID))
        elif column is None:
            problem = (
                f"has a name that no column has, in column {_letters(number)}; correct it, or take it out"
            )
            mistakes.append(Mistake(header.line, "", problem))
        elif column in seen:
            mistakes.append(Mistake(header.line, column, "stands in the first row twice; take one out"))
        else:
            seen.add(column)
    return mistakes or tuple(column for column in columns if column is not None)


def _letters(number: int) -> str:
    """What a spreadsheet calls its column of that number, from 0."""
    letters = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def _read(row: CsvRow, columns: tuple[str, ...]) -> UploadedRecord:
    if any(cell.strip() for cell in row.cells[len(columns) :]):
        problem = "has more cells than the first row has names; put a cell with a comma in quotation marks"
        return UploadedRecord(row.line, None, None, None, (Mistake(row.line, "", problem),))
    # A row may be shorter: spreadsheets leave out empty cells at the end.
    cells = zip(columns, map(bare, row.cells), strict=False)
    filled = {column: cell for column, cell in cells if cell}
    record, mistakes = _record(row.line, filled)
    message_id, po_number = filled.get("message_id"), filled.get("po_number")
    return UploadedRecord(row.line, message_id, po_number, record, tuple(mistakes))


def _record(line: int, filled: Mapping[str, str]) -> tuple[SessionRecord | None, list[Mistake]]:
    """The record of a row, and all that is wrong with its cells. Without anything wrong there is a record."""
    mistakes = [Mistake(line, column, _EMPTY) for column in NEEDED if column not in filled]
    if "type" not in filled:
        return None, mistakes
    record = RECORD_LIKE.get(likeness(filled["type"]))
    if record is None:
        problem = f"is no type of record; expected one of {', '.join(RECORDS)}"
        return None, [*mistakes, Mistake(line, "type", problem)]
    values: dict[str, object] = {"provider_id": UNKNOWN}
    for name, column in COLUMNS_OF[record].items():
        if name in filled:
            try:
                values[name] = column.read(filled[name])
            except BadCell as error:
                mistakes.append(Mistake(line, name, str(error)))
        elif column.needed and name not in NEEDED:
            mistakes.append(Mistake(line, name, f"{_EMPTY}, as {record} needs it"))
    unwanted = filled.keys() - COLUMNS_OF[record].keys() - {"type"}
    problem = f"is filled in, and {record} has none; empty it"
    mistakes += [Mistake(line, name, problem) for name in filled if name in unwanted]
    return (None if mistakes else convert(values, RECORDS[record])), mistakes
