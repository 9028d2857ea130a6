"""How the partitions of this process stand, for those who ask over HTTP."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.engine.pausing import Pause
from gateway.engine.workers import Workers


@dataclass(frozen=True, slots=True)
class Partition:
    """An assigned partition.

    trouble: why nothing is decided on it at the moment; None: it is. undecided: how many records have
    arrived and are not decided, at the most. behind_s: how long the oldest of those that were read has been
    there. purchase_orders: how many are kept. held: how many messages wait for their referral. next_due_at:
    when something falls due next, UTC milliseconds. overdue: how many deadlines are due and not decided. All
    but the first two are None where the partition is not owned; behind_s, next_due_at and overdue also where
    time is not the wall clock's. lost: undecided records are lost, which nobody has accepted yet. paused:
    since when and why nothing is decided on it on purpose; None: it is not paused.
    """

    number: int
    trouble: str | None
    undecided: int | None
    behind_s: float | None
    purchase_orders: int | None
    held: int | None
    next_due_at: int | None
    overdue: int | None
    lost: bool = False
    paused: Pause | None = None

    @property
    def fault(self) -> str | None:
        """Why nothing is decided on it, where nobody wants that; None: it is, or it is paused."""
        return None if self.paused else self.trouble


def partitions(workers: Workers, now: Callable[[], int] | None) -> list[Partition]:
    """The assigned partitions, in order. now: the wall clock (UTC milliseconds), where that is the log's."""
    return [_partition(workers, number, now) for number in sorted(workers.assigned or ())]


def _partition(workers: Workers, number: int, now: Callable[[], int] | None) -> Partition:
    standing = workers.standing(number)
    trouble = workers.trouble(number)
    paused = workers.paused(number)
    if standing is None:
        return Partition(number, trouble, None, None, None, None, None, None, workers.is_lost(number), paused)
    behind_s, next_due_at, overdue = None, None, None
    if now is not None:
        at = now()
        behind_s = 0.0 if standing.oldest_at is None else max(at - standing.oldest_at, 0) / 1_000
        next_due_at, overdue = standing.next_due_at, workers.overdue(number, at)
    return Partition(
        number,
        trouble,
        standing.undecided,
        behind_s,
        standing.purchase_orders,
        standing.held,
        next_due_at,
        overdue,
        paused=paused,
    )
