"""Sessions from one participant's side: invited, notified, changed, cancelled, invited again."""

from typing import Any, Final

from gateway.sample.attending import outcome, reason
from gateway.sample.clock import DAY, HOUR, MINUTE, by_the_clock, in_office_hours, iso, stamp, working_after
from gateway.sample.life import SESSION_DAYS, WP11_DAYS, Life
from gateway.sample.people import ADDITIONAL_NEEDS, RESTRICTION_SHARES
from gateway.sample.referral_messages import date_of, moment
from gateway.sample.sessions import PlannedSession, one_to_one
from gateway.sample.shares import Shares, between, one_of

_MOST_ATTEMPTS: Final = 4
#: What comes between a booking and its session.
_BETWEEN: Final = Shares(
    {
        "": 85.6,
        "cannot attend": 5.0,
        "called off": 0.4,
        "objection": 1.0,
        "restriction": 0.8,
        "changed": 5.2,
        "cancelled": 1.2,
    }
)
_CANCELLATIONS: Final = ("Facilitator is ill", "Venue is closed", "Too few bookings")


def hold_sessions(life: Life) -> None:
    """Books until the participant comes, gives up, or there is no time left."""
    draw = life.draw
    latest_on = life.referred_on + SESSION_DAYS
    now = in_office_hours(life.now + int((5 + draw() ** 3 * 2_000) * MINUTE))
    known: set[str] = set()
    for attempt in range(1, _MOST_ATTEMPTS + 1):
        session = _find(life, now, latest_on, attempt, known)
        if session is None:
            return
        known.add(session.session_id)
        now = _invite(life, session, now)
        if not now:
            return
        now = in_office_hours(now + int((1 + draw() ** 2 * 40) * HOUR))
        latest_on = life.referred_on + WP11_DAYS - 1


def _find(life: Life, now: int, latest_on: int, attempt: int, known: set[str]) -> PlannedSession | None:
    """A session after enough notice, or none where there is no time left for one."""
    draw = life.draw
    earliest = now + int(((2 if attempt == 1 else 1.2) + draw() * 3.5) * DAY)
    if attempt == 1 and draw() < 0.04:
        earliest, latest_on = life.limit_at - 6 * DAY, latest_on + 7
    overlooked = life.restricted and draw() < 0.03
    if overlooked or (not life.restricted and draw() < 0.86):
        session = life.timetable.invite(now, earliest, latest_on, known)
        if session is not None and not overlooked:
            return session
        if session is not None:
            # A booking that nobody may make. It is refused, and an interview booked in its place.
            send_booking(life, now - 3 * MINUTE, session, 0)
    day = working_after(date_of(earliest))
    if day > latest_on:
        return None
    session_id = f"{life.messages.provider_id}-{life.number}-{attempt}"
    starts_at = by_the_clock(day) + (9 + between(0, 8, draw)) * HOUR + one_of((0, 30 * MINUTE), draw)
    return one_to_one(life.contract, session_id, starts_at, draw)


def _invite(life: Life, session: PlannedSession, now: int) -> int:
    """One booking and what follows; the instant from which another is to be booked, or 0."""
    draw, messages, group = life.draw, life.messages, session.format == "GROUP"
    session_id, starts_at = session.session_id, session.starts_as_known(now)
    chance = draw()
    notified_at = now - int(draw() * HOUR) if chance < 0.62 else 0
    send_booking(life, now, session, notified_at)

    what, at = _BETWEEN.pick(draw), in_office_hours(now + int((0.1 + 0.8 * draw()) * (starts_at - now)))
    if session.cancelled_at > now:
        what, at = "cancelled", session.cancelled_at + int(draw() * 20 * MINUTE)
    elif session.moved_at > now:
        what, at = "changed", session.moved_at + int(draw() * 20 * MINUTE)
    elif at >= starts_at - HOUR or (group and what == "changed") or (not group and what == "objection"):
        what = ""

    # Most notices are confirmed within a day or two, and nobody confirms what has been cancelled.
    confirmed = in_office_hours(now + int((2 + draw() * 30) * HOUR))
    if not notified_at and chance < 0.93 and confirmed < (at if what else starts_at):
        notified_at = confirmed - int(draw() * 100 * MINUTE)
        messages.record(
            confirmed, "NotificationConfirmed", session_id=session_id, notified_at=moment(notified_at)
        )

    if what == "cancelled":
        why = one_of(_CANCELLATIONS, draw)
        messages.record(at, "SessionCancelled", session_id=session_id, reason=why, cancelled_at=moment(at))
        return at
    if what == "called off":
        _call_off(life, at, session_id)
        return at
    if what == "objection":
        messages.record(at, "GroupObjection", raised_at=moment(at))
        life.restricted = True
        return at
    if what == "restriction":
        restriction = RESTRICTION_SHARES.pick(draw)
        changed_on = iso(date_of(at))
        messages.update(at, "GroupSessionRestrictionChanged", restriction=restriction, changed_on=changed_on)
        if restriction != ADDITIONAL_NEEDS:
            life.restricted = True
            if group:
                return at
    if what == "changed":
        reached = draw() < 0.82
        if not session.moved_at:
            session.moved_to = by_the_clock(working_after(date_of(starts_at))) + between(9, 16, draw) * HOUR
        starts_at = session.moved_to
        notified_at = at - int(draw() * 30 * MINUTE) if reached else 0
        _send_change(life, at, session, notified_at)
        if life.mandatory and not reached:
            return at
    if what == "cannot attend":
        messages.record(at, "CannotAttend", session_id=session_id, reason=reason(life), given_at=moment(at))
        # What they said stands, whether their place is given to another or not.
        if draw() < 0.3:
            _call_off(life, at + MINUTE, session_id)
            return at + 2 * MINUTE
        if draw() < 0.5:
            return at
    return outcome(life, session, starts_at, notified_at, what == "cannot attend")


def send_booking(life: Life, at: int, session: PlannedSession, notified_at: int) -> None:
    """SessionBooked as the session stands at the instant; `notified_at` 0: not notified yet."""
    details: dict[str, Any] = {"notified_at": moment(notified_at)} if notified_at else {}
    life.messages.record(
        at,
        "SessionBooked",
        session_id=session.session_id,
        session_name=session.name,
        starts_at=stamp(session.starts_as_known(at)),
        duration_minutes=session.duration_minutes,
        location=session.location,
        format=session.format,
        **details,
    )


def _call_off(life: Life, at: int, session_id: str) -> None:
    """SessionCancelled, because the participant can't come."""
    why = reason(life)
    life.messages.record(
        at,
        "SessionCancelled",
        session_id=session_id,
        cause="PARTICIPANT",
        reason=why,
        cancelled_at=moment(at),
    )


def come_later(life: Life) -> None:
    """A few come after the 21 days (WP19 ¶7, ¶27), for an interview of their own."""
    draw = life.draw
    now = in_office_hours(life.limit_at + int((1 + draw() * 12) * DAY))
    starts_at = by_the_clock(working_after(date_of(now), between(2, 8, draw))) + 11 * HOUR
    session = one_to_one(life.contract, f"{life.messages.provider_id}-{life.number}-late", starts_at, draw)
    send_booking(life, now, session, now)
    outcome(life, session, starts_at, now, stays_away=False)


def _send_change(life: Life, at: int, session: PlannedSession, notified_at: int) -> None:
    details: dict[str, Any] = {"notified_at": moment(notified_at)} if notified_at else {}
    life.messages.record(
        at,
        "SessionChanged",
        session_id=session.session_id,
        starts_at=stamp(session.moved_to),
        duration_minutes=session.duration_minutes,
        location=session.location,
        **details,
    )
