"""The tables and indexes by which a log is asked: the same on the embedded log and in a copy of one on Kafka.

Beside the records (`inbound`, `outbound`) and the states (`state`), `referral` and `booking` say by what
purchase orders can be found, and `duty` what is to be done on them. A record or a purchase order that was
forgotten can't be found any more.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import json

from gateway.engine.log import AUDIT, DEAD_LETTERS, Listing, Record
from gateway.rules.duties import duties
from gateway.rules.events import DeliveryPlan
from gateway.rules.messages import PROVIDERS_TOPIC
from gateway.rules.referral import PurchaseOrder
from gateway.system.sql_rows import put_rows
from producers import breaches, delivery_plans, instructions, outcomes, prap_actions
from producers.control import MARKS
from producers.read_back import read_plan

INSTRUCTIONS: Final = instructions.TOPIC
OUTCOMES: Final = outcomes.TOPIC
PRAP_ACTIONS: Final = prap_actions.TOPIC
BREACHES: Final = breaches.TOPIC

#: The day of a duty that has no limit: after all others.
NO_LIMIT: Final = 2**31
#: Of a message that somebody sent over HTTP who is no provider.
SENT: Final = f"caller IS NOT NULL AND topic != '{PROVIDERS_TOPIC}'"
#: What is made beside the tables of records and states.
SCHEMA: Final = f"""
CREATE TABLE referral (
    po_number TEXT PRIMARY KEY, partition INTEGER NOT NULL, provider_id TEXT NOT NULL, jobcentre_id TEXT NOT
    NULL, contract_package_area TEXT NOT NULL, referred_on INTEGER NOT NULL, status TEXT NOT NULL,
    accepted INTEGER NOT NULL, mandatory INTEGER NOT NULL, benefit TEXT NOT NULL, reference TEXT)
    STRICT, WITHOUT ROWID;
CREATE INDEX referral_newest ON referral (provider_id, referred_on, po_number);
CREATE INDEX referral_by_reference ON referral (provider_id, reference, referred_on, po_number)
    WHERE reference IS NOT NULL;
CREATE INDEX referral_by_jobcentre ON referral (provider_id, jobcentre_id, referred_on, po_number);
CREATE INDEX referral_by_area ON referral (provider_id, contract_package_area, referred_on, po_number);
CREATE INDEX referral_by_status ON referral (provider_id, status, referred_on, po_number);
CREATE TABLE booking (
    provider_id TEXT NOT NULL, session_id TEXT NOT NULL, po_number TEXT NOT NULL, session_on INTEGER NOT NULL,
    cancelled INTEGER NOT NULL, attended INTEGER NOT NULL, PRIMARY KEY (provider_id, session_id, po_number))
    STRICT, WITHOUT ROWID;
CREATE INDEX booking_of ON booking (po_number);
CREATE INDEX booking_on ON booking (session_on, provider_id, session_id, cancelled, attended);
CREATE INDEX booking_outcomes ON booking (provider_id, attended, cancelled, session_on);
CREATE TABLE duty (
    po_number TEXT NOT NULL, kind TEXT NOT NULL, session_id TEXT NOT NULL, provider_id TEXT NOT NULL,
    due_on INTEGER NOT NULL, PRIMARY KEY (po_number, kind, session_id)) STRICT, WITHOUT ROWID;
CREATE INDEX duty_soonest ON duty (provider_id, due_on, po_number, kind, session_id);
CREATE INDEX referral_share ON referral (contract_package_area, provider_id, status, referred_on);
CREATE INDEX state_due ON state (due_at);
CREATE INDEX state_changed ON state (changed_at);
CREATE INDEX inbound_of ON inbound (po_number) WHERE po_number IS NOT NULL;
CREATE INDEX outbound_refused ON outbound (timestamp) WHERE status = 'REFUSED';
CREATE INDEX outbound_breach ON outbound (timestamp, provider_id, status, topic)
    WHERE topic = '{BREACHES}';
CREATE INDEX outbound_breach_of ON outbound (provider_id, status, topic)
    WHERE topic = '{BREACHES}' AND provider_id IS NOT NULL;
CREATE INDEX inbound_by_message ON inbound (message_id, provider_id)
    WHERE provider_id IS NOT NULL AND topic = '{PROVIDERS_TOPIC}';
CREATE INDEX inbound_by_upload ON inbound (upload, line)
    WHERE upload IS NOT NULL AND provider_id IS NOT NULL;
CREATE INDEX inbound_sent ON inbound (message_id, caller)
    WHERE caller IS NOT NULL AND topic != '{PROVIDERS_TOPIC}';
CREATE INDEX outbound_by_purchase_order ON outbound (po_number) WHERE po_number IS NOT NULL;
CREATE INDEX outbound_outcome ON outbound (provider_id, partition, offset)
    WHERE topic = '{OUTCOMES}' AND provider_id IS NOT NULL;
CREATE INDEX outbound_instruction ON outbound (provider_id, partition, offset) WHERE topic = '{INSTRUCTIONS}';
CREATE INDEX outbound_prap_action ON outbound (partition, offset) WHERE topic = '{PRAP_ACTIONS}';
CREATE INDEX outbound_prap_open ON outbound (partition, offset, timestamp)
    WHERE topic = '{PRAP_ACTIONS}' AND status = '{prap_actions.OPEN}';
CREATE INDEX outbound_prap_named ON outbound (message_id) WHERE topic = '{PRAP_ACTIONS}';
CREATE INDEX outbound_letter ON outbound (status, timestamp) WHERE topic = '{DEAD_LETTERS}';
CREATE INDEX outbound_letter_named ON outbound (message_id) WHERE topic = '{DEAD_LETTERS}';
CREATE INDEX outbound_letter_act ON outbound (message_id) WHERE topic = '{AUDIT}' AND message_id IS NOT NULL;
CREATE INDEX outbound_for_jobcentre ON outbound (jobcentre_id, topic, partition, offset)
    WHERE jobcentre_id IS NOT NULL;
CREATE TABLE plan (
    provider_id TEXT NOT NULL, contract_package_area TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (provider_id, contract_package_area)) STRICT, WITHOUT ROWID;
CREATE TABLE plan_key (
    caller TEXT NOT NULL, message_id TEXT NOT NULL, provider_id TEXT NOT NULL, contract_package_area TEXT NOT
    NULL, number INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (caller, message_id))
    STRICT, WITHOUT ROWID;
CREATE INDEX plan_key_of ON plan_key (provider_id, contract_package_area, number)"""

# An index is written only where what it is made of has changed, which is seldom.
_PUT_REFERRAL: Final = """
INSERT INTO referral VALUES {} ON CONFLICT (po_number) DO UPDATE SET
    provider_id = excluded.provider_id, jobcentre_id = excluded.jobcentre_id,
    contract_package_area = excluded.contract_package_area, referred_on = excluded.referred_on,
    status = excluded.status, accepted = excluded.accepted, mandatory = excluded.mandatory,
    benefit = excluded.benefit, reference = excluded.reference
WHERE status != excluded.status OR accepted != excluded.accepted OR jobcentre_id != excluded.jobcentre_id
    OR contract_package_area != excluded.contract_package_area OR referred_on != excluded.referred_on
    OR provider_id != excluded.provider_id OR mandatory != excluded.mandatory
    OR benefit != excluded.benefit OR reference IS NOT excluded.reference"""
_PUT_BOOKING: Final = """
INSERT INTO booking VALUES {} ON CONFLICT (provider_id, session_id, po_number) DO UPDATE SET
    session_on = excluded.session_on, cancelled = excluded.cancelled, attended = excluded.attended
WHERE session_on != excluded.session_on OR cancelled != excluded.cancelled OR attended != excluded.attended"""
_DUTIES: Final = (
    "SELECT po_number, kind, session_id, provider_id, due_on FROM duty"
    " WHERE po_number IN (SELECT value FROM json_each(?))"
)
# Of the whole key alone, SQLite doesn't see that it can be looked up, and goes through all duties there are.
_DROP_DUTY: Final = (
    "WITH done (po_number, kind, session_id) AS (VALUES {}) DELETE FROM duty"
    " WHERE po_number IN (SELECT po_number FROM done) AND (po_number, kind, session_id) IN done"
)
_PUT_DUTY: Final = "INSERT INTO duty VALUES {}"

_OF_AREA: Final = "FROM plan_key WHERE (provider_id, contract_package_area) = (?, ?)"
_PUT_PLAN_KEY: Final = (
    f"INSERT OR IGNORE INTO plan_key VALUES (?, ?, ?, ?, (SELECT ifnull(max(number), 0) {_OF_AREA}) + 1, ?)"
)
_DROP_PLAN_KEYS: Final = f"DELETE {_OF_AREA} AND number < (SELECT max(number) {_OF_AREA}) - ?"
#: Whatever came first, the action or its mark.
_STANDING: Final = (
    f"CASE WHEN EXISTS (SELECT 1 FROM control WHERE key = '{MARKS}' || ?1) THEN '{prap_actions.ENTERED}'"
    f" ELSE '{prap_actions.OPEN}' END"
)
_MARK: Final = f"UPDATE outbound SET status = {_STANDING} WHERE topic = '{PRAP_ACTIONS}' AND message_id = ?1"
#: Whatever came first, the letter or what was done with it.
_HANDLE: Final = (
    "UPDATE outbound SET status = ifnull((SELECT done FROM handled WHERE letter = ?1), status)"
    f" WHERE topic = '{DEAD_LETTERS}' AND message_id = ?1"
)

#: What was decided on purchase orders that are forgotten. CROSS JOIN keeps SQLite to this order.
_DECIDED: Final = (
    "forgotten CROSS JOIN outbound ON outbound.po_number = forgotten.po_number AND outbound.offset < below"
)
_PROVIDERS: Final = f"topic = '{PROVIDERS_TOPIC}' AND provider_id IS NOT NULL"
_FORGET_MESSAGES: Final = f"""
UPDATE inbound SET po_number = NULL, provider_id = NULL, message_id = NULL, caller = NULL, upload = NULL,
    line = NULL
WHERE offset IN (
    SELECT inbound.offset FROM forgotten CROSS JOIN inbound
        ON inbound.po_number = forgotten.po_number AND timestamp < at
    WHERE ({_PROVIDERS} OR {SENT}) AND (forgotten.po_number, message_id) IN (
        SELECT forgotten.po_number, message_id FROM {_DECIDED}
        WHERE topic = '{OUTCOMES}' AND status != 'HELD'))"""
_FORGET_DECIDED: Final = f"""
UPDATE outbound SET po_number = NULL, provider_id = NULL, trace_id = NULL,
    message_id = CASE topic WHEN '{PRAP_ACTIONS}' THEN message_id END
WHERE offset IN (SELECT offset FROM {_DECIDED})"""
#: In this order: which messages were decided is known by their outcomes.
_FORGET: Final = tuple(
    f"WITH forgotten (po_number, at, below) AS (VALUES {{}}) {sql}"
    for sql in (
        _FORGET_MESSAGES,
        _FORGET_DECIDED,
        *(
            f"DELETE FROM {table} WHERE po_number IN (SELECT po_number FROM forgotten)"
            for table in ("referral", "booking", "duty")
        ),
    )
)


class LogTables:
    """The tables of the read side as an embedded log writes them."""

    schema: str = SCHEMA

    def put(self, db: sqlite3.Connection, partition: int, listings: Mapping[str, Listing]) -> None:
        """Make purchase orders findable as they are listed now, by po_number."""
        referrals: list[tuple[object, ...]] = []
        bookings: list[tuple[object, ...]] = []
        for po_number, listing in sorted(listings.items()):
            referrals.append(
                (
                    po_number,
                    partition,
                    listing.provider_id,
                    listing.jobcentre_id,
                    listing.contract_package_area,
                    listing.referred_on,
                    listing.status,
                    listing.accepted,
                    listing.mandatory,
                    listing.benefit,
                    listing.reference,
                )
            )
            bookings += ((listing.provider_id, each, po_number, *more) for each, *more in listing.sessions)
        put_rows(db, _PUT_REFERRAL, referrals)
        put_rows(db, _PUT_BOOKING, bookings)
        _put_duties(db, listings)

    def put_plan(self, db: sqlite3.Connection, record: Record) -> DeliveryPlan:
        """Make a delivery plan findable, and the keys that came with those of its area. Raises LogError."""
        plan, value = read_plan(record), record.value or b""
        of = plan.provider_id, plan.contract_package_area
        db.execute("INSERT OR REPLACE INTO plan VALUES (?, ?, ?)", (*of, value))
        for key in delivery_plans.keys_of(plan, value, record.headers):
            db.execute(_PUT_PLAN_KEY, (key.caller, key.message_id, *of, *of, key.digest))
        db.execute(_DROP_PLAN_KEYS, (*of, *of, delivery_plans.MOST_EARLIER))
        return plan

    def put_control(self, db: sqlite3.Connection, key: str) -> None:
        """Make findable what stands under a key now, or no longer does: see `mark`."""
        mark(db, key)

    def put_handled(self, db: sqlite3.Connection, letter: str) -> None:
        """Have a dead letter stand as what was done with it says. letter: its event_id."""
        handle(db, letter)

    def forget(self, db: sqlite3.Connection, forgotten: Sequence[tuple[str, int, int]]) -> None:
        """Make unfindable what was decided on purchase orders, and the messages that this was about.

        forgotten: see ReadTables. A Jobcentre can ask for its events on, as far back as the log goes, and
        PRaP for its actions.
        """
        for sql in _FORGET:
            put_rows(db, sql, forgotten)


def _put_duties(db: sqlite3.Connection, listings: Mapping[str, Listing]) -> None:
    """Write those that are new, and drop those that are done."""
    there = set(db.execute(_DUTIES, (json.encode([*listings]).decode(),)))
    wanted = {
        (po_number, kind, session_id, listing.provider_id, due_on)
        for po_number, listing in listings.items()
        for kind, session_id, due_on in listing.duties
    }
    put_rows(db, _DROP_DUTY, [row[:3] for row in sorted(there - wanted)])
    put_rows(db, _PUT_DUTY, sorted(wanted - there))


def mark(db: sqlite3.Connection, key: str) -> None:
    """Have an action for PRaP stand as its mark says. key: of the control record, of whatever kind."""
    if key.startswith(MARKS):
        db.execute(_MARK, (key.removeprefix(MARKS),))


def handle(db: sqlite3.Connection, letter: str) -> None:
    """Have a dead letter stand as what was done with it says, if anything was. letter: its event_id."""
    db.execute(_HANDLE, (letter,))


def unlist(db: sqlite3.Connection, po_number: str) -> None:
    """Make a referral unfindable."""
    db.execute("DELETE FROM referral WHERE po_number = ?", (po_number,))
    db.execute("DELETE FROM booking WHERE po_number = ?", (po_number,))
    db.execute("DELETE FROM duty WHERE po_number = ?", (po_number,))


def listing(order: PurchaseOrder) -> Listing | None:
    """By what a purchase order can be asked for; None: it has no referral."""
    referral = order.referral
    if referral is None:
        return None
    return Listing(
        referral.provider_id,
        referral.jobcentre_id,
        referral.contract_package_area,
        referral.referred_on,
        referral.status,
        referral.accepted,
        referral.mandate_in_force,
        referral.benefit,
        order.events_at,
        order.due_at,
        len(order.seen),
        tuple(
            [
                (session.session_id, session.on, session.cancelled, session.outcome == "ATTENDED")
                for session in referral.sessions
            ]
        ),
        referral.reference,
        tuple(
            [
                (each.kind, each.session_id or "", NO_LIMIT if each.due_on is None else each.due_on)
                for each in duties(referral)
            ]
        ),
    )
