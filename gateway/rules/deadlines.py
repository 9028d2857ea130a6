"""What falls due: F2, T1 to T5 (rulebook: Failures, Deadlines)."""

from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from gateway.rules.calendar import midnight
from gateway.rules.case import Case
from gateway.rules.events import CancellationEvent
from gateway.rules.failures import fail
from gateway.rules.guidance import (
    ACCEPTANCE,
    ATTENDED,
    CANNOT_ATTEND,
    SESSION_IN_TIME,
    TIME_LIMITS,
    VOLUNTARY_NOT_STARTED,
)
from gateway.rules.referral import ReferralState, Session

#: Places among what falls due at one instant: what was held (G2) and F2 first, then T1 to T5.
HELD_OR_END: Final = 0
T1, T2, T3, T4, T5 = 1, 2, 3, 4, 5
#: After all else: the last trace of a purchase order that has neither a referral nor held messages.
TRACE: Final = 6


@dataclass(frozen=True, slots=True)
class Deadline:
    """A row of the rulebook's table, for its readers: limit, condition and effect in words."""

    row: str
    limit: str
    condition: str
    then: str
    rule: str


DEADLINES: Final = (
    Deadline(
        "F2",
        "the end of the session",
        "mandatory, said beforehand that they can't attend, the session still open, the referral not closed "
        "at or before its start",
        "F1 with that reason, and no attendance event",
        CANNOT_ATTEND,
    ),
    Deadline("T1", "2 working days", "OPEN, not accepted", "Breach ACCEPTANCE_LATE RAISED", ACCEPTANCE),
    Deadline(
        "T2",
        "D+15",
        "OPEN, no session of a date within the limit has outcome ATTENDED",
        "Breach SESSION_LATE RAISED",
        SESSION_IN_TIME,
    ),
    Deadline(
        "T3",
        "D+21",
        "OPEN",
        "CANCELLED: cancellation event 'Did Not Start', PRaP CANCEL, Instruction REFERRAL_CANCELLED",
        TIME_LIMITS,
    ),
    Deadline("T4", "D+28", "JOINING", "Breach ATTACHMENT_LATE RAISED", TIME_LIMITS),
    Deadline("T5", "D+400", "any", "the referral is forgotten, with all its ids", ""),
)


def end_is_due(referral: ReferralState, session: Session) -> bool:
    """F2 is still to be decided for a session, at its end."""
    return (
        session.cannot_attend is not None
        and not session.end_decided
        and referral.mandatory
        and session.open
        and (referral.closed_at is None or referral.closed_at > session.starts_at)
    )


def next_due(referral: ReferralState) -> tuple[int, int]:
    """When something falls due next: the instant and the place at it. T5 comes to every referral."""
    limits, day, passed, status = referral.limits, referral.referred_on, referral.passed, referral.status
    # From the last place to the first, so that of two at one instant the earlier place stays.
    due_at, rank = midnight(day + limits.forget_after_days + 1), T5
    if (status in ("OPEN", "JOINING")) and not passed & 1 << T4:
        instant = midnight(day + limits.attach_within_days + 1)
        if instant <= due_at:
            due_at, rank = instant, T4
    if status == "OPEN":
        instant = midnight(day + limits.wp11_within_days + 1)
        if instant <= due_at:
            due_at, rank = instant, T3
        if not passed & 1 << T2:
            instant = midnight(day + limits.session_within_days + 1)
            if instant <= due_at:
                due_at, rank = instant, T2
        if not referral.accepted and not passed & 1 << T1:
            instant = midnight(referral.accept_by + 1)
            if instant <= due_at:
                due_at, rank = instant, T1
    if referral.mandatory:
        for session in referral.sessions:
            if end_is_due(referral, session) and session.ends_at <= due_at:
                due_at, rank = session.ends_at, HELD_OR_END
    return due_at, rank


def decide_end(case: Case[Any], session: Session) -> None:
    """F2, at the end of a session whose participant said beforehand that they can't attend."""
    if end_is_due(case.referral, session):
        case.change_session(fail(case, replace(session, end_decided=True), CANNOT_ATTEND))


def fall_due(case: Case[Any], instant: int, rank: int) -> None:
    """Let fall due what is due at `instant` with that place. After T5 the case knows no referral."""
    referral = case.referral
    if rank == HELD_OR_END:
        for session in referral.sessions:
            if session.ends_at == instant:
                decide_end(case, session)
    elif rank == T5:
        case.known = None
    else:
        case.update(passed=referral.passed | 1 << rank)
        _EFFECTS[rank](case, instant)


def _acceptance_late(case: Case[Any], instant: int) -> None:
    referral = case.referral
    if referral.status == "OPEN" and not referral.accepted:
        case.breach("ACCEPTANCE_LATE", "RAISED", referral.accept_by, ACCEPTANCE)
        case.update(acceptance_late="RAISED")


def _session_late(case: Case[Any], instant: int) -> None:
    referral = case.referral
    if referral.status == "OPEN" and not referral.attended_in_time:
        due_on = referral.referred_on + referral.limits.session_within_days
        case.breach("SESSION_LATE", "RAISED", due_on, SESSION_IN_TIME)
        case.update(session_late="RAISED")


def _cancel(case: Case[Any], instant: int) -> None:
    referral, effects = case.referral, case.effects
    if referral.status != "OPEN":
        return
    rule = ATTENDED if referral.attended else TIME_LIMITS if referral.mandatory else VOLUNTARY_NOT_STARTED
    # It closes at the instant of the deadline, even if that is decided later.
    case.update(status="CANCELLED", closed_at=instant)
    effects.add(
        CancellationEvent(
            event_id=effects.next_id(),
            po_number=effects.po_number,
            provider_id=referral.provider_id,
            jobcentre_id=referral.jobcentre_id,
            reason="Did Not Start",
            referred_on=referral.referred_on,
            effective_on=referral.referred_on + referral.limits.wp11_within_days + 1,
            attended=referral.attended,
            decided_at=effects.decided_at,
            rule=rule,
        )
    )
    case.enter_on_prap("CANCEL", rule, "Did Not Start")
    case.instruct("REFERRAL_CANCELLED", rule)


def _attachment_late(case: Case[Any], instant: int) -> None:
    referral = case.referral
    if referral.status == "JOINING":
        due_on = referral.referred_on + referral.limits.attach_within_days
        case.breach("ATTACHMENT_LATE", "RAISED", due_on, TIME_LIMITS)
        case.update(attachment_late="RAISED")


_EFFECTS: Final = {T1: _acceptance_late, T2: _session_late, T3: _cancel, T4: _attachment_late}
