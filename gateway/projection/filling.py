"""From changes of the log to the projection's tables."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import structlog
from msgspec import Struct

from gateway.engine.caseload import unpack
from gateway.engine.log import DELIVERY_PLANS, Changes, Record
from gateway.engine.sqlite_rows import put_rows
from gateway.projection.tables import ProjectionFile
from gateway.rules.events import OUTBOUND, DeliveryPlan, Instruction, Outcome
from gateway.rules.messages import INBOUND, ProviderRecord
from gateway.rules.referral import PurchaseOrder
from schemas.codec import Unreadable, decode

#: Where providers' records come in.
PROVIDERS_TOPIC: Final = "provider.session-records"
#: What the projection is filled from, beside the states.
TOPICS: Final = (PROVIDERS_TOPIC, *OUTBOUND, DELIVERY_PLANS)

_NAMES: Final = {
    PROVIDERS_TOPIC: frozenset(record.__name__ for record in INBOUND[PROVIDERS_TOPIC]),
    **{topic: frozenset({event.__name__}) for topic, event in OUTBOUND.items()},
    DELIVERY_PLANS: frozenset({DeliveryPlan.__name__}),
}
#: In place of a provider's id, where a message is not a provider's.
NO_PROVIDER: Final = ""
#: The topics of events that say more than which purchase order they are about.
_READ: Final = frozenset({"gateway.outcomes", "provider.instructions"})
_DIGEST_BYTES: Final = 16

_PUT_EVENT: Final = "INSERT OR REPLACE INTO event VALUES {}"
_PUT_INSTRUCTION: Final = "INSERT OR REPLACE INTO instruction VALUES {}"
#: Of several messages of a provider with one id, the first one counts.
_PUT_MESSAGE: Final = """
INSERT INTO message (provider_id, message_id, po_number, digest, arrived_at) VALUES {}
ON CONFLICT (provider_id, message_id) DO UPDATE SET digest = excluded.digest, arrived_at = excluded.arrived_at
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
    """Of which purchase orders something may be new, and for which providers there are new instructions."""

    po_numbers: frozenset[str]
    providers: frozenset[str]


def fill(file: ProjectionFile, changes: Changes) -> Filled:
    """Take changes in, all of them or none."""
    rows = _Rows()
    for record in changes.records:
        rows.add(record)
    with file.db as db:
        db.execute("BEGIN IMMEDIATE")
        put_rows(db, _PUT_EVENT, rows.events)
        put_rows(db, _PUT_INSTRUCTION, rows.instructions)
        put_rows(db, _PUT_MESSAGE, rows.messages)
        put_rows(db, _PUT_OUTCOME, rows.outcomes)
        put_rows(db, _PUT_PLAN, rows.plans)
        _put_states(db, changes.states)
        file.keep_positions(changes.positions)
    return Filled(
        frozenset(rows.touched | changes.states.keys()), frozenset(row[0] for row in rows.instructions)
    )


class _Rows:
    """The rows of the records, table by table."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.instructions: list[tuple[Any, ...]] = []
        self.messages: list[tuple[Any, ...]] = []
        self.outcomes: list[tuple[Any, ...]] = []
        self.plans: list[tuple[Any, ...]] = []
        self.touched: set[str] = set()

    def add(self, record: Record) -> None:
        """A record's rows. Of most events nothing is read but the key, which says what they are about."""
        match record.topic:
            case "provider.session-records":
                self._add_message(record)
            case "jobcentre.delivery-plans":
                plan = read(record)
                if isinstance(plan, DeliveryPlan):
                    self.plans.append((plan.provider_id, record.value))
            case _ if record.key is not None:
                po_number = record.key.decode()
                self.touched.add(po_number)
                self.events.append((po_number, record.topic, record.partition, record.offset, record.value))
                if record.topic in _READ:
                    self._add_event(record, po_number)

    def _add_message(self, record: Record) -> None:
        # What can't be read is a dead letter, and no message.
        message = read(record)
        if isinstance(message, ProviderRecord) and record.value is not None:
            self.touched.add(message.po_number)
            self.messages.append(
                (
                    *(message.provider_id, message.message_id, message.po_number),
                    *(digest(record.value), record.timestamp),
                )
            )

    def _add_event(self, record: Record, po_number: str) -> None:
        match read(record):
            case Outcome() as outcome:
                sender = outcome.provider_id if outcome.topic == PROVIDERS_TOPIC else None
                self.outcomes.append(
                    (sender or NO_PROVIDER, outcome.message_id, po_number, outcome.status, record.value)
                )
            case Instruction() as instruction:
                self.instructions.append(
                    (instruction.provider_id, record.partition, record.offset, po_number)
                )
            case _:  # written by a later version
                structlog.get_logger("gateway.projection").warning(
                    "projection.passed_over", topic=record.topic, offset=record.offset
                )


def _put_states(db: Any, states: Mapping[str, bytes | None]) -> None:  # noqa: ANN401
    referrals: list[tuple[Any, ...]] = []
    bookings: list[tuple[Any, ...]] = []
    unknown: list[tuple[str]] = []
    for po_number, packed in states.items():
        order = None if packed is None else unpack(packed)
        if order is None or order.referral is None:
            unknown.append((po_number,))
            continue
        referrals.append(_referral_row(po_number, order, packed))
        provider_id = order.referral.provider_id
        bookings += ((provider_id, session.session_id, po_number) for session in order.referral.sessions)
    put_rows(db, _PUT_REFERRAL, referrals)
    put_rows(db, "INSERT OR IGNORE INTO booking VALUES {}", bookings)
    # What is forgotten, or was never known, is nobody's to ask for.
    for table in ("referral", "event", "instruction", "message", "booking"):
        db.executemany(f"DELETE FROM {table} WHERE po_number = ?", unknown)


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
        packed,
    )
