"""Downloads to read: rows by column, files of rows, zips of files."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from gateway.intake.prap import BadRow, PassedOver, read_download
from gateway.rules.messages import Referral
from gateway.rules.policy import shipped
from schemas.json import parse_day

#: 18 March 2016: the day on which these downloads are read.
TODAY: Final = parse_day("2016-03-18")

Cells = Mapping[str, str]


def order(po_number: str = "PO1001", **cells: str) -> dict[str, str]:
    """A row that nothing is wrong with, but for what is said."""
    return {
        "po_number": po_number,
        "po_revision": "1",
        "po_type": "Information Session",
        "action_plan_annotation": "Work Programme Information Session-Voluntary",
        "referred_on": "2016-03-14",
        "provider_id": "PRV01",
        "contract_package_area": "CPA01",
        "jobcentre_id": "JCP-LEEDS",
        "benefit": "ESA",
        "claimant_group": "ESA_C_WRAG",
        **cells,
    }


def csv_of(*rows: Cells, line_end: str = "\n") -> bytes:
    """A CSV file of rows; its columns are all that occur in them."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator=line_end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def zip_of(files: Mapping[str, bytes] | Iterable[tuple[str | ZipInfo, bytes]]) -> bytes:
    """A zip of files by name, or of pairs where names come twice or have attributes."""
    stream = io.BytesIO()
    pairs = files.items() if isinstance(files, Mapping) else files
    with ZipFile(stream, "w", ZIP_DEFLATED) as archive:
        for name, content in pairs:
            archive.writestr(name, content)
    return stream.getvalue()


def zipped(*rows: Cells) -> bytes:
    """A download of one file, orders.csv."""
    return zip_of({"orders.csv": csv_of(*rows)})


def buffered(content: bytes) -> io.BufferedReader:
    """As a file is opened."""
    return io.BufferedReader(cast(io.RawIOBase, io.BytesIO(content)))


def read(download: bytes, today: int = TODAY) -> Sequence[Referral | BadRow | PassedOver]:
    return list(read_download(buffered(download), today=today, policies=shipped()))
