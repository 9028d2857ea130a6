"""Referrals from PRaP, and whether a provider takes them (rulebook: Referral, P1, P2)."""

import re
from typing import Final

from gateway.rules.calendar import add_working_days, day_text, london_day
from gateway.rules.case import Also, Applied, Case, Check, Row, closed
from gateway.rules.deadlines import ACCEPTANCE_LATE, clear
from gateway.rules.guidance import (
    ACCEPTANCE,
    ANNEX_A,
    ANNOTATION,
    BECAME_MANDATORY,
    DIRECTION,
    REARRANGED,
    REFERRED,
    SPECIAL_CUSTOMER,
    SUITABLE,
    UC_MANDATION,
)
from gateway.rules.messages import ClaimantGroup, Referral, ReferralAccepted, ReferralRejected
from gateway.rules.nino import NINO_STEM
from gateway.rules.referral import ReferralState
from gateway.rules.updates import end_group_sessions

MANDATORY: Final = "Work Programme Information Session-Mandatory"
VOLUNTARY: Final = "Work Programme Information Session-Voluntary"

CAN_BE_MANDATED: Final[frozenset[ClaimantGroup | None]] = frozenset(
    {"ESA_IR_WRAG_OVER_12_MONTHS", "ESA_C_WRAG", "ESA_IR_LONE_PARENT_CHILD_3_OR_4"}
)
UC_PURPOSES: Final = frozenset({"CHECK_COMPLIANCE", "ASSIST_COMPLIANCE", "IMPOSE_REQUIREMENT"})
JSA_PURPOSES: Final = frozenset({"ASSIST_TO_FIND_EMPLOYMENT", "IMPROVE_PROSPECTS"})

_NINO = re.compile(rf"{NINO_STEM}[A-D ]")


def _malformed_nino(case: Case[Referral]) -> bool:
    nino = case.message.participant.nino
    return nino is not None and _NINO.fullmatch(nino) is None


def _mandatory(referral: Referral) -> bool:
    return referral.action_plan_annotation == MANDATORY


def _uc_not_justified(case: Case[Referral]) -> bool:
    referral, mandation = case.message, case.message.mandation
    return (
        _mandatory(referral)
        and referral.benefit == "UC"
        and not (
            mandation is not None
            and mandation.basis == "UC_WORKPLAN"
            and mandation.purpose in UC_PURPOSES
            and mandation.tangible_outcome
        )
    )


def _no_direction(case: Case[Referral]) -> bool:
    referral, mandation = case.message, case.message.mandation
    return (
        _mandatory(referral)
        and referral.benefit == "JSA"
        and not (
            mandation is not None
            and mandation.basis == "JOBSEEKERS_DIRECTION"
            and mandation.purpose in JSA_PURPOSES
        )
    )


def _immutable_changed(case: Case[Referral]) -> bool:
    known, referral = case.referral, case.message
    return (
        _mandatory(referral) != known.mandatory
        or referral.referred_on != known.referred_on
        or referral.provider_id != known.provider_id
        or referral.benefit != known.benefit
    )


def _erase_personal_data(case: Case[Referral]) -> None:
    if case.known is not None:
        case.update(participant=None)


SPECIAL: Final[Check[Referral]] = Check(
    "R1",
    "`special_customer_record`",
    lambda case: case.message.special_customer_record,
    "SPECIAL_CUSTOMER_RECORD",
    SPECIAL_CUSTOMER,
    "Participants with special customer record status are referred clerically, never through PRaP.",
    Also(
        "nothing of it is kept, not even its `message_id`; where the referral is known, its personal data is "
        "erased",
        _erase_personal_data,
    ),
)

#: What any Referral must pass, the first or a later one, in this order.
CHECKS: Final[tuple[Check[Referral], ...]] = (
    SPECIAL,
    Check(
        "R8",
        "its revision equals the known one",
        lambda case: case.known is not None and case.message.po_revision == case.known.po_revision,
        "",
        detail="This revision of the purchase order is known already.",
    ),
    Check(
        "R9",
        "its revision is lower than the known one",
        lambda case: case.known is not None and case.message.po_revision < case.known.po_revision,
        "STALE_REVISION",
        detail="A later revision of the purchase order is known.",
    ),
    Check(
        "R2",
        "the annotation is neither of the two",
        lambda case: case.message.action_plan_annotation not in (MANDATORY, VOLUNTARY),
        "NOT_AN_INFORMATION_SESSION",
        ANNOTATION,
        f"The Action Plan is annotated neither '{MANDATORY}' nor '{VOLUNTARY}'.",
    ),
    Check(
        "G4",
        "a fact in it is dated after it arrived",
        lambda case: case.dated_in_future(),
        "DATED_IN_FUTURE",
        detail="A date or time in the message lies after the moment it arrived; check the sender's clock.",
    ),
    Check(
        "R3",
        "`nino` is given and malformed",
        _malformed_nino,
        "INVALID_NINO",
        detail="The National Insurance number is not of the right form: two letters, six digits, and A to D "
        "or a space.",
    ),
    Check(
        "R4",
        "ESA without `claimant_group`",
        lambda case: case.message.benefit == "ESA" and case.message.claimant_group is None,
        "CLAIMANT_GROUP_MISSING",
        ANNEX_A,
        "An ESA referral must say which group of Annex A the claimant is in.",
    ),
    Check(
        "R5",
        "mandatory, ESA, not one of the first three groups",
        lambda case: (
            _mandatory(case.message)
            and case.message.benefit == "ESA"
            and case.message.claimant_group not in CAN_BE_MANDATED
        ),
        "GROUP_CANNOT_BE_MANDATED",
        ANNEX_A,
        "Claimants of this group can't be mandated to an Information Session; refer them as voluntary.",
    ),
    Check(
        "R6",
        "mandatory, UC, and not in the Workplan for one of three purposes with a tangible outcome",
        _uc_not_justified,
        "UC_MANDATION_NOT_JUSTIFIED",
        UC_MANDATION,
        "A Universal Credit claimant is mandated by a Workplan entry with one of three purposes and a "
        "tangible outcome.",
    ),
    Check(
        "R7",
        "mandatory, JSA, and no Jobseeker's Direction for one of two purposes",
        _no_direction,
        "NO_JOBSEEKERS_DIRECTION",
        DIRECTION,
        "A Jobseeker's Allowance claimant is mandated by a Jobseeker's Direction that assists them to find "
        "employment or improves their prospects.",
    ),
    Check(
        "R10",
        "the revision is higher and the referral closed",
        lambda case: case.known is not None and case.known.closed,
        "REFERRAL_CLOSED",
        detail="The referral is attached, cancelled or rejected; it can't be revised any more.",
    ),
    Check(
        "R11",
        "the revision is higher and voluntary became mandatory",
        lambda case: case.known is not None and _mandatory(case.message) and not case.known.mandatory,
        "MANDATION_NEEDS_NEW_REFERRAL",
        BECAME_MANDATORY,
        "A participant who becomes mandatory is referred anew, by a purchase order of its own.",
    ),
    Check(
        "R12",
        "the revision is higher and annotation, `referred_on`, `provider_id` or `benefit` differs otherwise",
        lambda case: case.known is not None and _immutable_changed(case),
        "IMMUTABLE_FIELD_CHANGED",
        REARRANGED,
        "A revision can't change the annotation, the date of referral, the provider or the benefit.",
    ),
)


def apply(case: Case[Referral]) -> str:
    """R13 for a known referral, R14 for the first revision of a new one; returns the rule that says so."""
    if case.known is None:
        _open(case)
        return ACCEPTANCE
    _revise(case)
    return REFERRED


def _open(case: Case[Referral]) -> None:
    message = case.message
    limits = case.policies.on(message.referred_on)
    accept_by = add_working_days(london_day(case.at), limits.accept_within_working_days)
    referral = ReferralState(
        po_revision=message.po_revision,
        mandatory=_mandatory(message),
        referred_on=message.referred_on,
        provider_id=message.provider_id,
        contract_package_area=message.contract_package_area,
        jobcentre_id=message.jobcentre_id,
        benefit=message.benefit,
        claimant_group=message.claimant_group,
        participant=message.participant,
        appeal_pending=message.support_group_appeal_pending,
        restriction=message.group_session_restriction,
        revision_appeal_pending=message.support_group_appeal_pending,
        revision_restriction=message.group_session_restriction,
        limits=limits,
        accept_by=accept_by,
    )
    case.keep(referral)
    case.enter_on_prap("ACKNOWLEDGE", ACCEPTANCE)
    case.instruct("ACCEPT_REFERRAL", ACCEPTANCE, due_on=accept_by)


def _revise(case: Case[Referral]) -> None:
    message, known = case.message, case.referral
    appeal_pending, restriction = message.support_group_appeal_pending, message.group_session_restriction
    restricted_anew = restriction != known.revision_restriction
    case.update(
        po_revision=message.po_revision,
        contract_package_area=message.contract_package_area,
        jobcentre_id=message.jobcentre_id,
        claimant_group=message.claimant_group,
        participant=message.participant,
        # Only what PRaP changed: a Jobcentre update or an objection that came since the last revision stays.
        appeal_pending=(
            known.appeal_pending if appeal_pending == known.revision_appeal_pending else appeal_pending
        ),
        restriction=restriction if restricted_anew else known.restriction,
        revision_appeal_pending=appeal_pending,
        revision_restriction=restriction,
    )
    case.instruct("REFERRAL_UPDATED", REFERRED)
    if restricted_anew and restriction is not None:
        end_group_sessions(case)


def accept(case: Case[ReferralAccepted]) -> None:
    """P1: the provider takes the referral; an acceptance that was in time clears T1's breach."""
    case.update(accepted=True)
    case.enter_on_prap("ACCEPT", ACCEPTANCE)
    if london_day(case.message.accepted_at) <= case.referral.accept_by:
        clear(case, ACCEPTANCE_LATE)


def reject(case: Case[ReferralRejected]) -> None:
    """P2: the provider does not take the referral."""
    case.update(status="REJECTED", closed_at=case.at)
    case.enter_on_prap("REJECT", ACCEPTANCE, case.message.reason)


def _words(referral: Referral) -> str:
    kind = "mandatory" if _mandatory(referral) else "voluntary"
    again = f", revision {referral.po_revision}" if referral.po_revision > 1 else ""
    return f"a referral of {day_text(referral.referred_on)} to a {kind} session{again}"


REVISED: Final = Applied(
    "R13",
    "otherwise, the referral is known",
    "the rest of it is new; the appeal and the restriction only where this revision differs in them from the "
    "last one; Instruction REFERRAL_UPDATED; a new restriction then acts as in U4",
    REFERRED,
    (SUITABLE,),
)
OPENED: Final = Applied(
    "R14",
    "otherwise, it is the first",
    "OPEN; PRaP ACKNOWLEDGE; Instruction ACCEPT_REFERRAL, due {accept_within_working_days} working days "
    "after the date of `at`. After its outcome, what was held for it is decided in order of arrival, each by "
    "its own `at`, as if the referral had been in time",
    ACCEPTANCE,
)
REFERRED_TO: Final = Row("R13, R14", Referral, CHECKS, apply, says=_words, cases=(REVISED, OPENED))

_ACCEPTED_DETAIL = "The referral has been accepted already."

ACCEPTED: Final = Row(
    "P1",
    ReferralAccepted,
    (
        closed("P1", ACCEPTANCE),
        Check(
            "P1",
            "accepted",
            lambda case: case.referral.accepted,
            "ALREADY_ACCEPTED",
            ACCEPTANCE,
            _ACCEPTED_DETAIL,
        ),
    ),
    accept,
    "accepted; PRaP ACCEPT",
    ACCEPTANCE,
    says="accepts the referral",
)

REJECTED: Final = Row(
    "P2",
    ReferralRejected,
    (
        closed("P2", ACCEPTANCE),
        Check(
            "P2",
            "JOINING",
            lambda case: case.referral.status == "JOINING",
            "WP11_ALREADY_RECEIVED",
            ACCEPTANCE,
            "The participant's WP11 has come; the referral can't be rejected any more.",
        ),
        Check(
            "P2",
            "accepted",
            lambda case: case.referral.accepted,
            "ALREADY_ACCEPTED",
            ACCEPTANCE,
            _ACCEPTED_DETAIL,
        ),
    ),
    reject,
    "REJECTED; PRaP REJECT with the reason",
    ACCEPTANCE,
    says="rejects the referral",
)
