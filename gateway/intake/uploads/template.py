"""A file to begin with: all columns, and an example of each record. Read back, it has no mistakes."""

import re
from datetime import date, datetime
from typing import Final

from gateway.intake.uploads.columns import COLUMNS
from gateway.intake.uploads.export import csv_bytes
from gateway.intake.uploads.uploaded_record import RECORDS
from gateway.rules.calendar import LONDON
from schemas.catalogue import SCHEMAS, Schema

_WORDS: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|_")


def _in_words(name: str) -> str:
    return _WORDS.sub(" ", name).capitalize().replace("Work programme", "Work Programme")


def _cell(field: str, schema: object, value: object) -> str:
    """A value of JSON as somebody in Britain writes it into a spreadsheet."""
    match schema:
        case ["null", branch]:
            return _cell(field, branch, value)
        case {"logicalType": "date"}:
            return f"{date.fromisoformat(str(value)):%d/%m/%Y}"
        case {"logicalType": "timestamp-millis"}:
            return f"{datetime.fromisoformat(str(value)).astimezone(LONDON):%d/%m/%Y %H:%M}"
        case {"type": "enum"}:
            return _in_words(str(value))
    if isinstance(value, int) and field.endswith("_pence"):
        return f"£{value / 100:.2f}"
    return str(value)


def example_row(record: str, schema: Schema) -> dict[str, str]:
    """The example of a record's schema, by column. Raises LookupError where it has none."""
    if "example" not in schema:
        raise LookupError(f'{record}: no example; give schemas/{record}.avsc an "example"')
    types = {field["name"]: field["type"] for field in schema["fields"]}
    example = {name: _cell(name, types[name], value) for name, value in schema["example"].items()}
    return {"type": _in_words(record)} | example


_ROWS: Final = tuple(example_row(record, SCHEMAS[record]) for record in RECORDS)


def template_csv() -> bytes:
    """CSV as `csv_bytes` writes it; the rows are examples, to be replaced."""
    rows = [{"message_id": f"example-{number}"} | row for number, row in enumerate(_ROWS, 1)]
    return csv_bytes(COLUMNS, ([row.get(column, "") for column in COLUMNS] for row in rows))
