"""What numbers a field may hold: by its Avro type, and by its logical type.

fastavro reads an `int` as widely as a `long`, and a date or an instant has to be one that the calendar has.
"""

from typing import Final

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
