"""One partition, from claim to release: read, decide, commit."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from gateway.engine.away import Away, is_away
from gateway.engine.clock_watch import ClockWatch, ClockWrong
from gateway.engine.log import Batch, CannotDraft, Log, LogBusy, LogError, LogFailed, Lost, TooLarge
from gateway.engine.observer import NOBODY, Observer
from gateway.engine.purchase_orders import PurchaseOrders
from gateway.engine.rest import Rest
from gateway.engine.step import Caution, Decided, Deciding, Standing, StepSize, Wiring
from gateway.rules.policy import Policies

LONGEST_BACKOFF_S: Final = 5.0
#: A commit that takes longer is trouble.
SLOW_COMMIT_S: Final = 5.0
#: With `until`, somebody waits for the end: after so many attempts in a row that decided nothing, give up.
MOST_ATTEMPTS: Final = 10


class Worker:
    """Decides what arrives on one partition number, and what falls due there.

    until: when all that is in the log has been decided, let fall due what is due by this instant, and end.
    wait_s: how long one read waits where there is nothing. pause: how to wait before another attempt.
    observer: called with what happens. away: notes that the log is away. clock: what is decided by the wall
    clock is committed only while that can be trusted; None: time is another's. rest: with `until`, the end
    waits for the other partitions to be at rest; None: there are no others.
    """

    def __init__(
        self,
        log: Log,
        partition: int,
        policies: Policies,
        wiring: Wiring,
        *,
        until: int | None = None,
        wait_s: float = 0.25,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        observer: Observer = NOBODY,
        step: StepSize = StepSize(),  # noqa: B008 - it is frozen
        slow_commit_s: float = SLOW_COMMIT_S,
        away: Away | None = None,
        clock: ClockWatch | None = None,
        rest: Rest | None = None,
    ) -> None:
        self._log = log
        self._partition = partition
        self._policies = policies
        self._wiring = wiring
        self._until = until
        self._wait_s = wait_s
        self._pause = pause
        self._observer = observer
        self._step = step
        self._slow_commit_s = slow_commit_s
        self._away = away or Away()
        self._clock = clock
        self._rest = rest or Rest(alone=True)
        self._caution = Caution()
        #: What of a claim is under way, for the log.
        self._doing = "claim"
        self._say = structlog.get_logger("gateway.engine").bind(partition=partition)
        #: Why nothing is decided at the moment; None: it is.
        self.trouble: str | None = "it is not claimed yet"
        #: Whether its state has ever been restored.
        self.restored = False
        #: How the partition stood when it was last read; None: not known, because it is not owned.
        self.standing: Standing | None = None
        self._purchase_orders: PurchaseOrders | None = None
        #: Up to this instant everything has been decided and committed; None: not known. UTC milliseconds.
        self.idle_at: int | None = None
        self._came_to_rest = asyncio.Event()
        #: How many messages and deadlines were decided and committed.
        self.decided = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set or, with `until`, until all is decided.

        Whatever goes wrong between claim and release, what is in memory is dropped, and the next claim
        starts from what was committed. Raises LogError where the log can't be used at all, Lost where the
        partition has another owner now; with `until`, also what went wrong MOST_ATTEMPTS times in a row.
        """
        try:
            await self._work(stop)
        finally:
            self._away.ended(self)

    async def _work(self, stop: asyncio.Event) -> None:
        attempts = 0
        while not stop.is_set():
            decided = self.decided
            try:
                if await self._own(stop):
                    return
            except ClockWrong as error:
                self.trouble = str(error)
                self._observer.dropped()
                if self._clock is not None:
                    await self._clock.until_right(stop)
            except Exception as error:
                if isinstance(error, LogError | Lost) and not isinstance(error, LogBusy | TooLarge):
                    raise
                attempts = 1 if self.decided > decided else attempts + 1
                if self._until is not None and attempts >= MOST_ATTEMPTS:
                    raise
                backoff_s = min(0.05 * 2 ** min(attempts, 10), LONGEST_BACKOFF_S)
                self.trouble = _why(error)
                self._observer.dropped()
                self._log_dropped(error, backoff_s)
                await self._pause_unless(stop, backoff_s)

    def _log_dropped(self, error: Exception, again_in_s: float) -> None:
        if is_away(error):
            self._away.began(self, error)
            return
        facts: dict[str, str | None] = {"cause": type(error).__name__, "operation": self._doing}
        if isinstance(error, LogFailed):
            facts = {
                "cause": error.cause,
                "operation": error.operation,
                "topic": error.topic,
                "error": str(error),
            }
        self._say.warning("partition.dropped", **facts, again_in_s=again_in_s)

    def overdue(self, now: int) -> int:
        """How many deadlines are due by now and not decided; see PurchaseOrders. UTC milliseconds."""
        return 0 if self._purchase_orders is None else self._purchase_orders.overdue(now)

    async def until_idle(self, at: int) -> None:
        """Wait until everything up to an instant has been decided and committed."""
        while self.idle_at is None or self.idle_at < at:
            self._came_to_rest.clear()
            await self._came_to_rest.wait()

    async def _pause_unless(self, stop: asyncio.Event, backoff_s: float) -> None:
        """Wait before another attempt, and no longer than until `stop` is set."""
        pausing = asyncio.ensure_future(self._pause(backoff_s))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({pausing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if pausing.done():
                pausing.result()
        finally:
            pausing.cancel()
            stopping.cancel()

    async def _committed(self, committing: asyncio.Task[None]) -> None:
        """Wait for a commit, and let it be known where that takes long. Raises what the commit does."""
        slow = asyncio.get_running_loop().call_later(self._slow_commit_s, self._is_slow)
        try:
            await committing
        finally:
            slow.cancel()
        self.trouble = None
        self._away.ended(self)

    def _is_slow(self) -> None:
        self.trouble = (
            f"a step has been waiting for the log for more than {self._slow_commit_s:.0f} s; see to who else "
            "writes to it, and to its disk or brokers"
        )

    def _log_decided(self, decided: Decided) -> None:
        """Log what was decided, now that it has been committed: what is logged has happened, and once."""
        for log in decided.to_log:
            log()
        written = len(decided.commit.outputs)
        self._say.debug("step.committed", decided=decided.decisions, records_out=written)

    async def _own(self, stop: asyncio.Event) -> bool:
        """Claim, restore, and step until `stop` is set; True: all is decided.

        1. Claim first: it fences a predecessor, which could otherwise still commit after the restore.
        2. Restore: states, deadlines and positions of the last committed step.
        3. Step: read, decide, commit. One step is committed while the next is read and decided; what was
           decided on top of a commit that fails is dropped with it.
        4. Release, whatever happened, when no commit is under way any more.
        """
        clock = asyncio.get_running_loop().time
        began_s = clock()
        self._doing = "claim"
        self._say.debug("partition.claiming")
        claim = await self._log.claim(self._partition)
        reading: asyncio.Task[Batch] | None = None
        committing: asyncio.Task[None] | None = None
        decided: Decided | None = None
        try:
            self.trouble, self._doing = "its state is being restored", "restore"
            restored = await claim.restore()
            if self._clock is not None:
                self._clock.claimed(self._partition, restored.decided_to)
            partitions = await self._log.partitions()
            at_hand = Deciding(
                restored,
                self._policies,
                self._wiring,
                self._partition,
                partitions,
                self._caution,
                self._step,
            )
            self._purchase_orders = at_hand.purchase_orders
            self._say.info("partition.claimed", purchase_orders=len(at_hand.purchase_orders))
            self._observer.claimed(clock() - began_s)
            self.trouble = "what has arrived is being read for the first time"
            self.restored = True
            # What a step before the claim has moved is on the log by now, or is not.
            self._rest.moved()
            more = True
            while decided or not stop.is_set():
                # Nothing is waited for while there is something left to decide or to commit.
                wait_s = 0 if decided or more else self._wait_s
                self._doing = "read"
                moves = self._rest.moves
                reading = asyncio.create_task(claim.read(at_hand.inbox.room(), wait_s))
                await asyncio.sleep(0)  # so that a log which does one thing at a time reads first
                began_s = clock()
                if self._clock is not None:
                    self._clock.check(self._partition, decided.commit.decided_to if decided else None)
                if decided:
                    committing = asyncio.create_task(claim.commit(decided.commit))
                batch = await reading
                reading = None
                self._doing = "decide"
                await at_hand.add(batch)
                self.standing = at_hand.standing(decided)
                self.trouble = batch.trouble
                if self._rest.together:
                    at_hand.until = self._until
                following = None if stop.is_set() else await at_hand.decide()
                if decided and committing:
                    self._doing = "commit"
                    await self._committed(committing)
                    committing = None
                    self.decided += decided.decisions
                    if decided.moved:
                        self._rest.moved()
                    self._observer.committed(decided, clock() - began_s)
                    self._log_decided(decided)
                elif self._until is not None and following is None and at_hand.inbox.drained():
                    if at_hand.until is not None:
                        return True
                    self._rest.rests(self._partition, moves)
                if following is not None:
                    self._rest.works(self._partition)
                else:
                    self._away.ended(self)
                if following is None and at_hand.inbox.drained():
                    self.idle_at = batch.quiet_at
                    self._came_to_rest.set()
                more = following is not None or batch.partial
                decided = following
            return False
        except CannotDraft:
            if decided:  # which record it comes of is found out by deciding one by one
                self._caution.alone = decided.decisions
            raise
        except TooLarge:
            if decided:
                self._caution.was_too_large(decided)
            raise
        except Exception:  # of reading or deciding, whatever it is, while a commit may be under way
            if committing:
                # What the log says comes first: who has lost the partition must not claim it again.
                await committing
            raise
        finally:
            self.standing = self.idle_at = self._purchase_orders = None
            if reading:
                reading.cancel()
            await asyncio.gather(*filter(None, (reading, committing)), return_exceptions=True)
            await claim.release()


def _why(error: Exception) -> str:
    """The trouble, for operators. Only the text of the log's own errors: another's may quote a message."""
    match error:
        case LogBusy():
            said = str(error)
        case TimeoutError() | ConnectionError():
            said = f"the log does not answer ({type(error).__name__})"
        case _:
            said = f"the last attempt failed ({type(error).__name__})"
    return f"{said}; it is tried again by itself"
