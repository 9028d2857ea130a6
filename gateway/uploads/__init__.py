"""Many provider records in one file: all are checked before one is taken (docs/uploads.md)."""

from gateway.uploads.draft import Mistake
from gateway.uploads.export import csv_bytes, mistakes_csv
from gateway.uploads.template import template_csv
from gateway.uploads.upload import (
    LARGEST_UPLOAD,
    MOST_MISTAKES,
    MOST_RECORDS,
    Kind,
    Mistakes,
    Uploaded,
    read_upload,
)

__all__ = [
    "LARGEST_UPLOAD",
    "MOST_MISTAKES",
    "MOST_RECORDS",
    "Kind",
    "Mistake",
    "Mistakes",
    "Uploaded",
    "csv_bytes",
    "mistakes_csv",
    "read_upload",
    "template_csv",
]
