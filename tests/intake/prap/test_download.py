"""A whole download: its columns, rows of other programmes, rows that come again, and rows that are bad."""

import io
import re
from collections.abc import Sequence
from typing import cast

import pytest

from gateway.intake.prap import BadRow, InvalidDownload, PassedOver, is_download, read_download
from gateway.intake.prap.purchase_order import shown_po_number
from gateway.rules.messages import Referral
from gateway.rules.policy import shipped
from tests.intake.prap.downloads import TODAY, buffered, csv_of, order, read, zip_of, zipped

HEADINGS = b"PO Number,PO Revision,PO Type,Action Plan Annotation,Referred On,Provider ID,"
REST = b"Contract Package Area,Jobcentre ID,Benefit"


def said(found: Sequence[Referral | BadRow | PassedOver]) -> list[str]:
    """Each row in a few words."""
    return [
        f"took {row.po_number} {row.po_revision}"
        if isinstance(row, Referral)
        else "passed over"
        if isinstance(row, PassedOver)
        else str(row)
        for row in found
    ]


def test_columns_are_known_by_name_in_any_order_and_case() -> None:
    cells = order()
    backwards = dict(reversed(cells.items()))
    shouted = {column.upper().replace("_", " "): cell for column, cell in cells.items()}
    assert read(zipped(backwards)) == read(zipped(cells)) == read(zipped(shouted))


def test_files_of_a_download_may_have_columns_of_their_own() -> None:
    found = read(
        zip_of({"a.csv": csv_of(order("PO1001", surname="Smith")), "b.csv": csv_of(order("PO1002"))})
    )
    assert said(found) == ["took PO1001 1", "took PO1002 1"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"",
            "orders.csv: the row with the columns' names lacks po_number, po_revision, po_type, action_plan",
        ),
        (b"\n\n", "lacks po_number"),
        (HEADINGS.replace(b"PO Revision,", b"") + REST + b"\n", "lacks po_revision; expected them first"),
        ((HEADINGS + REST).replace(b",", b"\t") + b"\n", "with commas or semicolons between"),
        (HEADINGS + REST + b",Favourite Colour\n", "has the unknown column Favourite Colour; take it out"),
        (HEADINGS + REST + b",,x y!\n", "has an unknown column; take it out, or correct its name"),
        (HEADINGS + REST + b",AB123456C@x\n", "has an unknown column;"),
        (HEADINGS + REST + b",Nino,NINO\n", "has nino twice; take one out"),
    ],
)
def test_a_file_whose_columns_are_not_those_of_a_download_spoils_it(content: bytes, sentence: str) -> None:
    with pytest.raises(InvalidDownload, match=re.escape(sentence)):
        read(zip_of({"a.csv": csv_of(order()), "orders.csv": content}))


def test_a_file_without_its_row_of_names_says_nothing_of_what_it_holds() -> None:
    row = csv_of(order(surname="Smith")).splitlines()[1]
    with pytest.raises(InvalidDownload, match="lacks po_number") as refused:
        read(zip_of({"orders.csv": row}))
    assert "Smith" not in str(refused.value)


def test_bad_rows_are_listed_and_good_ones_taken() -> None:
    rows = [order("PO1001"), order("PO1002", benefit="X", po_revision=""), order("PO1003")]
    assert said(read(zipped(*rows))) == [
        "took PO1001 1",
        """orders.csv, line 3, PO1002: po_revision is empty; fill it in
orders.csv, line 3, PO1002: benefit is not one of its values; expected ESA, UC, JSA""",
        "took PO1003 1",
    ]


def test_a_row_with_more_cells_than_there_are_columns_is_bad() -> None:
    content = csv_of(order("PO1001")) + b"PO1003" + b"," * 30 + b"x\n"
    what = "cells and the columns' names are 10; put a cell that has a comma in quotation marks"
    assert said(read(zip_of({"orders.csv": content})))[1:] == [f"orders.csv, line 3, PO1003: has 31 {what}"]


def test_empty_cells_at_the_end_of_a_row_may_be_missing_or_too_many() -> None:
    """As spreadsheets save them, in the row of names too."""
    names, row = csv_of(order("PO1001")).splitlines()
    other = csv_of(order("PO1002", claimant_group="")).splitlines()[1].rstrip(b",")
    found = read(zip_of({"orders.csv": b"\n".join([names + b",,", row + b", ,", other, b"PO1003,1", b""])}))
    assert said(found)[:2] == ["took PO1001 1", "took PO1002 1"]
    assert "line 4, PO1003: po_type is not one of its values" in said(found)[2]


def test_a_file_may_have_semicolons_between_its_cells() -> None:
    """As Excel saves them in some countries."""
    content = csv_of(order("PO1001")).replace(b",", b";")
    assert said(read(zip_of({"orders.csv": content}))) == ["took PO1001 1"]


def test_a_work_programme_referral_is_passed_over_whatever_is_in_it() -> None:
    assert said(read(zipped(order(), order("PO1002", po_type="Work Programme", benefit="X")))) == [
        "took PO1001 1",
        "passed over",
    ]


def test_the_same_row_twice_is_taken_once() -> None:
    again = zip_of({"a.csv": csv_of(order()), "b.csv": csv_of(order(), order(referred_on="14/03/2016"))})
    assert said(read(again)) == ["took PO1001 1", "passed over", "passed over"]


def test_another_row_for_the_same_revision_is_bad_and_the_first_stands() -> None:
    both = zip_of({"a.csv": csv_of(order()), "b.csv": csv_of(order(jobcentre_id="JCP-YORK"))})
    first, second = said(read(both))
    assert first == "took PO1001 1"
    assert second == (
        "b.csv, line 2, PO1001: po_revision came with other content in a.csv, line 2, which was read first; "
        "keep one of them"
    )


def test_revisions_are_read_one_by_one() -> None:
    assert said(read(zipped(order(), order(po_revision="2", jobcentre_id="JCP-YORK")))) == [
        "took PO1001 1",
        "took PO1001 2",
    ]


def test_the_id_of_a_message_is_the_same_whatever_the_row_says_of_a_person() -> None:
    one, other = order(surname="Smith", claimant_group=""), order(nino="AB123456C")
    ids = {
        row.message_id for cells in (one, other) for row in read(zipped(cells)) if isinstance(row, Referral)
    }
    assert ids == {"prap-PO1001-1"}


def test_a_row_that_came_too_early_is_taken_on_its_day() -> None:
    download = zipped(order(referred_on="2016-03-19"))
    assert isinstance(read(download, TODAY)[0], BadRow)
    assert isinstance(read(download, TODAY + 1)[0], Referral)


@pytest.mark.parametrize(
    "number", ["PO1001", "PO123456", "PO123456A", "PO-2016-0001", "4500012345", "WP16/1234"]
)
def test_a_number_of_a_purchase_order_is_shown(number: str) -> None:
    assert shown_po_number(number, aligned=True) == number


@pytest.mark.parametrize(
    "text",
    [
        *("AB123456C", "AB123456", "Smith", "SMITH", "1980-01-01", "01/02/1980", "07700900123", "j@x.org"),
        *("LS1 1AA", "", "PO" + "1" * 83, "1 High Street", "\x1b[31m1"),
    ],
)
def test_what_may_be_about_a_person_is_not(text: str) -> None:
    assert shown_po_number(text, aligned=True) is None
    assert shown_po_number(text, aligned=False) is None


@pytest.mark.parametrize("text", ["4500012345", "LS11AA", "19800101", "W1A1AA"])
def test_in_a_row_whose_cells_have_slipped_only_a_number_with_po_is_shown(text: str) -> None:
    assert shown_po_number(text, aligned=False) is None
    assert shown_po_number("PO1001", aligned=False) == "PO1001"


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (zipped(order()), "download.bin", True),
        (zip_of({}), "-", True),
        (b"", "prap.zip", True),
        (b"{}", "PRAP.ZIP", True),
        (b'{"at": 1}\n', "prap.jsonl", False),
        (b"", "-", False),
        (b"", "ORDERS.CSV", True),
        (csv_of(order()), "-", True),
        (
            b"\xef\xbb\xbf" + csv_of(order()).replace(b"po_number", b'"PO Number"').replace(b",", b";"),
            "-",
            True,
        ),
        (b'{"at": 1, "po_number": 2}\n', "-", False),
        (b"not JSON\n", "-", False),
    ],
)
def test_a_download_is_known_by_its_name_or_its_first_bytes(
    content: bytes, name: str, expected: bool
) -> None:
    stream = buffered(content)
    assert is_download(stream, name) is expected
    assert stream.read() == content


def test_a_zip_that_can_not_be_read_twice_is_no_download() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    stream = cast(io.BufferedReader, io.BufferedReader(cast(io.RawIOBase, Pipe(zipped(order())))))
    assert not is_download(stream, "-")
    assert stream.read() == zipped(order())


def test_a_file_of_a_download_may_come_without_its_zip() -> None:
    content = csv_of(order("PO1001"), order("PO1002", benefit="X"))
    for name in ("orders.csv", "standard input"):
        rows = list(read_download(buffered(content), name=name, today=TODAY, policies=shipped()))
        assert said(rows)[0] == "took PO1001 1"
        assert said(rows)[1].startswith(f"{name}, line 3, PO1002: benefit is not one of its values")
