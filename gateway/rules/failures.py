"""Failures of mandatory participants to attend or take part (rulebook F1), and their withdrawal."""

from typing import Any, Final

from msgspec.structs import replace

from gateway.rules.case import Applied, Case
from gateway.rules.events import FailureType, SanctionNotification
from gateway.rules.guidance import CANNOT_ATTEND, FAILED, REQUIREMENT_TOLD
from gateway.rules.messages import Benefit
from gateway.rules.referral import Session

#: Never 'failure to attend' (UCGS Claimant fails to attend).
FAILURE_TYPES: Final[dict[Benefit, FailureType]] = {
    "ESA": "FAILURE_TO_UNDERTAKE_WORK_RELATED_ACTIVITY",
    "UC": "FAILURE_TO_PARTICIPATE_OR_COMPLY",
    "JSA": "FAILURE_TO_CARRY_OUT_JOBSEEKERS_DIRECTION",
}
#: What `fail` does, for its readers.
FAILURE: Final = Applied(
    "F1",
    "a mandatory participant did not attend, or did not take part",
    "Had they been told, a sanction notification is RAISED, unless one is active for this session. Had they "
    "not, Instruction CONFIRM_NOTIFICATION asks for proof, and the failure waits for it (P6).\nThe "
    "notification goes to a decision maker. It says that there is a doubt, and decides nothing. It is never "
    f"called failure to attend ({FAILED})",
    FAILED,
    (REQUIREMENT_TOLD, CANNOT_ATTEND),
)


def fail(case: Case[Any], session: Session, rule: str) -> Session:
    """F1: a mandatory participant did not attend or take part in `session`.

    Raises a sanction notification where they had been told, asks for proof where not; neither twice.
    Returns the session as it is now.
    """
    if session.notification is not None:
        return session
    if session.notified_at is None or not session.told:
        if not session.failure_waits:
            case.instruct("CONFIRM_NOTIFICATION", rule, session_id=session.session_id)
        return replace(session, failure_waits=True)
    effects, referral = case.effects, case.referral
    # A reason of the last outcome record goes before what was said beforehand; an empty one is a reason.
    reason = session.cannot_attend if session.reason_given is None else session.reason_given
    notification = SanctionNotification(
        event_id=effects.next_id(),
        po_number=effects.po_number,
        provider_id=referral.provider_id,
        jobcentre_id=referral.jobcentre_id,
        status="RAISED",
        failure_type=FAILURE_TYPES[referral.benefit],
        session_id=session.session_id,
        session_name=session.session_name,
        session_starts_at=session.starts_at,
        location=session.location,
        requirement_notified_at=session.notified_at,
        reason_given=reason,
        decided_at=effects.decided_at,
        rule=rule,
    )
    effects.add(notification)
    return replace(session, notification=notification, failure_waits=False)


def withdraw(case: Case[Any], session: Session, rule: str) -> Session:
    """There was no failure after all: withdraw an active notification, drop one that waits.

    Returns the session as it is now.
    """
    raised = session.notification
    if raised is not None:
        effects = case.effects
        effects.add(
            replace(
                raised,
                event_id=effects.next_id(),
                status="WITHDRAWN",
                withdraws=raised.event_id,
                decided_at=effects.decided_at,
                rule=rule,
            )
        )
    return replace(session, notification=None, failure_waits=False)
