"""The partitions that this process works on: a worker for each, for as long as it is assigned."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from gateway.engine.away import Away
from gateway.engine.clock_watch import ClockWatch
from gateway.engine.inbox import NEVER
from gateway.engine.log import (
    Assignment,
    Log,
    LogBusy,
    LogError,
    Lost,
    PartitionPaused,
    RecordsLost,
    said,
)
from gateway.engine.observer import NOBODY, Observer
from gateway.engine.pausing import Pause, instant
from gateway.engine.rest import Rest
from gateway.engine.step import Standing, StepSize, Wiring
from gateway.engine.worker import Worker
from gateway.rules.policy import Policies

#: Who was fenced out of a partition that it still believes to be assigned claims it again after this time,
#: unless a new assignment comes first: a live member learns of one within two heartbeats.
CLAIM_AGAIN_S: Final = 6.0
#: A partition whose records are lost is looked at again after this time: somebody may have accepted that.
LOST_AGAIN_S: Final = 10.0
#: How often it is asked which partitions are paused.
PAUSES_AGAIN_S: Final = 2.0
#: How long a worker that is to stop may take to finish its step.
FINISH_S: Final = 4.0


class Workers:
    """Keeps a worker at each assigned partition.

    until, clock: see Worker. With `until`, they end when all their partitions are decided. observer: called
    with what happens. of_several: whether another one of this machine goes on with what this one leaves.
    lost_again_s: how often a partition whose records are lost is looked at again. pauses_again_s: how often
    it is asked which partitions are paused.
    """

    def __init__(
        self,
        log: Log,
        policies: Policies,
        wiring: Wiring,
        *,
        until: int | None = None,
        observer: Observer = NOBODY,
        step: StepSize = StepSize(),  # noqa: B008 - it is frozen
        claim_again_s: float = CLAIM_AGAIN_S,
        finish_s: float = FINISH_S,
        lost_again_s: float = LOST_AGAIN_S,
        pauses_again_s: float = PAUSES_AGAIN_S,
        of_several: bool = False,
        clock: ClockWatch | None = None,
    ) -> None:
        self._log = log
        self._policies = policies
        self._wiring = wiring
        self._until = until
        self._observer = observer
        self._step = step
        self._claim_again_s = claim_again_s
        self._finish_s = finish_s
        self._lost_again_s = lost_again_s
        self._pauses_again_s = pauses_again_s
        self._of_several = of_several
        #: Notes that the log is away, for all of them.
        self.away = Away()
        self._clock = clock
        #: The workers at work, by partition number.
        self.by_partition: dict[int, Worker] = {}
        #: How many partition numbers the log has; 0: not known yet.
        self.configured = 0
        #: What is waited for before partitions can be assigned.
        self.waiting_for = "no partitions have been assigned to it yet"
        #: The partition numbers assigned; None: not known yet.
        self.assigned: frozenset[int] | None = None
        #: The partitions that are paused; None: not known yet.
        self._pauses: Mapping[int, Pause] | None = None
        self._pauses_unknown = "the log is being asked whether it is paused"
        self._took_on = asyncio.Event()
        self._stops: dict[int, asyncio.Event] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._finished: set[int] = set()
        self._rest = Rest()
        #: Partitions that are not to be claimed before a time of the loop's clock.
        self._not_before: dict[int, float] = {}
        #: Partitions whose records are lost, with what is known of it.
        self._records_lost: dict[int, RecordsLost] = {}
        self._decided = 0
        self._say = structlog.get_logger("gateway.engine")

    @property
    def decided(self) -> int:
        """How many messages and deadlines were decided and committed here."""
        return self._decided + sum(worker.decided for worker in self.by_partition.values())

    async def until_at_rest(self) -> None:
        """Wait until all that is assigned has been decided and committed, for the first time."""
        await self._took_on.wait()
        for worker in [*self.by_partition.values()]:
            await worker.until_idle(NEVER)

    def trouble(self, partition: int) -> str | None:
        """Why nothing is decided on an assigned partition at the moment; None: it is, or all is decided."""
        if partition in self._finished:
            return None
        if self.is_lost(partition):
            return str(self._records_lost[partition])
        worker = self.by_partition.get(partition)
        if worker is None and (pause := self.paused(partition)):
            return said(partition, pause)
        if worker is None and self._pauses is None:
            return self._pauses_unknown
        if worker is None:
            return "another process has claimed it; it is claimed again soon, where it stays assigned here"
        return worker.trouble

    def paused(self, partition: int) -> Pause | None:
        """Why nothing is decided on a partition on purpose, or is not soon; None: it is not paused."""
        return (self._pauses or {}).get(partition)

    def is_lost(self, partition: int) -> bool:
        """Whether undecided records of an assigned partition are lost, which nobody has accepted yet."""
        worker = self.by_partition.get(partition)
        return partition in self._records_lost and not (worker and worker.restored)

    def standing(self, partition: int) -> Standing | None:
        """How a partition stood when it was last read; None: not known, because it is not owned."""
        worker = self.by_partition.get(partition)
        return worker.standing if worker else None

    def overdue(self, partition: int, now: int) -> int:
        """How many of its deadlines are due by now and not decided; see PurchaseOrders. UTC milliseconds."""
        worker = self.by_partition.get(partition)
        return worker.overdue(now) if worker else 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set or, with `until`, until all is decided.

        1. What is no longer assigned, or is paused, is let go, at the end of its step; what stays is not
           touched.
        2. Then what is newly assigned is claimed, once it is known that it is not paused. A partition that
           comes back while its worker is still letting go waits for it.
        Raises what a worker can't go on with; a partition lost to another process is not such a thing, where
        the log is shared.
        """
        stopping = asyncio.create_task(stop.wait())
        hearing: asyncio.Task[Assignment] = asyncio.create_task(self._log.assigned(0))
        asking = asyncio.create_task(self._ask_for_pauses(0))
        try:
            while not stopping.done() and not self._all_finished():
                await asyncio.wait(
                    {stopping, hearing, asking, *self._tasks.values()},
                    timeout=1 if self._not_before else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                self._collect()
                await self._end_where_all_is_lost()
                if hearing.done():
                    assignment = hearing.result()
                    self.assigned = self._rest.partitions = assignment.partitions
                    self._not_before.clear()
                    for partition in self._records_lost.keys() - assignment.partitions:
                        del self._records_lost[partition]
                    self._say.info("partitions.assigned", partitions=sorted(assignment.partitions))
                    hearing = asyncio.create_task(self._log.assigned(assignment.generation))
                if asking.done():
                    self._take_in(asking.result())
                    asking = asyncio.create_task(self._ask_for_pauses(self._pauses_again_s))
                self._let_go()
                self._take_on()
        finally:
            stopping.cancel()
            hearing.cancel()
            asking.cancel()
            for ending in self._stops.values():
                ending.set()
            if self._tasks:
                _, late = await asyncio.wait(self._tasks.values(), timeout=self._finish_s)
                for task in late:
                    task.cancel()  # a log that is away never lets it finish its step
            await asyncio.gather(stopping, hearing, asking, *self._tasks.values(), return_exceptions=True)
        self._collect()

    async def _ask_for_pauses(self, after_s: float) -> Mapping[int, Pause] | None:
        """Ask which partitions are paused; None: the log does not say at the moment."""
        await asyncio.sleep(after_s)
        try:
            pauses = await self._log.pauses()
        except (LogError, OSError, TimeoutError) as error:
            if self._pauses is not None:
                return None  # its workers notice that it is away
            if self._until is not None or (isinstance(error, LogError) and not isinstance(error, LogBusy)):
                raise
            why = str(error) if isinstance(error, LogError) else f"no answer ({type(error).__name__})"
            self._pauses_unknown = f"the log does not say whether it is paused: {why}"
            self.away.began(self, error)
            return None
        self.away.ended(self)
        return pauses

    def _take_in(self, pauses: Mapping[int, Pause] | None) -> None:
        """Note which partitions are paused now. Raises PartitionPaused with `until`: it would never end."""
        if pauses is None:
            return
        before, self._pauses = self._pauses or {}, pauses
        for partition in sorted(pauses.keys() - before.keys()):
            pause = pauses[partition]
            if self._until is not None:
                raise PartitionPaused(partition, pause)
            self._say.warning(
                "partition.paused",
                partition=partition,
                reason=pause.reason,
                by=pause.by,
                since=instant(pause.at),
            )
        for partition in sorted(before.keys() - pauses.keys()):
            self._say.warning("partition.resumed", partition=partition)

    def _collect(self) -> None:
        """Hear from the workers that have ended; raises what ended them."""
        for partition, task in [*self._tasks.items()]:
            if not task.done():
                continue
            del self._tasks[partition]
            worker = self.by_partition.pop(partition)
            self._decided += worker.decided
            stopped = self._stops.pop(partition).is_set()
            error = None if task.cancelled() else task.exception()
            if worker.restored:
                self._records_lost.pop(partition, None)
            if isinstance(error, Lost) and self._log.shared:
                self._observer.lost()
                self._say.warning("partition.lost", partition=partition)
                self._not_before[partition] = asyncio.get_running_loop().time() + self._claim_again_s
            elif isinstance(error, RecordsLost) and self._until is None:
                if partition not in self._records_lost:
                    self._say.error("partition.records_lost", partition=partition, error=str(error))
                self._records_lost[partition] = error
                self._not_before[partition] = asyncio.get_running_loop().time() + self._lost_again_s
            elif error:
                raise error
            elif not stopped:
                self._finished.add(partition)

    async def _end_where_all_is_lost(self) -> None:
        """Raises RecordsLost where there is no partition left that could be worked on."""
        if not self._records_lost:
            return
        others = frozenset(range(await self._log.partitions())) - (self.assigned or frozenset())
        if not (others and not self._of_several) and all(map(self.is_lost, self.assigned or ())):
            raise next(iter(self._records_lost.values()))

    def _let_go(self) -> None:
        for partition, ending in self._stops.items():
            if partition not in (self.assigned or ()) or self.paused(partition):
                ending.set()
        self._finished &= self.assigned or frozenset()

    def _take_on(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._pauses is None:
            return
        for partition in sorted((self.assigned or frozenset()) - self._finished - self._pauses.keys()):
            if partition in self._tasks or now < self._not_before.get(partition, now):
                continue
            self._not_before.pop(partition, None)
            worker = Worker(
                self._log,
                partition,
                self._policies,
                self._wiring,
                until=self._until,
                observer=self._observer,
                step=self._step,
                away=self.away,
                clock=self._clock,
                rest=self._rest,
            )
            self.by_partition[partition] = worker
            self._stops[partition] = asyncio.Event()
            self._tasks[partition] = asyncio.create_task(worker.run(self._stops[partition]))
        self._took_on.set()

    def _all_finished(self) -> bool:
        return self._until is not None and self.assigned is not None and self._finished >= self.assigned
