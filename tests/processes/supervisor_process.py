"""A supervisor of worker_process.py, in a process of its own.

python -m tests.processes.supervisor_process FOLDER PATIENCE_S until|forever HOW... : one worker for each HOW
"""

import asyncio
import sys
from pathlib import Path

from gateway.processes.supervisor import Supervisor
from gateway.system import telemetry

WORKER = str(Path(__file__).with_name("worker_process.py"))


def main() -> int:
    """Supervise; returns the exit status."""
    folder, patience_s, end, *hows = sys.argv[1:]
    telemetry.configure("info")
    supervisor = Supervisor(
        lambda number: [sys.executable, "-S", "-E", WORKER, folder, str(number), hows[number]],
        len(hows),
        until=end == "until",
        patience_s=float(patience_s),
        first_backoff_s=0.01,
    )
    return asyncio.run(supervisor.run())


if __name__ == "__main__":
    sys.exit(main())
