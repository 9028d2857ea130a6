"""What is known of one purchase order: the state that a decision starts from and ends with.

Everything is frozen; a decision makes a new state. The classes are packed as arrays, so a field that is
added goes last and has a default.
"""

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.rules.calendar import MINUTE_MS, london_day
from gateway.rules.events import BreachStatus, FailureKind
from gateway.rules.messages import (
    AttachedTo,
    AttendanceOutcome,
    Benefit,
    ClaimantGroup,
    ExpenseKind,
    GroupSessionRestriction,
    MandationPurpose,
    Participant,
    SessionFormat,
)
from gateway.rules.policy import PolicyLimits

Status = Literal["OPEN", "JOINING", "ATTACHED", "CANCELLED", "REJECTED"]
#: The statuses that a referral of each status may have later.
LEADS_TO: Final[dict[Status, frozenset[Status]]] = {
    "OPEN": frozenset({"JOINING", "ATTACHED", "CANCELLED", "REJECTED"}),
    "JOINING": frozenset({"ATTACHED"}),
    "ATTACHED": frozenset(),
    "CANCELLED": frozenset(),
    "REJECTED": frozenset(),
}
#: Those that no other follows.
CLOSED: Final = frozenset(status for status, later in LEADS_TO.items() if not later)


#: Restrictions that make a participant unsuitable for a group. ADDITIONAL_NEEDS is not one (JSAGIS ¶17).
UNSUITABLE: Final[frozenset[GroupSessionRestriction | None]] = frozenset(
    {"SAFETY_MEASURES", "MAPPA", "OBJECTION"}
)
#: The first three groups of Annex A: their claimants can be mandated, and take part by mandate once attached.
CAN_BE_MANDATED: Final[frozenset[ClaimantGroup | None]] = frozenset(
    {"ESA_IR_WRAG_OVER_12_MONTHS", "ESA_C_WRAG", "ESA_IR_LONE_PARENT_CHILD_3_OR_4"}
)
#: The groups of ESA whose claimants are in the WRAG.
WRAG_GROUPS: Final[frozenset[ClaimantGroup | None]] = frozenset(
    {
        "ESA_IR_WRAG_OVER_12_MONTHS",
        "ESA_C_WRAG",
        "ESA_IR_LONE_PARENT_CHILD_3_OR_4",
        "ESA_IR_WRAG_CHILD_UNDER_3_OR_CARER",
        "ESA_IR_EX_IB_WRAG_CHILD_UNDER_3_OR_CARER",
        "ESA_C_WRAG_CHILD_UNDER_3_OR_CARER",
    }
)


class Ground(Struct, frozen=True, gc=False, array_like=True):
    """What makes attendance mandatory, as the last revision that was annotated mandatory said.

    purpose, recorded_on: its mandation; recorded_on None: it had none. R5 to R7 and R16 leave one basis for
    each benefit, so none is kept.
    """

    benefit: Benefit
    purpose: MandationPurpose | None = None
    recorded_on: int | None = None


class Raised(Struct, frozen=True, gc=False, array_like=True):
    """What an active sanction notification said that its session and its referral may no longer say."""

    event_id: str
    jobcentre_id: str
    ground: Ground
    failure: FailureKind
    notified_at: int
    reason_given: str | None


class Session(Struct, frozen=True, gc=False, array_like=True):
    """One booked session of one referral. Instants are UTC milliseconds.

    notified_at: when the participant was told its name, date and time; None: not yet.
    outcome_by: the last day to record its outcome (T6); None: no mandate was in force when it was booked or
        last changed.
    cannot_attend: why they said beforehand that they can't come to this booked time; None: never said.
    passed: what has fallen due of this booked time, or can't any more, one bit each: F2_PASSED, T6_PASSED.
    reason_given: that of the last outcome record.
    attempt: its place among this referral's sessions with an outcome, from 1; 0: no outcome yet.
    told_outcome, told_id: the last attendance event told for it.
    failure_waits: a failure waits until it is confirmed that the participant had been told.
    notification: the sanction notification that is active for it.
    outcome_late: the breach of T6, as last sent.
    """

    session_id: str
    session_name: str
    starts_at: int
    duration_minutes: int
    location: str
    format: SessionFormat
    notified_at: int | None
    outcome_by: int | None
    cancelled: bool = False
    cannot_attend: str | None = None
    passed: int = 0
    outcome: AttendanceOutcome | None = None
    reason_given: str | None = None
    attempt: int = 0
    told_outcome: AttendanceOutcome | None = None
    told_id: str | None = None
    failure_waits: bool = False
    notification: Raised | None = None
    outcome_late: BreachStatus | None = None

    @property
    def open(self) -> bool:
        """Booked, with no outcome, not cancelled."""
        return self.outcome is None and not self.cancelled

    @property
    def expected(self) -> bool:
        """Open, and the participant has not said that they cannot attend."""
        return self.outcome is None and not self.cancelled and self.cannot_attend is None

    @property
    def ends_at(self) -> int:
        """`starts_at` and the duration, UTC milliseconds."""
        return self.starts_at + self.duration_minutes * MINUTE_MS

    @property
    def on(self) -> int:
        """Its day, in London."""
        return london_day(self.starts_at)

    def without_words(self) -> "Session":
        """The same session, without what was said of it; that something was said beforehand stays known."""
        if not self.cannot_attend and self.reason_given is None:
            return self
        return replace(self, cannot_attend=self.cannot_attend and "", reason_given=None)

    def without_failure(self) -> "Session":
        """The same session, cancelled so that no failure can follow."""
        return replace(self, cancelled=True, passed=self.passed | F2_PASSED)


#: F2 was decided for the booked time, or the session was cancelled so that no failure can follow.
F2_PASSED: Final = 1
#: T6 fell due for the booked time.
T6_PASSED: Final = 2


class Expense(Struct, frozen=True, gc=False, array_like=True):
    """What the participant was reimbursed for coming."""

    session_id: str
    kind: ExpenseKind
    amount_pence: int
    paid_on: int


class ReferralState(Struct, frozen=True, gc=False, array_like=True):
    """One referral, from its first revision until it is forgotten.

    limits: the policy in force on `referred_on`, kept for life.
    ground: of the mandate; None where the referral was annotated voluntary at first.
    mandate_ended_at: the instant from which no session that starts then or later is mandatory (M1).
    participant: None where the referral is special: its personal data is erased, and so is what was said.
    revision_*: what the last revision said; Jobcentre updates and objections may have come since.
    closed_at: the instant of the message that closed it, or that at which T3 fell due.
    accept_by: the last day for acceptance.
    acceptance_late, session_late, attachment_late: the breaches, as last sent; each named as its kind.
    passed: the deadlines that have fallen due, one bit each: 1 << 1 for T1 to 1 << 4 for T4.
    held_until: the later day for the attachment, where one was named when a hold ended.
    attachment_due_on: the day that T4's breach named.
    group_refused: R5 has refused a higher revision since the last one that was applied.
    alternative_asked: an alternative session is asked for.
    new_referral_noticed: the Jobcentre knows that a new referral is needed (N1).
    backed_out: the attachments that must not be, each once (B1).
    reference: what the provider calls it, as its acceptance said.
    """

    po_revision: int
    ground: Ground | None
    referred_on: int
    provider_id: str
    contract_package_area: str
    jobcentre_id: str
    benefit: Benefit
    claimant_group: ClaimantGroup | None
    participant: Participant | None
    appeal_pending: bool
    restriction: GroupSessionRestriction | None
    revision_appeal_pending: bool
    revision_restriction: GroupSessionRestriction | None
    limits: PolicyLimits
    accept_by: int
    status: Status = "OPEN"
    accepted: bool = False
    closed_at: int | None = None
    acceptance_late: BreachStatus | None = None
    session_late: BreachStatus | None = None
    attachment_late: BreachStatus | None = None
    passed: int = 0
    wp11_issued_on: int | None = None
    outcomes: int = 0
    sessions: tuple[Session, ...] = ()
    expenses: tuple[Expense, ...] = ()
    mandate_ended_at: int | None = None
    held_until: int | None = None
    attachment_due_on: int | None = None
    group_refused: bool = False
    alternative_asked: bool = False
    new_referral_noticed: bool = False
    backed_out: tuple[tuple[int, AttachedTo], ...] = ()
    reference: str | None = None

    @property
    def closed(self) -> bool:
        """Attached, cancelled or rejected."""
        return self.status in CLOSED

    @property
    def special(self) -> bool:
        """It became a special customer record."""
        return self.participant is None

    @property
    def interpreter_needed(self) -> bool:
        """The participant is known to need one."""
        return self.participant is not None and self.participant.interpreter_needed

    @property
    def mandate_in_force(self) -> bool:
        """Annotated mandatory at first, and the mandate has not ended."""
        return self.ground is not None and self.mandate_ended_at is None

    @property
    def wrag(self) -> bool:
        """The claimant is in one of the WRAG groups of ESA."""
        return self.benefit == "ESA" and self.claimant_group in WRAG_GROUPS

    @property
    def on_hold(self) -> bool:
        """The attachment waits for the end of an appeal for the Support Group."""
        return self.status == "JOINING" and self.appeal_pending and self.wrag

    @property
    def attended(self) -> bool:
        """The outcome of some session, of whatever date, is now ATTENDED."""
        return any(session.outcome == "ATTENDED" for session in self.sessions)

    @property
    def attended_in_time(self) -> bool:
        """The outcome of a session within the limit for sessions is now ATTENDED."""
        last_day = self.session_by()
        return any(s.outcome == "ATTENDED" and s.on <= last_day for s in self.sessions)

    def session_by(self) -> int:
        """The last day for the session."""
        return self.referred_on + self.limits.session_within_days

    def wp11_by(self) -> int:
        """The last day for the interview that a WP11 follows."""
        return self.referred_on + self.limits.wp11_within_days

    def attach_by(self) -> int:
        """The last day for the attachment."""
        by = self.referred_on + self.limits.attach_within_days
        return by if self.held_until is None else max(by, self.held_until)

    def kept_until(self) -> int:
        """The last day on which the referral is known."""
        return self.referred_on + self.limits.forget_after_days

    def expects_another(self, session_id: str) -> bool:
        """Some session but the one of that id is expected."""
        return any(session.expected and session.session_id != session_id for session in self.sessions)

    def mandatory(self, session: Session) -> bool:
        """Whether a session is mandatory: booked under the mandate, which no end or close came before."""
        starts_at = session.starts_at
        return (
            session.outcome_by is not None
            and (self.mandate_ended_at is None or self.mandate_ended_at > starts_at)
            and (self.closed_at is None or self.closed_at > starts_at)
        )

    def told(self, session: Session) -> bool:
        """Whether the participant was told of a session, after the referral and before it started."""
        at = session.notified_at
        return at is not None and at < session.starts_at and london_day(at) >= self.referred_on

    def failure_to_come(self, session: Session) -> bool:
        """F2: the participant said beforehand that they can't attend, and its time is still to come."""
        return (
            session.cannot_attend is not None
            and session.outcome is None
            and not session.passed & F2_PASSED
            and not self.special
            and self.mandatory(session)
        )

    def owed(self, session: Session) -> bool:
        """Cancelled, though a failure stands or may still follow from what was said beforehand."""
        return session.cancelled and (
            session.failure_waits or session.notification is not None or self.failure_to_come(session)
        )

    def owes_outcome(self, session: Session) -> bool:
        """T6, whether or not its day has passed: something about a mandatory session is not recorded."""
        return (
            session.notification is None
            and (session.open or session.failure_waits)
            and not self.special
            and self.mandatory(session)
        )

    def session(self, session_id: str) -> Session | None:
        """The session of that id, of this referral."""
        for session in self.sessions:
            if session.session_id == session_id:
                return session
        return None

    def with_session(self, changed: Session) -> "ReferralState":
        """The same referral, with one session changed."""
        if self.special:
            changed = changed.without_words()
        sessions = tuple(changed if s.session_id == changed.session_id else s for s in self.sessions)
        return replace(self, sessions=sessions)


class Held(Struct, frozen=True, gc=False, array_like=True):
    """A message that waits for its referral.

    name, body: the record's name, and the message in MessagePack. at: when it arrived. expires_at: when
    it is refused, if no referral comes. trace: the trace context it came with.
    """

    message_id: str
    name: str
    body: bytes
    at: int
    expires_at: int
    trace: str | None


class PurchaseOrder(Struct, frozen=True, gc=False, array_like=True):
    """All that is kept under one po_number.

    due_at, due_rank: when something falls due next, and its place among what is due at that instant.
        They come first, so that they can be read without the rest.
    events_at, events: the instant of the last decision, and how many events were decided at it; the next
        event_id is made of them, so ids stay unique even after a referral is forgotten.
    referral: None where none is known. held: what waits for it.
    seen: the ids of all messages that were decided on the referral.
    """

    due_at: int
    due_rank: int
    events_at: int
    events: int
    referral: ReferralState | None = None
    held: tuple[Held, ...] = ()
    seen: tuple[str, ...] = ()
