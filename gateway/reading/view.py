"""Questions to the projection. Each is answered within a millisecond or so, from the file's cache."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Any, Final, cast

from msgspec import Struct

from gateway.engine.caseload import unpack
from gateway.engine.log import DELIVERY_PLANS, Record
from gateway.reading.filling import INSTRUCTIONS, OUTCOMES, read
from gateway.reading.tables import Viewed
from gateway.rules.events import DeliveryPlan, Event, Instruction, Outcome, place_in_time
from gateway.rules.referral import PurchaseOrder, ReferralState, Session, Status
from schemas.codec import Unreadable


class Known(Struct, frozen=True):
    """A referral as the projection knows it."""

    po_number: str
    order: PurchaseOrder
    referral: ReferralState


class Sent(Struct, frozen=True):
    """A provider's message. digest: of what it said; None where that has not been read yet.

    outcome: the last one, HELD or final; None: none yet.
    """

    message_id: str
    po_number: str
    digest: bytes | None
    outcome: Outcome | None


class Expected(Struct, frozen=True):
    """What there is to know of a message before it comes. provider_id: whose referral it would be about.

    messages: how many were decided on the referral. about, digest: those of the message that this provider
    sent under its id before; None: there is none, or of the digest, that it has not been read yet.
    """

    provider_id: str
    messages: int
    about: str | None
    digest: bytes | None


class Told(Struct, frozen=True):
    """An instruction, and the place behind it."""

    place: tuple[int, ...]
    instruction: Instruction


class Booked(Struct, frozen=True):
    """A session of one referral."""

    po_number: str
    referral: ReferralState
    session: Session


#: A place in the list of referrals: (referred_on, po_number) of the last one seen.
Place = tuple[int, str]
#: How many rows are read of each provider at first, and at once at the most.
_FIRST_PART: Final = 4
_LARGEST_PART: Final = 256
_AFTER_ALL: Final = (2**62, "")


class View:
    """What the projection says at the moment. To be used from one thread only."""

    def __init__(self, file: Viewed) -> None:
        self._file = file
        self._opened = file.made_anew
        self._open = file.view()

    @property
    def _db(self) -> sqlite3.Connection:
        """The connection; another one where the file has been made anew."""
        if self._opened != self._file.made_anew:
            self._open.close()
            self._opened, self._open = self._file.made_anew, self._file.view()
        return self._open

    def close(self) -> None:
        """Let go of it."""
        self._open.close()

    def referral(self, po_number: str) -> Known | None:
        """A referral by its purchase order's number."""
        row = self._one("SELECT state FROM referral WHERE po_number = ?", po_number)
        return None if row is None else _known(po_number, row[0])

    def provider_of(self, po_number: str) -> str | None:
        """Whose referral it is; None: nobody's."""
        row = self._one("SELECT provider_id FROM referral WHERE po_number = ?", po_number)
        return None if row is None else str(row[0])

    def referrals(
        self, providers: Collection[str], status: Status | None, after: Place | None, limit: int
    ) -> list[Known]:
        """Referrals of these providers behind a place, the newest first, `limit` at the most."""
        where = "provider_id = ?" if status is None else "provider_id = ? AND status = ?"
        sql = (
            f"SELECT referred_on, po_number FROM referral WHERE {where}"
            " AND (referred_on, po_number) < (?, ?) ORDER BY referred_on DESC, po_number DESC LIMIT ?"
        )
        state = () if status is None else (status,)

        def of(provider: str) -> Iterator[Place]:
            return self._in_parts(sql, (provider, *state), after or _AFTER_ALL, lambda row: row)

        found = islice(merge(*map(of, providers), reverse=True), limit)
        known = (self.referral(po_number) for _, po_number in found)
        return [each for each in known if each is not None]

    def history(self, po_number: str) -> list[Event]:
        """The events of a purchase order, in order of decision."""
        rows = self._db.execute(
            "SELECT topic, partition, offset, value FROM event WHERE po_number = ?", (po_number,)
        )
        events = [event for row in rows if not isinstance(event := read(_record(*row)), Unreadable)]
        return sorted(cast(list[Event], events), key=place_in_time)

    def expected(self, po_number: str, message_id: str) -> Expected | None:
        """What is known of a message about a referral, by one question; None: there is no such referral."""
        row = self._one(
            "SELECT r.provider_id, r.messages, m.po_number, m.digest FROM referral r LEFT JOIN message m"
            " ON m.provider_id = r.provider_id AND m.message_id = ? WHERE r.po_number = ?",
            *(message_id, po_number),
        )
        return None if row is None else Expected(*row)

    def message(self, providers: Collection[str], message_id: str) -> Sent | None:
        """A message of one of these providers."""
        for provider in providers:
            row = self._one(
                f"SELECT {_SENT} FROM message WHERE provider_id = ? AND message_id = ?", provider, message_id
            )
            if row is not None:
                return _sent(message_id, *row)
        return None

    def message_of_anybody(self, message_id: str) -> Sent | None:
        """A message, whoever sent it; looked for in all there are, so only where they are few."""
        row = self._one(f"SELECT {_SENT} FROM message WHERE message_id = ? LIMIT 1", message_id)
        return None if row is None else _sent(message_id, *row)

    def instructions(self, providers: Collection[str], place: Sequence[int], limit: int) -> list[Told]:
        """Instructions to these providers behind a place, `limit` at the most.

        Within a partition they come in the order in which they were put there; among partitions, in order of
        decision as far as that is known.
        """
        sql = (
            "SELECT offset, po_number FROM instruction WHERE provider_id = ? AND partition = ?"
            " AND offset >= ? ORDER BY offset LIMIT ?"
        )

        def of(partition: int) -> Iterator[tuple[int, int, int, Instruction]]:
            def to(provider: str) -> Iterator[tuple[int, str]]:
                first = (place[partition],)
                return self._in_parts(sql, (provider, partition), first, lambda row: (row[0] + 1,))

            for offset, po_number in merge(*map(to, providers)):
                row = self._one(
                    "SELECT value FROM event"
                    " WHERE po_number = ? AND topic = ? AND partition = ? AND offset = ?",
                    *(po_number, INSTRUCTIONS, partition, offset),
                )
                if row is not None:  # else it has been forgotten this moment
                    record = _record(INSTRUCTIONS, partition, offset, row[0])
                    instruction = cast(Instruction, read(record))
                    yield instruction.decided_at, partition, offset, instruction

        told = []
        at = list(place)
        for _, partition, offset, instruction in islice(
            merge(*map(of, range(len(place))), key=lambda found: found[0]), limit
        ):
            at[partition] = offset + 1
            told.append(Told(tuple(at), instruction))
        return told

    def session(self, providers: Collection[str], session_id: str, limit: int) -> list[Booked]:
        """The bookings of a session, by purchase order, `limit` at the most."""
        booked: list[Booked] = []
        for provider in providers:
            rows = self._db.execute(
                "SELECT r.po_number, r.state FROM booking b JOIN referral r ON r.po_number = b.po_number"
                " WHERE b.provider_id = ? AND b.session_id = ? AND r.provider_id = b.provider_id"
                " ORDER BY r.po_number LIMIT ?",
                (provider, session_id, limit - len(booked)),
            )
            for po_number, state in rows:
                referral = _known(po_number, state).referral
                session = referral.session(session_id)
                if session is not None:
                    booked.append(Booked(po_number, referral, session))
        return booked

    def plan(self, provider_id: str) -> DeliveryPlan | None:
        """A provider's delivery plan, the last one."""
        row = self._one("SELECT value FROM plan WHERE provider_id = ?", provider_id)
        return None if row is None else cast(DeliveryPlan, read(_record(DELIVERY_PLANS, 0, 0, row[0])))

    def _in_parts(
        self,
        sql: str,
        of: tuple[object, ...],
        after: tuple[object, ...],
        next_after: Callable[[Any], tuple[object, ...]],
    ) -> Iterator[Any]:
        """The rows of a query, read only as far as they are wanted: of many providers few are, of each.

        In parts, each larger than the one before it: SQLite prepares a statement that is read row by row anew
        where it is read in many places at once, which takes longer than to read some rows in vain.
        """
        many = _FIRST_PART
        while rows := self._db.execute(sql, (*of, *after, many)).fetchall():
            yield from rows
            if len(rows) < many:
                return
            after = next_after(rows[-1])
            many = min(2 * many, _LARGEST_PART)

    def _one(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - a row
        return self._db.execute(sql, values).fetchone()


def has_come_to(order: PurchaseOrder | None, event: Event) -> bool:
    """Whether a purchase order's state is that of an event, or a later one."""
    return order is not None and (order.events_at, order.events) >= place_in_time(event)


_SENT: Final = "po_number, digest, outcome"


def _sent(message_id: str, po_number: str, digest: bytes | None, value: bytes | None) -> Sent:
    outcome = None if value is None else cast(Outcome, read(_record(OUTCOMES, 0, 0, value)))
    return Sent(message_id, po_number, digest, outcome)


def _known(po_number: str, state: bytes) -> Known:
    order = unpack(state)
    return Known(po_number, order, cast(ReferralState, order.referral))


def _record(topic: str, partition: int, offset: int, value: bytes) -> Record:
    return Record(topic, partition, offset, 0, None, value)
