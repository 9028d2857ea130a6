"""Jobcentre updates (rulebook: U1 to U4)."""

from typing import Any, Final

from msgspec.structs import replace

from gateway.rules.case import Case, Row, closed
from gateway.rules.guidance import MANDATORY_ABSENCE, SUITABLE
from gateway.rules.messages import (
    AlternativeSessionRequested,
    GroupSessionRestrictionChanged,
    SupportGroupAppealChanged,
)


def cancel_group_sessions(case: Case[Any]) -> str | None:
    """Cancel every GROUP session that is open and has not started.

    Returns the session_id of the one booked last among them, None where there was none.
    """
    last = None
    for session in case.referral.sessions:
        if session.format == "GROUP" and session.open and case.at < session.starts_at:
            case.change_session(replace(session, cancelled=True))
            last = session.session_id
    return last


def end_group_sessions(case: Case[Any]) -> None:
    """What a new restriction does: where it cancelled a session, one-to-one is to be offered."""
    session_id = cancel_group_sessions(case)
    if session_id is not None:
        case.instruct("OFFER_ONE_TO_ONE", SUITABLE, session_id=session_id)


def ask_for_alternative(case: Case[AlternativeSessionRequested]) -> None:
    """U2, for mandatory and voluntary participants alike."""
    case.instruct("ARRANGE_ALTERNATIVE_SESSION", MANDATORY_ABSENCE)


def change_appeal(case: Case[SupportGroupAppealChanged]) -> None:
    """U3."""
    case.update(appeal_pending=case.message.pending)


def change_restriction(case: Case[GroupSessionRestrictionChanged]) -> None:
    """U4."""
    case.update(restriction=case.message.restriction)
    if case.message.restriction is not None:
        end_group_sessions(case)


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
    "the appeal is pending, or no longer",
    None,
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
    "the restriction; one that is not null cancels every GROUP session that is open and not started, and "
    "where there was one, Instruction OFFER_ONE_TO_ONE",
    SUITABLE,
    says="whether a group is suitable has changed",
)
