"""Who was told, who came, and what it cost them (rulebook: P6, P8, P10, P12)."""

from typing import Any, Final

from msgspec.structs import replace

from gateway.rules.case import Case, Check, Row, unknown_session
from gateway.rules.deadlines import SESSION_LATE, clear
from gateway.rules.events import ATTENDANCE_WORDS, AttendanceEvent
from gateway.rules.failures import fail, withdraw
from gateway.rules.guidance import (
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
    return MANDATORY_ABSENCE if case.referral.mandatory else VOLUNTARY_ABSENCE


def _tell(case: Case[Any], session: Session) -> Session:
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
        requirement="MANDATORY" if referral.mandatory else "VOLUNTARY",
        supersedes=session.told_id,
        decided_at=effects.decided_at,
        rule=_rule(case, session),
    )
    effects.add(event)
    return replace(session, told_id=event.event_id, told_outcome=session.outcome)


def _clear_session_late(case: Case[Any]) -> None:
    if case.referral.attended_in_time:
        clear(case, SESSION_LATE)


def confirm(case: Case[NotificationConfirmed]) -> None:
    """P6: the participant had been told; a failure that waited for it is raised now."""
    session = replace(case.booked, notified_at=case.message.notified_at)
    case.change_session(fail(case, session, REQUIREMENT_TOLD) if session.failure_waits else session)


def record(case: Case[AttendanceRecorded]) -> str:
    """P8; returns the rule for those who came, or for those who did not."""
    attempt = case.referral.outcomes + 1
    case.update(outcomes=attempt)
    session = replace(
        case.booked,
        outcome=case.message.outcome,
        reason_given=case.message.reason_given,
        attempt=attempt,
    )
    if session.outcome == "ATTENDED":
        case.change_session(withdraw(case, _tell(case, session), FAILED))
        _clear_session_late(case)
    elif case.referral.mandatory:
        case.change_session(fail(case, _tell(case, session), FAILED))
    else:
        case.change_session(session)
    return _rule(case, session)


def correct(case: Case[AttendanceCorrected]) -> str:
    """P10; returns the rule for those who came, or for those who did not."""
    session = replace(case.booked, outcome=case.message.outcome, reason_given=case.message.reason_given)
    if session.outcome == "ATTENDED":
        case.change_session(withdraw(case, _tell(case, session), FAILED))
        _clear_session_late(case)
    elif case.referral.mandatory:
        case.change_session(fail(case, _tell(case, session), FAILED))
    elif session.told_outcome == "ATTENDED":
        case.change_session(_tell(case, session))
    else:
        case.change_session(session)
    return _rule(case, session)


def reimburse(case: Case[ExpenseReimbursed]) -> None:
    """P12: kept."""
    message = case.message
    expense = Expense(message.session_id, message.kind, message.amount_pence, message.paid_on)
    case.update(expenses=(*case.referral.expenses, expense))


def _not_started(case: Case[AttendanceRecorded]) -> bool:
    starts_at = case.booked.starts_at
    return case.message.recorded_at < starts_at or case.at < starts_at


def _closed_before_start(case: Case[AttendanceRecorded]) -> bool:
    closed_at = case.referral.closed_at
    return closed_at is not None and closed_at <= case.booked.starts_at


CONFIRMED: Final = Row(
    "P6",
    NotificationConfirmed,
    (
        unknown_session("P6", REQUIREMENT_TOLD),
        Check(
            "P6",
            "the session is cancelled",
            lambda case: case.booked.cancelled,
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
        ),
    ),
    confirm,
    "replaces `notified_at`, also on a closed referral; a failure that waited for it is raised now",
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
            "the session is cancelled",
            lambda case: case.booked.cancelled,
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
            "the referral was closed at or before `starts_at`",
            _closed_before_start,
            "REFERRAL_CLOSED",
            ATTENDED,
            "The referral was closed before the session started.",
        ),
    ),
    record,
    "also on a closed referral. ATTENDED: attendance event; what F2 raised is WITHDRAWN, a waiting failure "
    "dropped. Mandatory, otherwise: attendance event, and F1. Voluntary, otherwise: nothing is told",
    ATTENDED,
    cites=(MANDATORY_ABSENCE, VOLUNTARY_ABSENCE),
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
        ),
    ),
    correct,
    "also on a closed referral. To ATTENDED: attendance event; an active notification is WITHDRAWN, a "
    "waiting failure dropped. Mandatory, otherwise: attendance event, and F1. Voluntary, otherwise: "
    "attendance event only where the last event told for this session was ATTENDED",
    VOLUNTARY_ABSENCE,
    cites=(ATTENDED, MANDATORY_ABSENCE),
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
        ),
        Check(
            "P12",
            "the outcome is not ATTENDED or DID_NOT_PARTICIPATE",
            lambda case: case.booked.outcome not in ("ATTENDED", "DID_NOT_PARTICIPATE"),
            "NO_ATTENDANCE_TO_REIMBURSE",
            EXPENSES,
            "Expenses are those of a participant who came to the session.",
        ),
    ),
    reimburse,
    "kept, also on a closed referral",
    EXPENSES,
    says="has reimbursed what coming cost",
)
