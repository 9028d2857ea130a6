"""What must never happen, as a checker of what goes in and what comes out (rulebook: What must never happen).

It knows the rules only as far as it takes to say that something is wrong: when a referral's life begins,
which of its sessions are mandatory and which are cancelled, and when its participant was told. The numbers
are those of the rulebook's list.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct, json
from msgspec.structs import replace

from gateway.rules.events import (
    CancellationEvent,
    Event,
    Instruction,
    Outcome,
    PrapAction,
    SanctionNotification,
)
from gateway.rules.messages import (
    AttachmentRegistered,
    AttendanceRecorded,
    CannotAttend,
    GroupObjection,
    GroupSessionRestrictionChanged,
    Message,
    NotificationConfirmed,
    Referral,
    SessionBooked,
    SessionCancelled,
    SessionChanged,
    SessionFormat,
    Wp11,
)

_json: Final = json.Encoder().encode


class KnownSession(Struct, frozen=True):
    """A session as the messages that were applied tell it.

    mandated: the mandate was in force when it was booked or last changed. cancelled: so that no failure can
    follow. said: a reason was given beforehand. active: the id of the notification that is.
    """

    session_id: str
    starts_at: int
    format: SessionFormat
    notified_at: int | None
    mandated: bool
    decided: bool = False
    said: bool = False
    cancelled: bool = False
    active: str | None = None


class Life(Struct, frozen=True):
    """A referral from its acknowledgement on."""

    mandatory: bool
    referred_on: int
    ended_at: int | None = None
    closed_at: int | None = None
    special: bool = False
    wp11: bool = False
    attached: bool = False
    cancelled: bool = False
    sessions: tuple[KnownSession, ...] = ()

    def session(self, session_id: str) -> KnownSession | None:
        """The session of that id."""
        return next((session for session in self.sessions if session.session_id == session_id), None)

    @property
    def in_force(self) -> bool:
        """The mandate."""
        return self.mandatory and self.ended_at is None

    def is_mandatory(self, session: KnownSession) -> bool:
        """Whether a session is."""
        ends = [end for end in (self.ended_at, self.closed_at) if end is not None]
        return session.mandated and all(end > session.starts_at for end in ends)

    def change(self, changed: KnownSession) -> "Life":
        """The same with one session changed."""
        return replace(
            self,
            sessions=tuple(changed if s.session_id == changed.session_id else s for s in self.sessions),
        )


class Known(Struct, frozen=True):
    """What the checker remembers of a purchase order. held: the messages without a last word, and when."""

    life: Life | None = None
    held: tuple[tuple[Message, int], ...] = ()


NOTHING: Final = Known()


def follow(
    known: Known, message: Message | None, at: int, events: Sequence[Event]
) -> tuple[Known, list[str]]:
    """What is known after one decision, and what is wrong with it.

    message: what was decided, which arrived at `at`; None: something fell due.
    """
    step = _Step(known, message, at)
    for place, event in enumerate(events):
        step.see(event, events[place:])
    if message is not None and step.answers != 1:
        step.wrong.append(f"6: message {message.message_id} has {step.answers} outcomes in its decision")
    return Known(step.life, tuple(step.held)), step.wrong


class _Step:
    """One decision, event by event."""

    def __init__(self, known: Known, message: Message | None, at: int) -> None:
        self.life = known.life
        self.held = list(known.held)
        self.message = message
        self.at = at
        self.answers = 0
        self.before: list[Event] = []
        self.wrong: list[str] = []

    def see(self, event: Event, rest: Sequence[Event]) -> None:
        """Check one event; `rest` begins with it."""
        match event:
            case CancellationEvent():
                self._cancelled(event)
            case SanctionNotification(status="RAISED"):
                self._raised(event, rest)
            case SanctionNotification():
                self._withdrawn(event)
            case Instruction(instruction="UNDERTAKE_ATTACHMENT"):
                joins = isinstance(self._applied_next(rest), Wp11)
                if not joins and not (self.life and self.life.wp11):
                    self.wrong.append("5: an attachment instruction without a WP11")
            case Instruction(instruction="MANDATE_ENDED") if self.life is not None:
                if not self.life.in_force:
                    self.wrong.append("a mandate that is not in force ends")
                self.life = replace(self.life, ended_at=event.decided_at)
            case PrapAction(action="CANCEL") if self.life is not None and not self.life.cancelled:
                self.wrong.append("1: cancelled on PRaP without a cancellation")
            case PrapAction(action="ACKNOWLEDGE"):
                self._begins(self._applied_next(rest))
            case Outcome():
                self._outcome(event)
        self.before = [] if isinstance(event, Outcome) else [*self.before, event]

    def _begins(self, referral: Message | None) -> None:
        if isinstance(referral, Referral):
            mandatory = referral.action_plan_annotation.strip().casefold().endswith("mandatory")
            self.life = Life(mandatory, referral.referred_on)
        else:
            self.wrong.append("6: an acknowledgement without a Referral that was applied")

    def _applied_next(self, rest: Sequence[Event]) -> Message | None:
        """The message whose effects these are, where it was applied."""
        outcome = next((event for event in rest if isinstance(event, Outcome)), None)
        if outcome is None or outcome.status != "APPLIED":
            return None
        found = self._message_of(outcome)
        return found[0] if found else None

    def _message_of(self, outcome: Outcome) -> tuple[Message, int] | None:
        own = self.message
        if own is not None and self.answers == 0 and own.message_id == outcome.message_id:
            return own, self.at
        return next((held for held in self.held if held[0].message_id == outcome.message_id), None)

    def _cancelled(self, event: CancellationEvent) -> None:
        if self.life is None:
            self.wrong.append("1: a cancellation without a referral")
            return
        if self.life.attached:
            self.wrong.append("1: cancelled after it was attached")
        if self.life.wp11:
            self.wrong.append("2: cancelled after its WP11 was applied")
        if self.life.cancelled:
            self.wrong.append("1: cancelled twice")
        self.life = replace(self.life, cancelled=True, closed_at=_start_of(event.effective_on))

    def _raised(self, event: SanctionNotification, rest: Sequence[Event]) -> None:
        life = self.life
        session = life.session(event.session_id) if life else None
        if life is None or session is None:
            self.wrong.append("3: a notification for a session that is not known")
            return
        told = {session.notified_at}
        confirmed = self._applied_next(rest)
        if isinstance(confirmed, NotificationConfirmed) and confirmed.session_id == event.session_id:
            told = {confirmed.notified_at}
        if not life.is_mandatory(session):
            self.wrong.append("3: a notification for a session that is not mandatory")
        if life.special:
            self.wrong.append("3: a notification of a special record")
        if session.cancelled:
            self.wrong.append("3: a notification for a cancelled session")
        if event.decided_at < session.starts_at or event.session_starts_at != session.starts_at:
            self.wrong.append("3: a notification before the session's start")
        if event.requirement_notified_at not in told or event.requirement_notified_at >= session.starts_at:
            self.wrong.append("3: a notification without the participant having been told")
        elif event.requirement_notified_at < _start_of(life.referred_on):
            self.wrong.append("3: a notification of what was said before the referral")
        if session.active is not None:
            self.wrong.append("4: two active notifications for one session")
        self.life = life.change(replace(session, active=event.event_id))

    def _withdrawn(self, event: SanctionNotification) -> None:
        session = self.life.session(event.session_id) if self.life else None
        if (
            self.life is None
            or session is None
            or session.active is None
            or session.active != event.withdraws
        ):
            self.wrong.append("4: what is withdrawn is not the active notification")
            return
        self.life = self.life.change(replace(session, active=None))

    def _outcome(self, outcome: Outcome) -> None:
        found = self._message_of(outcome)
        if found is None:
            self.wrong.append(f"6: an outcome of {outcome.message_id}, which has one already or never came")
            return
        message, at = found
        if message is self.message:
            self.answers += 1
        elif outcome.status not in ("APPLIED", "REFUSED"):
            self.wrong.append(f"6: a held message ends as {outcome.status}")
        if outcome.status == "HELD":
            self.held.append(found)
        elif message is not self.message:
            self.held.remove(found)
        if outcome.code == "SPECIAL_CUSTOMER_RECORD" and self.life is not None:
            self.life = replace(self.life, special=True)
        if outcome.status == "APPLIED" and self.life is not None:
            self.life = self._applied(self.life, message, at, outcome)
        elif outcome.status == "APPLIED":
            self.wrong.append("6: something was applied without a referral")

    def _applied(self, life: Life, message: Message, at: int, outcome: Outcome) -> Life:
        match message:
            case Wp11():
                if life.cancelled:
                    self.wrong.append("2: a WP11 applied to a cancelled referral")
                return replace(life, wp11=True)
            case AttachmentRegistered():
                if life.cancelled:
                    self.wrong.append("1: attached after it was cancelled")
                return replace(life, attached=True, closed_at=at)
            case SessionBooked():
                session = KnownSession(
                    message.session_id,
                    message.starts_at,
                    message.format,
                    message.notified_at,
                    life.in_force,
                )
                others = [other for other in life.sessions if other.session_id != session.session_id]
                return replace(life, sessions=(*others, session))
            case GroupObjection():
                return _without_groups(life, at)
            case GroupSessionRestrictionChanged():
                unsuitable = message.restriction not in (None, "ADDITIONAL_NEEDS")
                return _without_groups(life, at) if unsuitable else life
            case Referral():
                offered = any(
                    isinstance(event, Instruction) and event.instruction == "OFFER_ONE_TO_ONE"
                    for event in self.before
                )
                return _without_groups(life, at) if offered else life
        named = life.session(getattr(message, "session_id", ""))
        if named is None:
            return life
        recorded = _recorded(life, named, message, outcome)
        if recorded.cancelled and recorded.active is not None:
            self.wrong.append("3: a notification stays active for a session that the provider cancelled")
        return life.change(recorded)


def _start_of(day: int) -> int:
    """The instant at which a day begins in London."""
    civil = datetime(1970, 1, 1, tzinfo=ZoneInfo("Europe/London")) + timedelta(days=day)
    return int(civil.timestamp()) * 1000


def _recorded(life: Life, session: KnownSession, message: Message, outcome: Outcome) -> KnownSession:
    match message:
        case SessionCancelled():
            return replace(session, cancelled=message.cause == "PROVIDER" or not session.said)
        case CannotAttend():
            return replace(session, said=True)
        case SessionChanged() if "SESSION_CANCELLED_UNCONTACTABLE" in outcome.advisories:
            return replace(session, cancelled=True)
        case SessionChanged():
            return replace(
                session,
                starts_at=message.starts_at,
                notified_at=message.notified_at,
                mandated=life.in_force,
                said=False,
            )
        case NotificationConfirmed():
            return replace(session, notified_at=message.notified_at)
        case AttendanceRecorded():
            return replace(session, decided=True)
    return session


def _without_groups(life: Life, at: int) -> Life:
    for session in life.sessions:
        if (
            session.format == "GROUP"
            and not session.decided
            and not session.cancelled
            and at < session.starts_at
        ):
            life = life.change(replace(session, cancelled=True))
    return life


def personal_data_in(events: Iterable[Event], marks: Iterable[str]) -> list[str]:
    """8: what must not be in an event. marks: what of a person would show."""
    written = b"\n".join(_json(event) for event in events).decode()
    return [f"8: {mark} in an event" for mark in marks if mark in written]


class Watch:
    """The checker over many purchase orders, from the first message to the last."""

    def __init__(self, marks: Iterable[str] = ()) -> None:
        self._known: dict[str, Known] = {}
        self._ids: Counter[str] = Counter()
        self._marks = tuple(marks)
        self.wrong: list[str] = []

    def decided(self, po_number: str, message: Message | None, at: int, events: Sequence[Event]) -> None:
        """Look at one decision."""
        known, wrong = follow(self._known.get(po_number, NOTHING), message, at, events)
        self._known[po_number] = known
        self.wrong += [f"{po_number}: {what}" for what in wrong]
        self.wrong += personal_data_in(events, self._marks)
        for event in events:
            self._ids[event.event_id] += 1
            if self._ids[event.event_id] > 1:
                self.wrong.append(f"the event id {event.event_id} twice")
            if event.po_number != po_number:
                self.wrong.append(f"an event of {event.po_number} from a decision on {po_number}")

    def waiting(self) -> dict[str, list[str]]:
        """The ids of the messages that have no last word yet, by purchase order."""
        return {
            po_number: [message.message_id for message, _ in known.held]
            for po_number, known in self._known.items()
            if known.held
        }


def same_twice(decision: Callable[[], Sequence[Event]]) -> list[str]:
    """7: the same input twice giving different bytes."""
    first, second = (b"\n".join(_json(event) for event in decision()) for _ in range(2))
    return [] if first == second else ["7: the same input twice, and different bytes"]
