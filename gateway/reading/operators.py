"""What operators ask of the read model, across all providers. Every question has an index.

Days are counted since 1970, instants are UTC milliseconds.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, cast, get_args

from msgspec import Struct

from consumers import READERS
from gateway.engine.log import LogError, Record
from gateway.engine.purchase_orders import unpack
from gateway.reading.story import ArrivedMessage, Story, story
from gateway.reading.tables import BREACHES
from gateway.reading.view import View
from gateway.rules.calendar import london_day, midnight
from gateway.rules.events import Breach, Event, Outcome
from gateway.rules.referral import PurchaseOrder, Status
from producers.read_back import read_event
from schemas.codec import Unreadable

#: So many events of a referral are told, the newest, and so many messages are looked at for them.
MOST_TOLD: Final = 200
#: So many refusals and breaches are listed and counted by kind, the newest.
MOST_LISTED: Final = 500


class Told(Struct, frozen=True):
    """A purchase order with its story. order: None: nothing is kept. left_out: how many events before."""

    order: PurchaseOrder | None
    story: Story
    left_out: int


class Due(Struct, frozen=True):
    """A purchase order of which something falls due next on a day."""

    po_number: str
    order: PurchaseOrder


class DaySession(Struct, frozen=True):
    """A session of a day. booked: bookings that were not cancelled. attended: who came, as far as known."""

    provider_id: str
    session_id: str
    booked: int
    cancelled: int
    attended: int


class Ages(Struct, frozen=True):
    """Up to which day of referral a time limit is over: to accept, for the session, the WP11, to attach."""

    accept: int
    session: int
    wp11: int
    attach: int


class Count(Struct, frozen=True):
    """How many referrals a provider has in an area, and of how many of them a time limit is over.

    acceptance, session: of those that were not rejected. wp11, joined: of those, and who of them has joined.
    attachment: of those who have joined.
    """

    contract_package_area: str
    provider_id: str
    referrals: int
    acceptance: int
    session: int
    wp11: int
    joined: int
    attachment: int


class Attendance(Struct, frozen=True):
    """What came of a provider's bookings for sessions of days that are over."""

    provider_id: str
    attended: int
    cancelled: int
    neither: int


def told(view: View, po_number: str) -> Told | None:
    """What is known of a purchase order, and its story; None: nothing has come of it."""
    known = view.referral(po_number)
    events, left_out = view.newest_history(po_number, MOST_TOLD)
    arrivals = [*_arrivals(view, po_number)]
    if known is None and not events and not arrivals:
        return None
    first = events[0].decided_at if events else 0
    about = {event.message_id for event in events if isinstance(event, Outcome)}
    # What was decided before the first event that is told is no part of this story.
    wanted = [each for each in arrivals if each.at >= first or each.message.message_id in about]
    return Told(None if known is None else known.order, story(events, wanted), left_out)


def _arrivals(view: View, po_number: str) -> Iterator[ArrivedMessage]:
    rows = view.db.execute(
        "SELECT topic, partition, offset, timestamp, opened('inbound', po_number, value) FROM inbound"
        " WHERE po_number = ?"
        f" ORDER BY timestamp DESC, offset DESC LIMIT {MOST_TOLD}",
        (po_number,),
    ).fetchall()
    for topic, partition, offset, timestamp, value in reversed(rows):
        message = READERS[topic](Record(topic, partition, offset, timestamp, po_number.encode(), value))
        if not isinstance(message, Unreadable):
            yield ArrivedMessage(timestamp, message)


def refusals(view: View, since: int) -> list[Outcome]:
    """The newest messages that were refused since an instant, the newest first."""
    rows = view.db.execute(
        "SELECT topic, value FROM outbound WHERE status = 'REFUSED' AND timestamp >= ?"
        f" AND po_number IS NOT NULL ORDER BY timestamp DESC LIMIT {MOST_LISTED}",
        (since,),
    )
    return [cast(Outcome, event) for event in _events(rows.fetchall())]


def breaches(view: View, since: int) -> list[Breach]:
    """The newest time limits that were missed, or cleared, since an instant, the newest first."""
    rows = view.db.execute(
        f"SELECT topic, value FROM outbound WHERE topic = '{BREACHES}' AND timestamp >= ?"
        f" AND po_number IS NOT NULL ORDER BY timestamp DESC LIMIT {MOST_LISTED}",
        (since,),
    )
    return [cast(Breach, event) for event in _events(rows.fetchall())]


def _events(rows: Sequence[tuple[str, bytes]]) -> Iterator[Event]:
    for topic, value in rows:
        try:
            yield cast(Event, read_event(Record(topic, 0, 0, 0, None, value)))
        except LogError:
            continue  # a later version wrote it


def due_by_day(view: View, first: int, days: int) -> dict[int, int]:
    """Of how many purchase orders something falls due next, by the day in London on whose end or in which."""
    rows = view.db.execute(
        "SELECT due_at, count(*) FROM state WHERE due_at > ? AND due_at <= ? GROUP BY due_at",
        (midnight(first), midnight(first + days)),
    )
    found: Counter[int] = Counter()
    for due_at, count in rows:
        found[last_day(due_at)] += count
    return dict(found)


def last_day(due_at: int) -> int:
    """The day at whose end something falls due, or in which: a limit passes at the midnight after it."""
    return london_day(due_at - 1)


def due_on(view: View, day: int, limit: int) -> list[Due]:
    """The purchase orders of which something falls due next on a day, `limit` at the most."""
    rows = view.db.execute(
        "SELECT po_number, opened('state', po_number, state) FROM state WHERE due_at > ? AND due_at <= ?"
        " ORDER BY due_at, po_number LIMIT ?",
        (midnight(day), midnight(day + 1), limit),
    )
    return [Due(po_number, unpack(state)) for po_number, state in rows if state is not None]


def sessions_on(view: View, day: int, limit: int) -> list[DaySession]:
    """The sessions of a day, the largest first, `limit` at the most."""
    rows = view.db.execute(
        "SELECT provider_id, session_id, sum(NOT cancelled), sum(cancelled), sum(attended) FROM booking"
        " WHERE session_on = ? GROUP BY provider_id, session_id ORDER BY 3 DESC, 1, 2 LIMIT ?",
        (day, limit),
    )
    return [DaySession(*row) for row in rows]


def nearest_session_day(view: View, day: int) -> int | None:
    """The first day from this one on that has a session, or else the last one before it."""
    for nearest in (
        "min(session_on) FROM booking WHERE session_on >= ?",
        "max(session_on) FROM booking WHERE session_on < ?",
    ):
        found = view.db.execute(f"SELECT {nearest}", (day,)).fetchone()[0]
        if found is not None:
            return int(found)
    return None


def counts(view: View, over: Ages) -> list[Count]:
    """How many referrals there are, by area and provider, and of how many a time limit is over.

    Counted along the index, group by group: to add up conditions row by row takes six times as long.
    """
    return [
        _count(view, area, provider_id, over)
        for area in _distinct(view, "referral", "contract_package_area")
        for provider_id in _distinct(view, "referral", "provider_id", "contract_package_area = ? AND", area)
    ]


def _distinct(view: View, table: str, column: str, where: str = "", *names: str) -> Iterator[str]:
    """The values of an index's next column, each found by one step into the index."""
    last = ""
    sql = f"SELECT min({column}) FROM {table} WHERE {where} {column} > ?"
    while (last := view.db.execute(sql, (*names, last)).fetchone()[0]) is not None:
        yield last


def _count(view: View, area: str, provider_id: str, over: Ages) -> Count:
    group = "SELECT count(*) FROM referral WHERE (contract_package_area, provider_id, status) = (?, ?, ?)"

    def count(status: Status) -> int:
        return int(view.db.execute(group, (area, provider_id, status)).fetchone()[0])

    def younger(status: Status, day: int) -> int:
        # They are few: those of the last weeks.
        found = view.db.execute(f"{group} AND referred_on > ?", (area, provider_id, status, day))
        return int(found.fetchone()[0])

    total = {status: count(status) for status in get_args(Status)}

    def older(statuses: Iterable[Status], day: int) -> int:
        return sum(total[status] - younger(status, day) for status in statuses if total[status])

    kept = [status for status in total if status != "REJECTED"]
    joined: Sequence[Status] = ("JOINING", "ATTACHED")
    return Count(
        area,
        provider_id,
        sum(total.values()),
        acceptance=older(kept, over.accept),
        session=older(kept, over.session),
        wp11=older(kept, over.wp11),
        joined=older(joined, over.wp11),
        attachment=older(joined, over.attach),
    )


def late(view: View) -> dict[tuple[str, str], int]:
    """How many time limits were missed and not cleared, by provider and kind of breach."""
    rows = view.db.execute(
        f"SELECT provider_id, status, count(*) FROM outbound WHERE topic = '{BREACHES}'"
        " AND provider_id IS NOT NULL GROUP BY provider_id, status"
    )
    found: Counter[tuple[str, str]] = Counter()
    for provider_id, standing, count in rows:
        kind, _, status = standing.partition(" ")
        found[provider_id, kind] += count if status == "RAISED" else -count
    return dict(found)


def attendance(view: View, before: int) -> list[Attendance]:
    """What came of each provider's bookings for sessions before a day.

    Counted along the index, like `counts`: to let SQLite group the rows takes almost twice as long.
    """
    sql = (
        "SELECT count(*) FROM booking WHERE (provider_id, attended, cancelled) = (?, ?, ?) AND session_on < ?"
    )

    def count(provider_id: str, *, attended: bool, cancelled: bool) -> int:
        return int(view.db.execute(sql, (provider_id, attended, cancelled, before)).fetchone()[0])

    found = [
        Attendance(
            provider_id,
            count(provider_id, attended=True, cancelled=False)
            + count(provider_id, attended=True, cancelled=True),
            count(provider_id, attended=False, cancelled=True),
            count(provider_id, attended=False, cancelled=False),
        )
        for provider_id in _distinct(view, "booking", "provider_id")
    ]
    return [each for each in found if each.attended or each.cancelled or each.neither]
