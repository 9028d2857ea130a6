"""WP11 forms: the participant joins the Work Programme (rulebook: WP11)."""

from collections.abc import Callable
from typing import Any, Final

from gateway.rules.case import Also, Case, Check, Row
from gateway.rules.events import Requirement
from gateway.rules.guidance import APPEAL, ATTENDED, NOT_BEFORE_WP11, REARRANGED_TOO_LATE, TIME_LIMITS
from gateway.rules.messages import Wp11
from gateway.rules.referral import CAN_BE_MANDATED


def undertake(case: Case[Any]) -> None:
    """W8: the provider is to attach the participant, and knows what taking part will be (Annex A)."""
    referral = case.referral
    participation: Requirement | None = None
    if referral.benefit == "ESA":
        by_group = referral.claimant_group in CAN_BE_MANDATED and not referral.group_refused
        participation = "MANDATORY" if by_group else "VOLUNTARY"
    case.instruct(
        "UNDERTAKE_ATTACHMENT", TIME_LIMITS, due_on=referral.attach_by(), participation=participation
    )


def join(case: Case[Wp11]) -> None:
    """W8."""
    if not case.referral.attended:
        case.advisories = ("WP11_WITHOUT_ATTENDANCE",)
    case.update(status="JOINING", wp11_issued_on=case.message.issued_on)
    undertake(case)


def _new_referral_needed(rule: str) -> Callable[[Case[Wp11]], None]:
    def notice(case: Case[Wp11]) -> None:
        """N1, once in the life of a referral; one that is joined needs no other."""
        referral = case.referral
        if referral.status not in ("JOINING", "ATTACHED") and not referral.new_referral_noticed:
            case.update(new_referral_noticed=True)
            case.notify("NEW_REFERRAL_NEEDED", case.message.interview_on, rule)

    return notice


RECEIVED: Final = Row(
    "W8",
    Wp11,
    (
        Check(
            "W1",
            "`wants_to_join` is false",
            lambda case: not case.message.wants_to_join,
            "DOES_NOT_WANT_TO_JOIN",
            NOT_BEFORE_WP11,
            "A WP11 is issued only for a participant who wants to join the Work Programme.",
            field="wants_to_join",
        ),
        Check(
            "W2",
            "the interview was before D",
            lambda case: case.message.interview_on < case.referral.referred_on,
            "INTERVIEW_BEFORE_REFERRAL",
            None,
            "The follow-up interview is dated before the referral.",
            field="interview_on",
        ),
        Check(
            "W9",
            "issued before the interview",
            lambda case: case.message.issued_on < case.message.interview_on,
            "ISSUED_BEFORE_INTERVIEW",
            ATTENDED,
            "The WP11 is dated before the follow-up interview that it comes of.",
            field="issued_on",
        ),
        Check(
            "W3",
            "the interview was after D+{wp11_within_days}",
            lambda case: case.message.interview_on > case.referral.wp11_by(),
            "INTERVIEW_AFTER_21_DAYS",
            TIME_LIMITS,
            "The interview was too long after the referral; a new Work Programme referral is needed.",
            Also("not JOINING or ATTACHED: N1", _new_referral_needed(TIME_LIMITS)),
            field="interview_on",
        ),
        Check(
            "W5",
            "JOINING or ATTACHED",
            lambda case: case.referral.status in ("JOINING", "ATTACHED"),
            "WP11_ALREADY_RECEIVED",
            None,
            "A WP11 for this referral came earlier.",
        ),
        Check(
            "W6",
            "CANCELLED",
            lambda case: case.referral.status == "CANCELLED",
            "REFERRAL_CANCELLED",
            REARRANGED_TOO_LATE,
            "The referral was cancelled: no WP11 came in time. A new Work Programme referral is needed.",
            Also("N1", _new_referral_needed(REARRANGED_TOO_LATE)),
        ),
        Check(
            "W7",
            "REJECTED",
            lambda case: case.referral.status == "REJECTED",
            "REFERRAL_CLOSED",
            None,
            "The provider rejected the referral.",
        ),
        Check(
            "W4",
            "an appeal is pending, and the group is one of the WRAG groups",
            lambda case: case.referral.appeal_pending and case.referral.wrag,
            "SUPPORT_GROUP_APPEAL_PENDING",
            APPEAL,
            "The claimant appeals to be placed in the Support Group, and can't join meanwhile.",
        ),
    ),
    join,
    "JOINING; Instruction UNDERTAKE_ATTACHMENT, due D+{attach_within_days}, with `participation`, what "
    "taking part will be: of ESA by Annex A, VOLUNTARY too where R5 has refused a revision since the last "
    "one applied. Advisory WP11_WITHOUT_ATTENDANCE where no session was attended",
    TIME_LIMITS,
    says=lambda message: (
        f"a WP11, the participant {'wants' if message.wants_to_join else 'does not want'} to join"
    ),
)
