"""The form for spreadsheets: names, separators, rows and cells as people have them."""

import codecs

import pytest

from gateway.intake.uploads.columns import COLUMNS_OF
from gateway.intake.uploads.upload import Mistakes, read_upload
from gateway.intake.uploads.uploaded_record import RECORDS, Mistake
from gateway.rules.messages import ExpenseReimbursed, SessionBooked
from tests.intake.uploads.files import accepted, booked, csv_of, mistakes, ours, people_say, records, with_ids

HEADER = "message_id,po_number,type,accepted_at"
ROW = "m-1,PO1001,ReferralAccepted,2016-03-15T09:55:00Z"
SAVE = "save it as CSV in UTF-8, which Excel calls CSV UTF-8 (Comma delimited)"
TYPES = ", ".join(RECORDS)


def body(*lines: str, end: str = "\n") -> bytes:
    return "".join(line + end for line in lines).encode()


def problems(**cells: str) -> list[tuple[str, str]]:
    """What is wrong with a row of a booked session."""
    return [(mistake.field, mistake.problem) for mistake in mistakes(csv_of(booked(**cells)))]


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["no BOM", "BOM"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_a_mark_both_line_ends_and_both_separators_are_taken(mark: bytes, end: str, separator: str) -> None:
    row = booked(location="Leeds, “Łódź”; 1\nfloor")
    assert records(mark + csv_of(row, line_end=end, separator=separator)) == records(csv_of(row))
    assert records(csv_of(row, line_end=end).rstrip()) == records(csv_of(row))


def test_columns_are_known_by_name_in_any_order_and_form() -> None:
    row = booked()
    backwards = dict(reversed(row.items()))
    worded = {column.replace("_", " ").title(): cell for column, cell in row.items()}
    shouted = {f" {column.upper()} ": cell for column, cell in row.items()}
    assert (
        records(csv_of(backwards))
        == records(csv_of(worded))
        == records(csv_of(shouted))
        == records(csv_of(row))
    )


@pytest.mark.parametrize("name", RECORDS)
def test_a_type_has_its_name_in_words_too(name: str) -> None:
    for form in (name, people_say(name), people_say(name).replace(" ", "_").upper(), f" {name.lower()} "):
        (mistake, *_) = mistakes(csv_of({"message_id": "m-1", "po_number": "PO1", "type": form}))
        assert mistake.problem == f"is empty; fill it in, as {name} needs it"


def test_rows_are_counted_as_an_editor_counts_lines() -> None:
    content = body(HEADER, "", ROW, ",,,", ' "m-2"', "m-3,PO1,ReferralRejected,", end="\r\n")
    assert [(m.line, m.field) for m in mistakes(content.replace(b' "m-2"', b"m-2,PO1001,x"))] == [
        (5, "type"),
        (6, "reason"),
        (6, "rejected_at"),
    ]


def test_a_row_of_several_lines_is_known_by_the_first() -> None:
    rows = with_ids([booked(location="1\n2\n3"), booked(format="x"), booked(location="a\nb", starts_at="")])
    assert [(m.line, m.field) for m in mistakes(csv_of(*rows))] == [(5, "format"), (6, "starts_at")]


def test_rows_without_content_are_passed_over_and_so_are_blank_lines_before_the_names() -> None:
    assert len(records(body("", "  ", HEADER, "", ",,,", " , ,, ", ROW, ""))) == 1
    (mistake,) = mistakes(body("", HEADER.replace(",accepted_at", ",colour"), ROW))
    assert (mistake.line, mistake.field) == (2, "")


def test_a_row_may_be_shorter_or_end_with_empty_cells_as_spreadsheets_save_them() -> None:
    assert len(records(body(HEADER + ",notified_at,,", ROW))) == 1
    assert len(records(body(HEADER, ROW + ",,, ,"))) == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", Mistake(0, "", "the upload holds no record; send at least one")),
        (body(HEADER), Mistake(0, "", "the upload holds no record; send at least one")),
        (
            body(HEADER.replace("po_number,", "")),
            Mistake(
                1,
                "po_number",
                "is missing; the first row has to name it, with commas or semicolons between the names",
            ),
        ),
        (
            body("a,b,c,d," + HEADER + ",e"),
            Mistake(1, "", "has a name that no column has, in column A; correct it, or take it out"),
        ),
        (
            body(HEADER + ",accepted_at"),
            Mistake(1, "accepted_at", "stands in the first row twice; take one out"),
        ),
        (
            body(HEADER + ",Provider ID"),
            Mistake(1, "provider_id", "comes from whoever uploads; take it out"),
        ),
        (
            body(HEADER, ROW, ROW + ",more"),
            Mistake(
                3,
                "",
                "has more cells than the first row has names; put a cell with a comma in quotation marks",
            ),
        ),
        (body(HEADER, ROW, end="\r"), None),
        (body(HEADER, ROW).decode().encode("utf-16"), Mistake(1, "", f"is UTF-16; {SAVE}")),
        (body(HEADER, ROW + "é").decode().encode("cp1252"), Mistake(2, "", f"is not UTF-8; {SAVE}")),
        (body(HEADER, "£4.50").decode().encode("cp1252"), Mistake(2, "", f"is not UTF-8; {SAVE}")),
        (b"PK\x03\x04\0\0\n", Mistake(1, "", f"has a NUL byte; {SAVE}")),
        (body(HEADER, ROW, 'm-2,"', ROW), None),
        (body(HEADER, 'm-2,"' + "x\n" * 40_000 + '"'), None),
    ],
)
def test_what_is_no_such_file_is_said_with_its_line(content: bytes, found: Mistake | None) -> None:
    first = mistakes(content)[0]
    if found is None:
        assert first.problem.startswith(("is not CSV, and", "begins a row that does not end within 64 KiB; "))
    else:
        assert first == found


def test_an_unknown_column_is_named_as_a_spreadsheet_names_it() -> None:
    header = ",".join([HEADER, *(f"x{number}" for number in range(30))])
    letters = [m.problem.split("in column ")[1].split(";")[0] for m in mistakes(body(header, ROW))]
    assert letters[0] == "E"
    assert letters[21:24] == ["Z", "AA", "AB"]


def test_all_that_is_wrong_with_a_row_is_said_at_once() -> None:
    assert problems(
        message_id="m 1", starts_at="14/3/16 10:00", duration_minutes="", format="x", outcome="ATTENDED"
    ) == [
        ("starts_at", "has a year of two digits; write all four, such as 14/03/2016"),
        ("duration_minutes", "is empty; fill it in, as SessionBooked needs it"),
        ("format", "is not one of the values that it can have; expected GROUP, ONE_TO_ONE"),
        ("outcome", "is filled in, and SessionBooked has none; empty it"),
        (
            "message_id",
            "is no id; expected 1 to 100 visible characters of ASCII, without blanks and quotation marks",
        ),
    ]


@pytest.mark.parametrize(
    ("cells", "field", "problem"),
    [
        ({"message_id": ""}, "message_id", "is empty; fill it in"),
        ({"po_number": " "}, "po_number", "is empty; fill it in"),
        ({"type": ""}, "type", "is empty; fill it in"),
        ({"type": "Session"}, "type", f"is no type of record; expected one of {TYPES}"),
        ({"type": "Referral"}, "type", f"is no type of record; expected one of {TYPES}"),
        ({"duration_minutes": "60.0"}, "duration_minutes", "is not a whole number; expected one such as 60"),
        (
            {"duration_minutes": "an hour"},
            "duration_minutes",
            "is not a whole number; expected one such as 60",
        ),
        ({"duration_minutes": "١"}, "duration_minutes", "is not a whole number; expected one such as 60"),
        (
            {"duration_minutes": "2147483648"},
            "duration_minutes",
            "is out of range; expected -2147483648 to 2147483647",
        ),
        ({"location": "\u00a0"}, "location", "is empty; fill it in, as SessionBooked needs it"),
    ],
)
def test_a_cell_that_can_not_be_read_is_said_without_saying_it(
    cells: dict[str, str], field: str, problem: str
) -> None:
    assert problems(**cells) == [(field, problem)]


def test_an_empty_cell_is_a_field_that_is_not_given() -> None:
    (record,) = records(csv_of(booked(notified_at="", outcome="")))
    assert isinstance(record, SessionBooked)
    assert record.notified_at is None


@pytest.mark.parametrize(
    ("cell", "pence"),
    [
        ("450", 450),
        ("£4.50", 450),
        ("£4", 400),
        ("£ 4.50", 450),
        ("£1,250.05", 125_005),
        ("£0.00", 0),
        ("-5", -5),  # for the rules to refuse
        ("£21,474,836.47", 2**31 - 1),
    ],
)
def test_an_amount_is_whole_pence_or_pounds_with_their_sign(cell: str, pence: int) -> None:
    (record,) = records(csv_of(spent(cell)))
    assert isinstance(record, ExpenseReimbursed)
    assert record.amount_pence == pence


@pytest.mark.parametrize(
    "cell", ["4.50", "£4.5", "£4.505", "4.50 GBP", "£1,25.00", "£,1", "$4.50", "£-4.50", "450p"]
)
def test_what_may_be_pounds_or_pence_is_neither(cell: str) -> None:
    (mistake,) = mistakes(csv_of(spent(cell)))
    assert mistake == Mistake(
        2, "amount_pence", "is not an amount; expected whole pence such as 450, or pounds such as £4.50"
    )


def spent(amount: str) -> dict[str, str]:
    cells = {"session_id": "S-7", "kind": "Replacement care", "amount_pence": amount, "paid_on": "29/03/2016"}
    return {**accepted(type="Expense reimbursed", accepted_at=""), **cells}


def test_a_message_id_that_stands_twice_is_a_mistake_where_it_stands_again() -> None:
    assert mistakes(csv_of(accepted(), accepted(message_id="m-2"), accepted(po_number="PO1002"))) == [
        Mistake(4, "message_id", "stands in line 2, too; give each record an id of its own")
    ]


@pytest.mark.parametrize(
    ("message_id", "good"), [("x" * 100, True), ("x" * 101, False), ("!~", True), ("é", False)]
)
def test_a_message_id_is_of_visible_ascii_and_not_long(message_id: str, good: bool) -> None:
    found = read_upload(csv_of(accepted(message_id=message_id)), "csv", provider_of=ours)
    assert isinstance(found, Mistakes) is not good


def test_an_apostrophe_that_makes_a_text_of_a_formula_is_no_content() -> None:
    for cell, text in (("'=1+1", "=1+1"), ("=1+1", "=1+1"), ("''-", "'-"), ("'tis", "'tis"), ("'", "'")):
        (record,) = records(csv_of(booked(location=cell)))
        assert isinstance(record, SessionBooked)
        assert record.location == text


def test_every_record_needs_what_names_it_and_has_no_column_for_its_provider() -> None:
    for columns in COLUMNS_OF.values():
        assert columns["message_id"].needed
        assert columns["po_number"].needed
        assert "provider_id" not in columns
