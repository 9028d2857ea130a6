"""Sessions booked, changed and cancelled, and what stands against a group (rulebook: P3-P5, P7, P9)."""

from typing import Final

from msgspec.structs import replace

from gateway.rules.calendar import instant_text, london_day
from gateway.rules.case import Also, Case, Check, Row, closed, session_not_open, unknown_session
from gateway.rules.deadlines import decide_end
from gateway.rules.events import Advisory
from gateway.rules.failures import withdraw
from gateway.rules.guidance import (
    CANNOT_ATTEND,
    JSA_OBJECTION,
    ONE_BOOKING,
    ONE_HOUR,
    REQUIREMENT_TOLD,
    SESSION_IN_TIME,
    SUITABLE,
)
from gateway.rules.messages import (
    CannotAttend,
    GroupObjection,
    SessionBooked,
    SessionCancelled,
    SessionChanged,
)
from gateway.rules.referral import Session
from gateway.rules.updates import cancel_group_sessions


def _another_open(case: Case[SessionBooked]) -> bool:
    # One whose participant said that they can't attend does not stand in the way of another.
    return any(session.open and session.cannot_attend is None for session in case.referral.sessions)


def _before_referral(case: Case[SessionBooked] | Case[SessionChanged]) -> bool:
    return london_day(case.message.starts_at) < case.referral.referred_on


def _advisories(case: Case[SessionBooked] | Case[SessionChanged]) -> tuple[Advisory, ...]:
    message, referral = case.message, case.referral
    on = london_day(message.starts_at)
    found: tuple[tuple[Advisory, bool], ...] = (
        ("SESSION_AFTER_15_DAYS", on > referral.session_by()),
        ("SESSION_AFTER_21_DAYS", on > referral.wp11_by()),
        ("LONGER_THAN_AN_HOUR", message.duration_minutes > referral.limits.session_minutes),
        ("PARTICIPANT_NOT_NOTIFIED", referral.mandatory and message.notified_at is None),
    )
    return tuple(advisory for advisory, applies in found if applies)


def _offer_one_to_one(case: Case[SessionBooked]) -> None:
    case.instruct("OFFER_ONE_TO_ONE", SUITABLE, session_id=case.message.session_id)


def book(case: Case[SessionBooked]) -> None:
    """P3."""
    message = case.message
    session = Session(
        session_id=message.session_id,
        session_name=message.session_name,
        starts_at=message.starts_at,
        duration_minutes=message.duration_minutes,
        location=message.location,
        format=message.format,
        notified_at=message.notified_at,
    )
    case.update(sessions=(*case.referral.sessions, session))
    case.advisories = _advisories(case)


def change(case: Case[SessionChanged]) -> None:
    """P4: new details, or, where a mandatory participant could not be told of them, a cancellation."""
    message, session = case.message, case.booked
    if case.referral.mandatory and message.notified_at is None:
        case.change_session(replace(session, cancelled=True))
        case.instruct("ARRANGE_ALTERNATIVE_SESSION", REQUIREMENT_TOLD, session_id=session.session_id)
        case.advisories = ("SESSION_CANCELLED_UNCONTACTABLE",)
        return
    changed = replace(
        session,
        starts_at=message.starts_at,
        duration_minutes=message.duration_minutes,
        location=message.location,
        notified_at=message.notified_at,
        cannot_attend=None,
        end_decided=False,
    )
    case.change_session(changed)
    case.advisories = _advisories(case)


def cancel(case: Case[SessionCancelled]) -> None:
    """P5: no failure can follow; what F2 raised is withdrawn."""
    session = withdraw(case, case.booked, REQUIREMENT_TOLD)
    case.change_session(replace(session, cancelled=True))


def cannot_attend(case: Case[CannotAttend]) -> None:
    """P7: the newest reason is kept; F2 decides at the end of the session."""
    case.change_session(replace(case.booked, cannot_attend=case.message.reason))


def decide_end_at_once(case: Case[CannotAttend]) -> None:
    """P7, after its outcome: F2, where the session ended before the message came."""
    session = case.referral.session(case.message.session_id)
    if session is not None and session.ends_at <= case.at:
        decide_end(case, session)


def object_to_group(case: Case[GroupObjection]) -> None:
    """P9."""
    if case.referral.restriction is None:
        case.update(restriction="OBJECTION")
    session_id = cancel_group_sessions(case)
    case.instruct("OFFER_ONE_TO_ONE", ONE_BOOKING, session_id=session_id)


BOOKED: Final = Row(
    "P3",
    SessionBooked,
    (
        closed("P3", SESSION_IN_TIME),
        Check(
            "P3",
            "not accepted",
            lambda case: not case.referral.accepted,
            "REFERRAL_NOT_ACCEPTED",
            SESSION_IN_TIME,
            "The referral has not been accepted; accept it first.",
        ),
        Check(
            "P3",
            "its `session_id` is known",
            lambda case: case.session is not None,
            "SESSION_ALREADY_BOOKED",
            ONE_BOOKING,
            "This session was booked for the referral before; use SessionChanged for new details.",
        ),
        Check(
            "P3",
            "another session is open",
            _another_open,
            "ANOTHER_SESSION_BOOKED",
            ONE_BOOKING,
            "Another session is booked and has no outcome; record its outcome or cancel it first.",
        ),
        Check(
            "P3",
            "its date is before D",
            _before_referral,
            "SESSION_BEFORE_REFERRAL",
            SESSION_IN_TIME,
            "The session is dated before the referral.",
        ),
        Check(
            "P3",
            "duration below 1",
            lambda case: case.message.duration_minutes < 1,
            "INVALID_DURATION",
            ONE_HOUR,
            "A session lasts at least one minute.",
        ),
        Check(
            "P3",
            "GROUP with a restriction",
            lambda case: case.message.format == "GROUP" and case.referral.restriction is not None,
            "GROUP_SESSION_UNSUITABLE",
            SUITABLE,
            "The participant may not be put in a group; offer a one-to-one session.",
            Also("Instruction OFFER_ONE_TO_ONE", _offer_one_to_one),
        ),
    ),
    book,
    "booked; advisories SESSION_AFTER_15_DAYS, SESSION_AFTER_21_DAYS, LONGER_THAN_AN_HOUR, "
    "PARTICIPANT_NOT_NOTIFIED",
    SESSION_IN_TIME,
    says=lambda message: (
        f"books a {'group' if message.format == 'GROUP' else 'one-to-one'} session for "
        f"{instant_text(message.starts_at)}"
    ),
)

CHANGED: Final = Row(
    "P4",
    SessionChanged,
    (
        closed("P4", REQUIREMENT_TOLD),
        unknown_session("P4", REQUIREMENT_TOLD),
        session_not_open("P4", REQUIREMENT_TOLD),
        Check(
            "P4",
            "`at` is not before `starts_at` as it stood",
            lambda case: case.at >= case.booked.starts_at,
            "SESSION_ALREADY_STARTED",
            REQUIREMENT_TOLD,
            "The session has started; record its outcome instead.",
        ),
        Check(
            "P4",
            "its new date is before D",
            _before_referral,
            "SESSION_BEFORE_REFERRAL",
            REQUIREMENT_TOLD,
            "The session is dated before the referral.",
        ),
        Check(
            "P4",
            "duration below 1",
            lambda case: case.message.duration_minutes < 1,
            "INVALID_DURATION",
            REQUIREMENT_TOLD,
            "A session lasts at least one minute.",
        ),
    ),
    change,
    "the details, `notified_at` and the end are new, and an earlier CannotAttend no longer counts; "
    "advisories as P3. Where mandatory and `notified_at` null: cancelled, Instruction "
    "ARRANGE_ALTERNATIVE_SESSION, advisory SESSION_CANCELLED_UNCONTACTABLE",
    REQUIREMENT_TOLD,
    says="changes a session",
)

CANCELLED: Final = Row(
    "P5",
    SessionCancelled,
    (unknown_session("P5", REQUIREMENT_TOLD), session_not_open("P5", REQUIREMENT_TOLD)),
    cancel,
    "cancelled, also on a closed referral; an active notification is WITHDRAWN, a waiting failure dropped",
    REQUIREMENT_TOLD,
    says="cancels a session",
)

CAN_NOT_ATTEND: Final = Row(
    "P7",
    CannotAttend,
    (
        unknown_session("P7", CANNOT_ATTEND),
        session_not_open("P7", CANNOT_ATTEND),
        Check(
            "P7",
            "`given_at` is not before `starts_at`",
            lambda case: case.message.given_at >= case.booked.starts_at,
            "SESSION_ALREADY_STARTED",
            CANNOT_ATTEND,
            "The reason was given after the session had started; record the outcome with it instead.",
        ),
    ),
    cannot_attend,
    "the newest reason is kept, also on a closed referral; mandatory: F2, once per booked time, at the end "
    "of the session",
    CANNOT_ATTEND,
    decide_end_at_once,
    says="the participant says that they can't come",
)

OBJECTED: Final = Row(
    "P9",
    GroupObjection,
    (closed("P9", JSA_OBJECTION),),
    object_to_group,
    "restriction OBJECTION if there was none; every GROUP session that is open and not started is "
    "cancelled; Instruction OFFER_ONE_TO_ONE, always",
    ONE_BOOKING,
    says="the participant objects to a group",
)
