"""Sessions booked, changed and cancelled, and what stands against a group (rulebook: P3-P5, P7, P9)."""

from typing import Any, Final

from msgspec.structs import replace

from gateway.rules.calendar import MINUTE_MS, add_working_days, instant_text, london_day
from gateway.rules.case import (
    NOT_OPEN,
    Also,
    Case,
    Check,
    Row,
    closed,
    session_not_open,
    unknown_session,
    why_not_open,
)
from gateway.rules.deadlines import clear_outcome_late, decide_end
from gateway.rules.events import Advisory
from gateway.rules.failures import withdraw
from gateway.rules.guidance import (
    CANNOT_ATTEND,
    JSA_OBJECTION,
    MANDATORY_ABSENCE,
    ONE_BOOKING,
    ONE_HOUR,
    REQUIREMENT_TOLD,
    SESSION_IN_TIME,
    SUITABLE,
)
from gateway.rules.messages import (
    AlternativeSessionNotPossible,
    CannotAttend,
    GroupObjection,
    SessionBooked,
    SessionCancelled,
    SessionChanged,
)
from gateway.rules.referral import UNSUITABLE, Session
from gateway.rules.updates import change_sessions_ahead, offer_one_to_one


def _known(case: Case[SessionBooked]) -> bool:
    session = case.session
    return session is not None and (not session.cancelled or case.referral.owed(session))


def _another_expected(case: Case[SessionBooked] | Case[SessionChanged]) -> bool:
    # One whose participant said that they can't attend does not stand in the way of another.
    return case.referral.expects_another(case.message.session_id)


def _before_referral(case: Case[SessionBooked] | Case[SessionChanged]) -> bool:
    return london_day(case.message.starts_at) < case.referral.referred_on


def _outcome_by(case: Case[SessionBooked] | Case[SessionChanged]) -> int | None:
    """The last day to record an outcome (T6); None where no mandate is in force."""
    if not case.referral.mandate_in_force:
        return None
    message = case.message
    over_at = max(message.starts_at + message.duration_minutes * MINUTE_MS, case.at)
    return add_working_days(london_day(over_at), case.limits.outcome_within_working_days)


def _advise(
    case: Case[SessionBooked] | Case[SessionChanged], session: Session, *, attended: bool, dropped: bool
) -> None:
    """What P3 and P4 have to say. attended: some session was. dropped: what was said beforehand."""
    referral, on = case.referral, session.on
    found: list[Advisory] = []
    if dropped:
        found.append("CANNOT_ATTEND_DROPPED")
    if referral.status == "CANCELLED":
        found.append("REFERRAL_CANCELLED")
    if attended:
        found.append("ALREADY_ATTENDED")
    if on > referral.session_by():
        found.append("SESSION_AFTER_15_DAYS")
    if on > referral.wp11_by():
        found.append("SESSION_AFTER_21_DAYS")
    if session.duration_minutes > referral.limits.session_minutes and not referral.interpreter_needed:
        found.append("LONGER_THAN_AN_HOUR")
    if referral.mandatory(session) and not referral.told(session):
        found.append("PARTICIPANT_NOT_NOTIFIED")
    if session.format == "GROUP" and referral.restriction == "ADDITIONAL_NEEDS":
        found.append("CHECK_FACILITIES")
    case.advisories = tuple(found)


def _offer_one_to_one(case: Case[SessionBooked]) -> None:
    offer_one_to_one(case, case.message.session_id)


def book(case: Case[SessionBooked]) -> None:
    """P3; a cancelled session of the same id is forgotten, but for its expenses."""
    message, referral = case.message, case.referral
    session = Session(
        session_id=message.session_id,
        session_name=message.session_name,
        starts_at=message.starts_at,
        duration_minutes=message.duration_minutes,
        location=message.location,
        format=message.format,
        notified_at=message.notified_at,
        outcome_by=_outcome_by(case),
    )
    others = referral.sessions
    if case.session is not None:
        others = tuple(other for other in others if other.session_id != session.session_id)
    case.update(sessions=(*others, session), alternative_asked=False)
    case.report_session(session, "BOOKED", SESSION_IN_TIME)
    _advise(case, session, attended=referral.attended, dropped=False)


def change(case: Case[SessionChanged]) -> None:
    """P4: new details, or, where a mandatory participant could not be told of them, a cancellation."""
    message, session = case.message, case.booked
    changed = replace(
        session,
        starts_at=message.starts_at,
        duration_minutes=message.duration_minutes,
        location=message.location,
        notified_at=message.notified_at,
        outcome_by=_outcome_by(case),
        cannot_attend=None,
        passed=0,
    )
    if message.notified_at is None and case.referral.mandatory(changed):
        case.report_session(session, "CANCELLED", REQUIREMENT_TOLD, "UNCONTACTABLE")
        case.change_session(session.without_failure())
        case.ask_for_alternative(REQUIREMENT_TOLD, session.session_id)
        case.advisories = ("SESSION_CANCELLED_UNCONTACTABLE",)
        return
    case.change_session(changed)
    case.report_session(changed, "CHANGED", REQUIREMENT_TOLD)
    _advise(case, changed, attended=False, dropped=session.cannot_attend is not None)


def _can_not_be_cancelled(case: Case[SessionCancelled]) -> bool:
    session = case.booked
    return not session.open and not (case.message.cause == "PROVIDER" and case.referral.owed(session))


def _too_late_to_cancel(case: Case[SessionCancelled]) -> bool:
    session = case.booked
    return (
        case.message.cause == "PARTICIPANT" and session.cannot_attend is None and case.at >= session.starts_at
    )


def cancel(case: Case[SessionCancelled]) -> str:
    """P5: by the provider, no failure can follow; for the participant, what they said beforehand stands."""
    message, session = case.message, case.booked
    rule = REQUIREMENT_TOLD if message.cause == "PROVIDER" else CANNOT_ATTEND
    case.report_session(session, "CANCELLED", rule, message.cause)
    if message.cause == "PROVIDER":
        case.change_session(withdraw(case, session, rule).without_failure())
    else:
        case.change_session(replace(session, cancelled=True))
        if session.cannot_attend is None and case.referral.mandatory(session):
            case.advisories = ("NO_REASON_RECORDED",)
    clear_outcome_late(case, message.session_id, message.cancelled_at)
    return rule


def cannot_attend(case: Case[CannotAttend]) -> None:
    """P7: the newest reason is kept; F2 decides at the end of the session."""
    session = replace(case.booked, cannot_attend=case.message.reason)
    case.report_session(session, "CANNOT_ATTEND", CANNOT_ATTEND)
    case.change_session(session)
    first = case.booked.cannot_attend is None
    if first and case.referral.status == "OPEN" and not case.referral.expects_another(session.session_id):
        case.ask_for_alternative(CANNOT_ATTEND, session.session_id)


def decide_end_at_once(case: Case[CannotAttend]) -> None:
    """P7, after its outcome: F2, where the session ended before the message came."""
    session = case.referral.session(case.message.session_id)
    if session is not None and session.ends_at <= case.at:
        decide_end(case, session)


def object_to_group(case: Case[GroupObjection]) -> None:
    """P9."""
    if case.referral.restriction not in UNSUITABLE:
        case.update(restriction="OBJECTION")
    session_id = change_sessions_ahead(case, unsuitable=ONE_BOOKING)
    case.instruct("OFFER_ONE_TO_ONE", ONE_BOOKING, session_id=session_id)


def no_alternative(case: Case[AlternativeSessionNotPossible]) -> None:
    """P13."""
    case.update(alternative_asked=False)
    case.notify("ALTERNATIVE_NOT_POSSIBLE", london_day(case.message.told_at), MANDATORY_ABSENCE)


def _closed_for_sessions(row: str, rule: str) -> Check[Any]:
    return Check(
        row,
        "ATTACHED or REJECTED",
        lambda case: case.referral.status in ("ATTACHED", "REJECTED"),
        "REFERRAL_CLOSED",
        rule,
        "The participant is attached, or the referral was rejected; no session can be booked or changed.",
        says=lambda case: (
            f"The referral is {case.referral.status.lower()}; no session can be booked or changed."
        ),
    )


_ANOTHER: Final = "Another session is booked and has no outcome; record its outcome or cancel it first."

BOOKED: Final = Row(
    "P3",
    SessionBooked,
    (
        _closed_for_sessions("P3", SESSION_IN_TIME),
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
            "its `session_id` is known, and that session not cancelled, or owed",
            _known,
            "SESSION_ALREADY_BOOKED",
            ONE_BOOKING,
            "This session was booked for the referral before; use SessionChanged for new details. Where it "
            "was cancelled for the participant, book another session.",
            field="session_id",
        ),
        Check(
            "P3",
            "another session is expected",
            _another_expected,
            "ANOTHER_SESSION_BOOKED",
            ONE_BOOKING,
            _ANOTHER,
        ),
        Check(
            "P3",
            "its date is before D",
            _before_referral,
            "SESSION_BEFORE_REFERRAL",
            SESSION_IN_TIME,
            "The session is dated before the referral.",
            field="starts_at",
        ),
        Check(
            "P3",
            "duration below 1",
            lambda case: case.message.duration_minutes < 1,
            "INVALID_DURATION",
            ONE_HOUR,
            "A session lasts at least one minute.",
            field="duration_minutes",
        ),
        Check(
            "P3",
            "GROUP, and a restriction other than ADDITIONAL_NEEDS",
            lambda case: case.message.format == "GROUP" and case.referral.restriction in UNSUITABLE,
            "GROUP_SESSION_UNSUITABLE",
            SUITABLE,
            "The participant may not be put in a group; offer a one-to-one session.",
            Also("Instruction OFFER_ONE_TO_ONE", _offer_one_to_one),
            field="format",
        ),
    ),
    book,
    "booked, on a CANCELLED referral too; a cancelled session of this id is replaced, with all that was "
    "known of it but its expenses. Session event BOOKED. Advisories REFERRAL_CANCELLED, ALREADY_ATTENDED, "
    "SESSION_AFTER_15_DAYS, SESSION_AFTER_21_DAYS, LONGER_THAN_AN_HOUR (not where an interpreter is "
    "needed), PARTICIPANT_NOT_NOTIFIED, CHECK_FACILITIES (a group, ADDITIONAL_NEEDS)",
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
        _closed_for_sessions("P4", REQUIREMENT_TOLD),
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
            "another session is expected",
            _another_expected,
            "ANOTHER_SESSION_BOOKED",
            REQUIREMENT_TOLD,
            _ANOTHER,
        ),
        Check(
            "P4",
            "its new date is before D",
            _before_referral,
            "SESSION_BEFORE_REFERRAL",
            REQUIREMENT_TOLD,
            "The session is dated before the referral.",
            field="starts_at",
        ),
        Check(
            "P4",
            "duration below 1",
            lambda case: case.message.duration_minutes < 1,
            "INVALID_DURATION",
            REQUIREMENT_TOLD,
            "A session lasts at least one minute.",
            field="duration_minutes",
        ),
    ),
    change,
    "the details, `notified_at` and the end are new, and an earlier CannotAttend no longer counts. Session "
    "event CHANGED. Advisories as P3 but ALREADY_ATTENDED, and before them CANNOT_ATTEND_DROPPED where "
    "there was one. Where mandatory by its new `starts_at`, the mandate in force, and `notified_at` null: "
    "cancelled, no failure can follow; session event CANCELLED, UNCONTACTABLE; Instruction "
    "ARRANGE_ALTERNATIVE_SESSION; advisory SESSION_CANCELLED_UNCONTACTABLE, no other",
    REQUIREMENT_TOLD,
    says="changes a session",
)

CANCELLED: Final = Row(
    "P5",
    SessionCancelled,
    (
        unknown_session("P5", REQUIREMENT_TOLD),
        Check(
            "P5",
            "not open (but owed, and `cause` PROVIDER, will do)",
            _can_not_be_cancelled,
            "SESSION_NOT_OPEN",
            REQUIREMENT_TOLD,
            NOT_OPEN,
            says=why_not_open,
        ),
        Check(
            "P5",
            "`cause` PARTICIPANT, nothing was said beforehand, and `at` is not before `starts_at`",
            _too_late_to_cancel,
            "SESSION_ALREADY_STARTED",
            CANNOT_ATTEND,
            "The session has started, and the participant had said nothing beforehand; record its outcome.",
        ),
    ),
    cancel,
    "cancelled, also on a closed referral. Session event CANCELLED, `because` the `cause`. PROVIDER: no "
    "failure can follow; an active notification is WITHDRAWN, a waiting failure dropped. PARTICIPANT: what "
    "they said beforehand stands; where a mandatory participant has said nothing, advisory "
    "NO_REASON_RECORDED, and no failure can follow",
    REQUIREMENT_TOLD,
    cites=(CANNOT_ATTEND,),
    says=lambda message: (
        "cancels a session"
        if message.cause == "PROVIDER"
        else "cancels a session, since the participant can't come"
    ),
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
    "the reason replaces an earlier one of this booked time, also on a closed referral. Session event "
    "CANNOT_ATTEND. Mandatory: F2, once per booked time, at the end of the session. OPEN, the first of this "
    "booked time, and no session expected: Instruction ARRANGE_ALTERNATIVE_SESSION",
    CANNOT_ATTEND,
    decide_end_at_once,
    says="the participant says that they can't come",
)

OBJECTED: Final = Row(
    "P9",
    GroupObjection,
    (closed("P9", JSA_OBJECTION),),
    object_to_group,
    "restriction OBJECTION if there was none, or ADDITIONAL_NEEDS; every GROUP session that is open and not "
    "started is cancelled (session event CANCELLED, GROUP_UNSUITABLE); Instruction OFFER_ONE_TO_ONE, always",
    ONE_BOOKING,
    says="the participant objects to a group",
)

NOT_POSSIBLE: Final = Row(
    "P13",
    AlternativeSessionNotPossible,
    (
        closed("P13", MANDATORY_ABSENCE),
        Check(
            "P13",
            "none is asked for",
            lambda case: not case.referral.alternative_asked,
            "NO_ALTERNATIVE_REQUESTED",
            MANDATORY_ABSENCE,
            "No other session is asked for; there is nothing to answer.",
        ),
    ),
    no_alternative,
    "no other session is asked for any more. Notice ALTERNATIVE_NOT_POSSIBLE",
    MANDATORY_ABSENCE,
    says="no other session can be arranged",
)
