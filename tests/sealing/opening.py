"""The tables of an embedded log, or of a copy of one on Kafka, read beside whoever uses it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gateway.backends.embedded.file import EmbeddedFile


@contextmanager
def looking_into(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection whose SQL has the function opened(purpose, po_number, value)."""
    if not path.with_name(f"{path.name}.keys").exists():  # nothing in a copy is sealed
        with closing(sqlite3.connect(path)) as db:
            db.create_function("opened", 3, lambda _purpose, _po_number, value: value)
            yield db
        return
    file = EmbeddedFile(path)
    file.vault.store.open()
    try:
        with closing(file.view()) as db:
            yield db
    finally:
        file.vault.close()
