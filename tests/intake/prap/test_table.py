"""Bytes to rows: UTF-8, LF and CRLF, quotation marks; what makes rows doubtful spoils the file."""

import csv
import io
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.csv_rows import CsvRow
from gateway.intake.prap.archive import CsvFile, InvalidDownload
from gateway.intake.prap.table import read_rows


def lines(content: bytes) -> list[CsvRow]:
    """As rows(), with lines that end in LF only, as they come from a zip."""
    return list(read_rows(CsvFile("orders.csv", iter(io.BytesIO(content)))))


BAD = {
    "UTF-16, little end first": (
        "po_number\n".encode("utf-16"),
        "orders.csv, line 1 is UTF-16; save it as CSV in UTF-8",
    ),
    "UTF-16, big end first": (
        b"\xfe\xff" + "po_number\n".encode("utf-16-be"),
        "line 1 is UTF-16",
    ),
    "UTF-16 without a mark": ("po_number\n".encode("utf-16-le"), "line 1 has a NUL byte"),
    "Latin-1": ("name\nZoë\n".encode("latin-1"), "orders.csv, line 2 is not UTF-8; save it as CSV in UTF-8"),
    "Windows": ("name\n“x”\n".encode("cp1252"), "line 2 is not UTF-8"),
    "a surrogate": (b"name\n\xed\xa0\x80\n", "line 2 is not UTF-8"),
    "NUL": (b"name\na\nb\0c\n", "line 3 has a NUL byte"),
    "an open quotation mark": (
        b'a,b\n1,2\n3,"4\n5,6\n',
        "line 3 is not CSV, and what follows",
    ),
    "a quotation mark that is not doubled": (b'a,b\n1,"2"3"\n', "line 2 is not CSV"),
    "line ends of old": (b"a,b\r1,2\r", "line 1 is not CSV"),
    "a row without end": (
        b'a\n"' + b"xxxxxxxxx\n" * 7000,
        "line 2 begins a row that does not end within 64 KiB",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_file_that_is_not_csv_in_utf_8_is_refused_with_its_line(what: str) -> None:
    content, sentence = BAD[what]
    with pytest.raises(InvalidDownload, match=re.escape(sentence)):
        lines(content)


DOUBTFUL = {
    'a"b': "character 4, in column 2, has a quotation mark that is not around the whole cell",
    '"a"b': "character 6, in column 2, has a quotation mark that is not around",
    ' "a"': "character 4, in column 2, has a quotation mark behind a blank",
    '"a" ': "character 6, in column 2, has a quotation mark that is not around",
    '"a""b"c"': "character 9, in column 2, has a quotation mark that is not around",
    'a""': "character 4, in column 2, has a quotation mark that is not around",
    '"a': "character 3, in column 2, has a quotation mark that is not closed",
    '"a""': "character 3, in column 2, has a quotation mark that is not closed",
    "a\rb": "character 4, in column 2, has a line end other than",
    '"a"\rb': "character 6, in column 2, has a line end other than",
}


@pytest.mark.parametrize("cell", DOUBTFUL)
@pytest.mark.parametrize("behind", ["", ",c", ",c\n5,6"])
def test_a_cell_that_may_end_elsewhere_is_refused_with_its_line_and_column(cell: str, behind: str) -> None:
    with pytest.raises(InvalidDownload) as refused:
        lines(f"a,b\n1,{cell}{behind}\n".encode())
    assert str(refused.value).startswith(
        "orders.csv, line 2 is not CSV, and what follows can't be relied on: "
    )
    assert DOUBTFUL[cell] in str(refused.value)


def test_a_mark_is_known_by_the_line_that_it_is_on() -> None:
    """Not by that on which its row begins."""
    with pytest.raises(InvalidDownload, match=r"line 3 is not CSV.* character 3, in column 2,"):
        lines(b'a,b\n1,"2\n3"4\n')


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no BOM", "BOM"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_byte_order_mark_and_both_line_ends_are_taken(mark: bytes, end: str) -> None:
    content = mark + end.join(['"a",b', "1,ŵ", "3,4"]).encode()
    assert lines(content) == [(1, ["a", "b"]), (2, ["1", "ŵ"]), (3, ["3", "4"])]


def test_a_row_is_known_by_the_line_on_which_it_begins() -> None:
    assert lines(b'a,b\n\n1,"2\n3"\n,\n4,5\n') == [(1, ["a", "b"]), (3, ["1", "2\n3"]), (6, ["4", "5"])]


def test_what_looks_like_a_row_within_a_cell_is_none() -> None:
    assert [row.cells for row in lines(b'a,b\n1,"x\nPO9,forged"\n')] == [["a", "b"], ["1", "x\nPO9,forged"]]


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r")), min_size=2, max_size=4)
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_what_was_written_as_csv_is_read_as_it_was(table: list[list[str]], end: str, quoted: bool) -> None:
    text = io.StringIO(newline="")
    if quoted:
        csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(table)
    else:
        csv.writer(text, lineterminator=end).writerows(table)
    expected = [cells for cells in table if any(cell.strip() for cell in cells)]
    if "\ufeff" in text.getvalue()[:1]:
        return  # it is taken for the mark that it is
    assert [row.cells for row in lines(text.getvalue().encode())] == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_refused(content: bytes) -> None:
    with suppress(InvalidDownload):
        assert all(any(cell.strip() for cell in row.cells) for row in lines(content))
