"""What leaves: one frozen class an outbound record.

Field for field the records of `schemas/`, in their order. `event_id` is deterministic, `decided_at` an
instant of the input or a deadline, `rule` the guidance paragraph. Instants are UTC milliseconds,
days are days since 1970. A kind OTHER is never written: it is read of a kind that a later version wrote.
"""

from typing import Final, Literal, get_args

from msgspec import Struct

from gateway.rules.messages import AttendanceOutcome, MandationBasis, MandationPurpose, SessionFormat

Requirement = Literal["MANDATORY", "VOLUNTARY"]
SessionChangeKind = Literal["BOOKED", "CHANGED", "CANCELLED", "CANNOT_ATTEND", "OTHER"]
SessionCancelledBecause = Literal["PROVIDER", "PARTICIPANT", "UNCONTACTABLE", "GROUP_UNSUITABLE", "OTHER"]
NoticeKind = Literal[
    "NEW_REFERRAL_NEEDED", "ATTACHED", "INCORRECT_ATTACHMENT", "ALTERNATIVE_NOT_POSSIBLE", "OTHER"
]
FailureType = Literal[
    "FAILURE_TO_UNDERTAKE_WORK_RELATED_ACTIVITY",
    "FAILURE_TO_PARTICIPATE_OR_COMPLY",
    "FAILURE_TO_CARRY_OUT_JOBSEEKERS_DIRECTION",
    "OTHER",
]
FailureKind = Literal["DID_NOT_ATTEND", "DID_NOT_PARTICIPATE", "CANNOT_ATTEND", "OTHER"]
NotificationStatus = Literal["RAISED", "WITHDRAWN"]
PrapActionKind = Literal["ACKNOWLEDGE", "ACCEPT", "REJECT", "CANCEL", "BACK_OUT_ATTACHMENT", "OTHER"]
InstructionKind = Literal[
    "ACCEPT_REFERRAL",
    "ARRANGE_ALTERNATIVE_SESSION",
    "OFFER_ONE_TO_ONE",
    "CONFIRM_NOTIFICATION",
    "UNDERTAKE_ATTACHMENT",
    "HOLD_ATTACHMENT",
    "BACK_OUT_ATTACHMENT",
    "REFERRAL_UPDATED",
    "REFERRAL_CANCELLED",
    "MANDATE_ENDED",
    "HANDLE_CLERICALLY",
    "RECORD_OUTCOME",
    "OTHER",
]
BreachKind = Literal["ACCEPTANCE_LATE", "SESSION_LATE", "ATTACHMENT_LATE", "OUTCOME_LATE", "OTHER"]
BreachBecause = Literal["NOT_BOOKED", "CANCELLED", "NOT_RECORDED", "NOT_ATTENDED", "OTHER"]
Advisory = Literal[
    "CANNOT_ATTEND_DROPPED",
    "REFERRAL_CANCELLED",
    "ALREADY_ATTENDED",
    "SESSION_AFTER_15_DAYS",
    "SESSION_AFTER_21_DAYS",
    "LONGER_THAN_AN_HOUR",
    "PARTICIPANT_NOT_NOTIFIED",
    "CHECK_FACILITIES",
    "SESSION_CANCELLED_UNCONTACTABLE",
    "NO_REASON_RECORDED",
    "WP11_WITHOUT_ATTENDANCE",
    "ATTACHED_WHILE_ON_HOLD",
    "ATTENDANCE_NOT_RECORDED",
]
BreachStatus = Literal["RAISED", "CLEARED"]
OutcomeStatus = Literal["APPLIED", "DUPLICATE", "HELD", "REFUSED"]


def in_words(kinds: object, words: dict[str, str]) -> dict[str, str]:
    """The words of all kinds that a Literal has. Raises LookupError where one has none."""
    if without := [kind for kind in get_args(kinds) if not words.get(kind)]:
        raise LookupError(f"{', '.join(without)}: no words; give each some beside its kind")
    return words


LATER: Final = "something that this version of the gateway does not know"
# What the kinds mean, for somebody new to the Work Programme.
SESSION_WORDS: Final = in_words(
    SessionChangeKind,
    {
        "BOOKED": "a session is booked",
        "CHANGED": "a session has changed",
        "CANCELLED": "a session is cancelled",
        "CANNOT_ATTEND": "the participant can't come to a session",
        "OTHER": LATER,
    },
)
BECAUSE_WORDS: Final = in_words(
    SessionCancelledBecause,
    {
        "PROVIDER": "by the provider",
        "PARTICIPANT": "since the participant can't come",
        "UNCONTACTABLE": "since the participant could not be told of the change",
        "GROUP_UNSUITABLE": "since a group does not suit the participant",
        "OTHER": LATER,
    },
)
NOTICE_WORDS: Final = in_words(
    NoticeKind,
    {
        "NEW_REFERRAL_NEEDED": "a new Work Programme referral is needed after the interview",
        "ATTACHED": "attached to the Work Programme",
        "INCORRECT_ATTACHMENT": "an attachment that must be backed out was made",
        "ALTERNATIVE_NOT_POSSIBLE": "no other session can be arranged, said the provider",
        "OTHER": LATER,
    },
)
ATTENDANCE_WORDS: Final = in_words(
    AttendanceOutcome,
    {
        "ATTENDED": "the participant came",
        "DID_NOT_ATTEND": "the participant did not come",
        "DID_NOT_PARTICIPATE": "the participant came and did not take part",
    },
)
PRAP_WORDS: Final = in_words(
    PrapActionKind,
    {
        "ACKNOWLEDGE": "acknowledge the referral",
        "ACCEPT": "accept the referral",
        "REJECT": "reject the referral",
        "CANCEL": "cancel the referral, 'Did Not Start'",
        "BACK_OUT_ATTACHMENT": "back out the attachment",
        "OTHER": LATER,
    },
)
INSTRUCTION_WORDS: Final = in_words(
    InstructionKind,
    {
        "ACCEPT_REFERRAL": "accept the referral",
        "ARRANGE_ALTERNATIVE_SESSION": "arrange another session",
        "OFFER_ONE_TO_ONE": "offer a one-to-one session",
        "CONFIRM_NOTIFICATION": "confirm when the participant was told",
        "UNDERTAKE_ATTACHMENT": "attach the participant",
        "HOLD_ATTACHMENT": "do not attach the participant while the appeal is pending",
        "BACK_OUT_ATTACHMENT": "back out the attachment",
        "REFERRAL_UPDATED": "the referral has been updated",
        "REFERRAL_CANCELLED": "the referral has been cancelled",
        "MANDATE_ENDED": "attendance is voluntary from now on",
        "HANDLE_CLERICALLY": "handle the referral clerically, the participant is a special customer",
        "RECORD_OUTCOME": "record what came of the session",
        "OTHER": LATER,
    },
)
BREACH_WORDS: Final = in_words(
    BreachKind,
    {
        "ACCEPTANCE_LATE": "not accepted in time",
        "SESSION_LATE": "no session attended in time",
        "ATTACHMENT_LATE": "not attached in time",
        "OUTCOME_LATE": "no outcome recorded in time",
        "OTHER": LATER,
    },
)
MISSING_WORDS: Final = in_words(
    BreachBecause,
    {
        "NOT_BOOKED": "none was booked",
        "CANCELLED": "all were cancelled",
        "NOT_RECORDED": "what came of it is not recorded",
        "NOT_ATTENDED": "the participant did not attend",
        "OTHER": LATER,
    },
)
FAILURE_WORDS: Final = in_words(
    FailureKind,
    {
        "DID_NOT_ATTEND": "did not come",
        "DID_NOT_PARTICIPATE": "came and did not take part",
        "CANNOT_ATTEND": "said beforehand that they can't come",
        "OTHER": LATER,
    },
)
ADVISORY_WORDS: Final = in_words(
    Advisory,
    {
        "CANNOT_ATTEND_DROPPED": "what the participant said beforehand no longer counts; who can't come is "
        "booked on another session",
        "REFERRAL_CANCELLED": "the referral has been cancelled",
        "ALREADY_ATTENDED": "a session was attended already",
        "SESSION_AFTER_15_DAYS": "the session is after the limit for sessions",
        "SESSION_AFTER_21_DAYS": "the session is after the limit for a WP11",
        "LONGER_THAN_AN_HOUR": "it is longer than it should be",
        "PARTICIPANT_NOT_NOTIFIED": "the participant has not been told yet",
        "CHECK_FACILITIES": "see whether the place suits the participant's additional needs",
        "SESSION_CANCELLED_UNCONTACTABLE": "cancelled, since the participant could not be contacted",
        "NO_REASON_RECORDED": "the participant is not recorded to have given a reason",
        "WP11_WITHOUT_ATTENDANCE": "no session was attended",
        "ATTACHED_WHILE_ON_HOLD": "attached although an appeal is pending",
        "ATTENDANCE_NOT_RECORDED": "no attendance is recorded",
    },
)


class SessionEvent(Struct, frozen=True, gc=False, kw_only=True):
    """A session booked, changed or cancelled: for the Jobcentre's diary and the Workplan."""

    event_id: str
    po_number: str
    provider_id: str
    jobcentre_id: str
    session_id: str
    change: SessionChangeKind
    because: SessionCancelledBecause | None = None
    session_name: str
    starts_at: int
    duration_minutes: int
    location: str
    format: SessionFormat
    requirement: Requirement
    notified_at: int | None = None
    decided_at: int
    rule: str


class Notice(Struct, frozen=True, gc=False, kw_only=True):
    """What the Jobcentre has to know or to do beside attendance, cancellation and sanctions."""

    event_id: str
    po_number: str
    provider_id: str
    jobcentre_id: str
    notice: NoticeKind
    message_id: str
    on: int
    decided_at: int
    rule: str


class AttendanceEvent(Struct, frozen=True, gc=False, kw_only=True):
    """Who came: for the Jobcentre."""

    event_id: str
    po_number: str
    provider_id: str
    jobcentre_id: str
    session_id: str
    session_starts_at: int
    attempt: int
    outcome: AttendanceOutcome
    requirement: Requirement
    supersedes: str | None = None
    decided_at: int
    rule: str


class CancellationEvent(Struct, frozen=True, gc=False, kw_only=True):
    """The referral ended without a start. The reason is always 'Did Not Start'."""

    event_id: str
    po_number: str
    provider_id: str
    jobcentre_id: str
    reason: str
    referred_on: int
    effective_on: int
    attended: bool
    decided_at: int
    rule: str


class SanctionNotification(Struct, frozen=True, gc=False, kw_only=True):
    """A doubt for a decision maker; it decides nothing."""

    event_id: str
    po_number: str
    provider_id: str
    jobcentre_id: str
    status: NotificationStatus
    withdraws: str | None = None
    failure_type: FailureType
    failure: FailureKind
    mandation_basis: MandationBasis | None = None
    mandation_purpose: MandationPurpose | None = None
    mandation_recorded_on: int | None = None
    session_id: str
    session_name: str
    session_starts_at: int
    location: str
    requirement_notified_at: int
    reason_given: str | None = None
    decided_at: int
    rule: str


class PrapAction(Struct, frozen=True, gc=False, kw_only=True):
    """What is to be entered on PRaP."""

    event_id: str
    po_number: str
    provider_id: str
    action: PrapActionKind
    reason: str | None = None
    decided_at: int
    rule: str


class Instruction(Struct, frozen=True, gc=False, kw_only=True):
    """What a provider is to do next."""

    event_id: str
    po_number: str
    provider_id: str
    instruction: InstructionKind
    session_id: str | None = None
    due_on: int | None = None
    participation: Requirement | None = None
    decided_at: int
    rule: str


class Breach(Struct, frozen=True, gc=False, kw_only=True):
    """A time limit missed; it never changes what happens to the referral."""

    event_id: str
    po_number: str
    provider_id: str
    breach: BreachKind
    status: BreachStatus
    session_id: str | None = None
    because: BreachBecause | None = None
    due_on: int
    decided_at: int
    rule: str


class Outcome(Struct, frozen=True, gc=False, kw_only=True):
    """What came of a message. Every decodable message gets exactly one, HELD aside."""

    event_id: str
    message_id: str
    po_number: str
    provider_id: str | None = None
    topic: str
    status: OutcomeStatus
    code: str | None = None
    detail: str | None = None
    advisories: tuple[str, ...] = ()
    decided_at: int
    rule: str | None = None


class DeadLetter(Struct, frozen=True, gc=False, kw_only=True):
    """What could not be decoded, byte for byte, keyed as it was."""

    event_id: str
    source_topic: str
    source_partition: int
    source_offset: int
    code: Literal["UNKNOWN_SCHEMA", "UNDECODABLE", "KEY_MISMATCH", "TOO_LARGE", "FAILED"]
    detail: str
    key: bytes | None = None
    value: bytes | None = None
    headers: dict[str, bytes | None]
    decided_at: int


class DeliveryPlan(Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """How a provider plans to deliver the sessions (WP19 ¶24)."""

    message_id: str
    provider_id: str
    contract_package_area: str
    formats: tuple[SessionFormat, ...]
    group_size: int
    timings: str
    effective_from: int


Event = (
    SessionEvent
    | AttendanceEvent
    | CancellationEvent
    | SanctionNotification
    | Notice
    | PrapAction
    | Instruction
    | Breach
    | Outcome
)

#: The outbound topics that decisions go to, with their record.
OUTBOUND: Final[dict[str, type[Event]]] = {
    "jobcentre.sessions": SessionEvent,
    "jobcentre.attendance": AttendanceEvent,
    "jobcentre.cancellations": CancellationEvent,
    "jobcentre.sanction-notifications": SanctionNotification,
    "jobcentre.notices": Notice,
    "prap.actions": PrapAction,
    "provider.instructions": Instruction,
    "gateway.breaches": Breach,
    "gateway.outcomes": Outcome,
}
#: Those whose events are for a Jobcentre, which they name. A place among them counts on this order.
FOR_JOBCENTRES: Final = tuple(
    topic for topic, event in OUTBOUND.items() if "jobcentre_id" in event.__struct_fields__
)


def place_in_time(event: Event | DeadLetter) -> tuple[int, int]:
    """What to sort the events of one purchase order by: its events are counted within an instant."""
    place = event.event_id.rpartition("-")[2]
    return event.decided_at, int(place) if place.isdecimal() else 0


def begins_referral(event: Event | DeadLetter | None) -> bool:
    """Whether a referral begins with an event: the first that comes of one."""
    return isinstance(event, PrapAction) and event.action == "ACKNOWLEDGE"
