"""A PRaP download: each row of each file is a referral, or listed as bad, or passed over."""

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from io import BufferedReader
from typing import Final, NamedTuple

from msgspec import msgpack

from gateway.intake.csv_rows import CsvRow
from gateway.intake.prap.archive import CsvFile, InvalidDownload, read_alone, read_archive
from gateway.intake.prap.purchase_order import (
    COLUMNS,
    INFORMATION_SESSION,
    REQUIRED,
    WORK_PROGRAMME,
    UnreadableRow,
    read_purchase_order,
    shown_po_number,
)
from gateway.intake.prap.table import read_rows
from gateway.rules.messages import Referral
from gateway.rules.policy import Policies

_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")
#: Of a row with the columns' names; JSON lines begin with a brace.
_NAMES: Final = re.compile(rb"[^{\n]*\bpo[ _]+number\b", re.IGNORECASE)
_HEADING: Final = re.compile(r"[A-Za-z][A-Za-z0-9 _-]{0,39}")


class BadRow(NamedTuple):
    """A row that can't be read. po_number: None where it is not certain. line: from 1, of the row's begin.

    problems: what is wrong, naming columns, with nothing of what they hold.
    """

    file: str
    line: int
    po_number: str | None
    problems: tuple[str, ...]

    def __str__(self) -> str:
        """For a person: a line for each problem."""
        order = "" if self.po_number is None else f", {self.po_number}"
        return "\n".join(f"{self.file}, line {self.line}{order}: {problem}" for problem in self.problems)


class PassedOver(NamedTuple):
    """A row that is none of the gateway's business, or stands in the download twice."""

    file: str
    line: int


class _Place(NamedTuple):
    file: str
    line: int
    content: bytes


def is_download(stream: BufferedReader, name: str) -> bool:
    """Whether a file is meant to be a download, a zip or one of its CSV files, and not JSON lines."""
    start = stream.peek(4_096)
    return (
        (start.startswith(_ZIP) and stream.seekable())
        or name.lower().endswith((".zip", ".csv"))
        or _NAMES.match(start) is not None
    )


def read_download(
    stream: BufferedReader, *, name: str = "", today: int, policies: Policies
) -> Iterator[Referral | BadRow | PassedOver]:
    """All rows, by name of file and in order of row. today: the London day, in days since 1970.

    name: of the download itself, where it may be a CSV file without a zip.

    A revision that comes again with the same content is passed over. With another it is bad, because a
    revision has one content; the first that is read stands. Raises InvalidDownload, also after rows: nothing
    may be done with these before the end.
    """
    seen: dict[str, _Place] = {}
    start = stream.peek(4_096)
    alone = name and not start.startswith(_ZIP) and (name.lower().endswith(".csv") or _NAMES.match(start))
    for file in [read_alone(stream, name)] if alone else read_archive(stream):
        table = read_rows(file)
        columns = _columns(file, next(table, None))
        for row in table:
            yield _read(file, columns, row, seen, today, policies)


def _columns(file: CsvFile, header: CsvRow | None) -> list[str]:
    """The columns in the file's order. Raises InvalidDownload where they are not those of a download."""
    cells = [] if header is None else header.cells
    while cells and not cells[-1].strip():  # spreadsheets save some that were emptied
        cells.pop()
    columns = ["_".join(cell.replace("_", " ").split()).lower() for cell in cells]
    where = f"{file.name}: the row with the columns' names"
    if missing := [column for column in REQUIRED if column not in columns]:
        raise InvalidDownload(
            f"{where} lacks {', '.join(missing)}; expected them first, with commas or semicolons between"
        )
    for cell, column in zip(cells, columns, strict=True):
        if column not in COLUMNS:
            # What doesn't look like a heading may be content that has slipped.
            shown = _HEADING.fullmatch(cell.strip())
            named = f"the unknown column {shown[0]}" if shown else "an unknown column"
            raise InvalidDownload(f"{where} has {named}; take it out, or correct its name")
        if columns.count(column) > 1:
            raise InvalidDownload(f"{where} has {column} twice; take one out")
    return columns


def _read(
    file: CsvFile, columns: list[str], row: CsvRow, seen: dict[str, _Place], today: int, policies: Policies
) -> Referral | BadRow | PassedOver:
    where = columns.index("po_number")
    po_number = row.cells[where].strip() if where < len(row.cells) else ""

    def bad(problems: Sequence[str], *, aligned: bool = True) -> BadRow:
        return BadRow(file.name, row.line, shown_po_number(po_number, aligned=aligned), tuple(problems))

    if any(cell.strip() for cell in row.cells[len(columns) :]):
        count = f"has {len(row.cells)} cells and the columns' names are {len(columns)}"
        return bad([f"{count}; put a cell that has a comma in quotation marks"], aligned=False)
    # A row may be shorter, and longer: spreadsheets leave out empty cells at the end, or save too many.
    cells = dict.fromkeys(columns, "") | dict(zip(columns, row.cells, strict=False))
    po_type = cells["po_type"].strip()
    if po_type == WORK_PROGRAMME:
        return PassedOver(file.name, row.line)
    if po_type != INFORMATION_SESSION:
        types = f"{INFORMATION_SESSION}, {WORK_PROGRAMME}"
        return bad([f"po_type is not one of its values; expected {types}"], aligned=False)
    try:
        referral = read_purchase_order(cells, today, policies)
    except UnreadableRow as error:
        return bad(error.problems)
    content = sha256(msgpack.encode(referral)).digest()
    first = seen.setdefault(referral.message_id, _Place(file.name, row.line, content))
    if (first.file, first.line) == (file.name, row.line):
        return referral
    if first.content == content:
        return PassedOver(file.name, row.line)
    other = f"{first.file}, line {first.line}"
    return bad([f"po_revision came with other content in {other}, which was read first; keep one of them"])
