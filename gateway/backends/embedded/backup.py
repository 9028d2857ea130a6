"""A copy of the embedded log, made while a gateway works on it."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from gateway.engine.log import LogError


def back_up(source: sqlite3.Connection, target: Path) -> int:
    """Copy a log as it is at one moment to a new file; returns its size in bytes.

    1. Copy in one step: the gateway goes on writing meanwhile, and a copy in several steps would begin anew
       whenever it does.
    2. Check the copy, and make it durable.
    3. Only then give it its name: what has that name is whole, whenever this is killed.

    Raises LogError where the target exists, or the copy is damaged; OSError where it can't be written.
    """
    part = target.with_name(f"{target.name}.part")
    # It holds personal data: nobody else may read it.
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
    try:
        with closing(sqlite3.connect(part.absolute(), isolation_level=None)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, with none beside it
            if copy.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                raise LogError("the log is damaged, and its copy was deleted; restore an older backup")
        with part.open("rb") as written:
            os.fsync(written.fileno())
        try:
            os.link(part, target)
        except FileExistsError:
            raise LogError(f"{target} is there already; name a new file for the backup") from None
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return target.stat().st_size
