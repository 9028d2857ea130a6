"""Uploads to read: records as CSV or JSON lines, in the forms in which people and programs write them."""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from hypothesis import strategies as st
from msgspec import json

from gateway.intake.uploads.columns import COLUMNS
from gateway.intake.uploads.export import csv_bytes
from gateway.intake.uploads.upload import Kind, Mistakes, Uploaded, read_upload
from gateway.intake.uploads.uploaded_record import RECORDS, Mistake
from gateway.rules.calendar import LONDON, date_of, day_of
from gateway.rules.messages import SessionRecord
from schemas.catalogue import SCHEMAS
from schemas.json import format_day, format_instant, render
from schemas.limits import INSTANTS, range_in, wrong_with_text
from tests.schemas.examples import EXAMPLES

PROVIDER: Final = "PRV01"
ONE_OF_EACH: Final[list[SessionRecord]] = [EXAMPLES[name] for name in RECORDS]  # type: ignore[misc] # by name

Cells = Mapping[str, str]


def ours(po_number: str) -> str | None:
    """Every referral is."""
    return PROVIDER


def records(body: bytes, kind: Kind = "csv") -> list[SessionRecord]:
    """What is in an upload without mistakes."""
    found = read_upload(body, kind, provider_of=ours)
    assert not isinstance(found, Mistakes), found
    assert all(isinstance(one, Uploaded) for one in found)
    return [one.record for one in found]


def mistakes(body: bytes, kind: Kind = "csv") -> list[Mistake]:
    """What is wrong with an upload."""
    found = read_upload(body, kind, provider_of=ours)
    assert isinstance(found, Mistakes)
    return list(found.listed)


def accepted(**cells: str) -> dict[str, str]:
    """A row that nothing is wrong with, but for what is said."""
    return {
        "message_id": "m-1",
        "po_number": "PO1001",
        "type": "ReferralAccepted",
        "accepted_at": "2016-03-15T09:55:00Z",
        **cells,
    }


def booked(**cells: str) -> dict[str, str]:
    """Another, with a column of most kinds."""
    return {
        "message_id": "m-1",
        "po_number": "PO1001",
        "type": "SessionBooked",
        "session_id": "S-7",
        "session_name": "Information session",
        "starts_at": "22/03/2016 10:00",
        "duration_minutes": "60",
        "location": "Leeds",
        "format": "GROUP",
        **cells,
    }


def csv_of(*rows: Cells, line_end: str = "\n", separator: str = ",") -> bytes:
    """Rows under the names of all columns that occur in them; only what has to be is quoted."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator=line_end, delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def lines_of(*values: Mapping[str, Any]) -> bytes:
    """JSON lines."""
    return b"".join(json.encode(value) + b"\n" for value in values)


def value_of(record: SessionRecord) -> dict[str, Any]:
    """A record as a line of an upload has it."""
    value = {"type": type(record).__name__, **render(record)}
    del value["provider_id"]
    return value


def exported(rows: Sequence[Cells]) -> bytes:
    """Rows as the gateway writes CSV, with all columns."""
    return csv_bytes(COLUMNS, ([row.get(column, "") for column in COLUMNS] for row in rows))


def people_say(symbol: str) -> str:
    """A symbol or a record's name in words: Did not attend, Session booked."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", symbol).replace("_", " ")
    return words.lower().capitalize()


def forms(name: str, schema: Any, value: Any) -> list[str]:
    """The ways in which the value of a field may stand in a cell."""
    match schema:
        case ["null", branch]:
            return [""] if value is None else forms(name, branch, value)
        case "string":
            return [value, f"  {value} "]
        case {"type": "enum"}:
            return [value, people_say(value), value.lower(), value.replace("_", "-")]
        case {"logicalType": "date"}:
            return days(value)
        case {"logicalType": "timestamp-millis"}:
            return [format_instant(value), *local_times(value)]
    return [str(value), *(pounds(value) if name == "amount_pence" else [])]


def days(day: int) -> list[str]:
    civil = date_of(day)
    year, month = f"{civil.year:04}", f"{civil:%B}"
    return [
        format_day(day),
        f"{civil.day:02}/{civil.month:02}/{year}",
        f"{civil.day}/{civil.month}/{year}",
        f"{civil.day}.{civil.month}.{year}",
        f"{civil.day} {month} {year}",
        f"{civil.day}-{month[:3]}-{year}",
        f"{civil.day} {month.upper()} {year}",
    ]


def local_times(at: int) -> list[str]:
    """None where people would not know which time is meant, or have no word for it."""
    try:
        local = datetime.fromtimestamp(at // 1000, LONDON)
        twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    except (ValueError, OverflowError):
        return []
    if at % 1000 or twice:
        return []
    day = day_of(local.date())
    exact = [f"{date} {local:%H:%M:%S}" for date in days(day)]
    if local.second:
        return exact
    half = f"{(local.hour + 11) % 12 + 1}:{local:%M}{'am' if local.hour < 12 else 'pm'}"
    return [*exact, *(f"{date}, {local:%H.%M}" for date in days(day)), f"{days(day)[2]} at {half}"]


def pounds(pence: int) -> list[str]:
    whole, rest = divmod(pence, 100)
    return (
        []
        if pence < 0
        else [f"£{whole}.{rest:02}", f"£{whole:,}.{rest:02}", *([] if rest else [f"£{whole}"])]
    )


_TEXT: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
#: Such as a cell can hold: blanks around it would be lost, and nothing at all would be no text.
CELL_TEXT: Final = (_TEXT | st.text("=+-@'\" \t\r\n,;x", min_size=1, max_size=8)).map(str.strip).filter(bool)


#: But for those that no record of a provider can have.
_IDS: Final = st.from_regex(r"(?!prap-|\.{1,2}\Z)[!#-~]{1,100}", fullmatch=True)


def _values(record: str, name: str, schema: Any) -> st.SearchStrategy[Any]:
    match schema:
        case ["null", branch]:
            return st.none() | _values(record, name, branch)
        case "string":
            texts = _IDS if name == "message_id" else CELL_TEXT
            return texts.filter(lambda text: wrong_with_text(record, name, text) is None)
        case {"type": "enum", "symbols": symbols}:
            return st.sampled_from(symbols)
        case {"logicalType": "timestamp-millis"}:
            whole_minutes = st.integers(-70_000_000, 140_000_000).map(lambda minute: minute * 60_000)
            whole_minutes = whole_minutes.filter(lambda at: INSTANTS[0] <= at <= INSTANTS[1])
            return whole_minutes | st.integers(*INSTANTS)
    return st.integers(*range_in(record, schema) or (0, 0))


def _records_named(name: str) -> st.SearchStrategy[Any]:
    fields = {field["name"]: _values(name, field["name"], field["type"]) for field in SCHEMAS[name]["fields"]}
    return st.builds(RECORDS[name], **{**fields, "provider_id": st.just(PROVIDER)})


#: Any records that an upload as CSV can have, as they are once it has been read.
ANY_RECORDS: Final[st.SearchStrategy[list[SessionRecord]]] = st.lists(
    st.sampled_from(sorted(RECORDS)).flatmap(_records_named),
    min_size=1,
    max_size=6,
    unique_by=lambda record: record.message_id,
)


@st.composite
def as_cells(draw: st.DrawFn, record: SessionRecord) -> dict[str, str]:
    """A record as a row, each cell in a form of its own."""
    name = type(record).__name__
    cells = {
        field["name"]: draw(
            st.sampled_from(forms(field["name"], field["type"], getattr(record, field["name"])))
        )
        for field in SCHEMAS[name]["fields"]
        if field["name"] != "provider_id"
    }
    return {"type": draw(st.sampled_from([name, people_say(name), name.upper()])), **cells}


def plain_cells(record: SessionRecord) -> dict[str, str]:
    """A record as a row, each cell in the form that JSON has."""
    return {name: "" if value is None else str(value) for name, value in value_of(record).items()}


def with_ids(rows: Iterable[Cells]) -> list[dict[str, str]]:
    """The rows with message_ids of their own."""
    return [{**row, "message_id": f"m-{number}"} for number, row in enumerate(rows, 1)]
