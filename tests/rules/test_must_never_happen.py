"""What must never happen, looked for in all sequences that a walk, hypothesis and the oracle come upon."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from msgspec import json
from msgspec.structs import replace

from gateway.intake.lines import Line, read_lines
from gateway.replay.decisions import replay
from gateway.replay.event_lines import to_line
from gateway.rules import attendance, decide, sessions
from gateway.rules.case import Effects
from gateway.rules.events import (
    AttendanceEvent,
    CancellationEvent,
    Event,
    Instruction,
    Outcome,
    PrapAction,
    SanctionNotification,
)
from gateway.rules.messages import AttachmentRegistered, Message, Referral
from gateway.rules.policy import Policies, parse, shipped
from tests.forms import LONG
from tests.oracle.programmes import policy_file, programme, random_policies
from tests.personal import marked
from tests.rules.journey import (
    DAY,
    END,
    MANDATORY,
    MINUTE,
    START,
    VOLUNTARY,
    Journey,
    accepted,
    attached,
    booked,
    cancelled,
    day_at,
    instant,
    joining,
    referred,
)
from tests.rules.never import NOTHING, Watch, follow, personal_data_in, same_twice
from tests.rules.walk import Walk, report

# Over all sequences of an alphabet.

#: How many letters the walk has: where a person waits, and where all is run.
QUICK, DEEP = 6, 8 if LONG else 7


def walked(mandatory: bool, depth: int) -> None:
    """Walk, print what was seen, and fail with the sequences that lead to something that must not be."""
    began = time.perf_counter()
    found = Walk(mandatory).run(depth)
    print(report(mandatory, found, time.perf_counter() - began))
    assert found.wrong == []
    assert found.depth == depth
    assert found.states > 10_000


@pytest.mark.parametrize("mandatory", [True, False])
def test_no_sequence_of_six_letters_leads_to_what_must_never_happen(mandatory: bool) -> None:
    """An exhaustive walk; see walk.py for the letters."""
    walked(mandatory, QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("mandatory", [True, False])
def test_no_longer_sequence_leads_to_what_must_never_happen(mandatory: bool) -> None:
    """The same walk, deeper."""
    walked(mandatory, DEEP)


def forget_to_tell(case: Any, session: Any, rule: str) -> Any:
    """A withdrawal that is not told."""
    return replace(session, notification=None, failure_waits=False)


def no_cancellation(case: Any) -> None:
    """A cancellation that changes nothing."""


Breaks = Callable[[pytest.MonkeyPatch], None]


def attach_anybody(patch: pytest.MonkeyPatch) -> None:
    """Without NO_WP11."""
    tests = decide._TESTS[AttachmentRegistered]
    patch.setitem(
        decide._TESTS, AttachmentRegistered, tuple(each for each in tests if each[1].code != "NO_WP11")
    )


def withdraw_silently(patch: pytest.MonkeyPatch) -> None:
    """Without the WITHDRAWN record."""
    patch.setattr(attendance, "withdraw", forget_to_tell)


def remember_nothing(patch: pytest.MonkeyPatch) -> None:
    """Without G1's memory."""
    patch.setattr(decide, "_remember", no_cancellation)


def cancel_nothing(patch: pytest.MonkeyPatch) -> None:
    """P9 and U4 leave the sessions as they are: what comes later is for a session that was cancelled."""
    patch.setattr(sessions, "change_sessions_ahead", lambda case, unsuitable: None)


def count_from_one(patch: pytest.MonkeyPatch) -> None:
    """Event ids that start anew with each decision."""
    patch.setattr(decide, "Effects", lambda po, at, events, trace=None: Effects(po, at, 0, trace))


@pytest.mark.parametrize(
    ("breaks", "number"),
    [
        (attach_anybody, "1: attached after it was cancelled"),
        (withdraw_silently, "4: two active notifications"),
        (remember_nothing, "6: a second delivery"),
        (cancel_nothing, "3: a notification for a cancelled session"),
        (count_from_one, "the event id"),
    ],
)
def test_the_walk_finds_rules_that_are_broken(
    monkeypatch: pytest.MonkeyPatch, breaks: Breaks, number: str
) -> None:
    """It would say so, with a sequence that leads there."""
    breaks(monkeypatch)
    letters = ["refer", "accept", "book S1", "cannot attend S1", "did not attend S1", "object", "attach"]
    walk = Walk(mandatory=True, letters=[*letters, "correct S1 to attended", "correct S1 to did not attend"])
    found = walk.run(9)
    assert found.wrong
    assert found.wrong[0].startswith(number), found.wrong[0]


# By hypothesis.

SESSIONS = st.sampled_from(["S1", "S2", "S3"])
OUTCOMES = st.sampled_from(["ATTENDED", "DID_NOT_ATTEND", "DID_NOT_PARTICIPATE"])
RESTRICTIONS = st.sampled_from([None, "MAPPA", "ADDITIONAL_NEEDS"])


class TwoReferrals(RuleBasedStateMachine):
    """Whatever comes to a mandatory and a voluntary referral. Each Journey looks for what must never be."""

    def __init__(self) -> None:
        super().__init__()
        self.journeys = (Journey(mandatory=True, po_number="PO1"), Journey(po_number="PO2"))
        self.journey = self.journeys[0]

    @initialize(come=st.booleans())
    def referrals_come(self, come: bool) -> None:
        """In half of the runs the records come first."""
        for journey in self.journeys if come else ():
            journey.refer()
            journey.accept()

    @rule()
    def look_at_the_other(self) -> None:
        """What follows is about the other referral."""
        self.journey = self.journeys[self.journey is self.journeys[0]]

    @rule(step=st.sampled_from([0, 1, MINUTE, DAY, 6 * DAY, 30 * DAY, 380 * DAY]))
    def wait(self, step: int) -> None:
        """Time passes."""
        self.journey.tick(self.journey.now + step)

    @rule(days=st.sampled_from([15, 21, 28, 400]), aside=st.sampled_from([-1, 0]))
    def wait_for_a_deadline(self, days: int, aside: int) -> None:
        """Time passes to a deadline, or to hard before it."""
        self.journey.tick(max(self.journey.now, self.journey.after(days) + aside))

    @rule(at=st.sampled_from([instant(START) - 1, instant(START), instant(END) - 1, instant(END)]))
    def wait_for_the_session(self, at: int) -> None:
        """Time passes to the start or the end that a session has, where nothing else is said."""
        self.journey.tick(max(self.journey.now, at))

    @rule(
        restriction=RESTRICTIONS,
        special=st.sampled_from([False, False, False, True]),
        mandatory=st.sampled_from([None, None, True, False]),
        group=st.sampled_from(["ESA_C_WRAG", "ESA_C_WRAG", "ESA_C_SUPPORT_GROUP"]),
    )
    def refer(self, restriction: Any, special: bool, mandatory: bool | None, group: Any) -> None:
        """A Referral, the first or a revision, now and then with another annotation or group."""
        changes = (
            {} if mandatory is None else {"action_plan_annotation": MANDATORY if mandatory else VOLUNTARY}
        )
        self.journey.refer(
            self.journey.now,
            group_session_restriction=restriction,
            special_customer_record=special,
            claimant_group=group,
            **changes,
        )

    @rule(interview=st.integers(0, 22))
    def wp11(self, interview: int) -> None:
        """A WP11."""
        journey = self.journey
        on = min(journey.on(interview), day_at(journey.now))
        journey.wp11(journey.now, interview_on=on, issued_on=on)

    @rule(pending=st.booleans(), restriction=RESTRICTIONS)
    def update(self, pending: bool, restriction: Any) -> None:
        """The Jobcentre's updates."""
        self.journey.appeal(pending, self.journey.now)
        self.journey.restrict(restriction, self.journey.now)

    @rule(accept=st.sampled_from([True, True, True, False]))
    def answer(self, accept: bool) -> None:
        """The provider accepts or rejects."""
        if accept:
            self.journey.accept(self.journey.now)
        else:
            self.journey.reject(self.journey.now)

    @rule(
        session_id=SESSIONS,
        ahead=st.sampled_from([None, 0, MINUTE, DAY]),
        minutes=st.sampled_from([1, 60]),
        told=st.booleans(),
        group=st.booleans(),
    )
    def book(self, session_id: str, ahead: int | None, minutes: int, told: bool, group: bool) -> None:
        """A session is booked."""
        journey = self.journey
        starts = START if ahead is None else journey.now + ahead
        form: Any = "GROUP" if group else "ONE_TO_ONE"
        journey.book(session_id, journey.now, starts=starts, minutes=minutes, told=told, format=form)

    @rule(session_id=SESSIONS, ahead=st.sampled_from([0, MINUTE, DAY]), told=st.booleans())
    def change(self, session_id: str, ahead: int, told: bool) -> None:
        """A session is changed."""
        journey = self.journey
        journey.change(session_id, journey.now, starts=journey.now + ahead, told=told)

    @rule(session_id=SESSIONS, cause=st.sampled_from(["PROVIDER", "PARTICIPANT"]))
    def cancel(self, session_id: str, cause: Any) -> None:
        """A session is cancelled."""
        self.journey.cancel(session_id, self.journey.now, cause=cause)

    @rule()
    def no_alternative(self) -> None:
        """No other session can be arranged."""
        self.journey.no_alternative(self.journey.now)

    @rule(session_id=SESSIONS, before=st.sampled_from([0, MINUTE, 2 * DAY]))
    def can_not_attend(self, session_id: str, before: int) -> None:
        """A reason is given beforehand."""
        journey = self.journey
        journey.cannot_attend(session_id, journey.now, given_at=journey.now - before)

    @rule(session_id=SESSIONS, before=st.sampled_from([0, DAY, 30 * DAY]))
    def confirm(self, session_id: str, before: int) -> None:
        """Proof that the participant had been told."""
        self.journey.confirm(session_id, self.journey.now, told=self.journey.now - before)

    @rule(session_id=SESSIONS, outcome=OUTCOMES, correct=st.booleans())
    def outcome(self, session_id: str, outcome: Any, correct: bool) -> None:
        """An outcome is recorded or corrected."""
        tell = self.journey.correct if correct else self.journey.record
        tell(outcome, self.journey.now, session_id=session_id)

    @rule()
    def object_to_group(self) -> None:
        """An objection."""
        self.journey.object_to_group(self.journey.now)

    @rule(wrong=st.sampled_from([False, False, True]))
    def attach(self, wrong: bool) -> None:
        """An attachment, now and then to the wrong referral."""
        to = "INFORMATION_SESSION_REFERRAL" if wrong else "WORK_PROGRAMME_REFERRAL"
        self.journey.attach(self.journey.now, attached_to=to)

    @rule()
    def come_again(self) -> None:
        """The last message is delivered again."""
        if self.journey.told:
            self.journey.send(self.journey.told[-1][1], self.journey.now)

    @invariant()
    def what_waits_is_held(self) -> None:
        """6: a message without a last word is one that the product holds, and no other."""
        for journey in self.journeys:
            held = [waiting.message_id for waiting in journey.order.held] if journey.order else []
            assert journey.watch.waiting().get(journey.po_number, []) == held


def test_nothing_that_must_never_happen_happens_in_random_sequences() -> None:
    """Hypothesis's stateful testing: 150 sequences of 40 steps."""
    run_state_machine_as_test(TwoReferrals, settings=settings(max_examples=150, stateful_step_count=40))


@pytest.mark.slow
def test_nothing_that_must_never_happen_happens_in_many_random_sequences() -> None:
    """500 sequences of 60 steps; in the long form 3,000."""
    examples = 3_000 if LONG else 500
    run_state_machine_as_test(TwoReferrals, settings=settings(max_examples=examples, stateful_step_count=60))


# Over the oracle's programmes.

MARK = "personal-"


def lines_of(seed: int, referrals: int, *, own_policies: bool) -> tuple[list[Line], Policies]:
    """A programme of the oracle's, as the product reads it."""
    policies = random_policies(seed) if own_policies else None
    lines = [json.encode(line) for line in programme(seed, referrals, policies)]
    return list(read_lines(lines)), parse(policy_file(policies)) if policies else shipped()


def with_marks(message: Message) -> Message:
    """The same with a mark in every text about the participant but the NINO, which rules look at."""
    if not isinstance(message, Referral):
        return message
    marks = marked(message.participant, MARK)
    same = {name: getattr(message.participant, name) for name in ("nino", "date_of_birth")}
    return replace(message, participant=replace(marks, **same))


def watched(seed: int, *, own_policies: bool) -> Watch:
    """A programme followed purchase order by purchase order; no message may come between two of them."""
    lines, policies = lines_of(seed, 3, own_policies=own_policies)
    ninos = {line.message.participant.nino or "" for line in lines if isinstance(line.message, Referral)}
    watch = Watch({MARK, *(nino for nino in ninos if len(nino) > 7)})
    messages: dict[str, list[tuple[int, Message]]] = {}
    for line in lines:
        if line.message is not None:
            messages.setdefault(line.message.po_number, []).append((line.at, with_marks(line.message)))
    for po_number, told in messages.items():
        journey = Journey(po_number=po_number, policies=policies)
        journey.now = lines[0].at
        journey.watch = watch
        for at, message in told:
            journey.send(message, at)
        journey.tick(lines[-1].at)
        held = [waiting.message_id for waiting in journey.order.held] if journey.order else []
        assert watch.waiting().get(po_number, []) == held
    return watch


@pytest.mark.parametrize("own_policies", [True, False])
@pytest.mark.parametrize("first", range(10_000, 10_300, 100))
def test_nothing_that_must_never_happen_happens_in_random_programmes(first: int, own_policies: bool) -> None:
    """600 programmes of three referrals."""
    for seed in range(first, first + 100):
        assert watched(seed, own_policies=own_policies).wrong == [], seed


def test_the_same_programme_gives_the_same_bytes_twice() -> None:
    """7: and no event id is used twice among all referrals of a programme."""
    for seed in range(20_000, 20_050):
        lines, policies = lines_of(seed, 6, own_policies=False)
        first, second = ([to_line(event) for event in replay(lines, policies)] for _ in range(2))
        assert first == second
        ids = [event.event_id for event in replay(lines, policies)]
        assert len(set(ids)) == len(ids)


# The checker itself.


def judged(journey: Journey, *events: Event, message: Message | None = None) -> list[str]:
    """What the checker says if these events came next."""
    known = journey.watch._known[journey.po_number]
    return follow(known, message, journey.now, events)[1]


def raised(journey: Journey, **changes: Any) -> SanctionNotification:
    """A notification as it would be raised for S1 an hour after its start."""
    session = journey.session()
    at = session.starts_at + 60 * MINUTE
    fields: dict[str, Any] = {
        "event_id": "x",
        "po_number": journey.po_number,
        "provider_id": "PRV01",
        "jobcentre_id": "JCP-LEEDS",
        "status": "RAISED",
        "failure_type": "FAILURE_TO_PARTICIPATE_OR_COMPLY",
        "failure": "DID_NOT_ATTEND",
        "session_id": "S1",
        "session_name": session.session_name,
        "session_starts_at": session.starts_at,
        "location": session.location,
        "requirement_notified_at": session.notified_at or session.starts_at - 1,
        "decided_at": at,
        "rule": "",
    }
    return SanctionNotification(**{**fields, **changes})


def test_the_checker_sees_a_referral_both_attached_and_cancelled() -> None:
    """1, whichever comes first."""
    before = cancelled()
    cancellation = next(event for event in before.out if isinstance(event, CancellationEvent))
    assert judged(attached(), cancellation)[0].startswith("1: cancelled after it was attached")
    assert judged(before, cancellation)[0].startswith("1: cancelled twice")
    journey = joining()
    journey.attach("2016-03-23 10:00")
    message, applied = journey.told[-1][1], journey.out[-1]
    assert judged(before, applied, message=message) == ["1: attached after it was cancelled"]
    on_prap = next(
        event for event in before.out if isinstance(event, PrapAction) and event.action == "CANCEL"
    )
    assert judged(joining(), on_prap)[0].startswith("1: cancelled on PRaP")


def test_the_checker_sees_a_cancellation_in_spite_of_a_wp11() -> None:
    """2, whichever comes first."""
    cancellation = next(event for event in cancelled().out if isinstance(event, CancellationEvent))
    assert judged(joining(), cancellation) == ["2: cancelled after its WP11 was applied"]
    journey = joining()
    message, applied = journey.told[-1][1], journey.out[-1]
    assert judged(cancelled(), applied, message=message) == ["2: a WP11 applied to a cancelled referral"]


def test_the_checker_sees_a_notification_that_must_not_be() -> None:
    """3, each of its four."""
    mandatory = booked(mandatory=True)
    assert judged(mandatory, raised(mandatory)) == []
    assert judged(booked(), raised(mandatory)) == ["3: a notification for a session that is not mandatory"]
    early = raised(mandatory, decided_at=instant(START) - 1)
    assert judged(mandatory, early) == ["3: a notification before the session's start"]
    other = raised(mandatory, requirement_notified_at=instant("2016-03-01 10:00"))
    untold = ["3: a notification without the participant having been told"]
    assert judged(mandatory, other) == untold
    journey = booked(mandatory=True, told=False)
    assert judged(journey, raised(journey)) == untold
    at_start = booked(mandatory=True, starts="2016-03-14 10:01:30", told="2016-03-14 10:01:30")
    assert judged(at_start, raised(at_start)) == untold
    for end in ("cancel", "object_to_group"):
        journey = booked(mandatory=True)
        getattr(journey, end)()
        assert judged(journey, raised(journey)) == ["3: a notification for a cancelled session"]
    unknown = raised(mandatory, session_id="S9")
    assert judged(mandatory, unknown) == ["3: a notification for a session that is not known"]


def test_the_checker_sees_a_notification_of_a_mandate_that_has_ended() -> None:
    """3: not mandatory any more; of a special record; told before the referral; left by the provider."""
    journey = booked(mandatory=True)
    note = raised(journey)
    journey.refer(claimant_group="ESA_C_SUPPORT_GROUP")
    assert judged(journey, note) == ["3: a notification for a session that is not mandatory"]
    special = booked(mandatory=True)
    special.refer(special_customer_record=True)
    assert judged(special, raised(special)) == ["3: a notification of a special record"]
    early = booked(mandatory=True, told="2016-03-13 10:00")
    assert judged(early, raised(early)) == ["3: a notification of what was said before the referral"]
    left = booked(mandatory=True)
    left.record("DID_NOT_ATTEND")
    other = booked(mandatory=True)
    other.cancel()
    cancellation = other.told[-1][1]
    wrong = judged(left, *other.out[-2:], message=cancellation)
    assert wrong == ["3: a notification stays active for a session that the provider cancelled"]


def test_the_checker_sees_two_active_notifications() -> None:
    """4, and a withdrawal of what is not active."""
    journey = booked(mandatory=True)
    journey.record("DID_NOT_ATTEND")
    assert judged(journey, raised(journey)) == ["4: two active notifications for one session"]
    withdrawn = raised(journey, status="WITHDRAWN", withdraws="x")
    assert judged(journey, withdrawn) == ["4: what is withdrawn is not the active notification"]


def test_the_checker_sees_an_attachment_instruction_without_a_wp11() -> None:
    """5."""
    instruction = next(event for event in reversed(joining().out) if isinstance(event, Instruction))
    assert judged(referred(), instruction) == ["5: an attachment instruction without a WP11"]
    journey = referred()
    came = journey.accept()
    wrong = judged(referred(), instruction, *came, message=journey.told[-1][1])
    assert wrong == ["5: an attachment instruction without a WP11"]


def test_the_checker_sees_a_message_with_no_outcome_or_two() -> None:
    """6: also where the second comes later, and where something held is never told."""
    journey = referred()
    came = journey.accept()
    message = journey.told[-1][1]
    fresh = referred()
    assert judged(fresh, message=message) == ["6: message m2 has 0 outcomes in its decision"]
    assert judged(fresh, *came, came[-1], message=message)[0].startswith("6: an outcome of m2")
    assert judged(fresh, came[-1])[0].startswith("6: an outcome of m2")
    early = Journey()
    held = early.accept()
    assert early.watch.waiting() == {"PO1": ["m1"]}
    assert judged(early, held[0]) == ["6: a held message ends as HELD"]
    refused = replace(held.outcome, status="REFUSED")
    assert judged(early, refused) == []
    assert judged(early, refused, refused)[0].startswith("6: an outcome of m1")


def test_the_checker_sees_different_bytes() -> None:
    """7."""
    outputs = iter([[accepted().out[0]], [accepted().out[1]]])
    assert same_twice(lambda: next(outputs)) == ["7: the same input twice, and different bytes"]
    assert same_twice(lambda: accepted().out) == []


def test_the_checker_sees_personal_data() -> None:
    """8."""
    outcome = referred().out[-1]
    assert isinstance(outcome, Outcome)
    assert personal_data_in([outcome], ["AB123456C"]) == []
    told = replace(outcome, detail="The number AB123456C is wrong.")
    assert personal_data_in([told], ["AB123456C"]) == ["8: AB123456C in an event"]


def test_the_checker_sees_an_event_id_used_twice_and_an_event_of_another() -> None:
    """Event ids are unique among all purchase orders."""
    journey = booked()
    [attendance, *rest] = journey.record("ATTENDED")
    assert isinstance(attendance, AttendanceEvent)
    journey.watch.decided("PO1", None, journey.now, [attendance])
    assert journey.watch.wrong == [f"the event id {attendance.event_id} twice"]
    watch = Watch()
    watch.decided("PO2", None, journey.now, [attendance])
    assert watch.wrong == ["an event of PO1 from a decision on PO2"]
    assert NOTHING.life is None
    assert len(rest) == 1
