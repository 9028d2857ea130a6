"""The `gateway` command, with steps so small that there is a commit every few messages.

python -m tests.engine.in_small_steps COMMAND...
"""

import sys

from gateway.cli import main
from gateway.engine import sqlite, step

DECISIONS_A_STEP = 25

if __name__ == "__main__":
    setattr(step, "STEP", DECISIONS_A_STEP)  # noqa: B010 - it is final for everybody else
    setattr(step, "CAPACITY", 2 * DECISIONS_A_STEP)  # noqa: B010
    setattr(sqlite, "WINDOW", 3 * DECISIONS_A_STEP)  # noqa: B010
    sys.exit(main())
