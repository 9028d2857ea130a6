"""`gateway run` with small steps, and with faults.

python -m tests.faults.faulty [--killed-at POINT TIMES] [--restore-takes SECONDS] run ...

It ends itself by SIGKILL when a transaction comes to POINT, one of POINTS, for the TIMES-th time. Each state
takes so long to restore, or longer. The rules raise on every message whose id begins with RAISES.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import MessageBatch

from gateway.backends.kafka.claim import KafkaClaim
from gateway.engine import purchase_orders
from gateway.engine.log import Restored
from gateway.engine.step import StepSize
from gateway.rules import decide
from gateway.rules.messages import Message
from tests.small_steps import run_in_steps_of

SMALL: Final = StepSize(decisions=10)
RAISES: Final = "raises"
#: By name: the method of the producer, and whether it is killed before or after it.
POINTS: Final = {
    "begun": ("begin_transaction", "after"),
    "sending": ("send_batch", "after"),
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
        here = left == 0
        if here and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await method(producer, *arguments, **named)
        if here:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(AIOKafkaProducer, name, watched)


def restore_in(seconds: float) -> None:
    """Restore no state in less."""
    restore = KafkaClaim.restore

    async def slowly(claim: KafkaClaim) -> Restored:
        await asyncio.sleep(seconds)
        return await restore(claim)

    setattr(KafkaClaim, "restore", slowly)  # noqa: B010


def decide_or_raise(order: Any, message: Message, *arguments: Any) -> decide.Decision:
    """The rules, with a fault in them."""
    if message.message_id.startswith(RAISES):
        raise RuntimeError("a fault in the rules")
    return decide.decide(order, message, *arguments)


def is_of_note(record: logging.LogRecord) -> bool:
    """Whether asyncio's complaint is of more than a batch that aiokafka forgets twice.

    A producer that has failed forgets all its batches, and a request still under way then forgets its own.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, KeyError) and error.args and isinstance(error.args[0], MessageBatch))


def report_tasks(*_: object) -> None:
    """What every task is at, on standard error."""
    for task in asyncio.all_tasks():
        task.print_stack()


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, report_tasks)
    # Unfinished tasks, unseen exceptions: they are logged, and a test fails on them.
    complaints = logging.StreamHandler()
    complaints.addFilter(is_of_note)
    logging.getLogger("asyncio").addHandler(complaints)
    setattr(purchase_orders, "decide", decide_or_raise)  # noqa: B010
    if sys.argv[1] == "--killed-at":
        end_at(sys.argv[2], int(sys.argv[3]))
        del sys.argv[1:4]
    if sys.argv[1] == "--restore-takes":
        restore_in(float(sys.argv[2]))
        del sys.argv[1:3]
    run_in_steps_of(SMALL, sys.argv[1:])
