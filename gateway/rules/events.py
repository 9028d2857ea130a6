"""What leaves: one frozen class an outbound record.

Field for field the records of `schemas/`, in their order. `event_id` is deterministic, `decided_at` an
instant of the input or a deadline, `rule` the guidance paragraph. Instants are UTC milliseconds,
days are days since 1970.
"""

from typing import Final, Literal, get_args

from msgspec import Struct

from gateway.rules.messages import AttendanceOutcome, SessionFormat

Requirement = Literal["MANDATORY", "VOLUNTARY"]
FailureType = Literal[
    "FAILURE_TO_UNDERTAKE_WORK_RELATED_ACTIVITY",
    "FAILURE_TO_PARTICIPATE_OR_COMPLY",
    "FAILURE_TO_CARRY_OUT_JOBSEEKERS_DIRECTION",
]
NotificationStatus = Literal["RAISED", "WITHDRAWN"]
PrapActionKind = Literal["ACKNOWLEDGE", "ACCEPT", "REJECT", "CANCEL", "BACK_OUT_ATTACHMENT"]
InstructionKind = Literal[
    "ACCEPT_REFERRAL",
    "ARRANGE_ALTERNATIVE_SESSION",
    "OFFER_ONE_TO_ONE",
    "CONFIRM_NOTIFICATION",
    "UNDERTAKE_ATTACHMENT",
    "BACK_OUT_ATTACHMENT",
    "REFERRAL_UPDATED",
    "REFERRAL_CANCELLED",
]
BreachKind = Literal["ACCEPTANCE_LATE", "SESSION_LATE", "ATTACHMENT_LATE"]
Advisory = Literal[
    "SESSION_AFTER_15_DAYS",
    "SESSION_AFTER_21_DAYS",
    "LONGER_THAN_AN_HOUR",
    "PARTICIPANT_NOT_NOTIFIED",
    "SESSION_CANCELLED_UNCONTACTABLE",
    "WP11_WITHOUT_ATTENDANCE",
]
BreachStatus = Literal["RAISED", "CLEARED"]
OutcomeStatus = Literal["APPLIED", "DUPLICATE", "HELD", "REFUSED"]


def in_words(kinds: object, words: dict[str, str]) -> dict[str, str]:
    """The words of all kinds that a Literal has. Raises LookupError where one has none."""
    if without := [kind for kind in get_args(kinds) if not words.get(kind)]:
        raise LookupError(f"{', '.join(without)}: no words; give each some beside its kind")
    return words


# What the kinds mean, for somebody new to the Work Programme.
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
        "BACK_OUT_ATTACHMENT": "back out the attachment",
        "REFERRAL_UPDATED": "the referral has been updated",
        "REFERRAL_CANCELLED": "the referral has been cancelled",
    },
)
BREACH_WORDS: Final = in_words(
    BreachKind,
    {
        "ACCEPTANCE_LATE": "not accepted in time",
        "SESSION_LATE": "no session attended in time",
        "ATTACHMENT_LATE": "not attached in time",
    },
)
ADVISORY_WORDS: Final = in_words(
    Advisory,
    {
        "SESSION_AFTER_15_DAYS": "the session is after the limit for sessions",
        "SESSION_AFTER_21_DAYS": "the session is after the limit for a WP11",
        "LONGER_THAN_AN_HOUR": "it is longer than it should be",
        "PARTICIPANT_NOT_NOTIFIED": "the participant has not been told yet",
        "SESSION_CANCELLED_UNCONTACTABLE": "cancelled, since the participant could not be contacted",
        "WP11_WITHOUT_ATTENDANCE": "no session was attended",
    },
)


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
    decided_at: int
    rule: str


class Breach(Struct, frozen=True, gc=False, kw_only=True):
    """A time limit missed; it never changes what happens to the referral."""

    event_id: str
    po_number: str
    provider_id: str
    breach: BreachKind
    status: BreachStatus
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
    AttendanceEvent | CancellationEvent | SanctionNotification | PrapAction | Instruction | Breach | Outcome
)

#: The outbound topics that decisions go to, with their record.
OUTBOUND: Final[dict[str, type[Event]]] = {
    "jobcentre.attendance": AttendanceEvent,
    "jobcentre.cancellations": CancellationEvent,
    "jobcentre.sanction-notifications": SanctionNotification,
    "prap.actions": PrapAction,
    "provider.instructions": Instruction,
    "gateway.breaches": Breach,
    "gateway.outcomes": Outcome,
}


def place_in_time(event: Event | DeadLetter) -> tuple[int, int]:
    """What to sort the events of one purchase order by: its events are counted within an instant."""
    place = event.event_id.rpartition("-")[2]
    return event.decided_at, int(place) if place.isdecimal() else 0


def begins_referral(event: Event | DeadLetter | None) -> bool:
    """Whether a referral begins with an event: the first that comes of one."""
    return isinstance(event, PrapAction) and event.action == "ACKNOWLEDGE"
