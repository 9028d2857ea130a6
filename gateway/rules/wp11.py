"""WP11 forms: the participant joins the Work Programme (rulebook: WP11)."""

from typing import Final

from gateway.rules.case import Case, Check, Row
from gateway.rules.guidance import APPEAL, NOT_BEFORE_WP11, REARRANGED_TOO_LATE, TIME_LIMITS
from gateway.rules.messages import ClaimantGroup, Wp11

WRAG_GROUPS: Final[frozenset[ClaimantGroup | None]] = frozenset(
    {
        "ESA_IR_WRAG_OVER_12_MONTHS",
        "ESA_C_WRAG",
        "ESA_IR_WRAG_CHILD_UNDER_3_OR_CARER",
        "ESA_IR_EX_IB_WRAG_CHILD_UNDER_3_OR_CARER",
        "ESA_C_WRAG_CHILD_UNDER_3_OR_CARER",
    }
)


def join(case: Case[Wp11]) -> None:
    """W8: the provider is to attach the participant."""
    referral = case.referral
    case.update(status="JOINING", wp11_issued_on=case.message.issued_on)
    if not referral.attended:
        case.advisories = ("WP11_WITHOUT_ATTENDANCE",)
    case.instruct("UNDERTAKE_ATTACHMENT", TIME_LIMITS, due_on=referral.attach_by())


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
        ),
        Check(
            "W2",
            "the interview was before D",
            lambda case: case.message.interview_on < case.referral.referred_on,
            "INTERVIEW_BEFORE_REFERRAL",
            None,
            "The follow-up interview is dated before the referral.",
        ),
        Check(
            "W3",
            "the interview was after D+{wp11_within_days}",
            lambda case: case.message.interview_on > case.referral.wp11_by(),
            "INTERVIEW_AFTER_21_DAYS",
            TIME_LIMITS,
            "The interview was too long after the referral; a new Work Programme referral is needed.",
        ),
        Check(
            "W4",
            "an appeal is pending, and the group is one of the WRAG groups",
            lambda case: case.referral.appeal_pending and case.referral.claimant_group in WRAG_GROUPS,
            "SUPPORT_GROUP_APPEAL_PENDING",
            APPEAL,
            "The claimant appeals to be placed in the Support Group, and can't join meanwhile.",
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
        ),
        Check(
            "W7",
            "REJECTED",
            lambda case: case.referral.status == "REJECTED",
            "REFERRAL_CLOSED",
            None,
            "The provider rejected the referral.",
        ),
    ),
    join,
    "JOINING; Instruction UNDERTAKE_ATTACHMENT, due D+{attach_within_days}; advisory WP11_WITHOUT_ATTENDANCE "
    "where no session was attended",
    TIME_LIMITS,
    says=lambda message: (
        f"a WP11, the participant {'wants' if message.wants_to_join else 'does not want'} to join"
    ),
)
