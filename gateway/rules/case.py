"""One message, or one deadline, and the referral it meets: what a check looks at and an effect changes."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from msgspec.structs import replace

from gateway.rules.calendar import london_day
from gateway.rules.events import (
    Advisory,
    Breach,
    BreachBecause,
    BreachKind,
    BreachStatus,
    Event,
    Instruction,
    InstructionKind,
    Notice,
    NoticeKind,
    PrapAction,
    PrapActionKind,
    Requirement,
    SessionCancelledBecause,
    SessionChangeKind,
    SessionEvent,
)
from gateway.rules.messages import DAY_FACTS, INSTANT_FACTS, Message, Referral
from gateway.rules.policy import Policies, PolicyLimits
from gateway.rules.referral import ReferralState, Session

M = TypeVar("M", bound=Message)


class Effects:
    """The events of one decision, in the order in which they go out, each with its cause's trace context.

    decided_at: UTC milliseconds. events: how many events this purchase order already had at that instant.
    trace: the trace context of the cause that is being decided.
    """

    __slots__ = ("_id", "decided_at", "events", "out", "po_number", "trace")

    def __init__(self, po_number: str, decided_at: int, events: int, trace: str | None = None) -> None:
        self.po_number = po_number
        self.decided_at = decided_at
        # Read from its end, an id has one meaning; so an instant before 1970 has no hyphen of its own.
        self._id = f"{po_number}-{decided_at}-" if decided_at >= 0 else f"{po_number}-before{-decided_at}-"
        self.events = events
        self.trace = trace
        self.out: list[tuple[Event, str | None]] = []

    def next_id(self) -> str:
        """The id of the next event: purchase order, instant and place name it for good."""
        self.events += 1
        return f"{self._id}{self.events}"

    def add(self, event: Event) -> None:
        """Send an event out, after those added before it."""
        self.out.append((event, self.trace))


class Case(Generic[M]):
    """A message on its way through the checks of its row, with the referral that it is about.

    at: when it arrived, UTC milliseconds; checks judge it by that. known: the state of the referral, None
    where there is none yet. seen: the ids of the messages that were decided on it. session: the session that
    the message names, where the referral has it.
    """

    __slots__ = (
        "advisories",
        "at",
        "effects",
        "known",
        "limits",
        "message",
        "policies",
        "referral",
        "seen",
        "session",
    )

    #: The same as `known`, for what runs only where it is known; unset where it isn't.
    referral: ReferralState

    def __init__(
        self,
        message: M,
        at: int,
        known: ReferralState | None,
        limits: PolicyLimits,
        policies: Policies,
        effects: Effects,
        seen: tuple[str, ...] = (),
    ) -> None:
        self.message = message
        self.at = at
        self.known = known
        self.limits = limits
        self.policies = policies
        self.effects = effects
        self.seen = seen
        self.advisories: tuple[Advisory, ...] = ()
        self.session: Session | None = None
        if known is not None:
            self.referral = known
            session_id = getattr(message, "session_id", None) if known.sessions else None
            if session_id is not None:
                self.session = known.session(session_id)

    @property
    def booked(self) -> Session:
        """The session named by the message, which earlier checks have made sure of."""
        if self.session is None:
            raise LookupError("a check that needs a session ran before the one that makes sure of it")
        return self.session

    def keep(self, referral: ReferralState) -> None:
        """Make this the state of the referral."""
        self.known = self.referral = referral

    def update(self, **changes: object) -> None:
        """Change the referral."""
        self.keep(replace(self.referral, **changes))

    def change_session(self, changed: Session) -> None:
        """Change one session of the referral."""
        self.keep(self.referral.with_session(changed))

    def instruct(
        self,
        instruction: InstructionKind,
        rule: str,
        *,
        session_id: str | None = None,
        due_on: int | None = None,
        participation: Requirement | None = None,
    ) -> None:
        """Tell the provider what to do next."""
        effects = self.effects
        effects.add(
            Instruction(
                event_id=effects.next_id(),
                po_number=effects.po_number,
                provider_id=self.referral.provider_id,
                instruction=instruction,
                session_id=session_id,
                due_on=due_on,
                participation=participation,
                decided_at=effects.decided_at,
                rule=rule,
            )
        )

    def ask_for_alternative(self, rule: str, session_id: str | None = None) -> None:
        """Tell the provider to arrange another session; it is asked for until one is booked or attended."""
        if not self.referral.alternative_asked:
            self.update(alternative_asked=True)
        self.instruct("ARRANGE_ALTERNATIVE_SESSION", rule, session_id=session_id)

    def report_session(
        self,
        session: Session,
        change: SessionChangeKind,
        rule: str,
        because: SessionCancelledBecause | None = None,
    ) -> None:
        """Tell the Jobcentre of a session, for its diary and the Workplan."""
        effects, referral = self.effects, self.referral
        effects.add(
            SessionEvent(
                event_id=effects.next_id(),
                po_number=effects.po_number,
                provider_id=referral.provider_id,
                jobcentre_id=referral.jobcentre_id,
                session_id=session.session_id,
                change=change,
                because=because,
                session_name=session.session_name,
                starts_at=session.starts_at,
                duration_minutes=session.duration_minutes,
                location=session.location,
                format=session.format,
                requirement=requirement(referral, session),
                notified_at=session.notified_at,
                decided_at=effects.decided_at,
                rule=rule,
            )
        )

    def notify(self, notice: NoticeKind, on: int, rule: str) -> None:
        """Tell the Jobcentre what the message means for it. on: a day."""
        effects, referral = self.effects, self.referral
        effects.add(
            Notice(
                event_id=effects.next_id(),
                po_number=effects.po_number,
                provider_id=referral.provider_id,
                jobcentre_id=referral.jobcentre_id,
                notice=notice,
                message_id=self.message.message_id,
                on=on,
                decided_at=effects.decided_at,
                rule=rule,
            )
        )

    def enter_on_prap(self, action: PrapActionKind, rule: str, reason: str | None = None) -> None:
        """Say what is to be entered on PRaP."""
        effects = self.effects
        effects.add(
            PrapAction(
                event_id=effects.next_id(),
                po_number=effects.po_number,
                provider_id=self.referral.provider_id,
                action=action,
                reason=reason,
                decided_at=effects.decided_at,
                rule=rule,
            )
        )

    def breach(
        self,
        breach: BreachKind,
        status: BreachStatus,
        due_on: int,
        rule: str,
        *,
        session_id: str | None = None,
        because: BreachBecause | None = None,
    ) -> None:
        """Say that a time limit was missed, or was met after all."""
        effects = self.effects
        effects.add(
            Breach(
                event_id=effects.next_id(),
                po_number=effects.po_number,
                provider_id=self.referral.provider_id,
                breach=breach,
                status=status,
                session_id=session_id,
                because=because,
                due_on=due_on,
                decided_at=effects.decided_at,
                rule=rule,
            )
        )

    def dated_in_future(self) -> bool:
        """A fact in the message is dated after it arrived (G4)."""
        message = self.message
        record = type(message)
        for name in INSTANT_FACTS[record]:
            instant = getattr(message, name)
            if instant is not None and instant > self.at + self.limits.clock_skew_s * 1000:
                return True
        for name in DAY_FACTS[record]:
            if getattr(message, name) > london_day(self.at):
                return True
        if isinstance(message, Referral) and message.mandation is not None:
            return message.mandation.recorded_on > london_day(self.at)
        return False


def requirement(referral: ReferralState, session: Session) -> Requirement:
    """What an event about a session says of it."""
    return "MANDATORY" if referral.mandatory(session) else "VOLUNTARY"


@dataclass(frozen=True, slots=True)
class Also(Generic[M]):
    """What happens beside a refusal. says: in words."""

    says: str
    act: Callable[[Case[M]], None]


@dataclass(frozen=True, slots=True)
class Check(Generic[M]):
    """One condition of a row of the rulebook, and what comes of a message that meets it.

    row: its name in the rulebook. when: the condition in words, in which a limit of the policy stands in
    braces. code: of the refusal, '' for a duplicate. rule: the guidance that says so, None where none does.
    detail: a sentence for a person, without personal data. also: what happens beside the refusal. field: the
    path of the field that is at fault, where it is one. says: the sentence about the state at hand, where
    `detail` names several.
    """

    row: str
    when: str
    test: Callable[[Case[M]], bool]
    code: str
    rule: str | None = None
    detail: str | None = None
    also: Also[M] | None = None
    field: str | None = None
    says: Callable[[Case[M]], str] | None = None

    @property
    def status(self) -> Literal["DUPLICATE", "REFUSED"]:
        """What the outcome says of the message."""
        return "REFUSED" if self.code else "DUPLICATE"


@dataclass(frozen=True, slots=True)
class Applied:
    """What a row does, for its readers. In its words a limit of the policy stands in braces.

    row: its name in the rulebook. when, then: the condition and the effect in words. rule: the guidance that
    the outcome cites. cites: other guidance that its outcome or its events cite.
    """

    row: str
    when: str
    then: str
    rule: str | None
    cites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row(Generic[M]):
    """How one kind of message is decided: the checks from left to right, then what it does.

    row: its name in the rulebook. apply: what it does; returns the guidance it followed where that depends on
    the case. then, rule, cites: as of `Applied`; or cases, where it does this or that. says: what the message
    says, for somebody new to the Work Programme, without free text. then_at_once: what follows when the
    outcome has gone out.
    """

    row: str
    record: type[M]
    checks: tuple[Check[M], ...]
    apply: Callable[[Case[M]], str | None]
    then: str = ""
    rule: str | None = None
    then_at_once: Callable[[Case[M]], None] | None = None
    _: KW_ONLY
    says: str | Callable[[M], str]
    cites: tuple[str, ...] = ()
    cases: tuple[Applied, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError where a row lacks words."""
        name = f"the row {self.row} of {self.record.__name__}"
        if not self.says:
            raise ValueError(f"{name} has no words; give it `says`")
        if bool(self.then) == bool(self.cases):
            raise ValueError(f"{name} does not say what it does; give it `then`, or `cases`")

    @property
    def applied(self) -> tuple[Applied, ...]:
        """What it does when no check holds."""
        when = "otherwise" if self.checks else "always"
        return self.cases or (Applied(self.row, when, self.then, self.rule, self.cites),)

    def words(self, message: M) -> str:
        """What a message of its kind says."""
        return self.says if isinstance(self.says, str) else self.says(message)


def closed(row: str, rule: str | None) -> Check[Any]:
    """Nothing more can happen to a closed referral."""
    return Check(
        row,
        "the referral is closed",
        lambda case: case.referral.closed,
        "REFERRAL_CLOSED",
        rule,
        "The referral is attached, cancelled or rejected; nothing more can be recorded on it.",
        says=lambda case: (
            f"The referral is {case.referral.status.lower()}; nothing more can be recorded on it."
        ),
    )


def unknown_session(row: str, rule: str | None) -> Check[Any]:
    """The referral has no session of this id."""
    return Check(
        row,
        "the session is unknown",
        lambda case: case.session is None,
        "UNKNOWN_SESSION",
        rule,
        "No session of this session_id was booked for this referral; book it first.",
        field="session_id",
    )


NOT_OPEN: Final = "The session was cancelled or has an outcome already."


def why_not_open(case: Case[Any]) -> str:
    """Which of the two it is."""
    return "The session was cancelled." if case.booked.cancelled else "The session has an outcome already."


def session_not_open(row: str, rule: str | None) -> Check[Any]:
    """The session was cancelled or has an outcome."""
    return Check(
        row,
        "the session is not open",
        lambda case: not case.booked.open,
        "SESSION_NOT_OPEN",
        rule,
        NOT_OPEN,
        says=why_not_open,
    )
