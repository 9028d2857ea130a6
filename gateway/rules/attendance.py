"""Who was told, who came, and what it cost them (rulebook: P6, P8, P10, P12)."""

from typing import Any, Final

from msgspec.structs import replace

from gateway.rules.calendar import london_day
from gateway.rules.case import Case, Check, Row, requirement, unknown_session
from gateway.rules.deadlines import SESSION_LATE, clear, clear_outcome_late, pass_outcome_day
from gateway.rules.events import ATTENDANCE_WORDS, AttendanceEvent
from gateway.rules.failures import fail, withdraw
from gateway.rules.guidance import (
    ALTERNATIVE,
    ATTENDED,
    EXPENSES,
    FAILED,
    MANDATORY_ABSENCE,
    REQUIREMENT_TOLD,
    VOLUNTARY_ABSENCE,
)
from gateway.rules.messages import (
    AttendanceCorrected,
    AttendanceRecorded,
    ExpenseReimbursed,
    NotificationConfirmed,
)
from gateway.rules.referral import Expense, Session


def _rule(case: Case[Any], session: Session) -> str:
    if session.outcome == "ATTENDED":
        return ATTENDED
    return MANDATORY_ABSENCE if case.referral.mandatory(session) else VOLUNTARY_ABSENCE


def _report_attendance(case: Case[Any], session: Session) -> Session:
    """Tell the Jobcentre the outcome of a session; returns the session as it is now."""
    effects, referral = case.effects, case.referral
    assert session.outcome is not None
    event = AttendanceEvent(
        event_id=effects.next_id(),
        po_number=effects.po_number,
        provider_id=referral.provider_id,
        jobcentre_id=referral.jobcentre_id,
        session_id=session.session_id,
        session_starts_at=session.starts_at,
        attempt=session.attempt,
        outcome=session.outcome,
        requirement=requirement(referral, session),
        supersedes=session.told_id,
        decided_at=effects.decided_at,
        rule=_rule(case, session),
    )
    effects.add(event)
    return replace(session, told_id=event.event_id, told_outcome=session.outcome)


def _came(case: Case[Any], session: Session) -> None:
    session = withdraw(case, _report_attendance(case, session), FAILED)
    case.keep(replace(case.referral.with_session(session), alternative_asked=False))
    if case.referral.attended_in_time:
        clear(case, SESSION_LATE)


def _did_not_come(case: Case[Any], session: Session) -> None:
    """Who did not come, and said nothing beforehand, is offered another session (P8, P10)."""
    referral = case.referral
    if (
        session.outcome == "DID_NOT_ATTEND"
        and session.cannot_attend is None
        and referral.status == "OPEN"
        and not referral.expects_another(session.session_id)
    ):
        case.ask_for_alternative(ALTERNATIVE, session.session_id)


def confirm(case: Case[NotificationConfirmed]) -> None:
    """P6: the participant had been told; a failure that waited for it is raised now."""
    session = replace(case.booked, notified_at=case.message.notified_at)
    if session.open:
        case.report_session(session, "CHANGED", REQUIREMENT_TOLD)
    if session.failure_waits and case.referral.mandatory(session):
        session = fail(case, session, REQUIREMENT_TOLD)
    case.change_session(session)


def record(case: Case[AttendanceRecorded]) -> str:
    """P8; returns the rule for those who came, or for those who did not."""
    message = case.message
    attempt = case.referral.outcomes + 1
    case.update(outcomes=attempt)
    session = replace(
        case.booked,
        cancelled=False,
        outcome=message.outcome,
        reason_given=message.reason_given,
        attempt=attempt,
    )
    if session.outcome == "ATTENDED":
        _came(case, session)
    else:
        if case.referral.mandatory(session):
            session = fail(case, _report_attendance(case, session), FAILED)
        case.change_session(session)
        _did_not_come(case, session)
    clear_outcome_late(case, message.session_id, message.recorded_at)
    return _rule(case, session)


def correct(case: Case[AttendanceCorrected]) -> str:
    """P10; returns the rule for those who came, or for those who did not."""
    session = replace(case.booked, outcome=case.message.outcome, reason_given=case.message.reason_given)
    if session.outcome == "ATTENDED":
        _came(case, session)
    else:
        if case.referral.mandatory(session):
            session = pass_outcome_day(case, fail(case, _report_attendance(case, session), FAILED))
        elif session.told_outcome == "ATTENDED":
            session = _report_attendance(case, session)
        case.change_session(session)
        _did_not_come(case, session)
    return _rule(case, session)


def reimburse(case: Case[ExpenseReimbursed]) -> None:
    """P12: kept."""
    message = case.message
    if case.booked.outcome is None:
        case.advisories = ("ATTENDANCE_NOT_RECORDED",)
    expense = Expense(message.session_id, message.kind, message.amount_pence, message.paid_on)
    case.update(expenses=(*case.referral.expenses, expense))


def _not_started(case: Case[AttendanceRecorded]) -> bool:
    starts_at = case.booked.starts_at
    return case.message.recorded_at < starts_at or case.at < starts_at


def _cancelled(case: Case[AttendanceRecorded]) -> bool:
    session = case.booked
    return session.cancelled and not (case.message.outcome == "ATTENDED" and case.referral.owed(session))


def _attached_before_start(case: Case[AttendanceRecorded]) -> bool:
    referral = case.referral
    at = referral.closed_at
    return referral.status == "ATTACHED" and at is not None and at <= case.booked.starts_at


CONFIRMED: Final = Row(
    "P6",
    NotificationConfirmed,
    (
        unknown_session("P6", REQUIREMENT_TOLD),
        Check(
            "P6",
            "the session is cancelled, and not owed",
            lambda case: case.booked.cancelled and not case.referral.owed(case.booked),
            "SESSION_CANCELLED",
            REQUIREMENT_TOLD,
            "The session was cancelled.",
        ),
        Check(
            "P6",
            "`notified_at` is not before `starts_at`",
            lambda case: case.message.notified_at >= case.booked.starts_at,
            "NOTIFIED_TOO_LATE",
            REQUIREMENT_TOLD,
            "The participant was told only when the session had started.",
            field="notified_at",
        ),
        Check(
            "P6",
            "the London date of `notified_at` is before D",
            lambda case: london_day(case.message.notified_at) < case.referral.referred_on,
            "NOTIFIED_BEFORE_REFERRAL",
            REQUIREMENT_TOLD,
            "The participant can't have been told before the referral was made.",
            field="notified_at",
        ),
    ),
    confirm,
    "replaces `notified_at`, also on a closed referral; session event CHANGED where the session is open. A "
    "failure that waited for it is raised now (F1), where the session is still mandatory",
    REQUIREMENT_TOLD,
    says="confirms when the participant was told",
)

RECORDED: Final = Row(
    "P8",
    AttendanceRecorded,
    (
        unknown_session("P8", ATTENDED),
        Check(
            "P8",
            "the session is cancelled, but not for ATTENDED at an owed one",
            _cancelled,
            "SESSION_CANCELLED",
            ATTENDED,
            "The session was cancelled, so it has no outcome.",
        ),
        Check(
            "P8",
            "it has an outcome",
            lambda case: case.booked.outcome is not None,
            "OUTCOME_ALREADY_RECORDED",
            ATTENDED,
            "The session has an outcome; use AttendanceCorrected to change it.",
        ),
        Check(
            "P8",
            "`recorded_at` or `at` is before `starts_at`",
            _not_started,
            "SESSION_NOT_STARTED",
            ATTENDED,
            "The session has not started yet.",
        ),
        Check(
            "P8",
            "ATTACHED at or before `starts_at`",
            _attached_before_start,
            "REFERRAL_CLOSED",
            ATTENDED,
            "The participant was attached before the session started.",
        ),
    ),
    record,
    "also on a closed referral. ATTENDED: attendance event; what F2 raised is WITHDRAWN, a waiting failure "
    "dropped; an owed session counts as not cancelled. Mandatory, otherwise: attendance event, and F1. "
    "Voluntary, otherwise: the Jobcentre is told nothing. Either way: DID_NOT_ATTEND, OPEN, no session "
    "expected, and nothing was said beforehand of this booked time: Instruction ARRANGE_ALTERNATIVE_SESSION",
    ATTENDED,
    cites=(MANDATORY_ABSENCE, VOLUNTARY_ABSENCE, ALTERNATIVE),
    says=lambda message: ATTENDANCE_WORDS[message.outcome],
)

CORRECTED: Final = Row(
    "P10",
    AttendanceCorrected,
    (
        unknown_session("P10", VOLUNTARY_ABSENCE),
        Check(
            "P10",
            "no outcome",
            lambda case: case.booked.outcome is None,
            "OUTCOME_NOT_RECORDED",
            VOLUNTARY_ABSENCE,
            "The session has no outcome yet; use AttendanceRecorded.",
        ),
        Check(
            "P10",
            "the same outcome",
            lambda case: case.booked.outcome == case.message.outcome,
            "NOTHING_TO_CORRECT",
            VOLUNTARY_ABSENCE,
            "The session has this outcome already.",
            field="outcome",
        ),
    ),
    correct,
    "also on a closed referral. To ATTENDED: attendance event; an active notification is WITHDRAWN, a "
    "waiting failure dropped. Mandatory, otherwise: attendance event, and F1. Voluntary, otherwise: "
    "attendance event only where the last event told for this session was ATTENDED. To DID_NOT_ATTEND: the "
    "instruction as in P8",
    VOLUNTARY_ABSENCE,
    cites=(ATTENDED, MANDATORY_ABSENCE, ALTERNATIVE),
    says=lambda message: f"corrects it, {ATTENDANCE_WORDS[message.outcome]}",
)

REIMBURSED: Final = Row(
    "P12",
    ExpenseReimbursed,
    (
        unknown_session("P12", EXPENSES),
        Check(
            "P12",
            "amount below 1",
            lambda case: case.message.amount_pence < 1,
            "INVALID_AMOUNT",
            EXPENSES,
            "The amount, in pence, is at least 1.",
            field="amount_pence",
        ),
        Check(
            "P12",
            "the outcome is DID_NOT_ATTEND",
            lambda case: case.booked.outcome == "DID_NOT_ATTEND",
            "NO_ATTENDANCE_TO_REIMBURSE",
            EXPENSES,
            "Expenses are those of a participant who came to the session.",
        ),
    ),
    reimburse,
    "kept, also on a closed referral; advisory ATTENDANCE_NOT_RECORDED where there is no outcome",
    EXPENSES,
    says="has reimbursed what coming cost",
)
