"""One partition, from claim to release: read, decide, commit."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from gateway.engine.caseload import Caseload
from gateway.engine.inbox import NEVER, Inbox
from gateway.engine.log import Claim, Commit, Draft, Headers, Log, LogError, Lost, Record
from gateway.rules.events import Event, Outcome
from gateway.rules.messages import Message
from gateway.rules.policy import Policies

#: A step decides as many records and deadlines as there are, up to this.
STEP: Final = 2_000
#: How many records of one topic wait in memory at the most.
CAPACITY: Final = 4_000
#: A step ends early when what goes out in it is larger than this.
STEP_BYTES: Final = 8 * 1024 * 1024
LONGEST_BACKOFF_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Wiring:
    """What turns records into messages and events into records.

    read: a record's message, or the dead letter that goes out in its place.
    failed: the dead letter of a record on which the rules raised.
    trace: the trace context among a record's headers.
    draft: the record of an event, caused by a message with that trace context.
    """

    read: Callable[[Record], Message | Draft]
    failed: Callable[[Record], Draft]
    trace: Callable[[Headers], str | None]
    draft: Callable[[Event, str | None], Draft]


class _Step:
    """What one step has decided so far."""

    __slots__ = ("bytes", "decided", "outputs", "touched")

    def __init__(self) -> None:
        self.outputs: list[Draft] = []
        self.touched: dict[str, None] = {}
        self.decided = 0
        self.bytes = 0

    @property
    def full(self) -> bool:
        return self.decided >= STEP or self.bytes >= STEP_BYTES

    def add(self, drafts: Iterable[Draft]) -> None:
        for draft in drafts:
            self.outputs.append(draft)
            self.bytes += len(draft.value or b"")
        self.decided += 1


class Worker:
    """Decides what arrives on one partition number, and what falls due there.

    until: when all that is in the log has been decided, let fall due what is due by this instant, and end.
    wait_s: how long one read waits where there is nothing. pause: how to wait before another attempt.
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
    ) -> None:
        self._log = log
        self._partition = partition
        self._policies = policies
        self._wiring = wiring
        self._until = until
        self._wait_s = wait_s
        self._pause = pause
        self._say = structlog.get_logger("gateway.engine").bind(partition=partition)
        #: Why nothing is decided at the moment; None: it is.
        self.trouble: str | None = "not started"
        #: How many messages and deadlines were decided and committed.
        self.decided = 0
        self._failed: tuple[str, int] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set or, with `until`, until all is decided.

        Whatever goes wrong between claim and release, what is in memory is dropped, and the next claim
        starts from what was committed. Raises LogError where the log can't be used at all, Lost where the
        partition has another owner now.
        """
        attempts = 0
        while not stop.is_set():
            decided = self.decided
            try:
                if await self._own(stop):
                    return
            except (LogError, Lost):
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, what was committed is the truth
                attempts = 1 if self.decided > decided else attempts + 1
                backoff_s = min(0.05 * 2**attempts, LONGEST_BACKOFF_S)
                self.trouble = f"{type(error).__name__}; trying again"
                self._say.warning("partition.dropped", error=type(error).__name__, again_in_s=backoff_s)
                await self._pause(backoff_s)

    async def _own(self, stop: asyncio.Event) -> bool:
        """Claim, restore, and step until told to stop; True: all is decided.

        1. Claim first: it fences a predecessor, which could otherwise still commit after the restore.
        2. Restore: states, deadlines and positions of the last committed step.
        3. Step: read, decide, commit.
        4. Release, whatever happened.
        """
        claim = await self._log.claim(self._partition)
        try:
            restored = await claim.restore()
            caseload = Caseload(self._policies, restored.states)
            inbox = Inbox(restored.positions, CAPACITY)
            decided_to = NEVER if restored.decided_to is None else restored.decided_to
            self._say.info("partition.claimed", purchase_orders=len(caseload))
            self.trouble = None
            more = True
            while not stop.is_set():
                # Nothing is waited for while there is something left to decide.
                batch = await claim.read(inbox.room(), 0 if more else self._wait_s)
                inbox.add(batch)
                step, decided_to = self._decide(inbox, caseload, decided_to)
                if step.decided:
                    await self._commit(claim, step, inbox, caseload, decided_to)
                    self.decided += step.decided
                elif self._until is not None and inbox.drained():
                    return True
                more = step.decided > 0 or batch.partial
            return False
        finally:
            await claim.release()

    def _decide(self, inbox: Inbox, caseload: Caseload, decided_to: int) -> tuple[_Step, int]:
        """Decide what the inbox has, and before each record what was due by then; bounded by a step."""
        step = _Step()
        while not step.full:
            record = inbox.first()
            # A clock that stepped back brings no time back: at never goes below what was decided.
            at = None if record is None else max(record.timestamp, decided_to)
            quiet_until = inbox.quiet_until()
            if self._until is not None and inbox.drained():
                quiet_until = max(quiet_until, self._until)
            due_at = caseload.due_by(quiet_until if at is None else at)
            if due_at is not None:
                if due_at > quiet_until:
                    break  # a message from before it may still come
                decided_to = max(decided_to, due_at)
                self._let_fall_due(step, caseload)
            elif record is None or at is None:
                break
            elif self._take(step, caseload, record, at):
                inbox.take(record)
                decided_to = at
            else:
                break
        return step, decided_to

    def _take(self, step: _Step, caseload: Caseload, record: Record, at: int) -> bool:
        """Decide one record; False: it made the rules raise, and is tried once more in a step of its own."""
        message = self._wiring.read(record)
        if isinstance(message, Draft):
            self._say.warning("message.dead_lettered", topic=record.topic, offset=record.offset)
            step.add((message,))
            return True
        trace = self._wiring.trace(record.headers) if record.headers else None
        try:
            decision = caseload.decide(message, at, trace)
            drafts = [self._wiring.draft(event, cause) for event, cause in decision.effects]
        except Exception as error:  # noqa: BLE001 - one record must not stop those behind it
            if self._failed != (record.topic, record.offset):
                self._failed = (record.topic, record.offset)
                return False
            # Its traceback may show what the message says, so only where it was raised is told.
            self._say.error(
                "message.failed", topic=record.topic, offset=record.offset, error=type(error).__name__
            )
            step.add((self._wiring.failed(record),))
            return True
        caseload.keep(message.po_number, decision)
        step.touched[message.po_number] = None
        step.add(drafts)
        for event, _ in decision.effects:
            if isinstance(event, Outcome) and event.status != "APPLIED":
                self._tell(event)
        return True

    def _let_fall_due(self, step: _Step, caseload: Caseload) -> None:
        try:
            po_number, decision = caseload.fall_due()
            drafts = [self._wiring.draft(event, cause) for event, cause in decision.effects]
        except Exception as error:  # noqa: BLE001
            # It must not stop all that comes after it; it is tried again when the partition is restored.
            po_number = caseload.pass_over()
            self._say.error("deadline.failed", po_number=po_number, error=type(error).__name__)
            return
        caseload.keep(po_number, decision)
        step.touched[po_number] = None
        step.add(drafts)
        if drafts:
            self._say.debug("deadline.fell_due", po_number=po_number, events=len(drafts))

    def _tell(self, outcome: Outcome) -> None:
        facts = {"message_id": outcome.message_id, "po_number": outcome.po_number, "rule": outcome.rule}
        if outcome.code == "SPECIAL_CUSTOMER_RECORD":
            self._say.warning("security.special_customer_record", **facts)
        elif outcome.status == "REFUSED":
            self._say.info("message.refused", code=outcome.code, **facts)
        else:
            self._say.debug("message.decided", status=outcome.status, **facts)

    async def _commit(
        self, claim: Claim, step: _Step, inbox: Inbox, caseload: Caseload, decided_to: int
    ) -> None:
        states = {po_number: caseload.packed(po_number) for po_number in step.touched}
        await claim.commit(Commit(step.outputs, states, dict(inbox.positions), decided_to))
        self._say.debug("step.committed", decided=step.decided, records_out=len(step.outputs))
