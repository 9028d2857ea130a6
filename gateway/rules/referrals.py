"""Referrals from PRaP, and whether a provider takes them (rulebook: Referral, P1, P2)."""

import re
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from gateway.rules.calendar import add_working_days, day_text, london_day
from gateway.rules.case import Also, Applied, Case, Check, Row, closed
from gateway.rules.deadlines import ACCEPTANCE_LATE, clear
from gateway.rules.guidance import (
    ACCEPTANCE,
    ANNEX_A,
    ANNOTATION,
    APPEAL,
    BECAME_MANDATORY,
    CANNOT_ATTEND,
    DIRECTION,
    INSTRUCTED,
    LAST_REFERRALS,
    REARRANGED,
    REFERRED,
    SPECIAL_CUSTOMER,
    SUITABLE,
    TIME_LIMITS,
    UC_MANDATION,
)
from gateway.rules.messages import Referral, ReferralAccepted, ReferralRejected
from gateway.rules.nino import NINO_STEM
from gateway.rules.referral import CAN_BE_MANDATED, UNSUITABLE, Ground, ReferralState
from gateway.rules.updates import change_sessions_ahead, hold_or_undertake, offer_one_to_one

MANDATORY: Final = "Work Programme Information Session-Mandatory"
VOLUNTARY: Final = "Work Programme Information Session-Voluntary"

UC_PURPOSES: Final = frozenset({"CHECK_COMPLIANCE", "ASSIST_COMPLIANCE", "IMPOSE_REQUIREMENT"})
JSA_PURPOSES: Final = frozenset({"ASSIST_TO_FIND_EMPLOYMENT", "IMPROVE_PROSPECTS"})

#: A hyphen or a dash, as people type it, with the blanks around it.
_HYPHEN: Final = re.compile(" ?[-\u2010-\u2015] ?")
_NINO = re.compile(rf"{NINO_STEM}[A-D ]")


def _malformed_nino(case: Case[Referral]) -> bool:
    nino = case.message.participant.nino
    return nino is not None and _NINO.fullmatch(nino) is None


def _plain(annotation: str) -> str:
    return _HYPHEN.sub("-", " ".join(annotation.split())).casefold()


_ANNOTATIONS: Final = {_plain(MANDATORY): True, _plain(VOLUNTARY): False}


@lru_cache(maxsize=256)
def annotated_mandatory(annotation: str) -> bool | None:
    """Whether an annotation says mandatory or voluntary, as people type it; None: neither (R2)."""
    return _ANNOTATIONS.get(_plain(annotation))


def _mandatory(referral: Referral) -> bool:
    return annotated_mandatory(referral.action_plan_annotation) is True


def _another_basis(case: Case[Referral]) -> bool:
    referral, mandation = case.message, case.message.mandation
    return (
        _mandatory(referral)
        and referral.benefit == "ESA"
        and mandation is not None
        and mandation.basis != "WORK_RELATED_ACTIVITY"
    )


def _after_the_last(case: Case[Referral]) -> bool:
    if case.known is not None:
        return False
    last = case.policies.on(case.message.referred_on).referrals_until
    return last is not None and case.message.referred_on > last


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
    return referral.referred_on != known.referred_on or referral.provider_id != known.provider_id


def _become_special(case: Case[Referral]) -> None:
    known = case.known
    if known is None or known.special:
        return
    sessions = tuple(replace(session.without_words(), failure_waits=False) for session in known.sessions)
    case.update(participant=None, sessions=sessions)
    if not known.closed:
        case.instruct("HANDLE_CLERICALLY", SPECIAL_CUSTOMER)


def _end_mandate(rule: str) -> Also[Referral]:
    """M1, where a revision is refused since its annotation is wrong: nobody is sanctioned on that ground."""

    def end(case: Case[Referral]) -> None:
        known = case.known
        if known is None or known.closed or not known.mandate_in_force or _immutable_changed(case):
            return
        case.update(mandate_ended_at=case.at)
        change_sessions_ahead(case, voluntary=rule)
        case.instruct("MANDATE_ENDED", rule)

    return Also("a mandate in force ends (M1), where D and the provider are the known ones", end)


_MANDATE_ENDS: Final = _end_mandate(ANNEX_A)


def _refuse_group(case: Case[Referral]) -> None:
    if case.known is not None and not _immutable_changed(case):
        case.update(group_refused=True)
    _MANDATE_ENDS.act(case)


def _group_can_not(case: Case[Referral]) -> bool:
    referral = case.message
    return (
        _mandatory(referral) and referral.benefit == "ESA" and referral.claimant_group not in CAN_BE_MANDATED
    )


SPECIAL: Final[Check[Referral]] = Check(
    "R1",
    "`special_customer_record`, or the referral is special",
    lambda case: case.message.special_customer_record or (case.known is not None and case.known.special),
    "SPECIAL_CUSTOMER_RECORD",
    SPECIAL_CUSTOMER,
    "Participants with special customer record status are referred clerically, never through PRaP.",
    Also(
        "nothing of it is kept, not even its `message_id`; where the referral is known and not yet special, "
        "its participant is erased, and what was said of its sessions, and it is special from now on: no "
        "sanction notification is RAISED any more, T6 raises nothing, a waiting failure is dropped; where it "
        "is not closed, Instruction HANDLE_CLERICALLY",
        _become_special,
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
        field="po_revision",
    ),
    Check(
        "R2",
        "the annotation is neither of the two, without regard to case, white space, and the kind of hyphen",
        lambda case: annotated_mandatory(case.message.action_plan_annotation) is None,
        "NOT_AN_INFORMATION_SESSION",
        ANNOTATION,
        f"The Action Plan is annotated neither '{MANDATORY}' nor '{VOLUNTARY}'.",
        field="action_plan_annotation",
    ),
    Check(
        "R15",
        "it is the first, and D is after `referrals_until`",
        _after_the_last,
        "PROGRAMME_ENDED",
        LAST_REFERRALS,
        "The referral is dated after the last day of referrals to Information Sessions.",
        field="referred_on",
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
        field="participant.nino",
    ),
    Check(
        "R4",
        "ESA without `claimant_group`",
        lambda case: case.message.benefit == "ESA" and case.message.claimant_group is None,
        "CLAIMANT_GROUP_MISSING",
        ANNEX_A,
        "An ESA referral must say which group of Annex A the claimant is in.",
        field="claimant_group",
    ),
    Check(
        "R5",
        "annotated mandatory, ESA, not one of the first three groups",
        _group_can_not,
        "GROUP_CANNOT_BE_MANDATED",
        ANNEX_A,
        "Claimants of this group can't be mandated to an Information Session; refer them as voluntary.",
        Also(_MANDATE_ENDS.says, _refuse_group),
        field="claimant_group",
    ),
    Check(
        "R16",
        "annotated mandatory, ESA, with a `mandation` of another basis than WORK_RELATED_ACTIVITY",
        _another_basis,
        "MANDATION_DOES_NOT_FIT",
        INSTRUCTED,
        "An ESA claimant is mandated by Work Related Activity instructions, on no other basis.",
        _MANDATE_ENDS,
        field="mandation",
    ),
    Check(
        "R6",
        "annotated mandatory, UC, and not in the Workplan for one of three purposes with a tangible outcome",
        _uc_not_justified,
        "UC_MANDATION_NOT_JUSTIFIED",
        UC_MANDATION,
        "A Universal Credit claimant is mandated by a Workplan entry with one of three purposes and a "
        "tangible outcome.",
        _end_mandate(CANNOT_ATTEND),
        field="mandation",
    ),
    Check(
        "R7",
        "annotated mandatory, JSA, and no Jobseeker's Direction for one of two purposes",
        _no_direction,
        "NO_JOBSEEKERS_DIRECTION",
        DIRECTION,
        "A Jobseeker's Allowance claimant is mandated by a Jobseeker's Direction that assists them to find "
        "employment or improves their prospects.",
        _end_mandate(CANNOT_ATTEND),
        field="mandation",
    ),
    Check(
        "R10",
        "the revision is higher and the referral closed",
        lambda case: case.known is not None and case.known.closed,
        "REFERRAL_CLOSED",
        detail="The referral is attached, cancelled or rejected; it can't be revised any more.",
        says=lambda case: f"The referral is {case.referral.status.lower()}; it can't be revised any more.",
    ),
    Check(
        "R11",
        "the revision is higher, annotated mandatory, and no mandate is in force",
        lambda case: case.known is not None and _mandatory(case.message) and not case.known.mandate_in_force,
        "MANDATION_NEEDS_NEW_REFERRAL",
        BECAME_MANDATORY,
        "A participant who becomes mandatory is referred anew, by a purchase order of its own.",
    ),
    Check(
        "R12",
        "the revision is higher and `referred_on` or `provider_id` differs",
        lambda case: case.known is not None and _immutable_changed(case),
        "IMMUTABLE_FIELD_CHANGED",
        REARRANGED,
        "A revision can't change the date of referral or the provider.",
    ),
)


def apply(case: Case[Referral]) -> str:
    """R13 for a known referral, R14 for the first revision of a new one; returns the rule that says so."""
    if case.known is None:
        _open(case)
        return ACCEPTANCE
    _revise(case)
    return REFERRED


def _ground(message: Referral) -> Ground | None:
    if not _mandatory(message):
        return None
    mandation = message.mandation
    if mandation is None:
        return Ground(message.benefit)
    return Ground(message.benefit, mandation.purpose, mandation.recorded_on)


def _open(case: Case[Referral]) -> None:
    message = case.message
    limits = case.policies.on(message.referred_on)
    accept_by = add_working_days(london_day(case.at), limits.accept_within_working_days)
    referral = ReferralState(
        po_revision=message.po_revision,
        ground=_ground(message),
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
    mandate_ends = known.mandate_in_force and not _mandatory(message)
    case.update(
        po_revision=message.po_revision,
        ground=_ground(message) or known.ground,
        contract_package_area=message.contract_package_area,
        jobcentre_id=message.jobcentre_id,
        benefit=message.benefit,
        claimant_group=message.claimant_group,
        participant=message.participant,
        # Only what PRaP changed: a Jobcentre update or an objection that came since the last revision stays.
        appeal_pending=(
            known.appeal_pending if appeal_pending == known.revision_appeal_pending else appeal_pending
        ),
        restriction=restriction if restricted_anew else known.restriction,
        revision_appeal_pending=appeal_pending,
        revision_restriction=restriction,
        group_refused=False,
        mandate_ended_at=case.at if mandate_ends else known.mandate_ended_at,
    )
    unsuitable = SUITABLE if restricted_anew and restriction in UNSUITABLE else None
    cancelled = change_sessions_ahead(
        case, voluntary=CANNOT_ATTEND if mandate_ends else None, unsuitable=unsuitable
    )
    case.instruct("REFERRAL_UPDATED", REFERRED)
    if mandate_ends:
        case.instruct("MANDATE_ENDED", CANNOT_ATTEND)
    hold_or_undertake(case, known.on_hold)
    offer_one_to_one(case, cancelled)


def accept(case: Case[ReferralAccepted]) -> None:
    """P1: the provider takes the referral; an acceptance that was in time clears T1's breach."""
    case.update(accepted=True, reference=case.message.reference)
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
    "the rest of it is new, the benefit too; the appeal and the restriction only where this revision "
    "differs in them from the last one. Instruction REFERRAL_UPDATED; annotated voluntary while a mandate "
    "is in force: M1, the mandate ends; then what the appeal or the group changes as in U3, and the "
    "restriction as in U4.\nWhere the mandate ends, no session that starts from `at` on is mandatory: "
    "session event CHANGED for each open one, and Instruction MANDATE_ENDED",
    REFERRED,
    (CANNOT_ATTEND, APPEAL, TIME_LIMITS, SUITABLE),
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
