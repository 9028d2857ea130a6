"""Run one command, time it, and say how much memory it took: `python -m benchmarks.weigh COMMAND...`.

Its standard input is the command's; the command's standard output is thrown away. A process of its own,
because Linux counts towards a process's peak what the process that started it had in memory.
"""

import json
import os
import subprocess
import sys
from time import perf_counter
from typing import Final

#: getrusage counts in KiB, but on macOS in bytes.
_PER_MIB: Final = 1024 * 1024 if sys.platform == "darwin" else 1024


def main(command: list[str]) -> int:
    """Print seconds, processor seconds and peak memory in MiB as JSON; returns the command's exit status."""
    started = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    weighed = {
        "seconds": seconds,
        "processor_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / _PER_MIB,
    }
    print(json.dumps(weighed))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
