"""From changes of the log to the projection's tables."""

import sqlite3
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, cast

import structlog
from msgspec import Struct

from consumers import session_records
from gateway.backends.embedded.rows import put_rows
from gateway.engine.caseload import unpack
from gateway.engine.log import DELIVERY_PLANS, Changes, Record
from gateway.reading.tables import ProjectionFile
from gateway.rules.events import (
    OUTBOUND,
    DeliveryPlan,
    Event,
    Instruction,
    Outcome,
    PrapAction,
    place_in_time,
)
from gateway.rules.messages import PROVIDERS_TOPIC, ProviderRecord
from gateway.rules.referral import PurchaseOrder
from producers import RECORDS, instructions, outcomes, prap_actions
from schemas.codec import Unreadable, decode

INSTRUCTIONS: Final = instructions.TOPIC
OUTCOMES: Final = outcomes.TOPIC
#: What the projection is filled from, beside the states.
TOPICS: Final = (PROVIDERS_TOPIC, *OUTBOUND, DELIVERY_PLANS)

_NAMES: Final = {PROVIDERS_TOPIC: session_records.RECORDS, **RECORDS}
#: In place of a provider's id, where a message is not a provider's.
NO_PROVIDER: Final = ""
#: The topics of events that say more than which purchase order they are about.
_READ: Final = frozenset({OUTCOMES, INSTRUCTIONS, prap_actions.TOPIC})
_DIGEST_BYTES: Final = 16

_PUT_EVENT: Final = "INSERT OR REPLACE INTO event VALUES {}"
_PUT_INSTRUCTION: Final = "INSERT OR REPLACE INTO instruction VALUES {}"
#: Of several messages of a provider with one id, the first one counts.
_PUT_MESSAGE: Final = """
INSERT INTO message (provider_id, message_id, po_number, digest) VALUES {}
ON CONFLICT (provider_id, message_id) DO UPDATE SET digest = excluded.digest
WHERE digest IS NULL AND po_number = excluded.po_number"""
#: HELD is followed by what came of it in the end; after that, all that follows is about repetitions.
_PUT_OUTCOME: Final = """
INSERT INTO message (provider_id, message_id, po_number, status, outcome) VALUES {}
ON CONFLICT (provider_id, message_id) DO UPDATE SET status = excluded.status, outcome = excluded.outcome
WHERE po_number = excluded.po_number AND (status IS NULL OR status = 'HELD')"""
_PUT_REFERRAL: Final = "INSERT OR REPLACE INTO referral VALUES {}"
_PUT_PLAN: Final = "INSERT OR REPLACE INTO plan VALUES {}"


def read(record: Record) -> Struct | Unreadable:
    """What a record of one of TOPICS holds."""
    return decode(record.value, _NAMES[record.topic], largest=None)


def digest(value: bytes) -> bytes:
    """What an encoded provider record is known by: the same for the same record, different for any other."""
    return blake2b(value, digest_size=_DIGEST_BYTES).digest()


class Filled(Struct, frozen=True):
    """Of which purchase orders something may be new, and for which providers instructions or a plan.

    messages: the providers' messages that were read back, each by its provider and its id.
    """

    po_numbers: frozenset[str]
    providers: frozenset[str]
    messages: Sequence[tuple[str, str]]


def fill(file: ProjectionFile, changes: Changes) -> Filled:
    """Take changes in, all of them or none."""
    with file.db as db:
        db.execute("BEGIN IMMEDIATE")
        rows = _Rows(db)
        for record in changes.records:
            rows.add(record)
        rows.put()
        _put_states(db, changes.states)
        file.keep_positions(changes.positions)
    return Filled(frozenset(rows.touched | changes.states.keys()), frozenset(rows.told), rows.read_back)


class _Rows:
    """The rows of the records, table by table, which are put many at a time.

    touched: the purchase orders that they are about. told: the providers with instructions or plans in them.
    read_back: the names of the messages in them.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._events: list[tuple[Any, ...]] = []
        self._instructions: list[tuple[Any, ...]] = []
        self._messages: list[tuple[Any, ...]] = []
        self._outcomes: list[tuple[Any, ...]] = []
        self._plans: list[tuple[Any, ...]] = []
        #: The purchase orders that have events among the rows that are not put yet.
        self._waiting: set[str] = set()
        self.touched: set[str] = set()
        self.told: set[str] = set()
        self.read_back: list[tuple[str, str]] = []

    def put(self) -> None:
        """Put what there is."""
        for sql, rows in (
            (_PUT_EVENT, self._events),
            (_PUT_INSTRUCTION, self._instructions),
            (_PUT_MESSAGE, self._messages),
            (_PUT_OUTCOME, self._outcomes),
            (_PUT_PLAN, self._plans),
        ):
            put_rows(self._db, sql, rows)
            rows.clear()
        self._waiting.clear()

    def add(self, record: Record) -> None:
        """A record's rows. Of most events nothing is read but the key, which says what they are about."""
        if record.topic == PROVIDERS_TOPIC:
            self._add_message(record)
        elif record.topic == DELIVERY_PLANS:
            plan = read(record)
            if isinstance(plan, DeliveryPlan):
                self.told.add(plan.provider_id)
                self._plans.append((plan.provider_id, record.value))
        elif record.key is not None:
            po_number = record.key.decode()
            self.touched.add(po_number)
            if record.topic in _READ:
                self._add_event(record, po_number)
            self._waiting.add(po_number)
            self._events.append((po_number, record.topic, record.partition, record.offset, record.value))

    def _add_message(self, record: Record) -> None:
        # What can't be read is a dead letter, and no message.
        message = read(record)
        if isinstance(message, ProviderRecord) and record.value is not None:
            self.touched.add(message.po_number)
            self.read_back.append((message.provider_id, message.message_id))
            self._messages.append(
                (message.provider_id, message.message_id, message.po_number, digest(record.value))
            )

    def _add_event(self, record: Record, po_number: str) -> None:
        match read(record):
            case Outcome() as outcome:
                sender = outcome.provider_id if outcome.topic == PROVIDERS_TOPIC else None
                self._outcomes.append(
                    (sender or NO_PROVIDER, outcome.message_id, po_number, outcome.status, record.value)
                )
            case Instruction() as instruction:
                self.told.add(instruction.provider_id)
                self._instructions.append(
                    (instruction.provider_id, record.partition, record.offset, po_number)
                )
            case PrapAction() as action:
                if action.action == "ACKNOWLEDGE":
                    if po_number in self._waiting:
                        self.put()  # so that what came of a message now does not meet what came of it then
                    _drop_earlier_lives(self._db, po_number, place_in_time(action))
            case _:  # written by a later version
                structlog.get_logger("gateway.projection").warning(
                    "projection.passed_over", topic=record.topic, offset=record.offset
                )


def _drop_earlier_lives(db: sqlite3.Connection, po_number: str, begins: tuple[int, int]) -> None:
    """Drop what was decided on a purchase order before its referral became known.

    Whoever reads the log from its beginning finds all that was decided before the referral was forgotten and
    came anew; who has followed it does not have that any more. What is held stays: it is decided now.
    """

    def is_earlier(topic: str, value: bytes) -> bool:
        return place_in_time(cast(Event, read(Record(topic, 0, 0, 0, None, value)))) < begins

    rows = db.execute("SELECT topic, partition, offset, value FROM event WHERE po_number = ?", (po_number,))
    places = [(po_number, *place) for *place, value in rows if is_earlier(place[0], value)]
    db.executemany(
        "DELETE FROM event WHERE po_number = ? AND topic = ? AND partition = ? AND offset = ?", places
    )
    db.executemany(
        "DELETE FROM instruction WHERE po_number = ? AND partition = ? AND offset = ?",
        [(po_number, *place) for _, topic, *place in places if topic == INSTRUCTIONS],
    )
    rows = db.execute(
        "SELECT provider_id, message_id, outcome FROM message"
        " WHERE po_number = ? AND outcome IS NOT NULL AND status != 'HELD'",
        (po_number,),
    )
    names = [name for *name, value in rows if is_earlier(OUTCOMES, value)]
    db.executemany("DELETE FROM message WHERE provider_id = ? AND message_id = ?", names)


def _put_states(db: sqlite3.Connection, states: Mapping[str, bytes | None]) -> None:
    referrals: list[tuple[Any, ...]] = []
    bookings: list[tuple[Any, ...]] = []
    unknown: list[tuple[str]] = []
    for po_number, packed in states.items():
        order = None if packed is None else unpack(packed)
        if order is not None and order.referral is not None:
            referrals.append(_referral_row(po_number, order, packed))
            provider_id = order.referral.provider_id
            bookings += ((provider_id, session.session_id, po_number) for session in order.referral.sessions)
            continue
        unknown.append((po_number,))
        if order is None and _was_known(db, po_number):
            _forget(db, po_number)
    # A referral that was forgotten and came anew has none of the sessions of before.
    db.executemany("DELETE FROM booking WHERE po_number = ?", [row[:1] for row in referrals])
    put_rows(db, _PUT_REFERRAL, referrals)
    put_rows(db, "INSERT INTO booking VALUES {}", bookings)
    for table in ("referral", "booking"):
        db.executemany(f"DELETE FROM {table} WHERE po_number = ?", unknown)


def _was_known(db: sqlite3.Connection, po_number: str) -> bool:
    """Whether there has been a referral: the first thing that comes of one is an action in PRaP.

    What came of messages about a purchase order that never was known stays, for their senders.
    """
    sql = "SELECT 1 FROM event WHERE po_number = ? AND topic = ? LIMIT 1"
    return db.execute(sql, (po_number, prap_actions.TOPIC)).fetchone() is not None


def _forget(db: sqlite3.Connection, po_number: str) -> None:
    for table in ("event", "instruction", "message"):
        db.execute(f"DELETE FROM {table} WHERE po_number = ?", (po_number,))


def _referral_row(po_number: str, order: PurchaseOrder, packed: bytes | None) -> tuple[Any, ...]:
    referral = order.referral
    assert referral is not None
    return (
        po_number,
        referral.provider_id,
        referral.referred_on,
        referral.status,
        order.events_at,
        order.events,
        len(order.seen),
        packed,
    )
