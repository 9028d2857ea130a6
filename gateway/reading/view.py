"""Questions to the read model. Each is answered within a millisecond or so, from the file's cache."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from typing import Any, Final, Generic, Literal, TypeVar, cast

from msgspec import Struct
from msgspec.structs import asdict, replace

from consumers import session_records
from gateway.engine.log import DELIVERY_PLANS, LogError, Record
from gateway.engine.purchase_orders import unpack
from gateway.reading.cursor import Cursor, cursor_at, cursor_behind, last_read, standing
from gateway.reading.model import Source
from gateway.reading.tables import INSTRUCTIONS, NO_LIMIT, OUTCOMES, PRAP_ACTIONS, SENT
from gateway.rules.duties import Duty
from gateway.rules.events import (
    FOR_JOBCENTRES,
    DeliveryPlan,
    Event,
    Instruction,
    Outcome,
    PrapAction,
    begins_referral,
    place_in_time,
)
from gateway.rules.messages import PROVIDERS_TOPIC, Benefit, SessionRecord
from gateway.rules.policy import PolicyLimits
from gateway.rules.referral import PurchaseOrder, ReferralState, Session, Status
from producers import prap_actions
from producers.control import (
    CALENDARS,
    MARKS,
    WEBHOOKS,
    Calendar,
    Mark,
    Progress,
    Webhook,
    calendar_key,
    progress_key,
    read_calendar,
    read_mark,
    read_progress,
    read_webhook,
    sent_key,
    webhook_key,
)
from producers.delivery_plans import SentKey
from producers.read_back import read_event, read_plan
from schemas.codec import DIGEST_BYTES, Unreadable, digest_of

E = TypeVar("E", bound=Event)
T = TypeVar("T")

#: Which actions for PRaP: all that are marked, or not, or not in time.
ActionsWanted = Literal["all", "true", "false", "overdue"]
#: Actions are counted so far.
MOST_COUNTED: Final = 10_000
_ACTIONS: Final = f"FROM outbound WHERE topic = '{PRAP_ACTIONS}'"
_WANTED: Final[dict[ActionsWanted, str]] = {
    "all": "",
    "true": f" AND status = '{prap_actions.ENTERED}'",
    "false": f" AND status = '{prap_actions.OPEN}'",
    "overdue": f" AND status = '{prap_actions.OPEN}' AND timestamp < ?",
}


#: The value of a message, and a referral's state, as it was before it was sealed; NULL: it was forgotten.
_OPENED: Final = "opened('inbound', po_number, value)"
_OPENED_STATE: Final = "opened('state', s.po_number, s.state)"
#: In the place of the digest of what was forgotten: nobody can say any more what it was.
FORGOTTEN: Final = b""


class Known(Struct, frozen=True):
    """A referral as the read model knows it."""

    po_number: str
    order: PurchaseOrder
    referral: ReferralState


class Keyed(Struct, frozen=True):
    """What was sent with a key. digest: of an encoded record, or FORGOTTEN. po_number: None: about none."""

    po_number: str | None
    digest: bytes


class Listed(Struct, Generic[E], frozen=True):
    """An instruction, an outcome, an action or an event for a Jobcentre, and the cursor behind it.

    reference: the provider's own, of the referral, as it is now; None also where it is for somebody else.
    mark: of an action, that it was entered; None: it was not.
    """

    cursor: Cursor
    event: E
    reference: str | None = None
    mark: Mark | None = None


class _Waiting(Struct, frozen=True):
    """An event that waits behind an offset. order: which of those that wait behind several comes first."""

    order: tuple[int, int]
    offset: int
    value: bytes
    event: Event


class UploadRow(Struct, frozen=True):
    """A record of an upload, and what came of it so far; None: nothing."""

    line: int
    message_id: str
    po_number: str
    provider_id: str
    outcome: Outcome | None = None

    @property
    def decided(self) -> bool:
        """Whether its outcome is final."""
        return self.outcome is not None and self.outcome.status != "HELD"


class Received(Struct, frozen=True):
    """A provider's message as it arrived. at: UTC milliseconds."""

    at: int
    message: SessionRecord


class Entry(Struct, frozen=True):
    """A referral in a list, as far as that shows it."""

    po_number: str
    provider_id: str
    status: Status
    accepted: bool
    mandatory: bool
    referred_on: int
    benefit: Benefit
    contract_package_area: str
    jobcentre_id: str
    reference: str | None


class Wanted(Struct, frozen=True):
    """Which referrals are wanted; None: whatever it is. Named as the columns, but for the last two.

    due_before: something is to be done on it before that day, days since 1970. changed_since: something was
    decided on it then or later, UTC milliseconds.
    """

    status: Status | None = None
    accepted: bool | None = None
    jobcentre_id: str | None = None
    contract_package_area: str | None = None
    reference: str | None = None
    due_before: int | None = None
    changed_since: int | None = None


class Work(Struct, frozen=True):
    """A duty of a provider. reference: its own, of the referral."""

    po_number: str
    provider_id: str
    duty: Duty
    reference: str | None


class Booking(Struct, frozen=True):
    """How many were booked on a session and not cancelled, and came; and the policy that goes for it."""

    booked: int
    attended: int
    limits: PolicyLimits


class Stamp(Struct, frozen=True, array_like=True):
    """Up to where something had come out when an answer was made, and the mark of the log's history there."""

    end: int
    mark: bytes


class OnDay(Struct, frozen=True):
    """A session of a provider on some day: how many were booked on it and not cancelled, and came."""

    provider_id: str
    booked: int
    attended: int
    session: Session


class Booked(Struct, frozen=True):
    """A session of one referral."""

    po_number: str
    referral: ReferralState
    session: Session


#: A place among the events of a purchase order: see place_in_time.
EventPlace = tuple[int, int]
_FIRST: Final = (-(2**62), 0)
#: A place among the bookings of a session: (provider_id, po_number) of the last one seen.
BookingPlace = tuple[str, str]
#: A place among the bookings of providers: (provider_id, session_id, po_number) of the last one seen.
SessionPlace = tuple[str, str, str]
#: A place among the sessions of a day: (provider_id, session_id) of the last one seen.
DayPlace = tuple[str, str]
#: A place in the list of referrals: (referred_on, po_number) of the last one seen.
Place = tuple[int, str]
#: How many rows are read of each provider at first, and at once at the most.
_FIRST_PART: Final = 4
_LARGEST_PART: Final = 256
_AFTER_ALL: Final = (2**62, "")
#: A place in a worklist: (due_on, po_number, kind, session_id) of the last one seen.
WorkPlace = tuple[int, str, str, str]
_BEFORE_ALL: Final[WorkPlace] = (-(2**62), "", "", "")
#: Of a message with that id; what was forgotten has no provider any more.
_OF_PROVIDERS: Final = f"topic = '{PROVIDERS_TOPIC}' AND provider_id IS NOT NULL"
_MESSAGE: Final = f"{_OF_PROVIDERS} AND message_id = ?"
_UPLOADED: Final = "upload = ? AND upload IS NOT NULL AND provider_id IS NOT NULL"
_BOOKED: Final = (
    "FROM booking b JOIN referral r ON r.po_number = b.po_number AND r.provider_id = b.provider_id"
    " JOIN state s ON s.partition = r.partition AND s.po_number = r.po_number WHERE b.session_id = ?"
)
#: Of a topic's events those of a provider on a partition, from an offset on.
_OF_PROVIDER: Final = (
    "SELECT o.offset, o.value, r.reference FROM outbound o LEFT JOIN referral r"
    " ON r.po_number = o.po_number AND r.provider_id = o.provider_id"
    " WHERE o.topic = '{}' AND o.provider_id = ? AND o.partition = ? AND o.offset >= ?"
)
_SESSIONS: Final = (
    "SELECT session_id, sum(NOT cancelled), sum(attended),"
    " ifnull(min(CASE WHEN cancelled THEN NULL ELSE po_number END), min(po_number)) FROM booking"
)
_STATE: Final = (
    f"SELECT {_OPENED_STATE} FROM referral r"
    " JOIN state s ON s.partition = r.partition AND s.po_number = r.po_number"
)


class View:
    """What the read model says at the moment. To be used from one thread only."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._opened = source.made_anew
        self._open = source.view()

    @property
    def _db(self) -> sqlite3.Connection:
        """The connection; another one where the file has been made anew."""
        if self._opened != self._source.made_anew:
            self._open.close()
            self._opened, self._open = self._source.made_anew, self._source.view()
        return self._open

    @property
    def db(self) -> sqlite3.Connection:
        """The connection, for the questions of operators.py."""
        return self._db

    def close(self) -> None:
        """Let go of it."""
        self._open.close()

    def referral(self, po_number: str) -> Known | None:
        """A referral by its purchase order's number."""
        row = self._one(f"{_STATE} WHERE r.po_number = ?", po_number)
        return None if row is None or row[0] is None else _known(po_number, row[0])

    def owner(self, po_number: str) -> str | None:
        """The provider whose referral it is; None: nobody's.

        Nothing but that is read, whose it may be: how long it takes shows nothing of another's referral.
        """
        row = self._one("SELECT provider_id FROM referral WHERE po_number = ?", po_number)
        return None if row is None else str(row[0])

    def reference(self, po_number: str) -> str | None:
        """The provider's own reference of a referral; None: it has none."""
        row = self._one("SELECT reference FROM referral WHERE po_number = ?", po_number)
        return None if row is None or row[0] is None else str(row[0])

    def jobcentre(self, po_number: str) -> str | None:
        """The Jobcentre whose referral it is; None: there is none. Nothing but that is read."""
        row = self._one("SELECT jobcentre_id FROM referral WHERE po_number = ?", po_number)
        return None if row is None else str(row[0])

    def messages(self, po_number: str) -> int:
        """How many messages were decided on a referral."""
        row = self._one(
            "SELECT s.messages FROM referral r"
            " JOIN state s ON s.partition = r.partition AND s.po_number = r.po_number WHERE r.po_number = ?",
            po_number,
        )
        return 0 if row is None else int(row[0])

    def stamp(self) -> Stamp:
        """What a cursor has in it, so that it is known whether it belongs to this history."""
        end = self._end()
        return Stamp(end, self._mark(end))

    def is_of_this_history(self, stamp: Stamp) -> bool:
        """Whether a cursor was made in this history of the log: where a copy goes on, that ends."""
        return stamp.end <= self._end() and stamp.mark == self._mark(stamp.end)

    def _end(self) -> int:
        if not self._source.one_order:
            return 0
        return int(self._one("SELECT ifnull(max(offset), 0) FROM outbound")[0])

    def _mark(self, offset: int) -> bytes:
        row = self._one("SELECT id FROM history WHERE offset <= ? ORDER BY offset DESC LIMIT 1", offset)
        return b"" if row is None else bytes(row[0])[:16]

    def referrals(
        self, providers: Collection[str], wanted: Wanted, after: Place | None, limit: int
    ) -> list[Entry]:
        """Referrals of these providers behind a place, the newest first, `limit` at the most."""
        columns = {name: value for name, value in asdict(wanted).items() if value is not None}
        due_before, changed_since = columns.pop("due_before", None), columns.pop("changed_since", None)
        where = "".join(f" AND {name} = ?" for name in columns)
        if due_before is not None:
            where += " AND po_number IN (SELECT po_number FROM duty WHERE provider_id = ? AND due_on < ?)"
        if changed_since is not None:
            where += " AND po_number IN (SELECT po_number FROM state WHERE changed_at >= ?)"
        # Of a provider's referrals few are due, or have changed: with + it is those that SQLite begins with.
        # They are put in order each time, so all are read at once.
        few = due_before is not None or changed_since is not None
        sql = (
            "SELECT referred_on, po_number, provider_id, status, accepted, mandatory, benefit,"
            f" contract_package_area, jobcentre_id, reference FROM referral"
            f" WHERE {'+' if few else ''}provider_id = ?{where}"
            " AND (referred_on, po_number) < (?, ?) ORDER BY referred_on DESC, po_number DESC LIMIT ?"
        )

        def of(provider: str) -> Iterator[Any]:
            values = [provider, *columns.values()]
            if due_before is not None:
                values += [provider, due_before]
            if changed_since is not None:
                values.append(changed_since)
            first = limit if few else _FIRST_PART
            return self._in_parts(sql, tuple(values), after or _AFTER_ALL, lambda row: row[:2], first)

        rows = islice(merge(*map(of, providers), reverse=True), limit)
        return [
            Entry(po_number, provider, status, bool(accepted), bool(mandatory), on, *more)
            for on, po_number, provider, status, accepted, mandatory, *more in rows
        ]

    def worklist(self, providers: Collection[str], after: WorkPlace | None, limit: int) -> list[Work]:
        """What these providers have to do behind a place, soonest first, `limit` at the most.

        What has no limit comes last; what is due on one day, by purchase order.
        """
        sql = (
            "SELECT d.due_on, d.po_number, d.kind, d.session_id, d.provider_id, r.reference"
            " FROM duty d JOIN referral r ON r.po_number = d.po_number WHERE d.provider_id = ?"
            " AND (d.due_on, d.po_number, d.kind, d.session_id) > (?, ?, ?, ?)"
            " ORDER BY d.due_on, d.po_number, d.kind, d.session_id LIMIT ?"
        )

        def of(provider: str) -> Iterator[Any]:
            return self._in_parts(sql, (provider,), after or _BEFORE_ALL, lambda row: row[:4])

        return [
            Work(
                po_number,
                provider,
                Duty(kind, None if due_on == NO_LIMIT else due_on, session_id or None),
                reference,
            )
            for due_on, po_number, kind, session_id, provider, reference in islice(
                merge(*map(of, providers)), limit
            )
        ]

    def history(self, po_number: str, limit: int = 2**62, after: EventPlace = (-(2**62), -1)) -> list[Event]:
        """The events of a purchase order behind a place, in order of decision, `limit` at the most.

        They begin where its referral does, where it has one: what was refused before is no part of that.
        """
        first = max(self._begins(po_number), (after[0], after[1] + 1))
        return [*islice(self._events(po_number, first), limit)]

    def newest_history(self, po_number: str, limit: int) -> tuple[list[Event], int]:
        """The last of these events, in order of decision, and how many there are before them."""
        first = self._begins(po_number)
        found = [*islice(self._events(po_number, first, "DESC"), limit)]
        count = self._one(
            "SELECT count(*) FROM outbound WHERE po_number = ? AND timestamp >= ?", *(po_number, first[0])
        )
        return found[::-1], max(count[0] - len(found), 0)

    def _begins(self, po_number: str) -> EventPlace:
        rows = self._db.execute(
            f"SELECT value FROM outbound WHERE po_number = ? AND topic = '{PRAP_ACTIONS}'", (po_number,)
        )
        events = (_read(PRAP_ACTIONS, value) for (value,) in rows)
        return max((place_in_time(each) for each in events if each and begins_referral(each)), default=_FIRST)

    def _events(
        self, po_number: str, first: EventPlace, direction: Literal["ASC", "DESC"] = "ASC"
    ) -> Iterator[Event]:
        """A purchase order's events from a place on, or back to it, each read only when it is wanted."""
        rows = self._db.execute(
            "SELECT timestamp, topic, value FROM outbound WHERE po_number = ? AND timestamp >= ?"
            f" ORDER BY timestamp {direction}",
            (po_number, first[0]),
        )
        for _, some in groupby(rows, key=lambda row: row[0]):
            events = [event for _, *row in some if (event := _read(*row)) is not None]
            for event in sorted(events, key=place_in_time, reverse=direction == "DESC"):
                if place_in_time(event) >= first:
                    yield event

    def outcomes(self, po_number: str, message_id: str) -> list[Outcome]:
        """All that came of messages with an id about a purchase order, in order of decision."""
        rows = self._db.execute(
            f"SELECT value FROM outbound WHERE po_number = ? AND topic = '{OUTCOMES}' AND message_id = ?",
            (po_number, message_id),
        )
        found = [cast(Outcome, event) for (value,) in rows if (event := _read(OUTCOMES, value)) is not None]
        return sorted(found, key=place_in_time)

    def keyed(
        self, caller: str, message_id: str, po_number: str | None = None, provider_id: str | None = None
    ) -> Keyed | None:
        """What came first with a caller's key: a message, a delivery plan, or a download.

        po_number, provider_id: of a record; on one referral the rules decide an id once, whoever sent it.
        """
        row = self._one(
            f"SELECT po_number, {_OPENED} FROM inbound WHERE {_MESSAGE}"
            " AND (caller = ? OR (po_number, provider_id) = (?, ?)) ORDER BY timestamp, offset LIMIT 1",
            *(message_id, caller, po_number, provider_id),
        )
        if row is not None:
            return Keyed(row[0], _digest(row[1]))
        row = self._one(
            f"SELECT po_number, {_OPENED} FROM inbound WHERE {SENT} AND message_id = ? AND caller = ?"
            " ORDER BY timestamp, offset LIMIT 1",
            *(message_id, caller),
        )
        if row is not None:
            return Keyed(row[0], _digest(row[1]))
        row = self._one("SELECT value FROM control WHERE key = ?", sent_key(caller, message_id))
        if row is not None:
            return Keyed(None, digest_of(row[0]))
        row = self._one(
            "SELECT digest FROM plan_key WHERE caller = ? AND message_id = ?", *(caller, message_id)
        )
        return None if row is None else Keyed(None, row[0])

    def messages_with(
        self, caller: str, providers: Collection[str], message_id: str
    ) -> list[tuple[str, Outcome | None]]:
        """The messages of these providers, and those that the caller sent, with an id; its own come first.

        Each with its po_number, and what came of it, HELD or final, so far. They are one where it was sent to
        one process, or where it could be seen at the other that it had come.
        """
        rows = self._db.execute(
            f"SELECT po_number, provider_id, max(ifnull(caller, '') = ?) FROM inbound WHERE {_MESSAGE}"
            f" AND provider_id IN ({','.join('?' * len(providers))})"
            " GROUP BY po_number, provider_id ORDER BY 3 DESC, min(timestamp), min(offset)",
            (caller, message_id, *providers),
        ).fetchall()
        found = [(row[0], self.outcome(row[0], row[1], message_id)) for row in rows]
        sent = self._db.execute(
            f"SELECT po_number, topic FROM inbound WHERE {SENT} AND message_id = ? AND caller = ?"
            " GROUP BY po_number, topic ORDER BY min(timestamp), min(offset)",
            (message_id, caller),
        ).fetchall()
        return found + [(row[0], self.outcome(row[0], None, message_id, row[1])) for row in sent]

    def received(self, po_number: str, providers: Collection[str], message_id: str) -> Received | None:
        """The message with an id of one of these providers about a referral, the one that was decided."""
        row = self._one(
            f"SELECT timestamp, {_OPENED} FROM inbound WHERE {_MESSAGE} AND po_number = ?"
            f" AND provider_id IN ({','.join('?' * len(providers))}) ORDER BY timestamp, offset LIMIT 1",
            *(message_id, po_number, *providers),
        )
        if row is None or row[1] is None:
            return None
        message = session_records.read(Record(PROVIDERS_TOPIC, 0, 0, row[0], po_number.encode(), row[1]))
        return None if isinstance(message, Unreadable) else Received(row[0], cast(SessionRecord, message))

    def is_special(self, po_number: str) -> bool:
        """Whether what was said about a referral's participant is erased."""
        known = self.referral(po_number)
        return known is not None and known.referral.special

    def decided(
        self, po_number: str, provider_id: str | None, message_id: str, topic: str = PROVIDERS_TOPIC
    ) -> bytes | None:
        """The digest of the record that was decided, of those with one id, or FORGOTTEN; None: none was read.

        provider_id: whose; None: nobody's, and it was sent over HTTP. They are on one partition of one topic,
        so the first one that has been read is the first one there is.
        """
        row = self._one(
            f"SELECT {_OPENED} FROM inbound WHERE {SENT if provider_id is None else _OF_PROVIDERS}"
            " AND message_id = ? AND po_number = ? AND provider_id IS ? AND topic = ?"
            " ORDER BY timestamp, offset LIMIT 1",
            *(message_id, po_number, provider_id, topic),
        )
        return None if row is None else _digest(row[0])

    def outcome(
        self, po_number: str, provider_id: str | None, message_id: str, topic: str = PROVIDERS_TOPIC
    ) -> Outcome | None:
        """What came of a message on a topic: the first final outcome; before that, HELD, or None.

        provider_id: whose it is; None: nobody's. What follows a final outcome is about repetitions.
        """
        rows = self._db.execute(
            f"SELECT value FROM outbound WHERE po_number = ? AND topic = '{OUTCOMES}' AND message_id = ?"
            " AND provider_id IS ? ORDER BY status = 'HELD', offset",
            (po_number, message_id, provider_id),
        )
        for (value,) in rows:
            outcome = cast(Outcome | None, _read(OUTCOMES, value))
            # Others' messages may have the same id: Jobcentre and PRaP choose theirs each for themselves.
            if outcome is None or outcome.topic == topic:
                return outcome
        return None

    def has_upload(self, upload_id: str) -> bool:
        """Whether the log has records of an upload that aren't forgotten."""
        return self._one(f"SELECT 1 FROM inbound WHERE {_UPLOADED} LIMIT 1", upload_id) is not None

    def upload(self, providers: Collection[str], upload_id: str, after: int, limit: int) -> list[UploadRow]:
        """The records of an upload about these providers' referrals, behind a line, `limit` at the most."""
        rows = self._db.execute(
            f"SELECT line, message_id, po_number, provider_id FROM inbound WHERE {_UPLOADED} AND line > ?"
            f" AND provider_id IN ({','.join('?' * len(providers))}) ORDER BY line LIMIT ?",
            (upload_id, after, *providers, limit),
        ).fetchall()
        return [self.as_decided(UploadRow(*row)) for row in rows]

    def as_decided(self, row: UploadRow) -> UploadRow:
        """A record of an upload, with what has come of it by now."""
        return replace(row, outcome=self.outcome(row.po_number, row.provider_id, row.message_id))

    def shows(self, po_number: str, event: Event) -> bool:
        """Whether a referral, where there is one, shows what an event has come of, or what came later."""
        if self._source.one_order:
            return True  # they are written in one transaction
        known = self.referral(po_number)
        return known is None or (known.order.events_at, known.order.events) >= place_in_time(event)

    def outcome_of_anybody(self, message_id: str) -> Outcome | None:
        """What came of a message, whoever sent it; for small logs, since all of it is looked through."""
        row = self._one(
            f"SELECT value FROM outbound WHERE topic = '{OUTCOMES}' AND message_id = ?"
            " ORDER BY status = 'HELD', offset LIMIT 1",
            message_id,
        )
        return None if row is None else cast(Outcome, _read(OUTCOMES, row[0]))

    def is_at(self, topic: str, cursor: Cursor) -> bool:
        """Whether a cursor stands where this history of the log has such a place on a topic.

        False on a log on Kafka also where the records before it have not been read yet.
        """
        before = self._before(topic, cursor.place)
        return before is not None and cursor_at(cursor.place, before) == cursor

    def _before(self, topic: str, place: Sequence[int]) -> list[bytes] | None:
        """What stands before a place, by partition; None: in one of them there is nothing."""
        sql = f"SELECT value FROM outbound WHERE topic = '{topic}' AND partition = ? AND offset = ?"
        found = []
        for partition, offset in enumerate(place):
            row = self._one(sql, partition, offset - 1) if offset else (b"",)
            if row is None:
                return None
            found.append(self._stands(offset - 1, row[0]) if offset else b"")
        return found

    def _stands(self, offset: int, value: bytes) -> bytes:
        return self._mark(offset if self._source.one_order else 0) + standing(value)

    def instructions(
        self, providers: Collection[str], cursor: Cursor, limit: int
    ) -> list[Listed[Instruction]]:
        """Instructions to these providers: see `_events_of`."""
        return self._events_of(INSTRUCTIONS, providers, cursor, limit)

    def outcomes_of(self, providers: Collection[str], cursor: Cursor, limit: int) -> list[Listed[Outcome]]:
        """What came of these providers' messages: see `_events_of`."""
        return self._events_of(OUTCOMES, providers, cursor, limit)

    def _events_of(
        self, topic: str, providers: Collection[str], cursor: Cursor, limit: int
    ) -> list[Listed[Any]]:
        """Events of these providers on a topic behind a cursor that `is_at`, `limit` at the most.

        Within a partition they come in the order in which they were put there; among partitions, in order of
        decision as far as that is known.
        """
        sql = f"{_OF_PROVIDER.format(topic)} ORDER BY o.offset LIMIT ?"

        def rows(partition: int, first: int) -> Iterator[tuple[int, bytes, str | None]]:
            def to(provider: str) -> Iterator[tuple[int, bytes, str | None]]:
                return self._in_parts(sql, (provider, partition), (first,), lambda row: (row[0] + 1,))

            return merge(*map(to, providers))

        found = self._behind(topic, cursor, limit, rows)
        return [Listed(behind, event, reference) for behind, event, reference in found]

    def prap_actions(
        self, which: ActionsWanted, overdue_before: int, cursor: Cursor, limit: int
    ) -> list[Listed[PrapAction]]:
        """Actions for PRaP behind a cursor that `is_at`, in the order of `_events_of`, `limit` at the most.

        overdue_before: what was decided earlier is overdue unless it is marked, UTC milliseconds.
        """
        wanted, values = _WANTED[which], (overdue_before,) if which == "overdue" else ()
        sql = (
            f"SELECT offset, value, message_id {_ACTIONS}{wanted} AND partition = ? AND offset >= ?"
            " ORDER BY offset LIMIT ?"
        )

        def rows(partition: int, first: int) -> Iterator[tuple[int, bytes, str]]:
            return self._in_parts(sql, (*values, partition), (first,), lambda row: (row[0] + 1,))

        found = self._behind(PRAP_ACTIONS, cursor, limit, rows)
        return [
            Listed(behind, cast(PrapAction, event), mark=self._mark_of(event_id))
            for behind, event, event_id in found
        ]

    def prap_action(self, event_id: str) -> tuple[PrapAction, Mark | None] | None:
        """An action, and that it was entered; None: there is none with that id."""
        row = self._one(f"SELECT value {_ACTIONS} AND message_id = ?", event_id)
        event = None if row is None else _read(PRAP_ACTIONS, row[0])
        return None if event is None else (cast(PrapAction, event), self._mark_of(event_id))

    def _mark_of(self, event_id: str) -> Mark | None:
        row = self._one("SELECT value FROM control WHERE key = ?", f"{MARKS}{event_id}")
        return None if row is None else read_mark(row[0])

    def open_actions(self, overdue_before: int) -> tuple[int, int]:
        """How many actions are not marked, and how many of them are overdue; MOST_COUNTED at the most.

        overdue_before: see `prap_actions`.
        """
        count = "SELECT count(*) FROM (SELECT 1 {}{} LIMIT {})"
        unmarked = self._one(count.format(_ACTIONS, _WANTED["false"], MOST_COUNTED))[0]
        overdue = self._one(count.format(_ACTIONS, _WANTED["overdue"], MOST_COUNTED), overdue_before)[0]
        return int(unmarked), int(overdue)

    def _behind(
        self,
        topic: str,
        cursor: Cursor,
        limit: int,
        rows: Callable[[int, int], Iterator[tuple[int, bytes, T]]],
    ) -> list[tuple[Cursor, Event, T]]:
        """The events of a topic behind a cursor, each with the cursor behind it, `limit` at the most.

        rows: of a partition, from an offset on, in order: offset, value, and what else is to be given.
        """
        place = list(cursor.place)
        before = self._before(topic, place)
        if before is None:
            return []

        def of(partition: int) -> Iterator[tuple[int, int, int, bytes, Event, T]]:
            for offset, value, more in rows(partition, place[partition]):
                event = _read(topic, value)
                if event is not None:
                    yield event.decided_at, partition, offset, value, event, more

        found = islice(merge(*map(of, range(len(place))), key=lambda found: found[0]), limit)
        listed = []
        for _, partition, offset, value, event, more in [*found]:
            place[partition], before[partition] = offset + 1, self._stands(offset, value)
            listed.append((cursor_at(tuple(place), before), event, more))
        return listed

    def behind(
        self, topic: str, providers: Collection[str], partition: int, offset: int, limit: int
    ) -> list[tuple[int, Event | None, str | None]]:
        """Events of these providers on a partition from an offset on, in order, `limit` at the most.

        Each with its offset, and the provider's own reference of the referral; None: a later version wrote
        the event.
        """
        sql = f"{_OF_PROVIDER.format(topic)} ORDER BY o.offset LIMIT ?"
        rows = merge(*(self._db.execute(sql, (each, partition, offset, limit)) for each in providers))
        return [(at, _read(topic, value), reference) for at, value, reference in islice(rows, limit)]

    def event(self, event_id: str) -> Event | None:
        """An event by its id, which begins with its purchase order; None: there is none any more."""
        po_number = event_id.rsplit("-", 2)[0]
        return next((each for each in self._events(po_number, _FIRST) if each.event_id == event_id), None)

    def in_log(self, topics: Sequence[str], partition: int, place: Sequence[int]) -> tuple[int, ...]:
        """A place on a partition, by topic, that begins anew on a topic which does not go so far.

        Its log was made anew then. To be asked when all is here that is on the topics.
        """
        if self._source.one_order:
            return tuple(place)
        sql = "SELECT ifnull(max(offset) + 1, 0) FROM outbound WHERE topic = ? AND partition = ?"
        ends = (self._one(sql, topic, partition)[0] for topic in topics)
        return tuple(offset if offset <= end else 0 for offset, end in zip(place, ends, strict=True))

    def is_among_events(self, cursor: Cursor) -> bool:
        """Whether a cursor of a Jobcentre's events stands where this history of the log has such a place.

        False on a log on Kafka also where the last event before it has not been read yet.
        """
        if not any(cursor.place):
            return True
        last = last_read(cursor)
        if last is None:
            return False
        topic, partition = _topic_at(cursor.place, last)
        offset = cursor.place[last] - 1
        row = self._one(
            "SELECT value FROM outbound WHERE topic = ? AND partition = ? AND offset = ?",
            topic,
            partition,
            offset,
        )
        return row is not None and cursor_behind(cursor.place, last, self._stands(offset, row[0])) == cursor

    def end_of_events(
        self,
        jobcentres: Collection[str],
        topics: Collection[str],
        cursor: Cursor,
        partition: int | None = None,
    ) -> tuple[int, ...]:
        """The place behind all events that are here; empty: none of these is behind the cursor.

        partition: the number of those that are wanted; None: all.
        """
        place = cursor.place
        if self._source.one_order:
            end = (self._end() + 1,) * len(place)
        else:
            sql = "SELECT ifnull(max(offset) + 1, 0) FROM outbound WHERE topic = ? AND partition = ?"
            end = tuple(self._one(sql, *_topic_at(place, number))[0] for number in range(len(place)))
        return end if self.events_for(jobcentres, topics, cursor, 1, end, partition) else ()

    def events_for(
        self,
        jobcentres: Collection[str],
        topics: Collection[str],
        cursor: Cursor,
        limit: int,
        until: Sequence[int],
        partition: int | None = None,
    ) -> list[Listed[Event]]:
        """Events for these Jobcentres behind a cursor that `is_among_events`, `limit` at the most.

        Those of one purchase order come in the order in which they were decided, and within a topic's
        partition in that in which they were put there. until: what `end_of_events` gave before all was read
        that was on the topics then. What lies behind it comes only where it was decided before what doesn't.
        partition: the number of those that are wanted; None: all.
        """
        if not until:
            return []
        place = list(cursor.place)
        rows = {
            number: self._events_at(jobcentres, place, number)
            for number in range(len(place))
            if _topic_at(place, number)[0] in topics and partition in {None, _topic_at(place, number)[1]}
        }
        first = {number: row for number, some in rows.items() if (row := next(some, None)) is not None}
        listed: list[Listed[Event]] = []
        while len(listed) < limit:
            begin = [(row.order, number) for number, row in first.items() if row.offset < until[number]]
            if not begin:
                break
            _, number = min(begin)
            while (
                earlier := self._decided_before(first[number].event, jobcentres, place, first)
            ) is not None:
                number = earlier
            row = first.pop(number)
            if (following := next(rows[number], None)) is not None:
                first[number] = following
            place[number] = row.offset + 1
            behind = cursor_behind(tuple(place), number, self._stands(row.offset, row.value))
            listed.append(Listed(behind, row.event))
        return listed

    def _events_at(
        self, jobcentres: Collection[str], place: Sequence[int], number: int
    ) -> Iterator[_Waiting]:
        """Events for these Jobcentres behind one of the offsets of a place."""
        topic, partition = _topic_at(place, number)
        # By itself SQLite would look through all Jobcentres' in a copy, where that is a table's own order.
        sql = (
            "SELECT offset, value FROM outbound INDEXED BY outbound_for_jobcentre WHERE jobcentre_id = ?"
            " AND topic = ? AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?"
        )

        def of(jobcentre: str) -> Iterator[tuple[int, bytes]]:
            values, after = (jobcentre, topic, partition), (place[number],)
            return self._in_parts(sql, values, after, lambda row: (row[0] + 1,))

        for offset, value in merge(*map(of, jobcentres)):
            event = _read(topic, value)
            if event is not None:
                order = (offset, 0) if self._source.one_order else place_in_time(event)
                yield _Waiting(order, offset, value, event)

    def _decided_before(
        self, event: Event, jobcentres: Collection[str], place: Sequence[int], first: Collection[int]
    ) -> int | None:
        """Which offset of a place goes on first: that of an earlier event about the same purchase order.

        first: the offsets behind which something waits. Where there is no one order, a deadline's event may
        lie behind others that are dated later: these were decided before it, on other purchase orders.
        """
        if self._source.one_order:
            return None
        earlier = self._db.execute(
            "SELECT jobcentre_id, topic, partition, offset FROM event_order WHERE po_number = ?"
            " AND (decided_at, number) < (?, ?) ORDER BY decided_at, number",
            (event.po_number, *place_in_time(event)),
        )
        for jobcentre_id, topic, partition, offset in earlier:
            number = FOR_JOBCENTRES.index(topic) * (len(place) // len(FOR_JOBCENTRES)) + int(partition)
            if number in first and jobcentre_id in jobcentres and offset >= place[number]:
                return number
        return None

    def booking(self, providers: Collection[str], session_id: str) -> Booking | None:
        """How a session stands; None: none of these providers' referrals is booked on one with that id."""
        of = f"{_BOOKED} AND b.provider_id IN ({','.join('?' * len(providers))})"
        counts = self._one(
            f"SELECT count(*), ifnull(sum(NOT b.cancelled), 0), ifnull(sum(b.attended), 0) {of}",
            session_id,
            *providers,
        )
        if not counts[0]:
            return None
        # The newest referral's policy: a group of people who were referred under two has no other.
        newest = f"SELECT b.po_number {of} ORDER BY r.referred_on DESC, b.po_number LIMIT 1"
        known = self.referral(self._one(newest, session_id, *providers)[0])
        return None if known is None else Booking(counts[1], counts[2], known.referral.limits)

    def session(
        self, providers: Collection[str], session_id: str, limit: int, after: BookingPlace = ("", "")
    ) -> list[Booked]:
        """The bookings of a session behind a place, by provider and purchase order, `limit` at the most."""
        rows = self._db.execute(
            f"SELECT b.po_number, {_OPENED_STATE} {_BOOKED}"
            f" AND b.provider_id IN ({','.join('?' * len(providers))})"
            " AND (b.provider_id, b.po_number) > (?, ?) ORDER BY b.provider_id, b.po_number LIMIT ?",
            (session_id, *providers, *after, limit),
        )
        booked: list[Booked] = []
        for po_number, state in rows:
            referral = None if state is None else _known(po_number, state).referral
            session = None if referral is None else referral.session(session_id)
            if referral is not None and session is not None:
                booked.append(Booked(po_number, referral, session))
        return booked

    def sessions_on(self, providers: Collection[str], day: int, after: DayPlace, limit: int) -> list[OnDay]:
        """The sessions of a day behind a place, by provider and session, `limit` at the most.

        day: in London, days since 1970. Each is told as the first booking has it that was not cancelled.
        """
        found: list[OnDay] = []
        for provider in sorted(each for each in providers if each >= after[0]):
            rows = self._db.execute(
                f"{_SESSIONS} WHERE provider_id = ? AND session_on = ? AND session_id > ?"
                " GROUP BY session_id ORDER BY session_id LIMIT ?",
                (provider, day, after[1] if provider == after[0] else "", limit - len(found)),
            ).fetchall()
            found += self._on_day(provider, rows)
            if len(found) >= limit:
                break
        return found

    def sessions_between(self, provider_id: str, first: int, last: int, limit: int) -> list[OnDay]:
        """The sessions of a provider from one day to another, by day and id, `limit` at the most.

        first, last: in London, days since 1970. Each is told as in `sessions_on`.
        """
        rows = self._db.execute(
            f"{_SESSIONS} WHERE provider_id = ? AND session_on BETWEEN ? AND ?"
            " GROUP BY session_id ORDER BY min(session_on), session_id LIMIT ?",
            (provider_id, first, last, limit),
        ).fetchall()
        return [*self._on_day(provider_id, rows)]

    def _on_day(self, provider_id: str, rows: Iterable[tuple[str, int, int, str]]) -> Iterator[OnDay]:
        for session_id, booked, attended, po_number in rows:
            known = self.referral(po_number)
            session = None if known is None else known.referral.session(session_id)
            if session is not None:
                yield OnDay(provider_id, booked, attended, session)

    def calendar(self, calendar_id: str) -> Calendar | None:
        """A calendar; None: there is none with that id."""
        row = self._one("SELECT value FROM control WHERE key = ?", calendar_key(calendar_id))
        return None if row is None else read_calendar(row[0])

    def calendars(self, providers: Collection[str]) -> list[tuple[str, Calendar]]:
        """The calendars of these providers, each with its id, the oldest first."""
        every = [(key, read_calendar(value)) for key, value in self._registered(CALENDARS)]
        theirs = [each for each in every if each[1].provider_id in providers]
        return sorted(theirs, key=lambda each: (each[1].made_at, each[0]))

    def webhook(self, webhook_id: str) -> Webhook | None:
        """A webhook; None: there is none with that id."""
        row = self._one("SELECT value FROM control WHERE key = ?", webhook_key(webhook_id))
        return None if row is None else read_webhook(row[0])

    def webhooks(self) -> dict[str, Webhook]:
        """All webhooks by id, the oldest first."""
        found = {key: read_webhook(value) for key, value in self._registered(WEBHOOKS)}
        return dict(sorted(found.items(), key=lambda each: (each[1].made_at, each[0])))

    def progress(self, webhook_id: str) -> dict[int, Progress]:
        """How far a webhook is, by partition number; one on which it has not begun is left out."""
        return {
            int(partition): read_progress(value)
            for partition, value in self._registered(progress_key(webhook_id))
        }

    def _registered(self, prefix: str) -> list[tuple[str, bytes]]:
        """What is registered under keys that begin so, each with the rest of its key."""
        rows = self._db.execute(
            "SELECT key, value FROM control WHERE key > ? AND key < ?", (prefix, f"{prefix}\x7f")
        )
        return [(str(key).removeprefix(prefix), value) for key, value in rows]

    def bookings(
        self, providers: Collection[str], after: SessionPlace, limit: int
    ) -> list[tuple[str, Booked]]:
        """All bookings of these providers behind a place, by provider, session and purchase order, each with
        the session's id, `limit` at the most.
        """
        found: list[tuple[str, Booked]] = []
        for provider in sorted(each for each in providers if each >= after[0]):
            place = after[1:] if provider == after[0] else ("", "")
            rows = self._db.execute(
                f"SELECT b.session_id, b.po_number, {_OPENED_STATE} FROM booking b"
                " JOIN referral r ON r.po_number = b.po_number"
                " JOIN state s ON s.partition = r.partition AND s.po_number = r.po_number"
                " WHERE b.provider_id = ? AND (b.session_id, b.po_number) > (?, ?)"
                " ORDER BY b.session_id, b.po_number LIMIT ?",
                (provider, *place, limit - len(found)),
            )
            for session_id, po_number, state in rows:
                referral = None if state is None else _known(po_number, state).referral
                session = None if referral is None else referral.session(session_id)
                if referral is not None and session is not None:
                    found.append((session_id, Booked(po_number, referral, session)))
            if len(found) >= limit:
                break
        return found

    def plans(self, provider_id: str) -> list[DeliveryPlan]:
        """A provider's delivery plans, the last one of each area, by area."""
        rows = self._db.execute(
            "SELECT value FROM plan WHERE provider_id = ? ORDER BY contract_package_area", (provider_id,)
        )
        return [read_plan(Record(DELIVERY_PLANS, 0, 0, 0, None, value)) for (value,) in rows]

    def areas(self, provider_id: str) -> list[str]:
        """Those of which a provider has a plan."""
        rows = self._db.execute(
            "SELECT contract_package_area FROM plan WHERE provider_id = ?", (provider_id,)
        )
        return [area for (area,) in rows]

    def plan_keys(self, provider_id: str, contract_package_area: str) -> list[SentKey]:
        """The keys that came with the plans of an area, the oldest first."""
        rows = self._db.execute(
            "SELECT caller, message_id, digest FROM plan_key"
            " WHERE (provider_id, contract_package_area) = (?, ?) ORDER BY number",
            (provider_id, contract_package_area),
        )
        return [SentKey(*row) for row in rows]

    def _in_parts(
        self,
        sql: str,
        of: tuple[object, ...],
        after: tuple[object, ...],
        next_after: Callable[[Any], tuple[object, ...]],
        first: int = _FIRST_PART,
    ) -> Iterator[Any]:
        """The rows of a query, read only as far as they are wanted: of many providers few are, of each.

        In parts, each larger than the one before it: SQLite prepares a statement that is read row by row anew
        where it is read in many places at once, which takes longer than to read some rows in vain.
        """
        many = first
        while rows := self._db.execute(sql, (*of, *after, many)).fetchall():
            yield from rows
            if len(rows) < many:
                return
            after = next_after(rows[-1])
            many = min(2 * many, _LARGEST_PART)

    def _one(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - a row
        return self._db.execute(sql, values).fetchone()


def place_of(work: Work) -> WorkPlace:
    """Its place in a worklist."""
    duty = work.duty
    due_on = NO_LIMIT if duty.due_on is None else duty.due_on
    return due_on, work.po_number, duty.kind, duty.session_id or ""


def _topic_at(place: Sequence[int], number: int) -> tuple[str, int]:
    """The topic and the partition that an offset of a place among a Jobcentre's events is of."""
    topic, partition = divmod(number, len(place) // len(FOR_JOBCENTRES))
    return FOR_JOBCENTRES[topic], partition


def _digest(value: bytes | None) -> bytes:
    """The digest of an encoded message; a copy of a log has that in place of what is not a provider's."""
    if value is None:
        return FORGOTTEN
    return value if len(value) == DIGEST_BYTES else digest_of(value)


def _known(po_number: str, state: bytes) -> Known:
    order = unpack(state)
    return Known(po_number, order, cast(ReferralState, order.referral))


def _read(topic: str, value: bytes) -> Event | None:
    """The event of a record; None: a later version wrote it."""
    try:
        return cast(Event, read_event(Record(topic, 0, 0, 0, None, value)))
    except LogError:
        return None
