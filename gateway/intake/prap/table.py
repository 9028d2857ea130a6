"""A CSV file of a download: its rows. Where one is doubtful, the whole download is."""

from collections.abc import Iterator

from gateway.intake import csv_rows
from gateway.intake.csv_rows import CsvRow, InvalidCsv
from gateway.intake.prap.archive import CsvFile, InvalidDownload


def read_rows(file: CsvFile) -> Iterator[CsvRow]:
    """The rows of a file, the one with the columns' names first. Raises InvalidDownload, also after rows."""
    try:
        yield from csv_rows.read_rows(file.lines, separators=",;")
    except InvalidCsv as error:
        raise InvalidDownload(f"{file.name}, line {error.line} {error.problem}") from None
