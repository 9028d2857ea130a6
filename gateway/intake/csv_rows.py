"""A CSV file from outside: bytes to rows of cells. Where it is doubtful how a row ends, the rest is, too."""

import csv
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

#: In bytes; of a row that goes over several lines, too, because a cell in quotation marks does.
LONGEST_ROW: Final = 64 * 1024

_HOW_TO_SAVE: Final = "save it as CSV in UTF-8, which Excel calls CSV UTF-8 (Comma delimited)"


class InvalidCsv(ValueError):
    """Lines are no CSV in UTF-8.

    line: from 1. problem: what is wrong from there on and what to do, without anything of the content.
    """

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line} {problem}")
        self.line = line
        self.problem = problem


class CsvRow(NamedTuple):
    """line: on which the row begins, from 1. cells: as they stand, without quotation marks."""

    line: int
    cells: list[str]


def read_rows(lines: Iterable[bytes], separators: str = ",") -> Iterator[CsvRow]:
    """The rows of a file, the one with the columns' names first; rows without any content are passed over.

    lines: each with its LF, if it has one. separators: those that the file may have, of which the first that
    stands in its first row is meant throughout. Raises InvalidCsv, also after rows. Then no row can be
    relied on: behind a quotation mark that isn't closed, what looks like a row may be what somebody wrote
    into a cell.
    """
    begins, pending = 1, 0

    def texts() -> Iterator[str]:
        nonlocal pending
        for number, line in enumerate(lines, 1):
            pending += len(line)
            if pending > LONGEST_ROW:
                raise InvalidCsv(
                    begins,
                    f"begins a row that does not end within {LONGEST_ROW // 1024} KiB; "
                    "close the quotation mark that is open",
                )
            yield _text(number, line)

    rest = texts()
    for first in rest:
        if first.strip():
            break
        begins, pending = begins + 1, 0
    else:
        return
    separator = next((known for known in separators if known in first), separators[0])
    reader = csv.reader(chain([first], rest), delimiter=separator, strict=True)
    passed_over = begins - 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield CsvRow(begins, cells)
            begins, pending = passed_over + reader.line_num + 1, 0
    except csv.Error:
        raise InvalidCsv(
            begins,
            "is not CSV, and what follows can't be relied on; look there for a quotation mark that is not "
            "closed or not doubled, and for line ends other than LF and CRLF",
        ) from None


def _text(number: int, line: bytes) -> str:
    if number == 1:
        if line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise InvalidCsv(number, f"is UTF-16; {_HOW_TO_SAVE}")
        line = line.removeprefix(BOM_UTF8)
    if b"\0" in line:
        raise InvalidCsv(number, f"has a NUL byte; {_HOW_TO_SAVE}")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise InvalidCsv(number, f"is not UTF-8; {_HOW_TO_SAVE}") from None
