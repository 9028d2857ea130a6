"""A few plain messages, and when the deadlines of their referral are."""

from typing import Final

from gateway.rules.calendar import DAY_MS, midnight
from gateway.rules.messages import (
    GroupObjection,
    Participant,
    Referral,
    ReferralAccepted,
    SupportGroupAppealChanged,
    Wp11,
)

#: Monday 14 March 2016, the rulebook's own example, and nine o'clock on it.
D: Final = 16_874
NINE: Final = midnight(D) + 9 * 3_600_000
#: When T1 (two working days), T2, T3, T4 and T5 fall due.
T1: Final = midnight(D + 3)
T2: Final = midnight(D + 16)
T3: Final = midnight(D + 22)
T4: Final = midnight(D + 29)
T5: Final = midnight(D + 401)
#: A message without a referral, arriving on D, is refused then.
EXPIRY: Final = midnight(D + 29)
MINUTE: Final = 60_000
DAY: Final = DAY_MS


def referral(po_number: str = "PO1", message_id: str = "r1", *, referred_on: int = D) -> Referral:
    """A voluntary referral."""
    return Referral(
        message_id=message_id,
        po_number=po_number,
        po_revision=1,
        action_plan_annotation="Work Programme Information Session-Voluntary",
        referred_on=referred_on,
        provider_id="PRV01",
        contract_package_area="CPA07",
        jobcentre_id="JCP-LEEDS",
        benefit="ESA",
        claimant_group="ESA_C_WRAG",
        participant=Participant(),
    )


def acceptance(po_number: str = "PO1", message_id: str = "a1", accepted_at: int = NINE) -> ReferralAccepted:
    """The provider takes it."""
    return ReferralAccepted(
        message_id=message_id, po_number=po_number, provider_id="PRV01", accepted_at=accepted_at
    )


def wp11(po_number: str = "PO1", message_id: str = "w1", interview_on: int = D + 10) -> Wp11:
    """The participant joins."""
    return Wp11(
        message_id=message_id,
        po_number=po_number,
        jobcentre_id="JCP-LEEDS",
        interview_on=interview_on,
        wants_to_join=True,
        issued_on=interview_on,
    )


def objection(po_number: str = "PO1", message_id: str = "o1") -> GroupObjection:
    """The participant does not want to be in a group."""
    return GroupObjection(message_id=message_id, po_number=po_number, provider_id="PRV01", raised_at=NINE)


def appeal(po_number: str = "PO1", message_id: str = "u1") -> SupportGroupAppealChanged:
    """The Jobcentre tells of an appeal."""
    return SupportGroupAppealChanged(message_id=message_id, po_number=po_number, pending=True, changed_on=D)
