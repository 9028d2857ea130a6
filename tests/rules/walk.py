"""An exhaustive walk over what can come to one purchase order: every sequence of a small alphabet.

    python -m tests.rules.walk --depth 9

The letters are messages around one referral with two sessions, sent at the present moment, and `wait`, which
moves time on to the next of eleven moments: D, hard by the start of a session and at it, its end, hard by the
deadlines and at them. Sequences that lead to the same state are followed once. After each decision the
checker (`never`) looks at what came of it, the decision is made again (it must give the same), and the same
message is delivered again (it must be a duplicate and change nothing).

What makes two states the same: the packed state of the product, the checker's, and the moment. Left out is
what can't change a later decision: the names in event ids and message ids (each message of the walk has a new
one), when a notification was decided, and how many events the moment has had, if the checker has counted as
many. At most two messages are held at a time.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

from msgspec import Struct, msgpack
from msgspec.structs import replace

from gateway.rules.decide import Decision, decide, fall_due
from gateway.rules.events import Event, Outcome
from gateway.rules.messages import (
    AlternativeSessionNotPossible,
    AlternativeSessionRequested,
    AttachmentRegistered,
    AttendanceCorrected,
    AttendanceRecorded,
    CannotAttend,
    GroupObjection,
    GroupSessionRestrictionChanged,
    Message,
    NotificationConfirmed,
    Participant,
    Referral,
    ReferralAccepted,
    ReferralRejected,
    SessionBooked,
    SessionCancelled,
    SessionChanged,
    SupportGroupAppealChanged,
    Wp11,
)
from gateway.rules.policy import shipped
from gateway.rules.referral import Held, PurchaseOrder, Session
from tests.personal import marked, texts_about
from tests.rules.journey import MANDATORY, VOLUNTARY, day, instant
from tests.rules.never import NOTHING, Known, follow, personal_data_in

PO: Final = "PO1"
ON: Final = day("2016-03-14")
BEGIN: Final = instant("2016-03-14 10:00")
MOMENTS: Final = tuple(
    instant(when)
    for when in (
        "2016-03-14 10:00",  # D
        "2016-03-21 09:59:59.999",
        "2016-03-21 10:00",  # S1 starts
        "2016-03-21 11:00",  # S1 ends
        "2016-03-24 00:00",  # T6 of S1
        "2016-03-30 00:00",  # T2
        "2016-04-04 23:59:59.999",
        "2016-04-05 00:00",  # T3, and S2 ends
        "2016-04-12 00:00",  # T4, and expiry of what was held on D
        "2017-04-18 23:59:59.999",
        "2017-04-19 00:00",  # T5
    )
)
S1: Final = instant("2016-03-21 10:00")
S2: Final = instant("2016-04-04 23:00")
PERSON: Final[Participant] = marked(Participant())
#: What must be in no event.
MARKS: Final = tuple(texts_about(PERSON))
MOST_HELD: Final = 2

_pack: Final = msgpack.Encoder().encode
_unpack: Final = msgpack.Decoder(PurchaseOrder).decode


def _referral(mandatory: bool, names: Any, at: int, **changes: Any) -> Referral:
    fields: dict[str, Any] = {
        "po_revision": 1,
        "action_plan_annotation": MANDATORY if mandatory else VOLUNTARY,
        "referred_on": ON if at < MOMENTS[-1] else day("2017-04-19"),
        "provider_id": "PRV01",
        "contract_package_area": "CPA07",
        "jobcentre_id": "JCP-LEEDS",
        "benefit": "ESA",
        "claimant_group": "ESA_C_WRAG",
        "participant": PERSON,
    }
    return Referral(**names, **{**fields, **changes})


Letter = Callable[[bool, dict[str, str], int], Message]


def _provider(record: Any, **fields: Any) -> Letter:
    """A record of the provider; what is NOW is dated to its arrival."""

    def build(mandatory: bool, names: dict[str, str], at: int) -> Message:
        dated = {name: at if value is NOW else value for name, value in fields.items()}
        message: Message = record(**names, provider_id="PRV01", **dated)
        return message

    return build


NOW: Final = object()
_GROUP = {"session_name": "Group", "location": "Leeds", "duration_minutes": 60, "format": "GROUP"}
_ALONE = {"session_name": "Talk", "location": "Leeds", "duration_minutes": 60, "format": "ONE_TO_ONE"}

#: S1 is a group of which the participant was told, S2 a talk of which they were not.
ALPHABET: Final[dict[str, Letter]] = {
    "refer": _referral,
    "revise with a restriction": lambda mandatory, names, at: _referral(
        mandatory, names, at, po_revision=2, group_session_restriction="MAPPA"
    ),
    "revise as voluntary": lambda mandatory, names, at: _referral(False, names, at, po_revision=3),
    "revise to a group that can't be mandated": lambda mandatory, names, at: _referral(
        True, names, at, po_revision=4, claimant_group="ESA_C_SUPPORT_GROUP"
    ),
    "special customer": lambda mandatory, names, at: _referral(
        mandatory, names, at, special_customer_record=True
    ),
    "accept": _provider(ReferralAccepted, accepted_at=BEGIN),
    "reject": _provider(ReferralRejected, reason="full", rejected_at=BEGIN),
    "wp11": lambda mandatory, names, at: Wp11(
        **names, jobcentre_id="JCP-LEEDS", interview_on=ON, wants_to_join=True, issued_on=ON
    ),
    "attach": _provider(AttachmentRegistered, attached_on=ON, attached_to="WORK_PROGRAMME_REFERRAL"),
    "book S1": _provider(SessionBooked, session_id="S1", starts_at=S1, notified_at=BEGIN, **_GROUP),
    "book S2": _provider(SessionBooked, session_id="S2", starts_at=S2, notified_at=None, **_ALONE),
    "cannot attend S1": _provider(CannotAttend, session_id="S1", reason="ill", given_at=BEGIN),
    "cannot attend S2": _provider(CannotAttend, session_id="S2", reason="ill", given_at=BEGIN),
    "did not attend S1": _provider(
        AttendanceRecorded, session_id="S1", outcome="DID_NOT_ATTEND", recorded_at=NOW
    ),
    "did not attend S2": _provider(
        AttendanceRecorded, session_id="S2", outcome="DID_NOT_ATTEND", recorded_at=NOW
    ),
    "attended S1": _provider(AttendanceRecorded, session_id="S1", outcome="ATTENDED", recorded_at=NOW),
    "correct S1 to attended": _provider(
        AttendanceCorrected, session_id="S1", outcome="ATTENDED", explanation="", recorded_at=NOW
    ),
    "correct S1 to did not attend": _provider(
        AttendanceCorrected, session_id="S1", outcome="DID_NOT_ATTEND", explanation="", recorded_at=NOW
    ),
    "told of S2": _provider(NotificationConfirmed, session_id="S2", notified_at=BEGIN),
    "cancel S1": _provider(SessionCancelled, session_id="S1", reason="flood", cancelled_at=NOW),
    "cancel S1 for the participant": _provider(
        SessionCancelled, session_id="S1", cause="PARTICIPANT", reason="works", cancelled_at=NOW
    ),
    "no alternative": _provider(AlternativeSessionNotPossible, reason="none", told_at=NOW),
    "attach to the wrong referral": _provider(
        AttachmentRegistered, attached_on=ON, attached_to="INFORMATION_SESSION_REFERRAL"
    ),
    "ask for another": lambda mandatory, names, at: AlternativeSessionRequested(
        **names, jobcentre_id="JCP-LEEDS", requested_at=at
    ),
    "appeal": lambda mandatory, names, at: SupportGroupAppealChanged(**names, pending=True, changed_on=ON),
    "the appeal ends": lambda mandatory, names, at: SupportGroupAppealChanged(
        **names, pending=False, changed_on=ON
    ),
    "change S1 untold": _provider(
        SessionChanged, session_id="S1", starts_at=S1, duration_minutes=60, location="York", notified_at=None
    ),
    "object": _provider(GroupObjection, raised_at=NOW),
    "restrict": lambda mandatory, names, at: GroupSessionRestrictionChanged(
        **names, restriction="SAFETY_MEASURES", changed_on=ON
    ),
}
WAIT: Final = "wait"


class Place(Struct, frozen=True):
    """Where a sequence has led: the packed state (None: nothing is kept), the checker's, the moment.

    counted_at, counted: the last instant at which events came, and how many, as the checker counted them.
    """

    packed: bytes | None
    known: Known
    moment: int
    counted_at: int
    counted: int


class Found(Struct):
    """What a walk has seen. wrong: what must never happen, and the sequence that leads there."""

    states: int = 0
    transitions: int = 0
    decisions: int = 0
    events: int = 0
    depth: int = 0
    closed: bool = False
    wrong: list[str] = []


class Walk:
    """The walk around a mandatory referral, or a voluntary one."""

    def __init__(self, mandatory: bool, letters: Iterable[str] = ALPHABET) -> None:
        self.mandatory = mandatory
        self.alphabet = {letter: ALPHABET[letter] for letter in letters}
        self.policies = shipped()
        self.found = Found()
        self.messages = 0

    def run(self, depth: int | None = None, tell: Callable[[Found], None] = lambda found: None) -> Found:
        """Follow all sequences of so many letters; None: until nothing new is reached.

        tell: is told what has been found after each letter.
        """
        start = Place(None, NOTHING, 0, -1, 0)
        visited = {self._key(start)}
        frontier: list[tuple[Place, tuple[str, ...]]] = [(start, ())]
        found = self.found
        while frontier and not found.wrong and (depth is None or found.depth < depth):
            found.depth += 1
            following = []
            for place, way in frontier:
                for letter, reached in self._steps(place, way):
                    found.transitions += 1
                    key = self._key(reached)
                    if key not in visited:
                        visited.add(key)
                        following.append((reached, (*way, letter)))
            frontier = following
            found.closed = not frontier
            found.states = len(visited)
            tell(found)
        return found

    def _steps(self, place: Place, way: tuple[str, ...]) -> Iterator[tuple[str, Place]]:
        if place.moment + 1 < len(MOMENTS):
            yield WAIT, self._wait(place, (*way, WAIT))
        order = None if place.packed is None else _unpack(place.packed)
        full = order is not None and len(order.held) == MOST_HELD
        for letter, build in self.alphabet.items():
            if full and letter not in ("refer", "special customer"):
                continue
            self.messages += 1
            message = build(
                self.mandatory,
                {"message_id": f"m{self.messages}", "po_number": PO},
                MOMENTS[place.moment],
            )
            yield letter, self._send(place, order, message, (*way, letter))

    def _wait(self, place: Place, way: tuple[str, ...]) -> Place:
        until = MOMENTS[place.moment + 1]
        place = replace(place, moment=place.moment + 1)
        while place.packed is not None:
            order = _unpack(place.packed)
            if order.due_at > until:
                break
            decision = fall_due(order, PO, self.policies)
            if fall_due(_unpack(place.packed), PO, self.policies) != decision:
                self._complain(["7: the same deadline twice, and another decision"], way)
            place = self._decided(place, None, order.due_at, decision, way)
        return place

    def _send(
        self, place: Place, order: PurchaseOrder | None, message: Message, way: tuple[str, ...]
    ) -> Place:
        at = MOMENTS[place.moment]
        decision = decide(order, message, at, self.policies)
        reached = self._decided(place, message, at, decision, way)
        again = decide(None if place.packed is None else _unpack(place.packed), message, at, self.policies)
        if again != decision:
            self._complain(["7: the same message twice on the same state, and another decision"], way)
        kept = reached.packed is not None and _is_remembered(_unpack(reached.packed), message)
        if kept and reached.packed is not None:
            second = decide(_unpack(reached.packed), message, at, self.policies)
            words = [event.status for event, _ in second.effects if isinstance(event, Outcome)]
            if words != ["DUPLICATE"] or len(second.effects) != 1 or not _same(second, reached.packed):
                self._complain(["6: a second delivery that is not a duplicate"], way)
        return reached

    def _decided(
        self, place: Place, message: Message | None, at: int, decision: Decision, way: tuple[str, ...]
    ) -> Place:
        events = [event for event, _ in decision.effects]
        known, wrong = follow(place.known, message, at, events)
        counted_at, counted = place.counted_at, place.counted
        for event in events:
            counted = counted + 1 if event.decided_at == counted_at else 1
            if event.decided_at < counted_at:
                wrong.append("decided_at goes back")
            counted_at = event.decided_at
            if event.event_id != f"{PO}-{counted_at}-{counted}":
                wrong.append(f"the event id {event.event_id} is not the next one")
        wrong += _personal(events)
        self.found.decisions += 1
        self.found.events += len(events)
        if wrong:
            self._complain(wrong, way)
        packed = None if decision.order is None else _pack(decision.order)
        return Place(packed, known, place.moment, counted_at, counted)

    def _complain(self, wrong: list[str], way: tuple[str, ...]) -> None:
        self.found.wrong += [f"{what} <- {', '.join(way)}" for what in wrong]

    def _key(self, place: Place) -> bytes:
        """What two places have in common where no sequence can tell them apart."""
        order = None if place.packed is None else _unpack(place.packed)
        life = place.known.life
        if life is not None:
            sessions = tuple(replace(s, active=s.active and "active") for s in life.sessions)
            life = replace(life, sessions=sessions)
        waits = tuple((type(message).__name__, at) for message, at in place.known.held)
        key: tuple[Any, ...] = (place.moment, life, waits)
        now = MOMENTS[place.moment]
        if order is None:
            key = (*key, place.counted_at < now)
        else:
            counted = place.counted if place.counted_at == order.events_at else 0
            same = counted == order.events and place.counted_at <= now
            key = (*key, same, order.due_at, order.due_rank, _nameless(order))
        return blake2b(_pack(key), digest_size=16).digest()


def _nameless(order: PurchaseOrder) -> tuple[Any, ...]:
    held = tuple(_unnamed(waiting) for waiting in order.held)
    referral = order.referral
    if referral is None:
        return (None, held)
    sessions = tuple(_without_names(session) for session in referral.sessions)
    return (replace(referral, sessions=sessions), held)


def _unnamed(held: Held) -> tuple[Any, ...]:
    body = msgpack.decode(held.body)
    return (held.name, {**body, "message_id": ""}, held.at, held.expires_at)


def _without_names(session: Session) -> Session:
    note = session.notification
    if note is not None:
        note = replace(note, event_id="")
    return replace(session, told_id=session.told_id and "told", notification=note)


def _is_remembered(order: PurchaseOrder, message: Message) -> bool:
    """Whether the rulebook says that a second delivery is a duplicate: not where R1 kept nothing of it."""
    known = order.referral
    special = isinstance(message, Referral) and (
        message.special_customer_record or (known is not None and known.special)
    )
    waits = any(held.message_id == message.message_id for held in order.held)
    return waits or (order.referral is not None and not special)


def _same(decision: Decision, packed: bytes) -> bool:
    before = _unpack(packed)
    after = decision.order
    return after is not None and (after.referral, after.held) == (before.referral, before.held)


def _personal(events: list[Event]) -> list[str]:
    return personal_data_in(events, MARKS)


def report(mandatory: bool, found: Found, seconds: float) -> str:
    """What a walk has seen, in a line."""
    return (
        f"{'mandatory' if mandatory else 'voluntary'}: {found.states:,} states, "
        f"{found.transitions:,} transitions, {found.events:,} events, depth {found.depth}"
        f"{', closed: no longer sequence reaches anything new' if found.closed else ''}, {seconds:.1f} s"
    )


def main() -> None:
    """Walk around both, and print what was seen."""
    parser = argparse.ArgumentParser(description="Walk over all sequences of messages of a small alphabet.")
    parser.add_argument("--depth", type=int, help="how many letters; without it, all there are")
    parser.add_argument("--only", choices=["mandatory", "voluntary"])
    given = parser.parse_args()
    began = time.perf_counter()
    for mandatory in (True, False):
        if given.only in (None, "mandatory" if mandatory else "voluntary"):

            def tell(found: Found, mandatory: bool = mandatory) -> None:
                print(report(mandatory, found, time.perf_counter() - began), flush=True)

            print("\n".join(Walk(mandatory).run(given.depth, tell).wrong))


if __name__ == "__main__":
    main()
