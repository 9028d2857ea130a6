"""A worker for the supervisor to supervise, of the standard library alone, so that it starts at once.

worker_process.py FOLDER NUMBER HOW: leaves FOLDER/NUMBER-PID, and then, by HOW:
    obey      ends with 0 when it is told to stop, or when its standard input ends
    linger    ends with 0 when its standard input ends, whatever signal it gets
    ends-N    ends with N at once
    once-N    ends with N at once in its first life; after that it obeys
"""

import os
import signal
import sys
from pathlib import Path


def main() -> None:
    """Do so."""
    folder, number, how = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    first = not list(folder.glob(f"{number}-*"))
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN if how == "linger" else lambda *_: os._exit(0))
    (folder / f"{number}-{os.getpid()}").touch()
    kind, _, status = how.partition("-")
    if kind == "ends" or (kind == "once" and first):
        sys.exit(int(status))
    os.read(0, 1)


if __name__ == "__main__":
    main()
