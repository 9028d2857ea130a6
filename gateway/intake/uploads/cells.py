"""What a cell of a spreadsheet says: a text, an instant, a day, a number, an amount or one of some symbols.

What may stand in a column is compiled from the records' Avro schemas, once.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from gateway.intake.british_dates import read_day, read_instant
from schemas.limits import range_in, wrong_with_text
from schemas.ranges import INT

#: From a cell that is not empty, without blanks around it, to a field's value; raises BadCell.
Reader = Callable[[str], object]


class BadCell(ValueError):
    """A cell can't be read; the message says what is wrong and what is expected, without the content."""


_LIKE: Final = re.compile(r"[\s_-]+")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,10}")
_POUNDS: Final = re.compile(r"£ ?([0-9]{1,8}|[0-9]{1,3}(?:,[0-9]{3}){1,2})(?:\.([0-9]{2}))?")
#: At the beginning of a cell: what a spreadsheet would act on, behind whatever it would pass over.
FORMULA: Final = re.compile(r"[\s\"']*[=+\-@＝＋－＠\t\r\n]")


def likeness(name: str) -> str:
    """What a name for people and the same name in a record have in common, such as `didnotattend`."""
    return _LIKE.sub("", name).lower()


def bare(cell: str) -> str:
    """A cell without blanks around it, and without the apostrophe by which an export made it a text."""
    text = cell.strip()
    return text[1:].strip() if text.startswith("'") and FORMULA.match(text[1:]) else text


def reader_of(record: str, field: str, schema: object) -> Reader:
    """How a cell of a record's field is read, by the field's Avro type."""
    match schema:
        case ["null", branch]:
            return reader_of(record, field, branch)
        case "string":
            return _text_reader(record, field)
        case {"logicalType": "date"}:
            return _worded(read_day, range_in(record, schema))
        case {"logicalType": "timestamp-millis"}:
            return _worded(read_instant, range_in(record, schema))
        case {"type": "enum", "symbols": symbols}:
            return _symbol_reader(symbols)
        case "int":
            return _read_pence if field.endswith("_pence") else _read_whole
    raise NotImplementedError(f"There is no form in a cell for the Avro type {schema}; add one here.")


def _text_reader(record: str, field: str) -> Reader:
    def read_text(cell: str) -> str:
        if problem := wrong_with_text(record, field, cell):
            raise BadCell(problem)
        return cell

    return read_text


def _worded(read: Callable[[str], int], limits: tuple[int, int] | None) -> Reader:
    def read_worded(cell: str) -> int:
        try:
            found = read(cell)
        except ValueError as error:  # NotADay, NotAnInstant: their messages are made to be shown
            raise BadCell(str(error)) from None
        if limits and not limits[0] <= found <= limits[1]:
            raise BadCell("is out of range; expected one from 1900 to 2999")
        return found

    return read_worded


def _symbol_reader(symbols: Iterable[str]) -> Reader:
    known = {likeness(symbol): symbol for symbol in symbols}
    expected = ", ".join(known.values())

    def read_symbol(cell: str) -> str:
        symbol = known.get(likeness(cell))
        if symbol is None:
            raise BadCell(f"is not one of the values that it can have; expected {expected}")
        return symbol

    return read_symbol


def _read_whole(cell: str) -> int:
    if not _WHOLE.fullmatch(cell):
        raise BadCell("is not a whole number; expected one such as 60")
    return _in_range(int(cell))


def _read_pence(cell: str) -> int:
    if parts := _POUNDS.fullmatch(cell):
        return _in_range(int(parts[1].replace(",", "")) * 100 + int(parts[2] or 0))
    if not _WHOLE.fullmatch(cell):
        raise BadCell("is not an amount; expected whole pence such as 450, or pounds such as £4.50")
    return _in_range(int(cell))


def _in_range(number: int) -> int:
    least, greatest = INT
    if not least <= number <= greatest:
        raise BadCell(f"is out of range; expected {least} to {greatest}")
    return number
