"""Many provider records in one file: all are checked before one is taken (docs/uploads.md)."""
