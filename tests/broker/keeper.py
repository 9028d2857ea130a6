"""Keeps one broker: starts it, and ends it when nobody uses it any more.

Run by its path with the folder, the number of the file that is locked while the broker runs, the name of the
lock that its users share (nothing: it outlives them), and the command of the broker. It is a process of its
own, so that a test run that is killed leaves no broker behind.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO


def keep(folder: Path, running: int, users: str, command: list[str]) -> None:
    """Return when the broker has ended. Its data go with it where all its users have gone."""
    with (folder / "server.log").open("ab") as log:
        # The broker holds the lock too: a keeper that is killed does not make it look ended.
        broker = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, pass_fds=(running,))
    (folder / "pid").write_text(str(broker.pid))
    unused = threading.Event()

    def end_when_unused(lock: IO[str]) -> None:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unused.set()
        broker.kill()

    # Held until this process ends: whoever comes as the last user goes finds the broker gone, with its data.
    with (folder / (users or os.devnull)).open("w") as lock:
        if users:
            threading.Thread(target=end_when_unused, args=(lock,), daemon=True).start()
        broker.wait()
        if unused.is_set():
            shutil.rmtree(folder / "data", ignore_errors=True)
            os.close(running)


if __name__ == "__main__" and os.fork() == 0:
    keep(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
