"""What a provider has to do next on a referral, and by when, as the referral's state says."""

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from gateway.rules.deadlines import ACCEPTANCE_LATE, ATTACHMENT_LATE, OUTCOME_LATE, SESSION_LATE
from gateway.rules.guidance import MANDATORY_ABSENCE
from gateway.rules.referral import ReferralState

#: Named as the instruction that asks for it, where one does.
DutyKind = Literal[
    "ACCEPT_REFERRAL",
    "DELIVER_SESSION",
    "ARRANGE_ALTERNATIVE_SESSION",
    "RECORD_OUTCOME",
    "CONFIRM_NOTIFICATION",
    "UNDERTAKE_ATTACHMENT",
]
#: The paragraph that each follows.
RULE_OF_DUTY: Final[dict[DutyKind, str]] = {
    "ACCEPT_REFERRAL": ACCEPTANCE_LATE.rule,
    "DELIVER_SESSION": SESSION_LATE.rule,
    "ARRANGE_ALTERNATIVE_SESSION": MANDATORY_ABSENCE,
    "RECORD_OUTCOME": OUTCOME_LATE.rule,
    "CONFIRM_NOTIFICATION": OUTCOME_LATE.rule,
    "UNDERTAKE_ATTACHMENT": ATTACHMENT_LATE.rule,
}


class Duty(Struct, frozen=True, gc=False):
    """Something that a provider has to do.

    due_on: the last day, days since 1970; None: no limit counts any more. A duty whose day has passed stays,
    as long as it can be done. session_id: of a duty about one session.
    """

    kind: DutyKind
    due_on: int | None
    session_id: str | None = None


def duties(referral: ReferralState) -> Iterator[Duty]:
    """What is to be done on a referral.

    Nothing of instructions whose end no record shows (BACK_OUT_ATTACHMENT, HANDLE_CLERICALLY).
    """
    if referral.status == "OPEN":
        if not referral.accepted:
            yield Duty("ACCEPT_REFERRAL", ACCEPTANCE_LATE.last_day(referral))
        if not referral.attended:
            asked = referral.alternative_asked
            kind: DutyKind = "ARRANGE_ALTERNATIVE_SESSION" if asked else "DELIVER_SESSION"
            yield Duty(kind, SESSION_LATE.last_day(referral))
    elif referral.status == "JOINING":
        if referral.alternative_asked:
            yield Duty("ARRANGE_ALTERNATIVE_SESSION", None)
        if not referral.on_hold:
            yield Duty("UNDERTAKE_ATTACHMENT", ATTACHMENT_LATE.last_day(referral))
    for session in referral.sessions:
        if referral.owes_outcome(session):
            if session.open:
                yield Duty("RECORD_OUTCOME", session.outcome_by, session.session_id)
            if session.failure_waits:
                yield Duty("CONFIRM_NOTIFICATION", session.outcome_by, session.session_id)
