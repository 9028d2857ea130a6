"""The middle of read, decide, commit: what one step decides, all of it in memory."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace as with_changes

from gateway.engine.forgetting import Asked
from gateway.engine.inbox import NEVER, Inbox
from gateway.engine.log import (
    Batch,
    Commit,
    Draft,
    Drafting,
    Erased,
    Forgotten,
    Headers,
    Listing,
    Output,
    Record,
    Restored,
    TooLarge,
)
from gateway.engine.partitioner import partition_for
from gateway.engine.purchase_orders import PurchaseOrders, pack
from gateway.rules.deadlines import still_runs
from gateway.rules.decide import Decision, forget
from gateway.rules.events import Outcome
from gateway.rules.messages import Message, Referral
from gateway.rules.policy import Policies
from gateway.rules.referral import PurchaseOrder
from gateway.rules.referrals import SPECIAL

#: The header that says where a record that was moved had been put: topic/partition/offset.
MOVED_FROM: Final = "gateway_moved_from"


@dataclass(frozen=True, slots=True)
class StepSize:
    """When a step ends, and how much waits for the next ones.

    decisions: a step decides as many records and deadlines as there are, up to this. bytes: it ends early
    when the records decided in it are larger than this. waiting: how many records of one topic wait in memory
    at the most. turn_s: after deciding for so long, others of this thread have their turn before it goes on;
    None: they wait until it is decided.
    """

    decisions: int = 4_000
    bytes: int = 8 * 1024 * 1024
    waiting: int = 4_000
    turn_s: float | None = None
    clock: Callable[[], float] = field(default=time.perf_counter)


#: While callers are served by the process that decides: none of them waits long for the thread, and none who
#: puts something on the log waits long until a step is written.
SERVING: Final = StepSize(decisions=1_000, waiting=1_000, turn_s=0.01)
#: How many records are read, or decisions taken, between two looks at the clock.
_LOOK_EVERY: Final = 8


@dataclass(frozen=True, slots=True)
class Wiring:
    """What turns records into messages and events into records.

    read: a record's message, or the dead letter that goes out in its place.
    failed: the dead letter of a record on which the rules raised.
    too_large: the dead letter of a record of which something comes that is larger than the log takes.
    trace: the trace context among a record's headers.
    draft: the record of an event, caused by a message with that trace context.
    listing: by what a purchase order can be asked for; None: it has no referral. Without it the log isn't
    asked.
    """

    read: Callable[[Record], Message | Draft]
    failed: Callable[[Record], Draft]
    too_large: Callable[[Record], Draft]
    trace: Callable[[Headers], str | None]
    draft: Drafting
    listing: Callable[[PurchaseOrder], Listing | None] | None = None


#: What is decided: a record, by its topic and offset, or a deadline, by its po_number.
Subject = tuple[str, int] | str


class Decided(Struct, frozen=True):
    """A step that is decided.

    decisions: how many messages and deadlines it holds, the last of which is about `last`: a record's topic
    and offset, or the po_number of a deadline. to_log: what to log when it has been committed.
    taken: how many records were decided, the oldest of which arrived at `oldest_at`. moved: how many were put
    on the partition where they belong.
    """

    commit: Commit
    decisions: int
    last: "Subject"
    to_log: list[Callable[[], None]]
    taken: int
    oldest_at: int | None
    moved: int


class Standing(Struct, frozen=True):
    """How an owned partition stood when it was last read.

    undecided: how many records have arrived there and are not committed as decided yet; where the log can't
    say exactly how many it holds, at the most. oldest_at: when the oldest of those that were read arrived;
    None: there is none. purchase_orders: how many are kept in memory. held: how many messages wait for their
    referral. next_due_at: when something falls due next; None: nothing does.
    """

    undecided: int
    oldest_at: int | None
    purchase_orders: int
    held: int
    next_due_at: int | None


class _Step:
    """What one step has decided so far. out: what goes out. to_log: what to log once it is committed."""

    __slots__ = (
        "answered",
        "bytes",
        "decided",
        "erased",
        "forgotten",
        "last",
        "moved",
        "out",
        "to_log",
        "touched",
    )

    def __init__(self) -> None:
        self.out: list[Output] = []
        self.to_log: list[Callable[[], None]] = []
        self.touched: dict[str, None] = {}
        self.forgotten: dict[str, Forgotten] = {}
        self.decided = 0
        self.last: Subject = ""
        self.moved = 0
        self.bytes = 0
        self.erased: dict[str, Erased] = {}
        self.answered: list[Asked] = []


class _Turn:
    """How long this task has had its thread for itself."""

    __slots__ = ("_began_s", "_size")

    def __init__(self, size: StepSize) -> None:
        self._size = size
        self._began_s = 0.0 if size.turn_s is None else size.clock()

    async def ends(self) -> None:
        """Let others have theirs, where it has taken long enough."""
        size = self._size
        if size.turn_s is not None and size.clock() >= self._began_s + size.turn_s:
            await asyncio.sleep(0)
            self._began_s = size.clock()


class Caution:
    """How carefully to decide. It outlives a claim: what failed in one is decided with caution in the next.

    alone: how many more decisions are taken one by one, each in a step of its own, with its records made at
    once: then whatever raises is known from the rest.
    """

    def __init__(self) -> None:
        self.alone = 0
        #: How often what came of a record or of a deadline, alone, was larger than the log takes.
        self.too_large: Counter[Subject] = Counter()

    def was_too_large(self, decided: "Decided") -> None:
        """A step was larger than the log takes. Find out which decision it comes of, or keep that in mind."""
        if decided.decisions == 1:
            self.too_large[decided.last] += 1
        # One more than is known to be left: the next step may have been decided already.
        self.alone = max(self.alone + 1, decided.decisions) + 1


class Deciding:
    """What is known between a claim and its release: the inbox, the referrals at hand, and the time.

    partition: the number that this is, of `partitions`.
    """

    def __init__(
        self,
        restored: Restored,
        policies: Policies,
        wiring: Wiring,
        partition: int,
        partitions: int,
        caution: Caution,
        size: StepSize,
    ) -> None:
        self.inbox = Inbox(restored.positions, size.waiting)
        self.purchase_orders = PurchaseOrders(policies, restored.states)
        #: When all that is in the log has been decided, what is due by this instant falls due too.
        self.until: int | None = None
        self._decided_to = NEVER if restored.decided_to is None else restored.decided_to
        #: The latest instant at which something fell due here.
        self._fallen_to = NEVER
        self._partition = partition
        self._partitions = partitions
        #: What is asked to be forgotten, by the question's id; None: it is answered.
        self._asked: dict[str, Asked | None] = {}
        self._understood: dict[tuple[str, int], Message | Draft] = {}
        self._wiring = wiring
        self._caution = caution
        self._size = size
        self._say = structlog.get_logger("gateway.engine").bind(partition=partition)

    async def add(self, batch: Batch) -> None:
        """Take in what a read found, and understand it."""
        self.inbox.add(batch)
        for asked in batch.asked:
            self._asked.setdefault(asked.id, asked)
        read, turn = self._wiring.read, _Turn(self._size)
        for place, record in enumerate(batch.records):
            if place % _LOOK_EVERY == 1:
                await turn.ends()
            try:
                self._understood[record.topic, record.offset] = read(record)
            except Exception:  # noqa: BLE001 - it is read again when its turn comes, and logged then
                continue

    async def decide(self) -> Decided | None:
        """Decide the next step, record by record and deadline by deadline; None: there is nothing to decide.

        Where this raises, the claim is to be dropped: the states at hand are ahead of what can be committed.
        """
        step = _Step()
        inbox, purchase_orders = self.inbox, self.purchase_orders
        waiting, oldest_at = inbox.waiting(), inbox.oldest_at()
        size = self._size
        limit = 1 if self._caution.alone else size.decisions
        turn = _Turn(size)
        record, quiet_until = inbox.first(), None
        while step.decided < limit and step.bytes < size.bytes:
            if step.decided % _LOOK_EVERY == 1:
                await turn.ends()
            # A clock that stepped back brings no time back: at never goes below what was decided.
            at = None if record is None else max(record.timestamp, self._decided_to)
            due_at = None if at is None else purchase_orders.due_by(at)
            if at is None or due_at is not None:
                if quiet_until is None:
                    quiet_until = self._quiet_until()
                # A clock that stepped back among deadlines of one instant does not keep the rest waiting.
                quiet_until = max(quiet_until, self._fallen_to)
                if due_at is None:
                    due_at = purchase_orders.due_by(quiet_until)
                if due_at is not None and due_at <= quiet_until:
                    self._fallen_to = max(self._fallen_to, due_at)
                    self._decided_to = max(self._decided_to, due_at)
                    self._let_fall_due(step)
                    continue
                # What is due on others may wait for messages from before it; this one's own comes first.
                if record is not None and at is not None and purchase_orders.is_due(record.key, at):
                    break
            if record is None or at is None or not self._take(step, record, at):
                break
            inbox.take(record)
            self._decided_to = at
            record, quiet_until = inbox.first(), None
        # All that had come before is decided first: what belongs to the referral must not begin another one.
        if inbox.drained() and step.decided < limit:
            self._answer(step)
        if not step.decided:
            for log in step.to_log:
                log()
            return None
        self._caution.alone = max(self._caution.alone - step.decided, 0)
        try:
            states, listings = self._states(step)
        except Exception:  # whatever it is: which record it comes of is found out by deciding one by one
            self._caution.alone = step.decided
            raise
        positions = dict(inbox.positions)
        commit = Commit(
            step.out,
            states,
            positions,
            self._decided_to,
            self._wiring.draft,
            listings,
            step.forgotten,
            step.erased,
            step.answered,
        )
        taken = waiting - inbox.waiting()
        oldest_at = oldest_at if taken else None
        return Decided(commit, step.decided, step.last, step.to_log, taken, oldest_at, step.moved)

    def _states(self, step: _Step) -> tuple[dict[str, bytes | None], dict[str, Listing]]:
        """What has changed, packed, and by what it can be asked for."""
        states: dict[str, bytes | None] = {}
        listings: dict[str, Listing] = {}
        listing = self._wiring.listing
        for po_number in step.touched:
            order = self.purchase_orders.order(po_number)
            states[po_number] = None if order is None else pack(order)
            if order is not None and listing is not None and (listed := listing(order)) is not None:
                listings[po_number] = listed
        return states, listings

    def standing(self, committing: Decided | None) -> Standing:
        """How things stand. committing: the step that is not on the log yet."""
        taken, oldest_at = (committing.taken, committing.oldest_at) if committing else (0, None)
        if oldest_at is None:
            oldest_at = self.inbox.oldest_at()
        undecided = taken + self.inbox.waiting() + self.inbox.unread
        orders = self.purchase_orders
        return Standing(undecided, oldest_at, len(orders), orders.held, orders.next_due_at())

    def _quiet_until(self) -> int:
        quiet_until = self.inbox.quiet_until()
        if self.until is not None and self.inbox.drained():
            return max(quiet_until, self.until)
        return quiet_until

    def _check(self, decision: Decision) -> None:
        """Raises what making a commit of it would raise, which names no record there."""
        for event, trace in decision.effects:
            self._wiring.draft(event, trace)
        pack(decision.order)

    def _take(self, step: _Step, record: Record, at: int) -> bool:
        """Decide one record; False: something raised on it, and it is tried again, in a step of its own.

        1. All that may raise. Nothing has changed until it is through: a record that is half decided, and
           then decided again, would get two outcomes.
        2. Then what it changes. Nothing is logged before it is committed.
        """
        alone = self._caution.alone > 0
        subject = record.topic, record.offset
        out: Sequence[Output]
        log: Callable[[], None] | None = None
        po_number, astray, forgets, erases = None, False, False, False
        try:
            message = self._understood.pop(subject, None) or self._wiring.read(record)
            if subject in self._caution.too_large:
                raise TooLarge
            astray = self._partitions > 1 and self._is_astray(record)
            if astray:
                out = [_moved(record)]
                log = partial(self._log_move, record)
            elif isinstance(message, Draft):
                out = [message]
            else:
                trace = self._wiring.trace(record.headers) if record.headers else None
                decision = self.purchase_orders.decide(message, at, trace)
                out = decision.effects
                if alone:
                    self._check(decision)
                if type(message) is Referral:  # nothing else makes a record special
                    erases = any(
                        type(each) is Outcome and each.code == SPECIAL.code for each, _ in decision.effects
                    )
                po_number = message.po_number
                forgets = self.purchase_orders.keep(po_number, decision)
        except TooLarge:
            out = [self._wiring.too_large(self._cut(record))]
            log = partial(self._log_too_large, record)
        except Exception as error:  # noqa: BLE001 - one record must not stop those behind it
            if not alone:
                self._caution.alone = step.decided + 1
                return False
            out = [self._wiring.failed(record)]
            log = partial(self._log_failure, record, type(error).__name__)
        step.out += out
        if log is not None:
            step.to_log.append(log)
        if po_number is not None:
            step.touched[po_number] = None
            if forgets:
                step.forgotten[po_number] = Forgotten(at, len(step.out))
            if forgets or erases:
                through = {**self.inbox.positions, record.topic: record.offset + 1}
                step.erased[po_number] = Erased(len(step.out), through)
        step.decided += 1
        step.last = subject
        step.moved += astray
        step.bytes += len(record.value or b"")
        return True

    def _cut(self, record: Record) -> Record:
        """The record, without its content where its dead letter was too large as well."""
        if self._caution.too_large[record.topic, record.offset] == 1:
            return record
        return with_changes(record, key=None, value=None, framed=None, headers=())

    def _is_astray(self, record: Record) -> bool:
        """Whether the purchase order's messages meet on another partition.

        Whoever put the record there has hashed its key in another way than the rest: librdkafka does, unless
        set otherwise. A purchase order that is known here belongs here.
        """
        return (
            record.key is not None
            and record.unreadable is None  # moved, it would be only what could be read of it
            and not self.purchase_orders.knows(record.key)
            and partition_for(record.key, self._partitions) != self._partition
        )

    def _let_fall_due(self, step: _Step) -> None:
        try:
            po_number, decision = self.purchase_orders.fall_due()
            if po_number in self._caution.too_large:
                raise TooLarge
            out: Sequence[Output] = decision.effects
            if self._caution.alone:
                self._check(decision)
            forgets = self.purchase_orders.keep(po_number, decision)
        except Exception as error:  # noqa: BLE001 - one deadline must not stop all that comes after it
            po_number = self.purchase_orders.pass_over()
            step.to_log.append(partial(self._log_deadline_failed, po_number, type(error).__name__))
            return
        step.out += out
        step.touched[po_number] = None
        if forgets:
            step.forgotten[po_number] = Forgotten(self._decided_to, len(step.out))
            step.erased[po_number] = Erased(len(step.out), dict(self.inbox.positions))
        step.decided += 1
        step.last = po_number
        if out:
            step.to_log.append(partial(self._log_deadline, po_number, len(out)))

    def _answer(self, step: _Step) -> None:
        """Forget the referrals that somebody asked to forget, each once, where they are of this partition."""
        for asked in [*filter(None, self._asked.values())]:
            po_number = asked.po_number
            home = partition_for(po_number.encode(), self._partitions)
            if home != self._partition and not self.purchase_orders.knows(po_number.encode()):
                continue
            self._asked[asked.id] = None
            step.answered.append(asked)
            step.decided += 1
            step.last = po_number
            order = self.purchase_orders.order(po_number)
            if order is None or order.referral is None:
                continue
            if still_runs(order.due_rank) and not asked.running:
                step.to_log.append(partial(self._log_not_forgotten, po_number))
                continue
            # An instant of its own, as T5 has: all that was decided on the referral was decided before.
            at = self._decided_to = self._decided_to + 1
            self.purchase_orders.keep(po_number, forget(po_number, at))
            step.touched[po_number] = None
            step.forgotten[po_number] = Forgotten(at, len(step.out))
            step.erased[po_number] = Erased(len(step.out), dict(self.inbox.positions))
            step.to_log.append(partial(self._log_forgotten, po_number))

    def _log_forgotten(self, po_number: str) -> None:
        self._say.info("referral.forgotten", po_number=po_number)

    def _log_not_forgotten(self, po_number: str) -> None:
        self._say.warning("referral.not_forgotten", po_number=po_number)

    def _log_move(self, record: Record) -> None:
        self._say.info("message.moved", topic=record.topic, offset=record.offset)

    def _log_too_large(self, record: Record) -> None:
        self._say.warning("message.too_large", topic=record.topic, offset=record.offset)

    def _log_failure(self, record: Record, error: str) -> None:
        # The text of an error may show what the message says, so only what kind it was is logged.
        self._say.error("message.failed", topic=record.topic, offset=record.offset, error=error)

    def _log_deadline(self, po_number: str, events: int) -> None:
        self._say.debug("deadline.fell_due", po_number=po_number, events=events)

    def _log_deadline_failed(self, po_number: str, error: str) -> None:
        self._say.error("deadline.failed", po_number=po_number, error=error)


def _moved(record: Record) -> Draft:
    """The record as it is put on the partition where it belongs: the log chooses that by the key."""
    whence = f"{record.topic}/{record.partition}/{record.offset}".encode()
    headers = (*record.headers, (MOVED_FROM, whence))
    return Draft(record.topic, record.key, record.original, headers, record.timestamp)
