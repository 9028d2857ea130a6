"""What operators look for in a whole log: events of a kind, purchase orders by an id or a state."""

import os
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast, get_args, get_type_hints

from consumers import READERS
from gateway.engine.log import DELIVERY_PLANS, INBOUND_TOPICS, Log, LogError, Record, SharedLog
from gateway.engine.purchase_orders import unpack
from gateway.reading.log_lines import LINES, LogLines, kinds_of
from gateway.reading.model import Source
from gateway.reading.tables import OUTCOMES
from gateway.replay.event_lines import TOPIC_OF_EVENT, plan_to_line, to_line
from gateway.rules.decide import CHECKS, UNKNOWN_REFERRAL
from gateway.rules.events import DeadLetter, Event, Outcome, place_in_time
from gateway.rules.referral import PurchaseOrder, Status
from gateway.system.telemetry import json_line
from producers import trace_id_of, traceparent_of
from producers.read_back import DEAD_LETTERS, OUTBOUND_TOPICS, read_event, read_plan
from schemas.codec import Unreadable
from schemas.json import format_instant
from schemas.times import format_day

By = Literal["message", "event", "trace"]
#: HELD: no referral is known, and messages wait for it.
STATES: Final = (*get_args(Status), "HELD")
#: Before all that was decided, UTC milliseconds.
_FIRST_AT: Final = -(2**62)
#: How long one read of states waits, in seconds, where there is nothing.
_WAIT_S: Final = 1.0
_OF_REFERRALS: Final = "(partition, po_number) IN (SELECT partition, po_number FROM referral WHERE {})"
_STATE: Final = "SELECT opened('state', po_number, state) FROM state WHERE (partition, po_number) = (?, ?)"
_REFUSED: Final = (
    f"SELECT topic, partition, offset, timestamp, value FROM outbound"
    f" WHERE status = 'REFUSED' AND timestamp >= ? AND topic = '{OUTCOMES}' ORDER BY offset"
)


def kinds() -> frozenset[str]:
    """All that `kinds_of` may say of an event."""
    hints = ((get_type_hints(event), (lines.by, lines.kind)) for event, lines in LINES.items())
    found = {kind for types, names in hints for name in names if name for kind in get_args(types[name])}
    codes = {check.code for checks in CHECKS.values() for check in checks if check.code}
    return frozenset(found | codes | {UNKNOWN_REFERRAL} | {*get_args(get_type_hints(DeadLetter)["code"])})


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records of outbound topics are wanted; None: all.

    since: of what was decided then or later, UTC milliseconds. kinds: see `kinds_of`.
    """

    topics: frozenset[str] | None = None
    po_number: str | None = None
    provider_id: str | None = None
    since: int | None = None
    kinds: frozenset[str] | None = None

    def takes(self, event: Event | DeadLetter) -> bool:
        """Whether an event is wanted."""
        return (
            (self.since is None or event.decided_at >= self.since)
            and (self.po_number is None or getattr(event, "po_number", None) == self.po_number)
            and (self.provider_id is None or getattr(event, "provider_id", None) == self.provider_id)
            and (self.topics is None or TOPIC_OF_EVENT[type(event)] in self.topics)
            and (self.kinds is None or not self.kinds.isdisjoint(kinds_of(event)))
        )

    @property
    def key(self) -> bytes | None:
        """That of the records; None: any."""
        return None if self.po_number is None else os.fsencode(self.po_number)

    def line(self, record: Record) -> bytes | None:
        """A record as a line in replay's form; None: it is not wanted."""
        if record.topic != DELIVERY_PLANS:
            event = read_event(record)
            return to_line(event) if self.takes(event) else None
        plan = read_plan(record)
        wanted = (
            self.po_number is None
            and self.kinds is None
            and self.provider_id in {None, plan.provider_id}
            and (self.since is None or record.timestamp >= self.since)
        )
        return plan_to_line(plan, record.timestamp) if wanted else None


async def as_log(
    log: Log, wanted: Filter, shown: Mapping[str, str], *, from_start: bool, wait: bool
) -> AsyncIterator[bytes]:
    """The log lines of what was decided, as they were logged; `timestamp` is when it was put on the log.

    On a log whose topics have no common order it is read whole and put in order, so without `wait` only.
    """
    lines = LogLines(shown, wanted.takes)
    records = (
        (read_event(record), traceparent_of(record.headers), record.timestamp)
        async for record in log.follow(OUTBOUND_TOPICS, from_start=from_start, wait=wait, key=wanted.key)
    )
    if not log.shared:
        async for event, traceparent, at in records:
            lines.add(event, traceparent, at)
            for line in lines.take():
                yield json_line(line)
    else:
        since = wanted.since
        kept = [each async for each in records if since is None or each[0].decided_at >= since]
        for each in sorted(kept, key=lambda each: _in_order(each[0])):
            lines.add(*each)
    for line in lines.take(rest=True):
        yield json_line(line)


def _in_order(event: Event | DeadLetter) -> tuple[int, str, int]:
    at, place = place_in_time(event)
    return at, getattr(event, "po_number", ""), place


async def find(log: Log, by: By, wanted: str) -> list[str]:
    """The purchase orders that a message, an event or a trace is about, in the order in which they are found.

    Where nothing was decided yet, what has arrived is looked through. Raises LogError where it is a dead
    letter, whose key may be anything.
    """
    found: dict[str, None] = {}
    text = os.fsencode(wanted)
    async for record in log.follow(OUTBOUND_TOPICS, from_start=True, wait=False, text=text):
        if not _is_about(record, by, wanted):
            continue
        if record.topic != DEAD_LETTERS:
            found[(record.key or b"").decode()] = None
        elif by == "event":
            raise LogError(f"{wanted} is a dead letter; `gateway dead-letters show` shows it")
    if not found and by != "event":
        async for record in log.follow(INBOUND_TOPICS, from_start=True, wait=False, text=text):
            if by == "trace" and not _has_trace(record, wanted):
                continue
            message = READERS[record.topic](record)
            if not isinstance(message, Unreadable) and (by == "trace" or message.message_id == wanted):
                found[message.po_number] = None
    return list(found)


def _is_about(record: Record, by: By, wanted: str) -> bool:
    match by:
        case "trace":
            return _has_trace(record, wanted)
        case "event":
            return ("ce_id", os.fsencode(wanted)) in record.headers
        case "message":
            return record.topic == OUTCOMES and cast(Outcome, read_event(record)).message_id == wanted


def _has_trace(record: Record, trace_id: str) -> bool:
    traceparent = traceparent_of(record.headers)
    return traceparent is not None and trace_id_of(traceparent) == trace_id


@dataclass(slots=True)
class RefusedMessages:
    """The messages about a purchase order that were refused. codes: how many of each."""

    provider_id: str | None = None
    codes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which purchase orders to list; None: all. state: one of STATES. due_before, since: UTC milliseconds.

    since: something was decided on them then or later. refused: some message about them was refused, with
    `since` then or later.
    """

    provider_id: str | None = None
    state: str | None = None
    due_before: int | None = None
    since: int | None = None
    refused: bool = False


async def listed(
    states: AsyncIterator[tuple[str, PurchaseOrder]], outcomes: AsyncIterator[Outcome], which: OrderFilter
) -> AsyncIterator[dict[str, Any]]:
    """What is known of each matching purchase order, for programs; without anything about a person.

    outcomes: those of messages that were refused, others among them; asked for only where that matters.
    """
    refusals = await _refusals(outcomes, which.since) if which.refused else {}
    async for po_number, order in states:
        refused = refusals.pop(po_number, None)
        row = _row(po_number, order, refused)
        if _is_chosen(row, order, which, refused):
            yield row
    if which.state is None and which.due_before is None:
        for po_number, refused in refusals.items():  # nothing is kept of them
            if which.provider_id in {None, refused.provider_id}:
                yield _row(po_number, None, refused)


def _is_chosen(
    row: Mapping[str, Any], order: PurchaseOrder, which: OrderFilter, refused: RefusedMessages | None
) -> bool:
    if (row["state"] is None and refused is None) or (which.refused and refused is None):
        return False
    return (
        which.provider_id in {None, row["provider_id"]}
        and which.state in {None, row["state"]}
        and (which.due_before is None or (row["state"] is not None and order.due_at < which.due_before))
        and (which.since is None or order.events_at >= which.since)
    )


def _row(po_number: str, order: PurchaseOrder | None, refused: RefusedMessages | None) -> dict[str, Any]:
    referral = None if order is None else order.referral
    known = order is not None and (referral is not None or bool(order.held))
    provider_id = (
        refused.provider_id if referral is None and refused else getattr(referral, "provider_id", None)
    )
    return {
        "po_number": po_number,
        "provider_id": provider_id,
        "state": referral.status if referral else "HELD" if known else None,
        "referred_on": format_day(referral.referred_on) if referral else None,
        "due_at": format_instant(order.due_at) if order and known else None,
        "changed_at": format_instant(order.events_at) if order and known else None,
        "messages": len(order.seen) if order else 0,
        "held": len(order.held) if order else 0,
    } | ({"refused": dict(sorted(refused.codes.items()))} if refused else {})


async def _refusals(outcomes: AsyncIterator[Outcome], since: int | None) -> dict[str, RefusedMessages]:
    found: dict[str, RefusedMessages] = {}
    async for outcome in outcomes:
        if outcome.code is not None and (since is None or outcome.decided_at >= since):
            refused = found.setdefault(outcome.po_number, RefusedMessages())
            refused.provider_id = outcome.provider_id or refused.provider_id
            refused.codes[outcome.code] += 1
    return found


async def own_states(source: Source, which: OrderFilter) -> AsyncIterator[tuple[str, PurchaseOrder]]:
    """What is kept of each purchase order on an embedded log that may match. Raises LogError.

    Where only messages wait, the log has no columns of it, so that may match.
    """
    conditions: dict[str, object] = {}
    if which.due_before is not None:
        conditions["(due_at < ? OR due_at IS NULL)"] = which.due_before
    if which.since is not None:
        conditions["(changed_at >= ? OR changed_at IS NULL)"] = which.since
    if which.provider_id is not None and not which.refused:
        conditions[_OF_REFERRALS.format("provider_id = ?")] = which.provider_id
    if which.state not in {None, "HELD"}:
        conditions[_OF_REFERRALS.format("status = ?")] = which.state
    sql = f"SELECT partition, po_number FROM state WHERE {' AND '.join(conditions) or 'TRUE'}"
    with _view(source) as db:
        for key in db.execute(f"{sql} ORDER BY partition, po_number", [*conditions.values()]).fetchall():
            row = db.execute(_STATE, key).fetchone()
            if row is not None and row[0] is not None:  # it may have been forgotten meanwhile
                yield key[1], unpack(row[0])


async def own_refusals(source: Source, which: OrderFilter) -> AsyncIterator[Outcome]:
    """The outcomes of refused messages on an embedded log, in order. Raises LogError."""
    with _view(source) as db:
        since = _FIRST_AT if which.since is None else which.since
        for topic, partition, offset, at, value in db.execute(_REFUSED, (since,)):
            yield cast(Outcome, read_event(Record(topic, partition, offset, at, None, value)))


@contextmanager
def _view(source: Source) -> Iterator[sqlite3.Connection]:
    try:
        with closing(source.view()) as db:
            yield db
    except sqlite3.Error as error:
        why = getattr(error, "sqlite_errorname", "unknown")
        raise LogError(f"the log can't be read ({why}); check the disk and its folder") from None


async def outcomes_of(log: SharedLog) -> AsyncIterator[Outcome]:
    """All outcomes on a log, in order within a partition."""
    async for record in log.follow([OUTCOMES], from_start=True, wait=False):
        yield cast(Outcome, read_event(record))


async def shared_states(log: SharedLog) -> AsyncIterator[tuple[str, PurchaseOrder]]:
    """What is kept of each purchase order on a log that has them on a topic. Raises LogError."""
    found: dict[str, bytes | None] = {}
    await log.partitions()  # says it best where there is no log, or no broker
    reader = await log.changes((), {})
    try:
        behind = 1
        while behind:
            changes = await reader.read(_WAIT_S)
            found.update(changes.states)
            behind = changes.behind
    finally:
        await reader.close()
    for po_number, state in sorted(found.items()):
        if state is not None:
            yield po_number, unpack(state)
