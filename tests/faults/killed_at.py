"""The `gateway` command with small steps, which ends itself by SIGKILL at a point of a commit.

python -m tests.faults.killed_at [--at POINT TIMES] COMMAND...

POINT is one of POINTS, and TIMES says which time a transaction comes there. Without it nothing is killed.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from gateway.cli import main
from gateway.engine import step

DECISIONS_A_STEP: Final = 10
#: By name: the method of the producer, and whether it is killed before or after it.
POINTS: Final = {
    "begun": ("begin_transaction", "after"),
    "sending": ("send_batch", "after"),
    "before offsets": ("send_offsets_to_transaction", "before"),
    "after offsets": ("send_offsets_to_transaction", "after"),
    "before commit": ("commit_transaction", "before"),
    "after commit": ("commit_transaction", "after"),
}


def end_at(point: str, times: int) -> None:
    """End this process at the point."""
    name, when = POINTS[point]
    method: Callable[..., Awaitable[Any]] = getattr(AIOKafkaProducer, name)
    left = times

    async def watched(producer: AIOKafkaProducer, *arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await method(producer, *arguments, **named)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(AIOKafkaProducer, name, watched)


if __name__ == "__main__":
    setattr(step, "STEP", DECISIONS_A_STEP)  # noqa: B010 - it is final for everybody else
    if sys.argv[1] == "--at":
        end_at(sys.argv[2], int(sys.argv[3]))
        del sys.argv[1:4]
    sys.exit(main())
