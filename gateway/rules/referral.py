"""What is known of one purchase order: the state that a decision starts from and ends with.

Everything is frozen; a decision makes a new state. The classes are packed as arrays, so a field that is
added goes last and has a default.
"""

from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from gateway.rules.calendar import MINUTE_MS, london_day
from gateway.rules.events import BreachStatus, SanctionNotification
from gateway.rules.messages import (
    AttendanceOutcome,
    Benefit,
    ClaimantGroup,
    ExpenseKind,
    GroupSessionRestriction,
    Participant,
    SessionFormat,
)
from gateway.rules.policy import Limits

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


class Session(Struct, frozen=True, gc=False, array_like=True):
    """One booked session of one referral. Instants are UTC milliseconds.

    notified_at: when the participant was told its name, date and time; None: not yet.
    cannot_attend: the newest reason why they said beforehand that they can't come; None: never said.
    end_decided: F2 was decided for the booked time.
    reason_given: that of the last outcome record.
    attempt: its place among this referral's sessions with an outcome, from 1; 0: no outcome yet.
    told_outcome, told_id: the last attendance event told for it.
    failure_waits: a failure waits until it is confirmed that the participant had been told.
    notification: the sanction notification that is active for it.
    """

    session_id: str
    session_name: str
    starts_at: int
    duration_minutes: int
    location: str
    format: SessionFormat
    notified_at: int | None
    cancelled: bool = False
    cannot_attend: str | None = None
    end_decided: bool = False
    outcome: AttendanceOutcome | None = None
    reason_given: str | None = None
    attempt: int = 0
    told_outcome: AttendanceOutcome | None = None
    told_id: str | None = None
    failure_waits: bool = False
    notification: SanctionNotification | None = None

    @property
    def open(self) -> bool:
        """Booked, with no outcome, not cancelled."""
        return self.outcome is None and not self.cancelled

    @property
    def ends_at(self) -> int:
        """`starts_at` and the duration, UTC milliseconds."""
        return self.starts_at + self.duration_minutes * MINUTE_MS

    @property
    def on(self) -> int:
        """Its day, in London."""
        return london_day(self.starts_at)

    @property
    def told(self) -> bool:
        """The participant was told before it started."""
        return self.notified_at is not None and self.notified_at < self.starts_at


class Expense(Struct, frozen=True, gc=False, array_like=True):
    """What the participant was reimbursed for coming."""

    session_id: str
    kind: ExpenseKind
    amount_pence: int
    paid_on: int


class ReferralState(Struct, frozen=True, gc=False, array_like=True):
    """One referral, from its first revision until it is forgotten.

    limits: the policy in force on `referred_on`, kept for life.
    participant: None where the referral became a special customer record: its personal data is erased.
    revision_*: what the last revision said; Jobcentre updates and objections may have come since.
    closed_at: the instant of the message that closed it, or that at which T3 fell due.
    accept_by: the last day for acceptance.
    acceptance_late, session_late, attachment_late: the breaches, as last sent; each named as its kind.
    passed: the deadlines that have fallen due, one bit each: 1 << 1 for T1 to 1 << 4 for T4.
    """

    po_revision: int
    mandatory: bool
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
    limits: Limits
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

    @property
    def closed(self) -> bool:
        """Attached, cancelled or rejected."""
        return self.status in CLOSED

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
        return self.referred_on + self.limits.attach_within_days

    def kept_until(self) -> int:
        """The last day on which the referral is known."""
        return self.referred_on + self.limits.forget_after_days

    def session(self, session_id: str) -> Session | None:
        """The session of that id, of this referral."""
        for session in self.sessions:
            if session.session_id == session_id:
                return session
        return None

    def with_session(self, changed: Session) -> "ReferralState":
        """The same referral, with one session changed."""
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
