"""From changes of a log on Kafka to the tables of its copy."""

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

import structlog

from consumers import READERS, caller_of, columns_of, upload_of
from gateway.engine.log import (
    AUDIT,
    CONTROL,
    DEAD_LETTERS,
    DELIVERY_PLANS,
    INBOUND_TOPICS,
    Changes,
    Handled,
    Listing,
    LogError,
    Record,
)
from gateway.engine.partitioner import partition_for
from gateway.engine.purchase_orders import unpack
from gateway.reading.copy_file import CopyFile
from gateway.reading.cursor import standing
from gateway.reading.letters import letter_of_act
from gateway.reading.model import PRAP, News
from gateway.reading.tables import (
    INSTRUCTIONS,
    OUTCOMES,
    PRAP_ACTIONS,
    LogTables,
    handle,
    listing,
    mark,
    unlist,
)
from gateway.rules.events import (
    FOR_JOBCENTRES,
    OUTBOUND,
    AttendanceEvent,
    Breach,
    CancellationEvent,
    DeadLetter,
    Event,
    Instruction,
    Notice,
    Outcome,
    PrapAction,
    SanctionNotification,
    SessionEvent,
    begins_referral,
    place_in_time,
)
from gateway.rules.messages import PROVIDERS_TOPIC
from gateway.system.sql_rows import put_rows
from producers import breaches, prap_actions, trace_id_of, traceparent_of
from producers.control import CALENDARS, MARKS, PROGRESS, WEBHOOKS, sent_with
from producers.read_back import read_event
from schemas.codec import Unreadable, digest_of

#: What the copy is filled from, beside the states.
TOPICS: Final = (*INBOUND_TOPICS, *OUTBOUND, DELIVERY_PLANS, CONTROL, DEAD_LETTERS, AUDIT)

#: The topics of events that say more than which purchase order they are about.
_READ: Final = frozenset({OUTCOMES, INSTRUCTIONS, prap_actions.TOPIC, breaches.TOPIC, *FOR_JOBCENTRES})

_PUT_INBOUND: Final = "INSERT OR REPLACE INTO inbound VALUES {}"
_PUT_OUTBOUND: Final = "INSERT OR REPLACE INTO outbound VALUES {}"
_PUT_ORDER: Final = "INSERT OR REPLACE INTO event_order VALUES {}"
_PUT_HANDLED: Final = "INSERT OR REPLACE INTO handled VALUES {}"
_PUT_STATE: Final = "INSERT OR REPLACE INTO state VALUES {}"
#: See place_in_time.
Place = tuple[int, int]
_NEVER: Final = (2**62, 0)
_TABLES_OF_READING: Final = LogTables()


def fill(file: CopyFile, changes: Changes, partitions: int) -> News:
    """Take changes in, all of them or none. partitions: how many partition numbers the log has."""
    with file.db as db:
        db.execute("BEGIN IMMEDIATE")
        rows = _Rows(db)
        for record in changes.records:
            rows.add(record)
        rows.put()
        file.erased |= _put_states(db, changes.states, partitions)
        _put_handled(db, changes.handled)
        file.erased |= _drop_deleted(db, changes.begins)
        file.keep_positions(changes.positions)
    return News(rows.po_numbers | changes.states.keys(), rows.for_parties, rows.read_back)


class _Rows:
    """The rows of the records, table by table, which are put many at a time.

    po_numbers: what they are about. for_parties: see News. read_back: the
    messages in them that came over HTTP, each by its caller and its id.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._inbound: list[tuple[Any, ...]] = []
        self._outbound: list[tuple[Any, ...]] = []
        self._order: list[tuple[Any, ...]] = []
        #: The purchase orders that have events among the rows that are not put yet.
        self._waiting: set[str] = set()
        #: The marks among what came: the actions that they are about may be rows that are not put yet.
        self._marks: set[str] = set()
        #: The dead letters among them: what was done with them may be known already.
        self._letters: set[str] = set()
        self.po_numbers: set[str] = set()
        self.for_parties: set[tuple[str, str]] = set()
        self.read_back: list[tuple[str, str]] = []

    def put(self) -> None:
        """Put what there is."""
        for sql, rows in (
            (_PUT_INBOUND, self._inbound),
            (_PUT_OUTBOUND, self._outbound),
            (_PUT_ORDER, self._order),
        ):
            put_rows(self._db, sql, rows)
            rows.clear()
        self._waiting.clear()
        for key in self._marks:
            mark(self._db, key)
        self._marks.clear()
        for letter in self._letters:
            handle(self._db, letter)
        self._letters.clear()

    def add(self, record: Record) -> None:
        """A record's row. Of most events nothing is read but the key, which says what they are about."""
        if record.topic in READERS:
            self._add_message(record)
        elif record.topic == CONTROL:
            self._add_control(record)
        elif record.topic == DELIVERY_PLANS:
            self._add_plan(record)
        elif record.topic == DEAD_LETTERS:
            self._add_letter(record)
        elif record.topic == AUDIT:
            self._add_act(record)
        elif record.key is not None:
            self._add_event(record, record.key.decode())

    def _add_message(self, record: Record) -> None:
        """A provider's message, or another that was sent over HTTP. Nobody asks for others by their ids."""
        caller = caller_of(record.headers)
        if caller is None and record.topic != PROVIDERS_TOPIC:
            return
        message = READERS[record.topic](record)
        if isinstance(message, Unreadable):  # it is a dead letter, and no message
            return
        self.po_numbers.add(message.po_number)
        if caller is not None:
            self.read_back.append((caller, message.message_id))
        columns = columns_of(message)
        names = columns.po_number, columns.provider_id, columns.message_id, caller
        # Of what PRaP sends nothing is kept here about the person: what it was is known by its digest.
        value = record.value if record.topic == PROVIDERS_TOPIC else digest_of(record.value or b"")
        upload = upload_of(record.headers) or (None, None)
        self._inbound.append((*_place(record), value, *names, *upload))

    def _add_control(self, record: Record) -> None:
        """What somebody sent that is no one message, registered, or marked. The topic has more than these."""
        key = (record.key or b"").decode()
        sent = sent_with(key)
        if sent is None and not key.startswith((CALENDARS, MARKS, WEBHOOKS, PROGRESS)):
            return
        if key.startswith(MARKS):
            self._marks.add(key)
        if record.value is None:
            self._db.execute("DELETE FROM control WHERE key = ?", (key,))
            return
        self._db.execute("INSERT OR REPLACE INTO control VALUES (?, ?)", (key, record.value))
        if sent is not None:
            self.read_back.append(sent)

    def _add_plan(self, record: Record) -> None:
        try:
            plan = _TABLES_OF_READING.put_plan(self._db, record)
        except LogError:
            _pass_over(record)
            return
        self.for_parties.add((DELIVERY_PLANS, plan.provider_id))
        caller = caller_of(record.headers)
        if caller is not None:
            self.read_back.append((caller, plan.message_id))

    def _add_letter(self, record: Record) -> None:
        """A dead letter, which is about no purchase order that is known."""
        letter = _event(record)
        if not isinstance(letter, DeadLetter):
            _pass_over(record)
            return
        names = None, None, letter.event_id, letter.code, None, None
        self._outbound.append((*_place(record), record.value, *names))
        self._letters.add(letter.event_id)

    def _add_act(self, record: Record) -> None:
        """What somebody did with a dead letter. The topic has other acts as well, which nobody asks for."""
        letter = letter_of_act(record)
        if letter is not None:
            names = None, None, letter, None, None, None
            self._outbound.append((*_place(record), record.value, *names))

    def _add_event(self, record: Record, po_number: str) -> None:
        provider_id = message_id = jobcentre_id = None
        status: str | None = None
        if record.topic in _READ:
            match _event(record):
                case None:
                    _pass_over(record)
                    return
                case Outcome() as outcome:
                    provider_id = outcome.provider_id if outcome.topic == PROVIDERS_TOPIC else None
                    message_id, status = outcome.message_id, outcome.status
                case Instruction() as instruction:
                    provider_id = instruction.provider_id
                case Breach() as breach:
                    provider_id, status = breach.provider_id, breaches.standing(breach)
                case (
                    SessionEvent()
                    | AttendanceEvent()
                    | CancellationEvent()
                    | SanctionNotification()
                    | Notice()
                ) as event:
                    jobcentre_id = event.jobcentre_id
                    order = po_number, *place_in_time(event), jobcentre_id
                    self._order.append((*order, record.topic, record.partition, record.offset))
                    self.for_parties.add((record.topic, jobcentre_id))
                case PrapAction() as action:
                    if action.action == "ACKNOWLEDGE":
                        if po_number in self._waiting:
                            self.put()
                        _forget(self._db, po_number, place_in_time(action))
                    message_id, status = action.event_id, prap_actions.OPEN
                    self._marks.add(f"{MARKS}{action.event_id}")  # it may be here already
                    self.for_parties.add((record.topic, PRAP))
        if provider_id is not None:
            self.for_parties.add((record.topic, provider_id))
        self.po_numbers.add(po_number)
        self._waiting.add(po_number)
        traceparent = traceparent_of(record.headers)
        trace_id = None if traceparent is None else trace_id_of(traceparent)
        names = po_number, provider_id, message_id, status, trace_id, jobcentre_id
        self._outbound.append((*_place(record), record.value, *names))


def _place(record: Record) -> tuple[str, int, int, int]:
    return record.topic, record.partition, record.offset, record.timestamp


def _event(record: Record) -> Event | DeadLetter | None:
    """The event of a record; None: a later version wrote it."""
    try:
        return read_event(record)
    except LogError:
        return None


def _pass_over(record: Record) -> None:
    structlog.get_logger("gateway.projection").warning(
        "projection.passed_over", topic=record.topic, offset=record.offset
    )


def _forget(db: sqlite3.Connection, po_number: str, begins: Place = _NEVER) -> None:
    """Drop what was decided on a referral that is forgotten, and the messages that this was about.

    begins: where a later referral may begin: what was decided from there on stays. Whoever reads the log from
    its beginning finds all that was decided before; who has followed it may not have it any more. A message
    is held only after the referral before has been forgotten, so from there on everything stays as well, and
    so does what came of messages about a purchase order that never had a referral, for their senders.
    """
    rows = db.execute(
        "SELECT topic, partition, offset, timestamp, value, provider_id, message_id, status FROM outbound"
        " WHERE po_number = ?",
        (po_number,),
    ).fetchall()
    found: list[tuple[Place, Event | DeadLetter | None, Any]] = []
    for topic, partition, offset, timestamp, value, *names in rows:
        event = _event(Record(topic, partition, offset, timestamp, None, value))
        place = (timestamp, 0) if event is None else place_in_time(event)
        if place < begins:
            found.append((place, event, (topic, partition, offset, value, *names)))
    began = max((place for place, event, _ in found if begins_referral(event)), default=None)
    if began is None:
        return
    held = (place for place, event, _ in found if isinstance(event, Outcome) and event.status == "HELD")
    end = min((place for place in held if place > began), default=begins)
    for place, _, (topic, partition, offset, value, provider_id, message_id, status) in found:
        if place >= end:
            continue
        where = "WHERE topic = ? AND partition = ? AND offset = ?"
        if topic in FOR_JOBCENTRES or topic == PRAP_ACTIONS:
            # A Jobcentre reads its events as far back as the log goes, and PRaP its actions.
            db.execute(
                f"UPDATE outbound SET po_number = NULL, trace_id = NULL {where}", (topic, partition, offset)
            )
            continue
        if topic == INSTRUCTIONS or (topic == OUTCOMES and provider_id is not None):
            # A provider's cursor may stand behind it.
            db.execute(
                "UPDATE outbound SET value = ?, po_number = NULL, provider_id = NULL, message_id = NULL,"
                f" status = NULL, trace_id = NULL {where}",
                (standing(value), topic, partition, offset),
            )
        else:
            db.execute(f"DELETE FROM outbound {where}", (topic, partition, offset))
        if topic == OUTCOMES and status != "HELD":
            db.execute(
                "DELETE FROM inbound WHERE po_number = ? AND provider_id IS ? AND message_id = ?"
                " AND timestamp < ?",
                (po_number, provider_id, message_id, end[0]),
            )


def _put_handled(db: sqlite3.Connection, handled: Mapping[str, Handled]) -> None:
    """Take in what was done with dead letters, which may be here already or come later."""
    put_rows(db, _PUT_HANDLED, [(letter, mark.done, mark.at) for letter, mark in handled.items()])
    for letter in handled:
        handle(db, letter)


def _drop_deleted(db: sqlite3.Connection, begins: Mapping[tuple[str, int], int]) -> bool:
    """Drop what brokers have deleted for its age; True: some of it was here."""
    dropped = 0
    for (topic, partition), begin in begins.items():
        where = "topic = ? AND partition = ? AND offset < ?"
        dropped += db.execute(f"DELETE FROM outbound WHERE {where}", (topic, partition, begin)).rowcount
    return dropped > 0


def _put_states(db: sqlite3.Connection, states: Mapping[str, bytes | None], partitions: int) -> bool:
    """Take states in; True: something about a person is erased with that."""
    erases = False
    kept: list[tuple[Any, ...]] = []
    listings: dict[int, dict[str, Listing]] = {}
    for po_number, packed in states.items():
        order = None if packed is None else unpack(packed)
        found = None if order is None else listing(order)
        erases |= order is None or order.referral is None or order.referral.participant is None
        if found is not None:
            partition = partition_for(po_number.encode(), partitions)
            kept.append((partition, po_number, packed, found.changed_at, found.due_at, found.messages))
            listings.setdefault(partition, {})[po_number] = found
            # A referral that was forgotten and came anew has none of the sessions of before.
            db.execute("DELETE FROM booking WHERE po_number = ?", (po_number,))
            continue
        # Records of later steps may be here before the state that they lead to.
        _forget(db, po_number, _NEVER if order is None else (order.events_at, order.events + 1))
        unlist(db, po_number)
        db.execute(
            "DELETE FROM state WHERE partition = ? AND po_number = ?",
            (partition_for(po_number.encode(), partitions), po_number),
        )
    put_rows(db, _PUT_STATE, kept)
    for partition, those in listings.items():
        _TABLES_OF_READING.put(db, partition, those)
    return erases
