"""Failures of mandatory participants to attend or take part (rulebook F1), and their withdrawal."""

from typing import Any, Final, Literal

from msgspec.structs import replace

from gateway.rules.case import Applied, Case
from gateway.rules.events import FailureType, SanctionNotification
from gateway.rules.guidance import CANNOT_ATTEND, FAILED, REQUIREMENT_TOLD
from gateway.rules.messages import Benefit, MandationBasis
from gateway.rules.referral import Raised, Session

#: Never 'failure to attend' (UCGS Claimant fails to attend).
FAILURE_TYPES: Final[dict[Benefit, FailureType]] = {
    "ESA": "FAILURE_TO_UNDERTAKE_WORK_RELATED_ACTIVITY",
    "UC": "FAILURE_TO_PARTICIPATE_OR_COMPLY",
    "JSA": "FAILURE_TO_CARRY_OUT_JOBSEEKERS_DIRECTION",
}
#: The one basis of a mandation that each benefit may have (R16, R6, R7).
BASES: Final[dict[Benefit, MandationBasis]] = {
    "ESA": "WORK_RELATED_ACTIVITY",
    "UC": "UC_WORKPLAN",
    "JSA": "JOBSEEKERS_DIRECTION",
}
#: What `fail` does, for its readers.
FAILURE: Final = Applied(
    "F1",
    "a mandatory participant did not attend, or did not take part",
    "Had they been told, a sanction notification is RAISED, unless one is active for this session. Had they "
    "not, Instruction CONFIRM_NOTIFICATION asks for proof, and the failure waits for it (P6).\nThe "
    "notification says what failed, and on what ground attendance was mandatory. It goes to a decision "
    "maker, says that there is a doubt, and decides nothing. It is never "
    f"called failure to attend ({FAILED}). None is raised of a special customer record",
    FAILED,
    (REQUIREMENT_TOLD, CANNOT_ATTEND),
)


def fail(case: Case[Any], session: Session, rule: str) -> Session:
    """F1: a mandatory participant did not attend or take part in `session`.

    Raises a sanction notification where they had been told, asks for proof where not; neither twice.
    Returns the session as it is now.
    """
    referral = case.referral
    if session.notification is not None or referral.special:
        return session
    if session.notified_at is None or not referral.told(session):
        if not session.failure_waits:
            case.instruct("CONFIRM_NOTIFICATION", rule, session_id=session.session_id)
        return replace(session, failure_waits=True)
    outcome = session.outcome
    assert referral.ground is not None
    assert outcome != "ATTENDED"
    raised = Raised(
        event_id=case.effects.next_id(),
        jobcentre_id=referral.jobcentre_id,
        ground=referral.ground,
        failure="CANNOT_ATTEND" if outcome is None else outcome,
        notified_at=session.notified_at,
        # A reason of the last outcome record goes before what was said beforehand; an empty one is a reason.
        reason_given=session.cannot_attend if session.reason_given is None else session.reason_given,
    )
    _notify(case, session, raised, "RAISED", raised.event_id, rule)
    return replace(session, notification=raised, failure_waits=False)


def withdraw(case: Case[Any], session: Session, rule: str) -> Session:
    """There was no failure after all: withdraw an active notification, drop one that waits.

    Returns the session as it is now.
    """
    raised = session.notification
    if raised is not None:
        _notify(case, session, raised, "WITHDRAWN", case.effects.next_id(), rule)
    elif not session.failure_waits:
        return session
    return replace(session, notification=None, failure_waits=False)


def _notify(
    case: Case[Any],
    session: Session,
    raised: Raised,
    status: Literal["RAISED", "WITHDRAWN"],
    event_id: str,
    rule: str,
) -> None:
    effects, ground = case.effects, raised.ground
    effects.add(
        SanctionNotification(
            event_id=event_id,
            po_number=effects.po_number,
            provider_id=case.referral.provider_id,
            jobcentre_id=raised.jobcentre_id,
            status=status,
            withdraws=raised.event_id if status == "WITHDRAWN" else None,
            failure_type=FAILURE_TYPES[ground.benefit],
            failure=raised.failure,
            mandation_basis=None if ground.recorded_on is None else BASES[ground.benefit],
            mandation_purpose=ground.purpose,
            mandation_recorded_on=ground.recorded_on,
            session_id=session.session_id,
            session_name=session.session_name,
            session_starts_at=session.starts_at,
            location=session.location,
            requirement_notified_at=raised.notified_at,
            reason_given=raised.reason_given,
            decided_at=effects.decided_at,
            rule=rule,
        )
    )
