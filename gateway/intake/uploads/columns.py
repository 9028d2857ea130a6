"""The columns of an upload as CSV: those of all records, and which of them each record has."""

from typing import Final, NamedTuple

from gateway.intake.uploads.cells import Reader, likeness, reader_of
from gateway.intake.uploads.uploaded_record import RECORDS
from schemas.catalogue import SCHEMAS

#: Every row needs these, whatever record it is.
NEEDED: Final = ("message_id", "po_number", "type")


class Column(NamedTuple):
    """A column as one record has it. read: from what stands in a cell to the field's value."""

    read: Reader
    needed: bool


def _columns_of(record: str) -> dict[str, Column]:
    fields = [field for field in SCHEMAS[record]["fields"] if field["name"] != "provider_id"]
    return {
        field["name"]: Column(reader_of(record, field["name"], field["type"]), "default" not in field)
        for field in fields
    }


#: For each record the columns that are filled in for it, by name; `type` is not among them.
COLUMNS_OF: Final = {record: _columns_of(record) for record in RECORDS}
#: All columns, in the order in which the template has them.
COLUMNS: Final = tuple(
    dict.fromkeys((*NEEDED, *(name for columns in COLUMNS_OF.values() for name in columns)))
)
#: From what a name has in common with its other forms.
COLUMN_LIKE: Final = {likeness(column): column for column in COLUMNS}
RECORD_LIKE: Final = {likeness(record): record for record in RECORDS}
