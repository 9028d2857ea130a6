"""All that is held about somebody under a purchase order's number, for them to have: subject access.

It is read from the log and from the read side, by the key of records. What has another key can't be found: a
dead letter that was keyed wrongly, for one.
"""

import os
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final

from msgspec import DecodeError, Struct, json, msgpack

from gateway.engine.log import (
    AUDIT,
    INBOUND_TOPICS,
    Draft,
    Handled,
    Headers,
    Log,
    LogError,
    Record,
    SharedLog,
)
from gateway.engine.partitioner import partition_for
from gateway.engine.purchase_orders import unpack
from gateway.rules.events import DeadLetter, Event, Outcome, PrapAction, place_in_time
from gateway.rules.messages import RECORD_NAMED
from gateway.rules.referral import Held, PurchaseOrder
from gateway.rules.referrals import SPECIAL
from producers.read_back import OUTBOUND_TOPICS, read_event
from schemas.catalogue import RECORDS, SCHEMA_OF
from schemas.codec import Unreadable, decode
from schemas.json import format_day, format_instant, render

#: What the look is called on gateway.audit.
SUBJECT_ACCESS: Final = "SUBJECT_ACCESS"
#: No referral has nearly as much; who sends a number messages without end is not to fill the memory.
MOST_RECORDS: Final = 100_000
MOST_BYTES: Final = 256 * 1024 * 1024
#: How long one read of states waits, in seconds, where there is nothing.
_WAIT_S: Final = 1.0
#: Days that are not named …_on.
_DAYS: Final = frozenset({"accept_by", "outcome_by", "held_until"})
_STATE: Final = (
    "SELECT opened('state', po_number, state) FROM state"
    " WHERE partition IN (SELECT DISTINCT partition FROM ownership UNION SELECT ?) AND po_number = ?"
)
_COPIED_STATE: Final = "SELECT opened('state', po_number, state) FROM state WHERE po_number = ?"
_RECORDS: Final = {
    "messages": "SELECT topic, partition, offset, timestamp, provider_id, message_id, caller, upload, line,"
    " opened('inbound', po_number, value) AS value FROM inbound WHERE po_number = ?"
    " ORDER BY timestamp, offset",
    "events": "SELECT topic, partition, offset, timestamp, provider_id, message_id, status, trace_id,"
    " jobcentre_id, value FROM outbound WHERE po_number = ? ORDER BY timestamp, offset",
}
_TABLES: Final = ("referral", "booking", "duty")

Place = tuple[str, int, int]


class Export(Struct, frozen=True):
    """All that is held about somebody, as JSON values.

    at: when it was put together. standing: the referral's status; HELD: messages wait for it; FORGOTTEN: it
    was known; NOT_KEPT: nothing was ever kept of it. state: what decisions start from; None: there is none.
    messages: each as it came. events: what was decided, in order. acts: what was done by hand, and why.
    read_side: what each file that questions are answered from has; records that stand above without values.
    """

    po_number: str
    at: str
    standing: str
    state: dict[str, Any] | None
    messages: list[dict[str, Any]]
    events: list[dict[str, Any]]
    dead_letters: list[dict[str, Any]]
    acts: list[dict[str, Any]]
    read_side: list[dict[str, Any]]

    def is_empty(self) -> bool:
        """Nothing is known of the number."""
        found = (self.state, self.messages, self.events, self.dead_letters, self.acts)
        return not any(found) and not any(len(side) > 1 for side in self.read_side)


class TooMuchHeld(LogError):
    """More is held under a number than is put together at once."""

    def __init__(self, most_records: int) -> None:
        super().__init__(
            f"more than {most_records:,} records, or {MOST_BYTES // 1024**2} MiB, are held under this "
            "number; see with `gateway tail --po` what they are, and who sends them"
        )


def act_of_looking(po_number: str, by: str, reason: str, at: int) -> Draft:
    """The record of gateway.audit that somebody looks at all this. at: UTC milliseconds."""
    named = {
        "act": SUBJECT_ACCESS,
        "po_number": po_number,
        "by": by,
        "reason": reason,
        "at": format_instant(at),
    }
    return Draft(AUDIT, SUBJECT_ACCESS.encode(), json.encode(named))


async def own_state(log: Log, view: sqlite3.Connection, po_number: str) -> PurchaseOrder | None:
    """What an embedded log keeps of a purchase order. view: a connection that reads it."""
    home = partition_for(os.fsencode(po_number), await log.partitions())
    row = view.execute(_STATE, (home, po_number)).fetchone()
    return None if row is None or row[0] is None else unpack(row[0])


async def shared_state(log: SharedLog, po_number: str) -> PurchaseOrder | None:
    """What a log that has states on a topic keeps of a purchase order. Raises LogError."""
    found: bytes | None = None
    await log.partitions()  # says it best where there is no log, or no broker
    reader = await log.changes((), {})
    try:
        behind = 1
        while behind:
            changes = await reader.read(_WAIT_S)
            found = changes.states.get(po_number, found)
            behind = changes.behind
    finally:
        await reader.close()
    return None if found is None else unpack(found)


async def all_about(
    log: Log,
    po_number: str,
    state: PurchaseOrder | None,
    read_side: Mapping[str, sqlite3.Connection],
    at: int,
    *,
    most_records: int = MOST_RECORDS,
) -> Export:
    """Put it together. Raises LogError.

    read_side: connections to the files that questions are answered from, by name. at: now, UTC milliseconds.
    most_records: so many are put together at the most.
    """
    key, size = os.fsencode(po_number), _Size(most_records)
    messages = [record async for record in size.of(log, INBOUND_TOPICS, key)]
    came_out = [record async for record in size.of(log, OUTBOUND_TOPICS, key)]
    decided = [(record, read_event(record)) for record in came_out]
    if log.shared:  # where topics have no common order
        messages.sort(key=lambda record: record.timestamp)
        decided.sort(key=lambda each: place_in_time(each[1]))
    letters = [event for _, event in decided if isinstance(event, DeadLetter)]
    handled = await log.handled() if letters else {}
    about = {event.event_id for _, event in decided}
    places = {(record.topic, record.partition, record.offset) for record in (*messages, *came_out)}
    events = [event for _, event in decided if not isinstance(event, DeadLetter)]
    return Export(
        po_number=po_number,
        at=format_instant(at),
        standing=_standing(state, events),
        state=None if state is None else _plain("", state),
        messages=[_message(record) for record in messages],
        events=[
            _place(record.topic, record.partition, record.offset, record.timestamp) | _event(event)
            for record, event in decided
            if not isinstance(event, DeadLetter)
        ],
        dead_letters=[_letter(letter, handled.get(letter.event_id)) for letter in letters],
        acts=[act async for act in _acts(log, po_number, about)],
        read_side=[
            _read_side(name, db, po_number, places, state, is_copy=log.shared)
            for name, db in read_side.items()
        ],
    )


class _Size:
    """How much has been read, of what anybody may have put there."""

    def __init__(self, most_records: int) -> None:
        self._most_records = most_records
        self._records = self._bytes = 0

    async def of(self, log: Log, topics: Sequence[str], key: bytes) -> AsyncIterator[Record]:
        """What the topics have under a key. Raises TooMuchHeld."""
        async for record in log.follow(topics, from_start=True, wait=False, key=key):
            self._records += 1
            self._bytes += len(record.value or b"") + sum(len(value or b"") for _, value in record.headers)
            if self._records > self._most_records or self._bytes > MOST_BYTES:
                raise TooMuchHeld(self._most_records)
            yield record


def _standing(state: PurchaseOrder | None, events: Sequence[Event]) -> str:
    if state is not None and state.referral is not None:
        return state.referral.status
    if state is not None and state.held:
        return "HELD"
    was_known = any(
        isinstance(event, PrapAction)
        or (isinstance(event, Outcome) and (event.status == "APPLIED" or event.code == SPECIAL.code))
        for event in events
    )
    return "FORGOTTEN" if was_known else "NOT_KEPT"


def _message(record: Record) -> dict[str, Any]:
    """A message as it came; what can't be decoded as its bytes."""
    headers = {"headers": _headers(record.headers)} if record.headers else {}
    place = _place(record.topic, record.partition, record.offset, record.timestamp)
    return place | headers | _value(record.value)


def _event(event: Event) -> dict[str, Any]:
    return {"type": type(event).__name__, "value": render(event)}


def _letter(letter: DeadLetter, handled: Handled | None) -> dict[str, Any]:
    """A dead letter with what it holds, decoded where that can be, and what was done with it."""
    done = None if handled is None else {"done": handled.done, "at": format_instant(handled.at)}
    return render(letter) | {"record": _value(letter.value), "handled": done}


def _value(value: bytes | None) -> dict[str, Any]:
    record = decode(value, RECORDS, largest=None)
    if isinstance(record, Unreadable):
        return {"type": None, "value_base64": None if value is None else b64encode(value).decode()}
    return {"type": type(record).__name__, "value": render(record)}


def _place(topic: str, partition: int, offset: int, timestamp: int) -> dict[str, Any]:
    return {"topic": topic, "partition": partition, "offset": offset, "at": format_instant(timestamp)}


def _headers(headers: Headers) -> list[dict[str, str | None]]:
    return [
        {"name": name, "value": None if value is None else value.decode(errors="backslashreplace")}
        for name, value in headers
    ]


class _Act(Struct, frozen=True):
    """What was done by hand, as far as it is about somebody. Who did it is about somebody else."""

    act: str
    at: str = ""
    reason: str = ""
    po_number: str = ""
    letter: str = ""
    event_id: str = ""


_act: Final = json.Decoder(_Act).decode


async def _acts(log: Log, po_number: str, about: set[str]) -> AsyncIterator[dict[str, Any]]:
    """What was done by hand about a purchase order, or events and dead letters of it. about: their ids."""
    async for record in log.follow([AUDIT], from_start=True, wait=False):
        try:
            act = _act(record.value or b"")
        except DecodeError:
            continue
        if act.po_number == po_number or act.letter in about or act.event_id in about:
            found = {name: getattr(act, name) for name in act.__struct_fields__}
            yield {name: value for name, value in found.items() if value}


def _read_side(
    name: str,
    db: sqlite3.Connection,
    po_number: str,
    places: set[Place],
    state: PurchaseOrder | None,
    *,
    is_copy: bool,
) -> dict[str, Any]:
    """What a file has: what is listed, records and, where it is another than the log's, the state."""
    found: dict[str, Any] = {"file": name}
    with closing(db.cursor()) as rows:
        rows.row_factory = sqlite3.Row
        for table in _TABLES:
            listed = [
                {column: _plain(column, row[column]) for column in row.keys()}  # noqa: SIM118 - a Row
                for row in rows.execute(f"SELECT * FROM {table} WHERE po_number = ?", (po_number,))
            ]
            found |= {table: listed} if listed else {}
        for kind, sql in _RECORDS.items():
            records = [*_indexed(rows.execute(sql, (po_number,)), places)]
            found |= {kind: records} if records else {}
        row = rows.execute(_COPIED_STATE, (po_number,)).fetchone() if is_copy else None
    copied = None if row is None else unpack(row[0])
    if copied is not None and copied != state:
        found["state"] = _plain("", copied)
    return found


def _indexed(rows: sqlite3.Cursor, places: set[Place]) -> Iterator[dict[str, Any]]:
    """Records with what they can be asked for by; with their values where the log has them no more."""
    for number, row in enumerate(rows):
        if number >= MOST_RECORDS:
            raise TooMuchHeld(MOST_RECORDS)
        columns = {name: row[name] for name in row.keys() if row[name] is not None}  # noqa: SIM118 - a Row
        value = columns.pop("value", None)
        place = columns["topic"], columns["partition"], columns["offset"]
        columns["at"] = format_instant(columns.pop("timestamp"))
        yield columns if place in places or value is None else columns | _value(value)


def _plain(name: str, value: Any) -> Any:  # noqa: ANN401 - a field of whatever is kept, as a JSON value
    """A field of a state, or of a row: days and instants as text, by the field's name."""
    match value:
        case Held():
            message = msgpack.decode(value.body, type=RECORD_NAMED[value.name])
            return {"at": format_instant(value.at), "type": value.name, "value": render(message)}
        case Struct() if type(value) in SCHEMA_OF:
            return render(value)
        case Struct():
            return {field: _plain(field, getattr(value, field)) for field in value.__struct_fields__}
        case tuple():
            return [_plain(name, each) for each in value]
        case int() if name.endswith("_at"):
            return _text(format_instant, value)
        case int() if name.endswith("_on") or name in _DAYS:
            return _text(format_day, value)
    return value


def _text(write: Callable[[int], str], value: int) -> str | None:
    try:
        return write(value)
    except (ValueError, OverflowError):
        return None  # what never comes has no date
