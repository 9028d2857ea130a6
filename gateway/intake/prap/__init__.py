"""The download from PRaP: a zip of CSV files of purchase orders, read into referrals (docs/prap.md)."""

from gateway.intake.prap.archive import InvalidDownload
from gateway.intake.prap.download import BadRow, PassedOver, is_download, read_download

__all__ = ["BadRow", "InvalidDownload", "PassedOver", "is_download", "read_download"]
