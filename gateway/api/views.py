"""What the API answers with: one frozen class an answer, from which the OpenAPI document is made, too.

Instants are RFC 3339 in UTC, dates ISO 8601.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.rules.duties import DutyKind
from gateway.rules.events import Advisory, InstructionKind, OutcomeStatus, PrapActionKind, Requirement
from gateway.rules.messages import (
    AttendanceOutcome,
    Benefit,
    ClaimantGroup,
    ExpenseKind,
    GroupSessionRestriction,
    SessionFormat,
)
from gateway.rules.referral import Status
from gateway.system.withheld import Withheld

Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2016-04-04T23:00:00Z"])]
#: How many of something.
Count = Annotated[int, Meta(ge=0)]
Day = Annotated[str, Meta(extra_json_schema={"format": "date"}, examples=["2016-03-14"])]

Reference = Annotated[str | None, Meta(description="Your own, as ReferralAccepted said; null: none.")]


class Summary(Struct, frozen=True, kw_only=True):
    """A referral in a list; nothing of it is about the person."""

    po_number: str
    provider_id: str
    status: Status
    accepted: bool
    requirement: Annotated[
        Requirement, Meta(description="MANDATORY: a mandate is in force. Each session says for itself.")
    ]
    referred_on: Day
    benefit: Benefit
    contract_package_area: str
    jobcentre_id: str
    reference: Reference
    self: Annotated[str, Meta(description="Where the whole referral is.", examples=["/v1/referrals/PO1001"])]


class ReferralList(Struct, frozen=True, kw_only=True):
    """A page of the caller's referrals, the newest first."""

    referrals: list[Summary]
    next: Annotated[str | None, Meta(description="The cursor of the next page; null: this is the last one.")]


class ParticipantView(Struct, frozen=True, kw_only=True):
    """Who is referred. Every field may be withheld."""

    nino: str | None
    forename: str | None
    surname: str | None
    date_of_birth: Day | None
    phone: str | None
    email: str | None
    address: list[str]
    postcode: str | None
    preferred_language: str | None
    interpreter_needed: bool


class SessionView(Struct, frozen=True, kw_only=True):
    """A session as it stands for one referral."""

    session_id: str
    session_name: str
    starts_at: Instant
    ends_at: Instant
    duration_minutes: Count
    location: str
    format: SessionFormat
    requirement: Annotated[Requirement, Meta(description="Whether this session is mandatory.")]
    notified_at: Annotated[Instant | None, Meta(description="When the participant was told of it.")]
    cancelled: bool
    cannot_attend: Annotated[
        str | None, Meta(description="The reason given beforehand for not coming, the newest one.")
    ]
    outcome: AttendanceOutcome | None
    reason_given: str | None
    attempt: Annotated[
        Count | None, Meta(description="Its place among the sessions with an outcome, from 1.")
    ]
    failure: Annotated[
        Literal["WAITS_FOR_CONFIRMATION", "NOTIFIED"] | None,
        Meta(description="Whether a failure waits for NotificationConfirmed, or was notified."),
    ]
    outcome_by: Annotated[
        Day | None, Meta(description="The last day to record its outcome; null: it is not mandatory.")
    ]


class ExpenseView(Struct, frozen=True, kw_only=True):
    """What the participant was reimbursed."""

    session_id: str
    kind: ExpenseKind
    amount_pence: Count
    paid_on: Day


class DeadlineView(Struct, frozen=True, kw_only=True):
    """A limit of the referral, and how it stands."""

    deadline: Literal["ACCEPTANCE", "SESSION", "WP11", "ATTACHMENT"]
    due_on: Annotated[Day, Meta(description="The last day, in London.")]
    passes_at: Annotated[Instant, Meta(description="The midnight with which it has passed.")]
    state: Annotated[
        Literal["OPEN", "MET", "MISSED", "OVER"],
        Meta(description="OVER: it does not matter any more, since the referral went on without it."),
    ]
    rule: str
    guidance: str


class AnsweredView(Struct, frozen=True, kw_only=True):
    """The message that an outcome answers."""

    message_id: str
    type: Annotated[str | None, Meta(description="The record's name; null: it is not known any more.")]
    received_at: Annotated[Instant | None, Meta(description="Of your messages: when it arrived.")]
    self: Annotated[
        str | None, Meta(description="Of your messages: where it is.", examples=["/v1/messages/prv-1"])
    ]


class HistoryEntry(Struct, frozen=True, kw_only=True):
    """An event that was decided on the referral, with the paragraph that says so."""

    type: Annotated[str, Meta(description="The record's name, as on the topics.", examples=["Instruction"])]
    decided_at: Instant
    says: Annotated[
        str,
        Meta(description="The event in words, for people.", examples=["PRaP: acknowledge the referral"]),
    ]
    rule: str | None
    guidance: Annotated[str | None, Meta(description="What the paragraph says.")]
    event: Annotated[dict[str, Any], Meta(description="The record, as on its topic.")]
    answers: Annotated[
        AnsweredView | None, Meta(description="Of an Outcome: the message that it is about; else null.")
    ]


class ReferralView(Struct, frozen=True, kw_only=True):
    """A referral with all that is known of it."""

    po_number: str
    po_revision: int
    provider_id: str
    status: Status
    accepted: bool
    requirement: Annotated[
        Requirement, Meta(description="MANDATORY: a mandate is in force. Each session says for itself.")
    ]
    referred_on: Day
    benefit: Benefit
    claimant_group: ClaimantGroup | None
    contract_package_area: str
    jobcentre_id: str
    reference: Reference
    support_group_appeal_pending: bool
    group_session_restriction: GroupSessionRestriction | None
    participant: Annotated[
        ParticipantView | None,
        Meta(description="null: it has become a special customer record, which is dealt with clerically."),
    ]
    wp11_issued_on: Day | None
    closed_at: Instant | None
    sessions: Annotated[list[SessionView], Meta(description="The newest ones, in the order of booking.")]
    sessions_left_out: Annotated[
        Count, Meta(description="How many before these are not shown; …/sessions has all, by pages.")
    ]
    expenses: list[ExpenseView]
    deadlines: list[DeadlineView]
    history: Annotated[list[HistoryEntry], Meta(description="The newest events, in order of decision.")]
    history_left_out: Annotated[
        Count, Meta(description="How many before these are not shown; …/history has all, by pages.")
    ]


class MessageView(Struct, frozen=True, kw_only=True):
    """A message, and what came of it."""

    message_id: str
    po_number: str
    status: Annotated[
        OutcomeStatus | Literal["PENDING"],
        Meta(description="PENDING: it has arrived, and is not decided yet."),
    ]
    code: Annotated[str | None, Meta(description="Of a refusal.")] = None
    detail: Annotated[str | None, Meta(description="Of a refusal: a sentence that says what to do.")] = None
    advisories: list[Advisory] = []
    rule: Annotated[str | None, Meta(description="The paragraph that it follows.")] = None
    guidance: Annotated[str | None, Meta(description="What the paragraph says.")] = None
    decided_at: Instant | None = None
    self: Annotated[str, Meta(description="Where its outcome is.", examples=["/v1/messages/prv-1"])]
    referral: Annotated[str, Meta(description="Where the referral is.", examples=["/v1/referrals/PO1001"])]
    reference: Annotated[
        str | None,
        Meta(description="The provider's own, as ReferralAccepted said; null: none, or not yours."),
    ] = None


class MessagePage(MessageView, frozen=True, kw_only=True):
    """A message, and what came of it; and of any other that came with its id elsewhere at the same moment."""

    type: Annotated[
        str | None, Meta(description="The record's name; null where `record` is, for the same reasons.")
    ]
    received_at: Annotated[Instant | None, Meta(description="When it arrived; null likewise.")]
    record: Annotated[
        dict[str, Any] | None,
        Meta(
            description="The record as sent; null: it is not on the log yet, or the participant has become a "
            "special customer."
        ),
    ]
    others: Annotated[
        list[MessageView] | UnsetType,
        Meta(description="Left out where there is none, as nearly always."),
    ] = UNSET


class InstructionView(Struct, frozen=True, kw_only=True):
    """What the provider is to do next."""

    cursor: Annotated[str, Meta(description="The place behind it; `after` takes it.")]
    event_id: str
    po_number: str
    provider_id: str
    instruction: InstructionKind
    session_id: str | None
    due_on: Day | None
    participation: Annotated[
        Requirement | None,
        Meta(description="UNDERTAKE_ATTACHMENT, ESA: what taking part in the Work Programme will be."),
    ]
    decided_at: Instant
    rule: str
    guidance: str | None
    reference: Reference


class PrapActionView(Struct, frozen=True, kw_only=True):
    """Something to enter on PRaP."""

    cursor: Annotated[
        str | None, Meta(description="The place behind it; `after` takes it. Null where one is shown alone.")
    ]
    event_id: str
    po_number: str
    provider_id: str
    action: PrapActionKind
    reason: Annotated[str | None, Meta(description="What to enter as the reason.")]
    decided_at: Instant
    enter_by: Annotated[
        Day | None, Meta(description="The last day for it; later it is overdue. Null: there is none.")
    ]
    overdue: bool
    entered_by: Annotated[
        str | None,
        Meta(description="Who marked it: a token's subject, or who ran the command. Null: it is not marked."),
    ]
    entered_at: Annotated[Instant | None, Meta(description="When it was marked.")]
    rule: str
    guidance: str | None
    self: Annotated[str, Meta(description="What to PUT when it has been entered.")]


class PrapActionList(Struct, frozen=True, kw_only=True):
    """Actions in the order in which they were decided."""

    actions: list[PrapActionView]
    next: Annotated[str, Meta(description="Go on with this as `after`.")]


class WorkView(Struct, frozen=True, kw_only=True):
    """Something that you have to do."""

    po_number: str
    provider_id: str
    duty: Annotated[
        DutyKind,
        Meta(
            description="DELIVER_SESSION: no session has been attended. The others are named as the "
            "instruction that asks for them."
        ),
    ]
    session_id: Annotated[str | None, Meta(description="Of RECORD_OUTCOME and CONFIRM_NOTIFICATION.")]
    due_on: Annotated[Day | None, Meta(description="The last day, in London; null: there is no limit.")]
    passes_at: Annotated[
        Instant | None, Meta(description="The midnight with which that has passed; null: there is no limit.")
    ]
    rule: str
    guidance: str
    reference: Reference
    referral: Annotated[str, Meta(description="Where the referral is.", examples=["/v1/referrals/PO1001"])]


class Worklist(Struct, frozen=True, kw_only=True):
    """A page of what you have to do, soonest first."""

    duties: list[WorkView]
    next: Annotated[str | None, Meta(description="The cursor of the next page; null: this is the last one.")]


class InstructionList(Struct, frozen=True, kw_only=True):
    """Instructions in order."""

    instructions: list[InstructionView]
    next: Annotated[str, Meta(description="What to give as `after` next time, also where there was nothing.")]


class OutcomeView(Struct, frozen=True, kw_only=True):
    """What came of a message."""

    cursor: Annotated[str, Meta(description="The place behind it; `after` takes it.")]
    event_id: str
    message_id: str
    po_number: str
    provider_id: str
    status: OutcomeStatus
    code: Annotated[str | None, Meta(description="Of a refusal.")]
    detail: Annotated[str | None, Meta(description="Of a refusal: a sentence that says what to do.")]
    advisories: list[str]
    decided_at: Instant
    rule: Annotated[str | None, Meta(description="The paragraph that it follows.")]
    guidance: Annotated[str | None, Meta(description="What the paragraph says.")]
    reference: Reference
    message: Annotated[
        str,
        Meta(description="Where the record as sent is.", examples=["/v1/messages/prv-1"]),
    ]


class OutcomeList(Struct, frozen=True, kw_only=True):
    """Outcomes in order."""

    outcomes: list[OutcomeView]
    next: Annotated[str, Meta(description="What to give as `after` next time, also where there was nothing.")]


class HistoryPage(Struct, frozen=True, kw_only=True):
    """A page of what was decided on a referral."""

    history: list[HistoryEntry]
    next: Annotated[str | None, Meta(description="The cursor of the next page; null: this is the last one.")]


class SessionPage(Struct, frozen=True, kw_only=True):
    """A page of a referral's sessions."""

    sessions: list[SessionView]
    next: Annotated[str | None, Meta(description="The cursor of the next page; null: this is the last one.")]


class BookingView(Struct, frozen=True, kw_only=True):
    """A participant's booking of a session."""

    po_number: str
    starts_at: Instant
    cancelled: bool
    outcome: AttendanceOutcome | None
    reference: Reference
    referral: str


class SessionOfDay(Struct, frozen=True, kw_only=True):
    """A session on some day; nothing of it is about a person."""

    session_id: str
    provider_id: str
    session_name: str
    starts_at: Instant
    ends_at: Instant
    location: str
    format: SessionFormat
    booked: Annotated[int, Meta(description="Bookings that were not cancelled.")]
    attended: int
    self: Annotated[str, Meta(description="Who was booked on it.", examples=["/v1/sessions/S1"])]


class DayOfSessions(Struct, frozen=True, kw_only=True):
    """A page of the sessions of a day, by id."""

    on: Day
    sessions: list[SessionOfDay]
    next: Annotated[str | None, Meta(description="The cursor of the next page; null: this is the last one.")]


class SessionList(Struct, frozen=True, kw_only=True):
    """Who was booked on a session, and who came."""

    session_id: str
    booked: Annotated[Count, Meta(description="Bookings that were not cancelled.")]
    attended: Count
    optimum: Annotated[Count, Meta(description="How many people a group is best with (GSG ¶32).")]
    invitations: Annotated[Count, Meta(description="How many may be invited (GSG ¶32).")]
    advisories: list[Literal["MORE_THAN_THE_OPTIMUM", "MORE_THAN_MAY_BE_INVITED"]]
    bookings: list[BookingView]
    next: Annotated[str | None, Meta(description="The cursor of the next page; null: this is the last one.")]


class TakenView(Struct, frozen=True, kw_only=True):
    """A record of an upload, on its way to be decided."""

    line: Count
    message_id: str
    po_number: str
    self: str
    referral: str


class RefusedRow(Struct, frozen=True, kw_only=True):
    """A record of an upload that was refused."""

    line: int
    message_id: str
    po_number: str
    code: str
    detail: Annotated[str, Meta(description="A sentence that says what to do.")]
    rule: Annotated[str | None, Meta(description="The paragraph that it follows.")]
    guidance: Annotated[str | None, Meta(description="What the paragraph says.")]
    self: str


class UploadOutcomes(Struct, frozen=True, kw_only=True):
    """What came of an upload's records."""

    upload_id: str
    self: str
    records: Annotated[int, Meta(description="How many the upload has: the sum of the five numbers below.")]
    applied: int
    duplicate: int
    refused: int
    pending: Annotated[int, Meta(description="Not decided yet.")]
    left_out: Annotated[
        int,
        Meta(
            description="Not this upload's any more, or never: they had come before, or their referral has "
            "been forgotten."
        ),
    ]
    refusals: Annotated[list[RefusedRow], Meta(description="Those that were refused, by line.")]


class UploadView(Struct, frozen=True, kw_only=True):
    """An upload that was taken, whole."""

    upload_id: str
    self: Annotated[
        str | None,
        Meta(description="Where its outcomes are; null: every record of it had come before by another way."),
    ]
    records: Count
    messages: list[TakenView]
    outcomes: Annotated[
        UploadOutcomes | None, Meta(description="With `Prefer: wait`, where `self` is not null.")
    ]


class MistakeView(Struct, frozen=True, kw_only=True):
    """What is wrong with an upload."""

    line: Annotated[Count, Meta(description="From 1; 0: the whole, or a body without lines.")]
    field: str
    problem: Annotated[str, Meta(description="What is wrong, and what to do; nothing of what is there.")]


class DownloadedView(Struct, frozen=True, kw_only=True):
    """A referral of a download, and what came of it so far."""

    po_number: str
    message_id: str
    status: Annotated[
        OutcomeStatus | Literal["PENDING"],
        Meta(description="PENDING: it is on the log, and is not decided yet."),
    ]
    code: Annotated[str | None, Meta(description="Of a refusal.")]
    self: Annotated[str, Meta(description="Where its outcome is.", examples=["/v1/messages/prap-PO1001-1"])]


class BadRowView(Struct, frozen=True, kw_only=True):
    """A row of a download that can't be read; nothing was taken of it."""

    file: str
    line: int
    po_number: Annotated[str | None, Meta(description="null: it is not certain.")]
    problems: Annotated[list[str], Meta(description="What is wrong, by column; nothing of what is there.")]


class DownloadView(Struct, frozen=True, kw_only=True):
    """A download: the referrals that were taken of it, and the rows that could not be read."""

    referrals: list[DownloadedView]
    passed_over: Annotated[
        int, Meta(description="Rows that are no information sessions, or stand in the download twice.")
    ]
    bad_rows: Annotated[list[BadRowView], Meta(description="Correct them, and send the download again.")]
    bad_rows_left_out: Annotated[int, Meta(description="How many more there are than are listed.")]


class DeliveryPlanView(Struct, frozen=True, kw_only=True):
    """How the provider plans to deliver the sessions (WP19 ¶24)."""

    message_id: str
    provider_id: str
    contract_package_area: str
    formats: list[SessionFormat]
    group_size: int
    timings: str
    effective_from: Day


class DeliveryPlanList(Struct, frozen=True, kw_only=True):
    """The delivery plans in force, one for each area of each provider that has sent one."""

    delivery_plans: list[DeliveryPlanView]


class PartitionView(Struct, frozen=True, kw_only=True):
    """How a partition of this process stands."""

    owned: bool
    lost: Annotated[
        bool, Meta(description="Whether undecided records are lost, which nobody has accepted yet.")
    ]
    paused: Annotated[
        bool, Meta(description="Whether an operator paused it. That does not make the process unready.")
    ] = False
    trouble: Annotated[str | None, Meta(description="Why nothing is decided on it; null: it is.")]
    lag_records: Annotated[Count | None, Meta(description="How many records wait, at the most.")]
    lag_s: Annotated[float | None, Meta(description="How long the oldest of them has waited.")]


class ProjectionView(Struct, frozen=True, kw_only=True):
    """How the projection stands, from which the API answers."""

    trouble: str | None
    behind_records: Annotated[
        Count | None,
        Meta(description="How many records of the log it has not read yet; null: not known yet."),
    ]


class ReadinessView(Struct, frozen=True, kw_only=True):
    """Whether this process decides what arrives."""

    ready: bool
    reasons: Annotated[list[str], Meta(description="Why it isn't ready; empty: it is.")]
    warnings: Annotated[list[str], Meta(description="What does not stop it yet.")]
    projection: Annotated[ProjectionView | None, Meta(description="null: the API is not served.")]
    partitions: Annotated[dict[str, PartitionView], Meta(description="By number.")]


class CalendarView(Struct, frozen=True, kw_only=True):
    """A calendar of a provider's sessions."""

    id: str
    provider_id: str
    made_at: Instant
    self: Annotated[str, Meta(description="What to DELETE to revoke it.")]


class CalendarMade(Withheld, CalendarView, frozen=True, kw_only=True):
    """A new calendar."""

    address: Annotated[str, Meta(description="Where calendar programs read it: a secret, shown this once.")]


class CalendarList(Struct, frozen=True, kw_only=True):
    """The calendars of the caller's providers, the oldest first."""

    calendars: list[CalendarView]


class ProblemDetails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error (RFC 9457). Decide by `code`, which never changes."""

    type: Annotated[
        str,
        Meta(
            description="Where the page about the code is, HTML or JSON by Accept; a program reads `code`.",
            examples=["/problems/SESSION_ALREADY_BOOKED"],
            extra_json_schema={"format": "uri-reference"},
        ),
    ]
    title: str
    status: int
    code: Annotated[str, Meta(examples=["SESSION_ALREADY_BOOKED"])]
    detail: Annotated[str | None, Meta(description="A sentence that says what to do.")] = None
    field: Annotated[str | None, Meta(description="The field at fault, or the parameter.")] = None
    rule: Annotated[str | None, Meta(description="Of a refusal: the paragraph that it follows.")] = None
    guidance: Annotated[str | None, Meta(description="What the paragraph says.")] = None
    message: Annotated[MessageView | None, Meta(description="Of a refusal: the message.")] = None
    mistakes: Annotated[list[MistakeView] | None, Meta(description="Of a body: all that are known.")] = None
