"""Jobcentre updates (rulebook: U1 to U4), and what they and revisions change for sessions and attachments."""

from typing import Any, Final

from gateway.rules.calendar import add_working_days, london_day
from gateway.rules.case import Case, Row, closed
from gateway.rules.deadlines import ATTACHMENT_LATE
from gateway.rules.guidance import APPEAL, MANDATORY_ABSENCE, SUITABLE, TIME_LIMITS
from gateway.rules.messages import (
    AlternativeSessionRequested,
    GroupSessionRestrictionChanged,
    SupportGroupAppealChanged,
)
from gateway.rules.referral import UNSUITABLE
from gateway.rules.wp11 import undertake


def change_sessions_ahead(
    case: Case[Any], *, voluntary: str | None = None, unsuitable: str | None = None
) -> str | None:
    """Tell the Jobcentre of the open sessions that have not started, in the order of booking.

    voluntary: the guidance by which they are so from now on. unsuitable: the guidance by which those in a
    group are cancelled. Returns the session_id of the one booked last among these, None where there was none.
    """
    last = None
    for session in case.referral.sessions:
        if session.open and session.starts_at >= case.at:
            if voluntary is not None:
                case.report_session(session, "CHANGED", voluntary)
            if unsuitable is not None and session.format == "GROUP" and session.starts_at > case.at:
                case.report_session(session, "CANCELLED", unsuitable, "GROUP_UNSUITABLE")
                case.change_session(session.without_failure())
                last = session.session_id
    return last


def offer_one_to_one(case: Case[Any], session_id: str | None) -> None:
    """Where a restriction cancelled a session, one-to-one is to be offered."""
    if session_id is not None:
        case.instruct("OFFER_ONE_TO_ONE", SUITABLE, session_id=session_id)


def hold_or_undertake(case: Case[Any], was_on_hold: bool) -> None:
    """Where an appeal has put the referral on hold, or no longer does, tell the provider."""
    referral = case.referral
    if referral.on_hold and not was_on_hold:
        case.instruct("HOLD_ATTACHMENT", APPEAL)
    elif was_on_hold and not referral.on_hold and referral.status == "JOINING":
        later = add_working_days(london_day(case.at), referral.limits.accept_within_working_days)
        passed = referral.passed & ~(1 << ATTACHMENT_LATE.place)
        case.update(held_until=later, passed=passed)
        undertake(case)


def ask_for_alternative(case: Case[AlternativeSessionRequested]) -> None:
    """U2, for mandatory and voluntary participants alike."""
    case.ask_for_alternative(MANDATORY_ABSENCE)


def change_appeal(case: Case[SupportGroupAppealChanged]) -> None:
    """U3."""
    was_on_hold = case.referral.on_hold
    case.update(appeal_pending=case.message.pending)
    hold_or_undertake(case, was_on_hold)


def change_restriction(case: Case[GroupSessionRestrictionChanged]) -> None:
    """U4."""
    restriction = case.message.restriction
    case.update(restriction=restriction)
    if restriction in UNSUITABLE:
        offer_one_to_one(case, change_sessions_ahead(case, unsuitable=SUITABLE))


ALTERNATIVE_REQUESTED: Final = Row(
    "U2",
    AlternativeSessionRequested,
    (closed("U1", None),),
    ask_for_alternative,
    "Instruction ARRANGE_ALTERNATIVE_SESSION",
    MANDATORY_ABSENCE,
    says="asks for another session",
)
APPEAL_CHANGED: Final = Row(
    "U3",
    SupportGroupAppealChanged,
    (closed("U1", None),),
    change_appeal,
    "the appeal is pending, or no longer. Where it puts the referral on hold (JOINING, one of the WRAG "
    "groups), Instruction HOLD_ATTACHMENT; where it ends that, Instruction UNDERTAKE_ATTACHMENT as in W8, "
    "due D+{attach_within_days}, or {accept_within_working_days} working days after the date of `at` where "
    "that is later",
    APPEAL,
    cites=(TIME_LIMITS,),
    says=lambda message: (
        "the participant appeals for the Support Group"
        if message.pending
        else "the appeal for the Support Group has ended"
    ),
)
RESTRICTION_CHANGED: Final = Row(
    "U4",
    GroupSessionRestrictionChanged,
    (closed("U1", None),),
    change_restriction,
    "the restriction; one that makes unsuitable (SAFETY_MEASURES, MAPPA, OBJECTION) cancels every GROUP "
    "session that is open and not started (session event CANCELLED, GROUP_UNSUITABLE), and where there was "
    "one, Instruction OFFER_ONE_TO_ONE",
    SUITABLE,
    says="whether a group is suitable has changed",
)
