"""What numbers a field may hold: by its Avro type, and by its logical type.

fastavro reads an `int` as widely as a `long`, and a date or an instant has to be one that the calendar has.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from schemas.catalogue import Schema

INT: Final = (-(2**31), 2**31 - 1)
LONG: Final = (-(2**63), 2**63 - 1)
#: Days since 1970-01-01, from year 1 to year 9999.
DATE: Final = (-719_162, 2_932_896)
#: Milliseconds since 1970-01-01T00:00:00Z, from year 1 to year 9999.
TIMESTAMP_MILLIS: Final = (-62_135_596_800_000, 253_402_300_799_999)

_OF_TYPE: Final = {"int": INT, "long": LONG}
_OF_LOGICAL_TYPE: Final = {"date": DATE, "timestamp-millis": TIMESTAMP_MILLIS}


def range_of(schema: object) -> tuple[int, int] | None:
    """The least and the greatest number that a field of this schema may hold; None: it holds no number."""
    if isinstance(schema, dict):
        return _OF_LOGICAL_TYPE.get(schema.get("logicalType", "")) or range_of(schema["type"])
    return _OF_TYPE.get(schema) if isinstance(schema, str) else None


class Ranges(Struct, frozen=True):
    """The ranges of a record's fields (name, least, greatest), and of the records within it."""

    numbers: tuple[tuple[str, int, int], ...]
    parts: tuple[tuple[str, "Ranges"], ...]

    def hold(self, fields: Mapping[str, Any]) -> bool:
        """Whether each number, where there is one, lies in its range."""
        for name, least, greatest in self.numbers:
            value = fields[name]
            if value is not None and not least <= value <= greatest:
                return False
        for name, ranges in self.parts:
            part = fields[name]
            if part is not None and not ranges.hold(part):
                return False
        return True


def ranges_of(schema: Schema) -> Ranges:
    """The ranges of a record's fields. Numbers in arrays and maps have none: no record has such."""
    branches = [(field["name"], branch) for field in schema["fields"] for branch in _branches(field["type"])]
    limited = [(name, limits) for name, branch in branches if (limits := range_of(branch)) is not None]
    # fastavro reads no number that is wider than a long.
    numbers = [(name, *limits) for name, limits in limited if limits != LONG]
    parts = [(name, ranges_of(branch)) for name, branch in branches if _is_record(branch)]
    return Ranges(tuple(numbers), tuple(parts))


def _branches(schema: object) -> Iterator[Any]:
    yield from schema if isinstance(schema, list) else [schema]


def _is_record(schema: object) -> bool:
    return isinstance(schema, dict) and schema["type"] == "record"
