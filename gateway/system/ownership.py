"""Whether a file is this user's alone: another who could write it could change what is decided."""

import os
from collections.abc import Iterable
from pathlib import Path
from stat import S_ISREG, S_IWGRP, S_IWOTH
from typing import Final

#: What SQLite keeps beside a file, and reads when it opens it, and the gateway's lock.
BESIDE_SQLITE: Final = ("-wal", "-shm", "-journal", ".lock")
_ROOT: Final = 0


def exposed(path: Path, beside: Iterable[str] = ()) -> str | None:
    """What lets others change a file, in words for an error; None: nothing does, or it isn't there.

    beside: the ends of the names of files beside it to which the same applies. The administrator may change
    everything anyway; a group that this user is in is for whoever made it to judge (Kubernetes' fsGroup).
    """
    # What is beside a file is beside the file itself, whatever link it was named by.
    real = Path(os.path.realpath(path))
    for each in (real, *(real.with_name(real.name + end) for end in beside)):
        if why := _why(each):
            return f"{path if each == real else each} {why}"
    return None


def _why(path: Path) -> str | None:
    try:
        status = path.stat()
    except OSError:
        return None  # what is wrong with it, whoever opens it says
    if not S_ISREG(status.st_mode):
        return None
    if status.st_uid not in {_ROOT, os.geteuid()}:
        return "belongs to another user of this machine; run the gateway as that user, or give it the file"
    if status.st_mode & S_IWOTH:
        return "can be written by every user of this machine; run chmod o-w on it"
    if status.st_mode & S_IWGRP and status.st_gid not in {_ROOT, os.getegid(), *os.getgroups()}:
        return "can be written by a group that this user is not in; run chmod g-w on it"
    return None
