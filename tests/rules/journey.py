"""One referral's journey, told message by message in London's time: the words that tests of the rules use.

    missed = booked(mandatory=True)
    came = missed.record("DID_NOT_ATTEND", at="2016-03-21 11:00")
    assert came.words == ["attendance DID_NOT_ATTEND", "notification RAISED", "APPLIED"]

Unless a test says otherwise the referral is made on Monday 14 March 2016, arrives at 10:00, and its session
S1 is a group of an hour on 21 March at 10:00, of which the participant was told when it was booked. Each
message arrives a minute after the one before it and dates its facts to that moment.
"""

from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from msgspec import msgpack

from gateway.rules.decide import Decision, decide, fall_due
from gateway.rules.events import (
    AttendanceEvent,
    Breach,
    CancellationEvent,
    Event,
    Instruction,
    Notice,
    Outcome,
    PrapAction,
    SanctionNotification,
    SessionEvent,
)
from gateway.rules.messages import (
    AlternativeSessionNotPossible,
    AlternativeSessionRequested,
    AttachmentRegistered,
    AttendanceCorrected,
    AttendanceOutcome,
    AttendanceRecorded,
    Benefit,
    CannotAttend,
    ExpenseReimbursed,
    GroupObjection,
    GroupSessionRestriction,
    GroupSessionRestrictionChanged,
    Mandation,
    Message,
    NotificationConfirmed,
    Participant,
    Referral,
    ReferralAccepted,
    ReferralRejected,
    SessionBooked,
    SessionCancelled,
    SessionChanged,
    SessionFormat,
    SupportGroupAppealChanged,
    Wp11,
)
from gateway.rules.policy import Policies, shipped
from gateway.rules.referral import PurchaseOrder, ReferralState, Session
from tests.personal import marked, texts_about
from tests.rules.never import Watch

LONDON: Final = ZoneInfo("Europe/London")
EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MILLISECOND: Final = 1
MINUTE: Final = 60_000
DAY: Final = 24 * 60 * MINUTE
#: More than can fall due on a purchase order at one time.
MOST_DUE: Final = 200

#: '2016-03-21 10:00' by London's clock, '2016-04-04T23:00:00Z', or UTC milliseconds.
When = str | int
#: '2016-03-21', or days since 1970.
On = str | int

MANDATORY: Final = "Work Programme Information Session-Mandatory"
VOLUNTARY: Final = "Work Programme Information Session-Voluntary"
START: Final = "2016-03-21 10:00"
END: Final = "2016-03-21 11:00"
#: Somebody with a mark in every text about them.
PERSON: Final[Participant] = marked(Participant())
#: What must be in no event.
MARKS: Final = tuple(texts_about(PERSON))
#: What makes a session mandatory, where the annotation alone does not say it.
MANDATIONS: Final[dict[Benefit, Mandation | None]] = {
    "ESA": None,
    "UC": Mandation(
        basis="UC_WORKPLAN", purpose="CHECK_COMPLIANCE", tangible_outcome=True, recorded_on=16_000
    ),
    "JSA": Mandation(basis="JOBSEEKERS_DIRECTION", purpose="IMPROVE_PROSPECTS", recorded_on=16_000),
}

E = TypeVar("E", bound=Event)


def instant(when: When) -> int:
    """A moment as UTC milliseconds."""
    if isinstance(when, int):
        return when
    moment = datetime.fromisoformat(when)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=LONDON)
    return (moment - EPOCH) // timedelta(milliseconds=1)


def day(on: On) -> int:
    """A date as days since 1970."""
    return on if isinstance(on, int) else (date.fromisoformat(on) - date(1970, 1, 1)).days


def day_at(at: int) -> int:
    """The date in London at a moment, by another way than the product's."""
    return (datetime.fromtimestamp(at // 1000, LONDON).date() - date(1970, 1, 1)).days


def start_of(on: On) -> int:
    """The moment at which a date begins in London."""
    civil = date(1970, 1, 1) + timedelta(days=day(on))
    return instant(f"{civil.isoformat()} 00:00")


def word(event: Event) -> str:
    """What an event says, short."""
    match event:
        case SessionEvent():
            return f"session {event.change}" + (f" {event.because}" if event.because else "")
        case Notice():
            return f"notice {event.notice}"
        case AttendanceEvent():
            return f"attendance {event.outcome}"
        case CancellationEvent():
            return "cancellation"
        case SanctionNotification():
            return f"notification {event.status}"
        case PrapAction():
            return f"prap {event.action}"
        case Instruction():
            return f"instruction {event.instruction}"
        case Breach():
            return f"breach {event.breach} {event.status}"
        case Outcome():
            return " ".join([event.status, *([event.code] if event.code else []), *event.advisories])


class Came(list[Event]):
    """What came of one message, or of time passing, in order."""

    @property
    def words(self) -> list[str]:
        """Each event, short."""
        return [word(event) for event in self]

    def one(self, kind: type[E]) -> E:
        """The only event of that kind."""
        [event] = [event for event in self if isinstance(event, kind)]
        return event

    @property
    def outcome(self) -> Outcome:
        """The only outcome."""
        return self.one(Outcome)


class Journey:
    """A purchase order under test, with all that came of it so far.

    now: when the last message arrived. told: all messages with their arrival. out: all events, deadlines'
    too. Between two decisions the state is packed and unpacked, as the engine does. What must never happen
    is looked for after each of them.
    """

    def __init__(
        self,
        *,
        mandatory: bool = False,
        benefit: Benefit = "ESA",
        referred_on: On = "2016-03-14",
        policies: Policies | None = None,
        po_number: str = "PO1",
    ) -> None:
        self.mandatory = mandatory
        self.benefit = benefit
        self.referred_on = day(referred_on)
        self.policies = policies or shipped()
        self.po_number = po_number
        self.now = start_of(self.referred_on) + 10 * 60 * MINUTE - MINUTE
        self.order: PurchaseOrder | None = None
        self.told: list[tuple[int, Message]] = []
        self.out = Came()
        self.watch = Watch(MARKS)

    @property
    def state(self) -> ReferralState:
        """The referral as it is known now."""
        assert self.order is not None
        assert self.order.referral is not None
        return self.order.referral

    def session(self, session_id: str = "S1") -> Session:
        """A session as it is known now."""
        session = self.state.session(session_id)
        assert session is not None
        return session

    def on(self, days: int) -> int:
        """D and so many days."""
        return self.referred_on + days

    def after(self, days: int) -> int:
        """The moment at which a limit of so many days has passed: 00:00 of the day after."""
        return start_of(self.referred_on + days + 1)

    def tick(self, at: When) -> Came:
        """What falls due by then."""
        self.now = instant(at)
        came = Came()
        for _ in range(MOST_DUE):
            if self.order is None or self.order.due_at > self.now:
                return came
            due_at = self.order.due_at
            decision = fall_due(self.order, self.po_number, self.policies)
            came += self._keep(None, due_at, decision)
        raise AssertionError("what has fallen due goes on falling due")

    def send(self, message: Message, at: When | None = None) -> Came:
        """What comes of a message, without what fell due before it."""
        at = self._at(at)
        self.told.append((at, message))
        self.tick(at)
        decision = decide(self.order, message, at, self.policies)
        return self._keep(message, at, decision)

    def _keep(self, message: Message | None, at: int, decision: Decision) -> Came:
        if decision.order is None:
            self.order = None
        else:
            self.order = msgpack.decode(msgpack.encode(decision.order), type=PurchaseOrder)
            assert self.order == decision.order
        came = Came(event for event, _ in decision.effects)
        self.out += came
        self.watch.decided(self.po_number, message, at, came)
        assert self.watch.wrong == [], self.watch.wrong
        return came

    def _at(self, at: When | None) -> int:
        moment = self.now + MINUTE if at is None else instant(at)
        assert moment >= self.now, "a test's messages arrive in order"
        return moment

    def _names(self, given: dict[str, Any], *, of_provider: bool = True) -> dict[str, Any]:
        names = {"message_id": f"m{len(self.told) + 1}", "po_number": self.po_number}
        return {**names, **({"provider_id": "PRV01"} if of_provider else {}), **given}

    # What PRaP and the Jobcentre send.

    def referral(self, **changes: Any) -> Referral:
        """A good Referral, the next revision of this one."""
        if "referred_on" in changes:
            changes["referred_on"] = day(changes["referred_on"])
        known = self.order.referral if self.order else None
        fields: dict[str, Any] = {
            "po_revision": known.po_revision + 1 if known else 1,
            "action_plan_annotation": MANDATORY if self.mandatory else VOLUNTARY,
            "referred_on": self.referred_on,
            "contract_package_area": "CPA07",
            "jobcentre_id": "JCP-LEEDS",
            "benefit": self.benefit,
            "claimant_group": "ESA_C_WRAG" if self.benefit == "ESA" else None,
            "mandation": MANDATIONS[self.benefit] if self.mandatory else None,
            "participant": PERSON,
        }
        return Referral(**self._names({**fields, **changes}))

    def refer(self, at: When | None = None, **changes: Any) -> Came:
        """Referral."""
        return self.send(self.referral(**changes), at)

    def wp11(
        self,
        at: When | None = None,
        *,
        interview_on: On | None = None,
        issued_on: On | None = None,
        **more: Any,
    ) -> Came:
        """Wp11, of an interview on the day of its arrival."""
        at = self._at(at)
        given = {
            "jobcentre_id": "JCP-LEEDS",
            "wants_to_join": True,
            "interview_on": day_at(at) if interview_on is None else day(interview_on),
            "issued_on": day_at(at) if issued_on is None else day(issued_on),
        }
        return self.send(Wp11(**self._names({**given, **more}, of_provider=False)), at)

    def ask_for_alternative(self, at: When | None = None, **more: Any) -> Came:
        """AlternativeSessionRequested."""
        at = self._at(at)
        given = {"jobcentre_id": "JCP-LEEDS", "requested_at": at, **more}
        return self.send(AlternativeSessionRequested(**self._names(given, of_provider=False)), at)

    def appeal(self, pending: bool, at: When | None = None, **more: Any) -> Came:
        """SupportGroupAppealChanged."""
        at = self._at(at)
        given = {"pending": pending, "changed_on": day_at(at), **more}
        return self.send(SupportGroupAppealChanged(**self._names(given, of_provider=False)), at)

    def restrict(
        self, restriction: GroupSessionRestriction | None, at: When | None = None, **more: Any
    ) -> Came:
        """GroupSessionRestrictionChanged."""
        at = self._at(at)
        given = {"restriction": restriction, "changed_on": day_at(at), **more}
        return self.send(GroupSessionRestrictionChanged(**self._names(given, of_provider=False)), at)

    # What the provider sends.

    def accept(self, at: When | None = None, *, accepted_at: When | None = None, **more: Any) -> Came:
        """ReferralAccepted."""
        at = self._at(at)
        given = {"accepted_at": at if accepted_at is None else instant(accepted_at), **more}
        return self.send(ReferralAccepted(**self._names(given)), at)

    def reject(self, at: When | None = None, *, reason: str = "no capacity", **more: Any) -> Came:
        """ReferralRejected."""
        at = self._at(at)
        return self.send(ReferralRejected(**self._names({"reason": reason, "rejected_at": at, **more})), at)

    def book(
        self,
        session_id: str = "S1",
        at: When | None = None,
        *,
        starts: When = START,
        minutes: int = 60,
        format: SessionFormat = "GROUP",
        told: When | bool = True,
        **more: Any,
    ) -> Came:
        """SessionBooked. told: True: at its arrival; False: not yet; or when."""
        at = self._at(at)
        given = {
            "session_id": session_id,
            "session_name": "Your Work Programme",
            "starts_at": instant(starts),
            "duration_minutes": minutes,
            "location": "Leeds",
            "format": format,
            "notified_at": _told(told, at),
        }
        return self.send(SessionBooked(**self._names({**given, **more})), at)

    def change(
        self,
        session_id: str = "S1",
        at: When | None = None,
        *,
        starts: When = "2016-03-22 10:00",
        minutes: int = 60,
        location: str = "York",
        told: When | bool = True,
        **more: Any,
    ) -> Came:
        """SessionChanged."""
        at = self._at(at)
        given = {
            "session_id": session_id,
            "starts_at": instant(starts),
            "duration_minutes": minutes,
            "location": location,
            "notified_at": _told(told, at),
        }
        return self.send(SessionChanged(**self._names({**given, **more})), at)

    def no_alternative(self, at: When | None = None, **more: Any) -> Came:
        """AlternativeSessionNotPossible."""
        at = self._at(at)
        given = {"reason": "no session before the limit", "told_at": at, **more}
        return self.send(AlternativeSessionNotPossible(**self._names(given)), at)

    def cancel(self, session_id: str = "S1", at: When | None = None, **more: Any) -> Came:
        """SessionCancelled."""
        at = self._at(at)
        given = {"session_id": session_id, "reason": "the room is flooded", "cancelled_at": at, **more}
        return self.send(SessionCancelled(**self._names(given)), at)

    def confirm(
        self, session_id: str = "S1", at: When | None = None, *, told: When = "2016-03-14 09:00", **more: Any
    ) -> Came:
        """NotificationConfirmed."""
        given = {"session_id": session_id, "notified_at": instant(told), **more}
        return self.send(NotificationConfirmed(**self._names(given)), at)

    def cannot_attend(
        self,
        session_id: str = "S1",
        at: When | None = None,
        *,
        reason: str = "job interview",
        given_at: When | None = None,
        **more: Any,
    ) -> Came:
        """CannotAttend."""
        at = self._at(at)
        given_at = at if given_at is None else instant(given_at)
        given = {"session_id": session_id, "reason": reason, "given_at": given_at, **more}
        return self.send(CannotAttend(**self._names(given)), at)

    def object_to_group(self, at: When | None = None, **more: Any) -> Came:
        """GroupObjection."""
        at = self._at(at)
        return self.send(GroupObjection(**self._names({"raised_at": at, **more})), at)

    def record(
        self,
        outcome: AttendanceOutcome,
        at: When | None = None,
        *,
        session_id: str = "S1",
        reason_given: str | None = None,
        recorded_at: When | None = None,
        **more: Any,
    ) -> Came:
        """AttendanceRecorded, at 11:00 on 21 March or later."""
        at = max(instant(END), self.now + MINUTE) if at is None else self._at(at)
        given = {
            "session_id": session_id,
            "outcome": outcome,
            "reason_given": reason_given,
            "recorded_at": at if recorded_at is None else instant(recorded_at),
        }
        return self.send(AttendanceRecorded(**self._names({**given, **more})), at)

    def correct(
        self,
        outcome: AttendanceOutcome,
        at: When | None = None,
        *,
        session_id: str = "S1",
        reason_given: str | None = None,
        **more: Any,
    ) -> Came:
        """AttendanceCorrected."""
        at = self._at(at)
        given = {
            "session_id": session_id,
            "outcome": outcome,
            "reason_given": reason_given,
            "explanation": "the wrong line of the register",
            "recorded_at": at,
        }
        return self.send(AttendanceCorrected(**self._names({**given, **more})), at)

    def attach(self, at: When | None = None, *, attached_on: On | None = None, **more: Any) -> Came:
        """AttachmentRegistered."""
        at = self._at(at)
        given = {
            "attached_on": day_at(at) if attached_on is None else day(attached_on),
            "attached_to": "WORK_PROGRAMME_REFERRAL",
        }
        return self.send(AttachmentRegistered(**self._names({**given, **more})), at)

    def reimburse(
        self, session_id: str = "S1", at: When | None = None, *, pence: int = 450, **more: Any
    ) -> Came:
        """ExpenseReimbursed."""
        at = self._at(at)
        given = {
            "session_id": session_id,
            "kind": "TRAVEL",
            "amount_pence": pence,
            "paid_on": day_at(at),
        }
        return self.send(ExpenseReimbursed(**self._names({**given, **more})), at)


def _told(told: When | bool, at: int) -> int | None:
    if told is True:
        return at
    return None if told is False else instant(told)


# Journeys that have come some way.


def referred(**about: Any) -> Journey:
    """The referral has come. `about` as for Journey; what Journey does not know goes into the Referral."""
    known = {"mandatory", "benefit", "referred_on", "policies", "po_number"}
    journey = Journey(**{name: about[name] for name in about if name in known})
    came = journey.refer(**{name: about[name] for name in about if name not in known})
    assert came.outcome.status == "APPLIED", came.words
    return journey


def accepted(**about: Any) -> Journey:
    """The provider has accepted it too."""
    journey = referred(**about)
    journey.accept()
    return journey


def booked(
    *,
    starts: When = START,
    minutes: int = 60,
    format: SessionFormat = "GROUP",
    told: When | bool = True,
    **about: Any,
) -> Journey:
    """Session S1 is booked too."""
    journey = accepted(**about)
    came = journey.book(starts=starts, minutes=minutes, format=format, told=told)
    assert came.outcome.status == "APPLIED", came.words
    return journey


def joining(**about: Any) -> Journey:
    """Booked, and the WP11 came on 22 March."""
    journey = booked(**about)
    journey.wp11("2016-03-22 10:00")
    return journey


def rejected(**about: Any) -> Journey:
    """The provider has rejected the referral."""
    journey = referred(**about)
    journey.reject()
    return journey


def cancelled(**about: Any) -> Journey:
    """Booked, and no WP11 came in time."""
    journey = booked(**about)
    journey.tick(journey.after(21))
    return journey


def attached(**about: Any) -> Journey:
    """Attached on 23 March."""
    journey = joining(**about)
    journey.attach("2016-03-23 10:00")
    return journey


#: One closed journey of each kind.
CLOSED: Final = (rejected, cancelled, attached)
