"""The page about uploads shows what is read, what is said of mistakes, and what the columns are."""

import codecs
import re

import pytest

from gateway.intake.csv_rows import LONGEST_ROW
from gateway.intake.uploads.columns import COLUMNS, COLUMNS_OF, NEEDED
from gateway.intake.uploads.export import mistakes_csv
from gateway.intake.uploads.json_lines import LONGEST_LINE
from gateway.intake.uploads.upload import (
    LARGEST_UPLOAD,
    MIB,
    MOST_LINES,
    MOST_MISTAKES,
    MOST_RECORDS,
    Mistakes,
    Uploaded,
    read_upload,
)
from gateway.intake.uploads.uploaded_record import RECORDS
from schemas.catalogue import SCHEMAS
from schemas.limits import LONGEST_ID
from tests.docs.pages import ROOT, blocks

FILE = ROOT / "docs" / "uploads.md"
PAGE = FILE.read_text("utf-8")
CSV, WRONG = (block.body for block in blocks(FILE) if block.info == "csv")
(JSON_LINES,) = (block.body for block in blocks(FILE) if block.info == "jsonl")
(LISTED,) = (block.body for block in blocks(FILE) if block.info == "csv mistakes")


def provider_of(po_number: str) -> str | None:
    return {"PO1001": "PRV01"}.get(po_number)


def uploaded(found: list[Uploaded] | Mistakes) -> list[object]:
    assert not isinstance(found, Mistakes), found
    return [one.record for one in found]


def test_both_forms_that_the_page_shows_are_the_same_records() -> None:
    as_csv = uploaded(read_upload(CSV.encode(), "csv", provider_of=provider_of))
    assert as_csv == uploaded(read_upload(JSON_LINES.encode(), "jsonl", provider_of=provider_of))
    assert len(as_csv) == 3


def test_the_page_lists_the_mistakes_of_the_upload_above_them() -> None:
    found = read_upload(WRONG.encode(), "csv", provider_of=provider_of)
    assert isinstance(found, Mistakes)
    assert mistakes_csv(found.listed).removeprefix(codecs.BOM_UTF8).decode().replace("\r\n", "\n") == LISTED


def held(schema: object) -> str:
    """What a column of an Avro type holds, as the page says it."""
    match schema:
        case ["null", branch]:
            return held(branch)
        case {"logicalType": "date"}:
            return "a date"
        case {"logicalType": "timestamp-millis"}:
            return "a time"
        case {"symbols": [*others, last]}:
            return f"{', '.join(f'`{symbol}`' for symbol in others)} or `{last}`"
    return {"string": "text", "int": "a whole number"}[str(schema)]


def test_the_page_lists_every_column_and_what_it_holds() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE))
    assert tuple(listed) == COLUMNS
    types = {field["name"]: field["type"] for name in RECORDS for field in SCHEMAS[name]["fields"]}
    for column in COLUMNS:
        if column not in (*NEEDED, "amount_pence"):
            assert listed[column] == held(types[column])


def test_the_page_lists_what_each_record_needs_and_may_have() -> None:
    listed = re.findall(r"^\| ([A-Z]\w+) \| (.*?) ?\| (.*?) ?\|$", PAGE, re.MULTILINE)
    assert [name for name, _, _ in listed] == list(RECORDS)
    for name, needs, may_have in listed:
        columns = {column: found for column, found in COLUMNS_OF[name].items() if column not in NEEDED}
        assert re.findall(r"`(\w+)`", needs) == [column for column in columns if columns[column].needed]
        assert re.findall(r"`(\w+)`", may_have) == [
            column for column in columns if not columns[column].needed
        ]


@pytest.mark.parametrize("kind", ["dates", "times"])
def test_the_page_shows_dates_and_times_that_are_read(kind: str) -> None:
    from gateway.intake.british_dates import read_day, read_instant

    part = PAGE.partition("### Dates and times")[2].partition("\n### ")[0]
    rows = [line.split("|")[1] for line in part.splitlines() if line.startswith("| `")]
    shown = [text for row in rows for text in re.findall(r"`([^`]+)`", row)]
    if kind == "dates":
        assert {read_day(text) for text in shown} == {read_day("2016-03-14")}
        assert len(shown) == 9
    else:
        times = re.findall(r"`(\d[^`]+ [^`]*\d+[:.]\d+[^`]*|[^`]+Z)`", part)
        assert {read_instant(text) // 60_000 for text in times} == {
            read_instant("2016-03-14T10:30:00Z") // 60_000
        }
        assert len(times) == 4


def test_the_page_has_the_limits_that_hold() -> None:
    assert LONGEST_ROW == LONGEST_LINE
    for limit in (
        f"| an upload | {LARGEST_UPLOAD // MIB} MiB, {MOST_RECORDS:,} records, {MOST_LINES:,} lines |",
        f"| a row, or a line | {LONGEST_ROW // 1024} KiB |",
        f"| mistakes that are listed | {MOST_MISTAKES:,}, and",
        f"1 to {LONGEST_ID} visible ASCII characters",
    ):
        assert limit in PAGE, limit
