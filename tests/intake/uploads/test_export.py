"""What is exported is opened by a spreadsheet, which must run nothing of it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.uploads.cells import bare
from gateway.intake.uploads.export import csv_bytes, mistakes_csv, neutral
from gateway.intake.uploads.uploaded_record import Mistake

FORMULAS = [
    "=1+1",
    "+44 20 7946 0000",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\tx",
    "\rx",
    "  =1",
    '"=1',
    "'=1",
    "\"' =1",
    "\u00a0=1",
    "＝1",
    "＋1",
    "－1",
    "＠x",
    "=cmd|' /C calc'!A0",
]


def opened(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


@pytest.mark.parametrize("cell", FORMULAS)
def test_what_might_be_a_formula_has_an_apostrophe_before_it(cell: str) -> None:
    assert opened(csv_bytes([cell], [[cell]])) == [["'" + cell], ["'" + cell]]


@pytest.mark.parametrize("cell", ["", "x", "x=1", "'", "'tis", "10-11", "1@2", " x", "é"])
def test_what_can_be_none_stays_as_it_is(cell: str) -> None:
    assert neutral(cell) == cell


def test_a_number_stays_one() -> None:
    assert csv_bytes(["n"], [[-5]]) == b'\xef\xbb\xbf"n"\r\n"-5"\r\n'


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")) | st.text("=+-@'\" \t\r\nx"))
def test_a_cell_that_was_exported_is_read_as_it_was(cell: str) -> None:
    """But for blanks around it, which do not count."""
    ((exported,),) = opened(csv_bytes([cell], []))
    assert bare(exported) == bare(neutral(cell.strip())) == cell.strip()
    assert exported.lstrip("'\" \t\r\n")[:1] not in list("=+-@") or exported.startswith("'")


def test_mistakes_are_listed_as_csv() -> None:
    listed = [Mistake(0, "", "the upload holds no record; send at least one"), Mistake(12, "a", 'is "x", y')]
    assert mistakes_csv(listed).decode() == (
        '\ufeff"line","field","problem"\r\n'
        '"0","","the upload holds no record; send at least one"\r\n'
        '"12","a","is ""x"", y"\r\n'
    )
