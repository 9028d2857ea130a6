"""How much an upload may be, and how much is said of it."""

import pytest

from gateway.intake.uploads.upload import LARGEST_UPLOAD, MOST_LINES, MOST_MISTAKES, MOST_RECORDS, Kind
from gateway.intake.uploads.uploaded_record import Mistake
from tests.intake.uploads.files import accepted, csv_of, lines_of, mistakes, records, with_ids


def upload(kind: Kind, count: int, **cells: str) -> bytes:
    rows = with_ids([accepted(**cells)] * count)
    return csv_of(*rows) if kind == "csv" else lines_of(*rows)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_upload_may_have_so_many_records_and_no_more(kind: Kind) -> None:
    assert len(records(upload(kind, MOST_RECORDS), kind)) == MOST_RECORDS
    assert mistakes(upload(kind, MOST_RECORDS + 5), kind) == [
        Mistake(
            MOST_RECORDS + (2 if kind == "csv" else 1),
            "",
            f"is beyond the {MOST_RECORDS:,} records that an upload may have; send it in parts",
        )
    ]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_upload_may_be_so_large_and_no_larger(kind: Kind) -> None:
    content = upload(kind, 1)
    # As a cell of the right size, in rows that are each short enough, would be: blanks do not count.
    filled = content + (b" " * 60_000 + b"\n") * 200
    assert len(records(filled[:LARGEST_UPLOAD], kind)) == 1
    assert mistakes(filled[: LARGEST_UPLOAD + 1], kind) == [
        Mistake(0, "", "the upload is larger than 8 MiB; send it in parts")
    ]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_upload_may_have_so_many_lines_even_if_they_are_blank(kind: Kind) -> None:
    content = upload(kind, 1)
    blank = b"\n" * (MOST_LINES - content.count(b"\n"))
    assert len(records(content + blank, kind)) == 1
    (mistake,) = mistakes(content + blank + b"\n", kind)
    assert mistake.problem.startswith(f"the upload has more than {MOST_LINES:,} lines")


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_so_many_mistakes_are_listed_and_one_says_that_there_are_more(kind: Kind) -> None:
    listed = mistakes(upload(kind, MOST_MISTAKES, accepted_at="x"), kind)
    assert len(listed) == MOST_MISTAKES
    assert {mistake.field for mistake in listed} == {"accepted_at"}
    more = mistakes(upload(kind, MOST_MISTAKES + 50, accepted_at="x"), kind)
    assert more[:-1] == listed
    assert more[-1] == Mistake(
        MOST_MISTAKES + (2 if kind == "csv" else 1),
        "",
        "has mistakes, too, as others may behind it; correct the 1,000 before it first",
    )
