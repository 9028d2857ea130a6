"""What was written is what is read, in either form; whatever is read, it is records or mistakes."""

from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json
from msgspec.structs import replace

from gateway.intake.uploads.columns import COLUMNS
from gateway.intake.uploads.template import template_csv
from gateway.intake.uploads.upload import Kind, Mistakes, Uploaded, read_upload
from gateway.intake.uploads.uploaded_record import RECORDS, Mistake
from gateway.rules.messages import SessionRecord
from tests.intake.uploads.files import (
    ANY_RECORDS,
    CELL_TEXT,
    ONE_OF_EACH,
    PROVIDER,
    accepted,
    as_cells,
    booked,
    csv_of,
    exported,
    lines_of,
    ours,
    plain_cells,
    records,
    value_of,
)

MARK = "Qzxv"


@pytest.mark.parametrize("record", ONE_OF_EACH, ids=lambda record: type(record).__name__)
def test_every_record_is_read_as_it_was_in_both_forms(record: SessionRecord) -> None:
    assert records(csv_of(plain_cells(record))) == [record]
    assert records(exported([plain_cells(record)])) == [record]
    assert records(lines_of(value_of(record)), "jsonl") == [record]


@given(ANY_RECORDS, st.data())
def test_any_records_written_as_csv_are_read_as_they_were(
    wanted: list[SessionRecord], data: st.DataObject
) -> None:
    assert records(exported([data.draw(as_cells(record)) for record in wanted])) == wanted


@given(ANY_RECORDS)
def test_any_records_written_as_json_lines_are_read_as_they_were(wanted: list[SessionRecord]) -> None:
    assert records(lines_of(*map(value_of, wanted)), "jsonl") == wanted


def test_a_record_has_the_provider_of_its_referral() -> None:
    """One caller may stand for several providers."""
    of = {"PO1001": "PRV01", "PO2001": "PRV02"}
    body = lines_of(*(value_of(replace(ONE_OF_EACH[0], message_id=po, po_number=po)) for po in of))
    found = read_upload(body, "jsonl", provider_of=of.get)
    assert not isinstance(found, Mistakes)
    assert {one.record.po_number: one.record.provider_id for one in found} == of


def test_whose_a_referral_is_is_asked_once() -> None:
    asked: list[str] = []

    def provider_of(po_number: str) -> str | None:
        asked.append(po_number)
        return None

    found = read_upload(
        csv_of(*(accepted(message_id=f"m-{n}", po_number="PO7") for n in range(9))),
        "csv",
        provider_of=provider_of,
    )
    assert isinstance(found, Mistakes)
    assert found.listed == tuple(
        Mistake(line, "po_number", "is no referral of yours; correct it") for line in range(2, 11)
    )
    assert asked == ["PO7"]


def test_the_template_is_an_upload_of_one_record_of_each_type() -> None:
    found = records(template_csv())
    assert [type(record).__name__ for record in found] == list(RECORDS)
    assert template_csv().decode("utf-8-sig").splitlines()[0] == ",".join(f'"{column}"' for column in COLUMNS)


def answered(body: bytes, kind: Kind) -> list[Uploaded] | Mistakes:
    """The answer, which is records or mistakes, in order of line and each with its line."""
    found = read_upload(body, kind, provider_of=ours)
    listed = found.listed if isinstance(found, Mistakes) else found
    assert listed
    last = body.count(b"\n") + 1
    assert [one.line for one in listed] == sorted(one.line for one in listed)
    assert all(0 <= one.line <= last for one in listed)
    return found


KINDS = st.sampled_from(["csv", "jsonl"])


@given(st.binary(max_size=300), KINDS)
def test_any_bytes_are_records_or_mistakes(body: bytes, kind: Kind) -> None:
    answered(body, kind)


@given(st.data(), KINDS)
def test_a_damaged_upload_is_records_or_mistakes(data: st.DataObject, kind: Kind) -> None:
    body = bytearray(template_csv() if kind == "csv" else lines_of(*map(value_of, ONE_OF_EACH)))
    for _ in range(data.draw(st.integers(1, 5))):
        where = data.draw(st.integers(0, len(body) - 1))
        body[where : where + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b",", b";", b"\r", b"\n", b"\0", b"{", b"\\ud800"])
        )
    answered(bytes(body), kind)


@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS), CELL_TEXT), min_size=1, max_size=4))
def test_any_cells_are_records_or_mistakes(rows: list[dict[str, str]]) -> None:
    answered(exported([{"type": "Session booked", **row} for row in rows]), "csv")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    ),
    st.sampled_from(["message_id", "po_number", "type", "accepted_at", "provider_id", "other"]),
)
def test_any_json_is_records_or_mistakes(value: object, field: str) -> None:
    for line in (value, {**accepted(), field: value}):
        with suppress(TypeError, ValueError, OverflowError):  # what has no JSON
            answered(json.encode(line), "jsonl")


def said(body: bytes, kind: Kind) -> str:
    found = read_upload(body, kind, provider_of=lambda _: None)
    assert isinstance(found, Mistakes)
    return "\n".join(f"{mistake.field} {mistake.problem}" for mistake in found.listed)


@given(
    st.text(max_size=6), st.sampled_from([MARK, MARK + " ", "\n" + MARK, f"14/03/{MARK}", f"{MARK} 10:30"])
)
def test_mistakes_have_nothing_of_what_stands_there(some: str, marked: str) -> None:
    cell = (some + marked).encode(errors="ignore").decode().replace("\0", "")
    for row in (accepted(), booked()):
        for field in row:
            assert MARK not in said(exported([{**row, field: cell}]), "csv")
            assert MARK not in said(lines_of({**row, field: cell}), "jsonl")
            assert MARK not in said(lines_of({**row, field: {cell: [cell]}}), "jsonl")


@pytest.mark.parametrize(
    "body",
    [
        f"{MARK},{MARK}\n{MARK},1\n",
        f"message_id,po_number,type,{MARK}\n1,2,3,4\n",
        f'message_id,po_number,type\n1,2,"{MARK}\n',
        f"message_id,po_number,type\n1,2,3,{MARK}\n",
        f"{MARK}\0",
        f'{{"{MARK} {MARK}": 1, "type": "ReferralAccepted"}}',
        f'{{"a": {MARK}}}',
    ],
)
def test_nor_has_what_is_said_of_a_file_that_is_something_else(body: str) -> None:
    for kind in get_args(Kind):
        assert MARK not in said(body.encode(), kind)


def test_one_provider_is_meant_in_these_tests() -> None:
    assert {record.provider_id for record in ONE_OF_EACH} == {PROVIDER}
