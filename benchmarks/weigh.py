"""Run one command, time it, and say how much memory it took: `python -m benchmarks.weigh COMMAND...`.

Its standard input is the command's; the command's standard output is thrown away. A process of its own,
because Linux counts towards a process's peak what the process that started it had in memory.

A command may start others. The peak is that of all of them together, looked at every LOOK_S; what a forked
process shares with its parent is counted for both, so it is rather too much than too little. Where the system
doesn't report that (it is no Linux), it is that of the largest process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread
from time import perf_counter
from typing import Final

LOOK_S: Final = 0.02

#: getrusage counts in KiB, but on macOS in bytes.
_PER_MIB: Final = 1024 * 1024 if sys.platform == "darwin" else 1024


def main(command: list[str]) -> int:
    """Print seconds, processor seconds and peak memory in MiB as JSON; returns the command's exit status."""
    started = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    together, ended = _Together(process.pid), Event()
    looking = Thread(target=together.look, args=(ended,))
    looking.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = perf_counter() - started
    ended.set()
    looking.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    weighed = {
        "seconds": seconds,
        "processor_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": max(usage.ru_maxrss / _PER_MIB, together.peak_mib),
    }
    print(json.dumps(weighed))
    return process.returncode


class _Together:
    """What a process and those that it started have in memory."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.peak_mib = 0.0

    def look(self, ended: Event) -> None:
        """Look at it again and again until it has ended."""
        while not ended.wait(LOOK_S):
            self.peak_mib = max(self.peak_mib, sum(map(_resident_mib, _family(self._pid))))


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(each for child in children for each in _family(int(child)))]


def _resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
