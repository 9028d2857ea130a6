"""The `gateway` command, on a machine whose clock is set by a file.

    GATEWAY_TEST_CLOCK=FILE python -m tests.cli.other_clock COMMAND...

The file says by how many seconds it is wrong; without it, it is right.
"""

import os
import sys
import time
from pathlib import Path

from gateway.cli.main import main

FILE = Path(os.environ.pop("GATEWAY_TEST_CLOCK"))
right_time_ns = time.time_ns


def wrong_time_ns() -> int:
    """What the clock says."""
    try:
        return right_time_ns() + int(float(FILE.read_text()) * 1e9)
    except (FileNotFoundError, ValueError):
        return right_time_ns()


if __name__ == "__main__":
    setattr(time, "time_ns", wrong_time_ns)  # noqa: B010
    sys.exit(main())
