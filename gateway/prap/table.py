"""A CSV file: bytes to rows of cells. What makes it doubtful where a row ends spoils the whole file."""

import csv
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.prap.archive import LONGEST_LINE, CsvFile, InvalidDownload

#: Of a row that goes over several lines, because a cell in quotation marks does.
LONGEST_ROW: Final = LONGEST_LINE


class Row(NamedTuple):
    """line: on which the row begins, from 1. cells: as they stand, without quotation marks."""

    line: int
    cells: list[str]


def read_rows(file: CsvFile) -> Iterator[Row]:
    """The rows of a file, the one with the columns' names first; rows without any content are passed over.

    Raises InvalidDownload where it is not CSV in UTF-8. Then no row can be relied on: behind a quotation mark
    that isn't closed, what looks like a row may be what somebody wrote into a cell.
    """
    pending = 0

    def texts() -> Iterator[str]:
        nonlocal pending
        for number, line in enumerate(file.lines, 1):
            pending += len(line)
            if pending > LONGEST_ROW:
                raise InvalidDownload(
                    f"{file.name}: a row does not end within {LONGEST_ROW // 1024} KiB up to line {number}; "
                    "close the quotation mark that is open"
                )
            yield _text(file.name, number, line)

    reader = csv.reader(texts(), strict=True)
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield Row(begins, cells)
            begins, pending = reader.line_num + 1, 0
    except csv.Error:
        raise InvalidDownload(
            f"{file.name} is not CSV from line {begins} on; look there for a quotation mark that is not "
            "closed or not doubled, and for line ends other than LF and CRLF"
        ) from None


def _text(name: str, number: int, line: bytes) -> str:
    if number == 1:
        if line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise InvalidDownload(f"{name} is UTF-16; save it as CSV in UTF-8")
        line = line.removeprefix(BOM_UTF8)
    if b"\0" in line:
        raise InvalidDownload(f"{name}, line {number} has a NUL byte; save it as CSV in UTF-8")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise InvalidDownload(f"{name}, line {number} is not UTF-8; save it as CSV in UTF-8") from None
