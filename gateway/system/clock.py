"""The wall clock, in the unit that the logs have."""

import time


def wall_clock() -> int:
    """Now, in UTC milliseconds since 1970."""
    return time.time_ns() // 1_000_000
