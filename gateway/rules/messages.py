"""What arrives: one frozen class an inbound record.

Instants are UTC milliseconds since 1970, days are civil dates as days since 1970: the forms that
Avro's logical types have on the wire. Field for field these are the records of `schemas/`.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import fields

Int32 = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
#: UTC milliseconds since 1970, from year 1 to year 9999.
Instant = Annotated[int, Meta(ge=-62_135_596_800_000, le=253_402_300_799_999)]
#: Days since 1970-01-01, from year 1 to year 9999.
Day = Annotated[int, Meta(ge=-719_162, le=2_932_896)]

Benefit = Literal["ESA", "UC", "JSA"]

ClaimantGroup = Literal[
    "ESA_IR_WRAG_OVER_12_MONTHS",
    "ESA_C_WRAG",
    "ESA_IR_LONE_PARENT_CHILD_3_OR_4",
    "ESA_IR_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_IR_EX_IB_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_C_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_IR_SUPPORT_GROUP",
    "ESA_IR_EX_IB_SUPPORT_GROUP",
    "ESA_C_SUPPORT_GROUP",
    "ESA_C_EX_IB_SUPPORT_GROUP",
    "ESA_CREDITS_ONLY",
]
MandationBasis = Literal["WORK_RELATED_ACTIVITY", "UC_WORKPLAN", "JOBSEEKERS_DIRECTION"]
MandationPurpose = Literal[
    "CHECK_COMPLIANCE",
    "ASSIST_COMPLIANCE",
    "IMPOSE_REQUIREMENT",
    "ASSIST_TO_FIND_EMPLOYMENT",
    "IMPROVE_PROSPECTS",
]
GroupSessionRestriction = Literal["SAFETY_MEASURES", "MAPPA", "ADDITIONAL_NEEDS", "OBJECTION"]
SessionFormat = Literal["GROUP", "ONE_TO_ONE"]
AttendanceOutcome = Literal["ATTENDED", "DID_NOT_ATTEND", "DID_NOT_PARTICIPATE"]
CancellationCause = Literal["PROVIDER", "PARTICIPANT"]
AttachedTo = Literal["WORK_PROGRAMME_REFERRAL", "INFORMATION_SESSION_REFERRAL"]
ExpenseKind = Literal["TRAVEL", "CHILDCARE", "REPLACEMENT_CARE", "ADDITIONAL_SUPPORT"]


class InboundRecord(Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    """What all inbound records have in common."""

    message_id: str
    po_number: str


class Mandation(Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True):
    """What makes attendance mandatory: WRA instructions, a Workplan entry, a Jobseeker's Direction."""

    basis: MandationBasis
    purpose: MandationPurpose | None = None
    tangible_outcome: bool = False
    recorded_on: Day


class Participant(
    Struct, frozen=True, gc=False, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """Personal data. Every field may be withheld. It never reaches a log, a metric or an event."""

    nino: str | None = None
    forename: str | None = None
    surname: str | None = None
    date_of_birth: Day | None = None
    phone: str | None = None
    email: str | None = None
    address: tuple[str, ...] = ()
    postcode: str | None = None
    preferred_language: str | None = None
    interpreter_needed: bool = False

    def __repr__(self) -> str:
        """Nothing of the person, so that no traceback or log line can show it."""
        return "Participant(withheld)"


class Referral(InboundRecord, frozen=True, gc=False, kw_only=True):
    """One revision of a PRaP purchase order."""

    po_revision: Int32
    action_plan_annotation: str
    referred_on: Day
    provider_id: str
    contract_package_area: str
    jobcentre_id: str
    benefit: Benefit
    claimant_group: ClaimantGroup | None = None
    mandation: Mandation | None = None
    special_customer_record: bool = False
    support_group_appeal_pending: bool = False
    group_session_restriction: GroupSessionRestriction | None = None
    participant: Participant


class Wp11(InboundRecord, frozen=True, gc=False, kw_only=True):
    """The form that says that the participant joins the Work Programme."""

    jobcentre_id: str
    interview_on: Day
    wants_to_join: bool
    issued_on: Day


class AlternativeSessionRequested(InboundRecord, frozen=True, gc=False, kw_only=True):
    """The Jobcentre asks for another session."""

    jobcentre_id: str
    requested_at: Instant


class SupportGroupAppealChanged(InboundRecord, frozen=True, gc=False, kw_only=True):
    """An appeal for the Support Group was made or has ended."""

    pending: bool
    changed_on: Day


class GroupSessionRestrictionChanged(InboundRecord, frozen=True, gc=False, kw_only=True):
    """Whether, and why, the participant may not be put in a group."""

    restriction: GroupSessionRestriction | None
    changed_on: Day


class ProviderRecord(InboundRecord, frozen=True, gc=False, kw_only=True):
    """What all records of a provider have in common."""

    provider_id: str


class ReferralAccepted(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """The provider takes the referral."""

    accepted_at: Instant


class ReferralRejected(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """The provider does not take the referral."""

    reason: str
    rejected_at: Instant


class SessionBooked(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """A session is booked; notified_at null: the participant has not been told yet."""

    session_id: str
    session_name: str
    starts_at: Instant
    duration_minutes: Int32
    location: str
    format: SessionFormat
    notified_at: Instant | None = None


class SessionChanged(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """New details of a booked session; notified_at null: the participant could not be contacted."""

    session_id: str
    starts_at: Instant
    duration_minutes: Int32
    location: str
    notified_at: Instant | None = None


class SessionCancelled(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """The session does not take place for this participant; what they said beforehand stands where they
    are the cause."""

    session_id: str
    cause: CancellationCause = "PROVIDER"
    reason: str
    cancelled_at: Instant


class NotificationConfirmed(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """Proof, sent later, of when the participant was told about a session."""

    session_id: str
    notified_at: Instant


class CannotAttend(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """The participant says beforehand that they cannot come, and why."""

    session_id: str
    reason: str
    given_at: Instant


class GroupObjection(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """The participant does not want to be dealt with in a group."""

    raised_at: Instant


class AttendanceRecorded(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """Whether the participant came and took part."""

    session_id: str
    outcome: AttendanceOutcome
    reason_given: str | None = None
    recorded_at: Instant


class AttendanceCorrected(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """The outcome recorded earlier was wrong."""

    session_id: str
    outcome: AttendanceOutcome
    reason_given: str | None = None
    explanation: str
    recorded_at: Instant


class AttachmentRegistered(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """The participant was attached on PRaP."""

    attached_on: Day
    attached_to: AttachedTo


class ExpenseReimbursed(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """The participant was reimbursed for coming."""

    session_id: str
    kind: ExpenseKind
    amount_pence: Int32
    paid_on: Day


class AlternativeSessionNotPossible(ProviderRecord, frozen=True, gc=False, kw_only=True):
    """The provider can't arrange the other session that was asked for."""

    reason: str
    told_at: Instant


JobcentreUpdate = AlternativeSessionRequested | SupportGroupAppealChanged | GroupSessionRestrictionChanged
SessionRecord = (
    ReferralAccepted
    | ReferralRejected
    | SessionBooked
    | SessionChanged
    | SessionCancelled
    | NotificationConfirmed
    | CannotAttend
    | GroupObjection
    | AttendanceRecorded
    | AttendanceCorrected
    | AttachmentRegistered
    | ExpenseReimbursed
    | AlternativeSessionNotPossible
)
Message = Referral | Wp11 | JobcentreUpdate | SessionRecord

#: Where providers' records come in.
PROVIDERS_TOPIC: Final = "provider.session-records"
#: The inbound topics in the order in which records of one instant are taken, with their records.
INBOUND: Final[dict[str, tuple[type[Message], ...]]] = {
    "prap.referrals": (Referral,),
    "jobcentre.wp11": (Wp11,),
    "jobcentre.updates": JobcentreUpdate.__args__,
    PROVIDERS_TOPIC: SessionRecord.__args__,
}
#: Who sends what comes in on each topic, as people call them.
SENDERS: Final[dict[str, str]] = {
    "prap.referrals": "PRaP",
    "jobcentre.wp11": "Jobcentre",
    "jobcentre.updates": "Jobcentre",
    PROVIDERS_TOPIC: "provider",
}
TOPIC_OF: Final[dict[type, str]] = {record: topic for topic, records in INBOUND.items() for record in records}
RECORD_NAMED: Final[dict[str, type[Message]]] = {record.__name__: record for record in TOPIC_OF}

#: Dated, but not facts: a session lies ahead, and a birth date is no business of the rules.
_NOT_FACTS = {"starts_at", "date_of_birth"}


def _facts(record: type, suffix: str) -> tuple[str, ...]:
    names = tuple(field.name for field in fields(record) if field.name.endswith(suffix))
    return tuple(name for name in names if name not in _NOT_FACTS)


#: For each record, the names of the instants and of the days in it that are facts (rulebook G4).
INSTANT_FACTS: Final[dict[type, tuple[str, ...]]] = {r: _facts(r, "_at") for r in TOPIC_OF}
DAY_FACTS: Final[dict[type, tuple[str, ...]]] = {r: _facts(r, "_on") for r in TOPIC_OF}
