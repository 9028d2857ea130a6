"""Questions to the read model. Each is answered within a millisecond or so, from the file's cache."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from heapq import merge
from itertools import islice
from typing import Any, Final, cast

from msgspec import Struct

from gateway.engine.log import DELIVERY_PLANS, LogError, Record
from gateway.engine.purchase_orders import unpack
from gateway.reading.model import Source
from gateway.reading.tables import INSTRUCTIONS, OUTCOMES
from gateway.rules.events import DeliveryPlan, Event, Instruction, Outcome, begins_referral, place_in_time
from gateway.rules.messages import PROVIDERS_TOPIC
from gateway.rules.referral import PurchaseOrder, ReferralState, Session, Status
from producers.read_back import read_event, read_plan


class Known(Struct, frozen=True):
    """A referral as the read model knows it."""

    po_number: str
    order: PurchaseOrder
    referral: ReferralState


class Owner(Struct, frozen=True):
    """Whose a referral is, and how many messages were decided on it."""

    provider_id: str
    messages: int


class Keyed(Struct, frozen=True):
    """What a provider sent with a key: an encoded record; po_number: None: a delivery plan."""

    po_number: str | None
    value: bytes


class Listed(Struct, frozen=True):
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
_STATE: Final = (
    "SELECT s.state FROM referral r JOIN state s ON s.partition = r.partition AND s.po_number = r.po_number"
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

    def close(self) -> None:
        """Let go of it."""
        self._open.close()

    def referral(self, po_number: str) -> Known | None:
        """A referral by its purchase order's number."""
        row = self._one(f"{_STATE} WHERE r.po_number = ?", po_number)
        return None if row is None else _known(po_number, row[0])

    def owner(self, po_number: str) -> Owner | None:
        """Whose referral it is; None: nobody's."""
        row = self._one(
            "SELECT r.provider_id, s.messages FROM referral r"
            " JOIN state s ON s.partition = r.partition AND s.po_number = r.po_number WHERE r.po_number = ?",
            po_number,
        )
        return None if row is None else Owner(*row)

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
        """The events of a purchase order, in order of decision; from where its referral begins, where it has
        one: what was refused before is no part of that.
        """
        rows = self._db.execute("SELECT topic, value FROM outbound WHERE po_number = ?", (po_number,))
        events = sorted((event for row in rows if (event := _read(*row)) is not None), key=place_in_time)
        begins = (place for place, event in enumerate(events) if begins_referral(event))
        return events[max(begins, default=0) :]

    def outcomes(self, po_number: str, message_id: str) -> list[Outcome]:
        """All that came of messages with an id about a purchase order, in order of decision."""
        rows = self._db.execute(
            f"SELECT value FROM outbound WHERE po_number = ? AND topic = '{OUTCOMES}' AND message_id = ?",
            (po_number, message_id),
        )
        found = [cast(Outcome, event) for (value,) in rows if (event := _read(OUTCOMES, value)) is not None]
        return sorted(found, key=place_in_time)

    def keyed(self, provider_id: str, message_id: str) -> Keyed | None:
        """What a provider sent first under an id: a record, or a delivery plan."""
        row = self._first_message(provider_id, message_id)
        if row is None:
            row = self._one(
                f"SELECT NULL, value FROM outbound WHERE topic = '{DELIVERY_PLANS}' AND provider_id = ?"
                " AND message_id = ? ORDER BY partition, offset LIMIT 1",
                *(provider_id, message_id),
            )
        return None if row is None else Keyed(*row)

    def message(self, providers: Collection[str], message_id: str) -> tuple[str, Outcome | None] | None:
        """A message of one of these providers: its po_number, and what came of it, HELD or final, so far."""
        for provider in providers:
            row = self._first_message(provider, message_id)
            if row is not None:
                return row[0], self.outcome(row[0], provider, message_id)
        return None

    def outcome(self, po_number: str, provider_id: str, message_id: str) -> Outcome | None:
        """What came of a provider's message: the first final outcome; before that, HELD, or None.

        What follows a final one is about repetitions.
        """
        row = self._one(
            f"SELECT value FROM outbound WHERE po_number = ? AND topic = '{OUTCOMES}' AND message_id = ?"
            " AND provider_id = ? ORDER BY status = 'HELD', offset LIMIT 1",
            *(po_number, message_id, provider_id),
        )
        return None if row is None else cast(Outcome, _read(OUTCOMES, row[0]))

    def outcome_of_anybody(self, message_id: str) -> Outcome | None:
        """What came of a message, whoever sent it; for small logs, since all of it is looked through."""
        row = self._one(
            f"SELECT value FROM outbound WHERE topic = '{OUTCOMES}' AND message_id = ?"
            " ORDER BY status = 'HELD', offset LIMIT 1",
            message_id,
        )
        return None if row is None else cast(Outcome, _read(OUTCOMES, row[0]))

    def instructions(self, providers: Collection[str], place: Sequence[int], limit: int) -> list[Listed]:
        """Instructions to these providers behind a place, `limit` at the most.

        Within a partition they come in the order in which they were put there; among partitions, in order of
        decision as far as that is known.
        """
        sql = (
            f"SELECT offset, value FROM outbound WHERE topic = '{INSTRUCTIONS}' AND provider_id = ?"
            " AND partition = ? AND offset >= ? ORDER BY offset LIMIT ?"
        )

        def of(partition: int) -> Iterator[tuple[int, int, int, Instruction]]:
            def to(provider: str) -> Iterator[tuple[int, bytes]]:
                first = (place[partition],)
                return self._in_parts(sql, (provider, partition), first, lambda row: (row[0] + 1,))

            for offset, value in merge(*map(to, providers)):
                instruction = _read(INSTRUCTIONS, value)
                if instruction is not None:
                    yield instruction.decided_at, partition, offset, cast(Instruction, instruction)

        listed = []
        at = list(place)
        for _, partition, offset, instruction in islice(
            merge(*map(of, range(len(place))), key=lambda found: found[0]), limit
        ):
            at[partition] = offset + 1
            listed.append(Listed(tuple(at), instruction))
        return listed

    def session(self, providers: Collection[str], session_id: str, limit: int) -> list[Booked]:
        """The bookings of a session, by purchase order, `limit` at the most."""
        booked: list[Booked] = []
        for provider in providers:
            rows = self._db.execute(
                "SELECT r.po_number, s.state FROM booking b JOIN referral r ON r.po_number = b.po_number"
                " JOIN state s ON s.partition = r.partition AND s.po_number = r.po_number"
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
        row = self._one(
            f"SELECT value FROM outbound WHERE topic = '{DELIVERY_PLANS}' AND provider_id = ?"
            " ORDER BY partition DESC, offset DESC LIMIT 1",
            provider_id,
        )
        return None if row is None else read_plan(Record(DELIVERY_PLANS, 0, 0, 0, None, row[0]))

    def _first_message(self, provider_id: str, message_id: str) -> Any:  # noqa: ANN401 - a row
        return self._one(
            f"SELECT po_number, value FROM inbound WHERE topic = '{PROVIDERS_TOPIC}' AND message_id = ?"
            " AND provider_id = ? ORDER BY timestamp, offset LIMIT 1",
            *(message_id, provider_id),
        )

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


def _known(po_number: str, state: bytes) -> Known:
    order = unpack(state)
    return Known(po_number, order, cast(ReferralState, order.referral))


def _read(topic: str, value: bytes) -> Event | None:
    """The event of a record; None: a later version wrote it."""
    try:
        return cast(Event, read_event(Record(topic, 0, 0, 0, None, value)))
    except LogError:
        return None
