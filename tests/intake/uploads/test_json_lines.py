"""JSON lines: a record a line, with its type, for programs."""

import codecs
from typing import Any

import pytest

from gateway.intake.uploads.uploaded_record import RECORDS, Mistake
from tests.intake.uploads.files import lines_of, mistakes, records

GOOD: dict[str, Any] = {
    "message_id": "m-1",
    "po_number": "PO1001",
    "type": "ReferralAccepted",
    "accepted_at": "2016-03-15T09:55:00Z",
}
NO_TYPE = f"is no type of record; expected one of {', '.join(RECORDS)}"
NO_TIME = "is not a timestamp; expected RFC 3339, such as 2016-04-04T23:00:00Z"
NO_ID = "is no id; expected 1 to 100 visible characters of ASCII, without blanks and quotation marks"


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["no BOM", "BOM"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n \t\r\n"], ids=["LF", "CRLF", "blank lines"])
def test_a_mark_both_line_ends_and_blank_lines_are_taken(mark: bytes, end: bytes) -> None:
    content = lines_of(GOOD, {**GOOD, "message_id": "m-2"})
    assert records(mark + content.replace(b"\n", end), "jsonl") == records(content, "jsonl")
    assert records(content.rstrip(b"\n"), "jsonl") == records(content, "jsonl")


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"provider_id": "PRV01"}, "provider_id", "comes from whoever uploads; take it out"),
        ({"type": None}, "type", NO_TYPE),
        ({"type": "Referral accepted"}, "type", NO_TYPE),
        ({"type": "Referral"}, "type", NO_TYPE),
        ({"type": ["ReferralAccepted"]}, "type", NO_TYPE),
        ({"accepted_at": "15/03/2016 09:55"}, "accepted_at", NO_TIME),
        ({"colour": 1}, "colour", "is not a field of this record; take it out"),
        ({"a b": 1}, "", "has a field whose name no record has; take it out"),
        ({"message_id": 1}, "message_id", "is not text; expected a JSON string"),
        ({"message_id": ""}, "message_id", NO_ID),
        ({"message_id": ".."}, "message_id", NO_ID),
        (
            {"message_id": "prap-PO1-2"},
            "message_id",
            "begins with prap-, which is for messages from PRaP; give the record another id",
        ),
        ({"po_number": None}, "po_number", "is not text; expected a JSON string"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_field(
    change: dict[str, Any], field: str, problem: str
) -> None:
    assert mistakes(lines_of({**GOOD, **change}), "jsonl") == [Mistake(1, field, problem)]


def test_all_that_is_wrong_with_a_line_is_said_at_once() -> None:
    wrong = {"type": "ReferralAccepted", "message_id": "", "po_number": "PO1", "acepted_at": "yesterday"}
    assert mistakes(lines_of(GOOD, wrong), "jsonl") == [
        Mistake(2, "accepted_at", "is missing; it has no default"),
        Mistake(2, "acepted_at", "is not a field of this record; write accepted_at"),
        Mistake(2, "message_id", NO_ID),
    ]


def test_a_field_that_stands_there_twice_is_refused() -> None:
    """Readers differ in which of the two they take."""
    line = lines_of(GOOD).replace(b'"message_id"', b'"message_id":"m-0","message_id"', 1)
    assert mistakes(line, "jsonl") == [Mistake(1, "", "has a field twice; give each once")]


def test_a_field_that_is_missing_is_named() -> None:
    for field in GOOD.keys() - {"type"}:
        line = {name: value for name, value in GOOD.items() if name != field}
        assert mistakes(lines_of(line), "jsonl") == [Mistake(1, field, "is missing; it has no default")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"[]", "is not a JSON object; expected one record in a line"),
        (b"{", "is not JSON: it ends too early; expected one object in a line"),
        (b"{} {}", "is not JSON: it breaks near byte 5; expected one object in a line"),
        (b'{"a": "\xff"}', "is not UTF-8 from its byte 8 on; save the file as UTF-8"),
        (b'{"a": "\\ud800"}', "is not JSON: it ends too early or has half of a surrogate pair; expected"),
        (b"[" * 60_000, "is nested too deeply; expected one object in a line"),
        (b'"' + b"x" * 65_536 + b'"', "is longer than 64 KiB; expected one record in a line"),
        (b"\xff\xfe{\0", "is not UTF-8 from its byte 1 on; save the file as UTF-8"),
    ],
)
def test_a_line_that_is_no_json_is_said_and_the_next_is_read(line: bytes, problem: str) -> None:
    found = mistakes(lines_of(GOOD) + line + b"\n" + lines_of(GOOD), "jsonl")
    assert [mistake.line for mistake in found] == [2, 3]
    assert found[0].problem.startswith(problem)
    assert found[1].field == "message_id"


def test_utf_16_is_said_once() -> None:
    content = lines_of(GOOD, GOOD).decode().encode("utf-16")
    assert mistakes(content, "jsonl") == [Mistake(1, "", "is UTF-16; save the file as UTF-8")]
