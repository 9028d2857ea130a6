"""A CSV file from outside: bytes to rows of cells. Where it is doubtful how a cell ends, the rest is, too.

The library's reader takes a quotation mark anywhere, and does not say where it is.
"""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Final, NamedTuple

#: In bytes; of a row that goes over several lines, too, because a cell in quotation marks does.
LONGEST_ROW: Final = 64 * 1024

_HOW_TO_SAVE: Final = "save it as CSV in UTF-8, which Excel calls CSV UTF-8 (Comma delimited)"


_SPACES: Final = re.compile(r"[ \t]*")


class InvalidCsv(ValueError):
    """Lines are no CSV in UTF-8.

    line: from 1. problem: what is wrong from there on, in which column, and what to do, without anything of
    the content.
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
    texts = (_text(number, line) for number, line in enumerate(lines, 1))
    begins = 1
    for first in texts:
        if first.strip():
            break
        begins += 1
    else:
        return
    separator = next((known for known in separators if known in first), separators[0])
    numbered = enumerate(chain([first], texts), begins)
    for line, text in numbered:
        cells = _cells(line, text, numbered, separator)
        if any(cell.strip() for cell in cells):
            yield CsvRow(line, cells)


@cache
def _plain(separator: str) -> re.Pattern[str]:
    """A cell without quotation marks, up to what may not stand in it."""
    return re.compile(rf'[^"\r\n{separator}]*')


def _cells(line: int, text: str, following: Iterator[tuple[int, str]], separator: str) -> list[str]:
    """The cells of the row that begins in a line. following: the lines behind it, for cells of several.

    Raises InvalidCsv.
    """
    plain = _plain(separator)
    begins, size = line, len(text)
    cells: list[str] = []
    at = 0
    while True:
        column = len(cells) + 1
        if text.startswith('"', at):
            opened = line, at
            parts: list[str] = []
            while True:  # up to the mark that closes it
                end = text.find('"', at + 1)
                if end >= 0:
                    parts.append(text[at + 1 : end])
                    at = end + 1
                    if not text.startswith('"', at):
                        break
                    parts.append('"')
                    continue
                parts.append(text[at + 1 :])
                line, text = next(following, (0, ""))
                size += len(text)
                if not text:
                    raise _doubtful(*opened, column, "has a quotation mark that is not closed; close it")
                if size > LONGEST_ROW:
                    raise InvalidCsv(begins, _TOO_LONG)
                at = -1
            cells.append("".join(parts))
        else:
            found = plain.match(text, at)
            assert found is not None  # it may be empty
            cells.append(found[0])
            at = found.end()
        if text.startswith(separator, at):
            at += 1
            continue
        rest = text[at:]
        if rest in {"", "\n", "\r\n"}:
            return cells
        if rest.startswith("\r"):
            raise _doubtful(line, at, column, "has a line end other than LF and CRLF; save it with these")
        if rest.startswith('"') and _SPACES.fullmatch(cells[-1]):
            raise _doubtful(line, at, column, "has a quotation mark behind a blank; take out the blank")
        raise _doubtful(
            line,
            at,
            column,
            "has a quotation mark that is not around the whole cell; put marks around it, and double each "
            "that is part of it",
        )


def _doubtful(line: int, at: int, column: int, problem: str) -> InvalidCsv:
    where = f"character {at + 1}, in column {column},"
    return InvalidCsv(line, f"is not CSV, and what follows can't be relied on: {where} {problem}")


_TOO_LONG: Final = (
    f"begins a row that does not end within {LONGEST_ROW // 1024} KiB; close the quotation mark that is open"
)


def _text(number: int, line: bytes) -> str:
    if number == 1:
        if line.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise InvalidCsv(number, f"is UTF-16; {_HOW_TO_SAVE}")
        line = line.removeprefix(BOM_UTF8)
    if len(line) > LONGEST_ROW:
        raise InvalidCsv(number, _TOO_LONG)
    if b"\0" in line:
        raise InvalidCsv(number, f"has a NUL byte; {_HOW_TO_SAVE}")
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise InvalidCsv(number, f"is not UTF-8; {_HOW_TO_SAVE}") from None
