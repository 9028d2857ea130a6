"""What falls due (rulebook: Deadlines, T1 to T6), and the order of it at one instant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.lines import Line
from gateway.replay.decisions import replay
from gateway.rules.events import Breach, CancellationEvent, Event, Instruction, PrapAction
from gateway.rules.policy import parse, shipped
from tests.rules.journey import (
    CLOSED,
    Came,
    Journey,
    accepted,
    attached,
    booked,
    cancelled,
    day,
    instant,
    joining,
    referred,
    rejected,
    start_of,
)

CANCELLATION = ["cancellation", "prap CANCEL", "instruction REFERRAL_CANCELLED"]


def at_due(journey: Journey, when: int) -> list[str]:
    """What falls due at an instant, when nothing does in the millisecond before."""
    journey.tick(when - 1)
    return journey.tick(when).words


# T1.


def test_acceptance_is_due_within_two_working_days() -> None:
    """T1, WP19 ¶3: a referral of Monday by Wednesday."""
    journey = referred()
    assert journey.tick(instant("2016-03-17 00:00") - 1).words == []
    came = journey.tick("2016-03-17 00:00")
    assert came.words == ["breach ACCEPTANCE_LATE RAISED"]
    breach = came.one(Breach)
    assert (breach.due_on, breach.decided_at) == (day("2016-03-16"), instant("2016-03-17 00:00"))


@pytest.mark.parametrize(
    ("arrives", "due", "raised"),
    [
        ("2016-03-24 10:00", "2016-03-30", "2016-03-31T00:00:00+01:00"),
        ("2016-03-26 10:00", "2016-03-30", "2016-03-31T00:00:00+01:00"),
        ("2016-04-29 10:00", "2016-05-04", "2016-05-05T00:00:00+01:00"),
        ("2016-05-01 10:00", "2016-05-04", "2016-05-05T00:00:00+01:00"),
        ("2016-10-27 10:00", "2016-10-31", "2016-11-01T00:00:00+00:00"),
        ("2015-12-24 10:00", "2015-12-30", "2015-12-31T00:00:00+00:00"),
    ],
)
def test_bank_holidays_weekends_and_clock_changes_before_acceptance(
    arrives: str, due: str, raised: str
) -> None:
    """T1: over Easter and early May 2016, the change to GMT, and Christmas 2015."""
    journey = Journey(referred_on=arrives[:10])
    assert journey.refer(arrives).one(Instruction).due_on == day(due)
    assert at_due(journey, instant(raised)) == ["breach ACCEPTANCE_LATE RAISED"]


@pytest.mark.parametrize("make", [accepted, rejected, attached])
def test_acceptance_is_not_late_once_the_referral_is_accepted_or_no_longer_open(make: Any) -> None:
    """T1: OPEN, not accepted."""
    assert "breach ACCEPTANCE_LATE RAISED" not in make().tick("2016-04-20 00:00").words


def test_acceptance_is_not_late_once_the_wp11_has_come() -> None:
    """T1: OPEN; JOINING is not."""
    journey = referred()
    journey.wp11()
    assert journey.tick("2016-03-20 00:00").words == []


def test_a_referral_that_came_late_is_to_be_accepted_from_its_arrival() -> None:
    """T1 alone runs from the referral's own `at`."""
    journey = Journey(referred_on="2016-03-01")
    journey.refer("2016-03-14 10:00")
    assert at_due(journey, instant("2016-03-17 00:00")) == [
        "breach ACCEPTANCE_LATE RAISED",
        "breach SESSION_LATE RAISED",
    ]


# T2.


def test_a_session_is_due_within_15_days() -> None:
    """T2, WP19 ¶2: by 29 March; late at 00:00 British Summer Time on 30 March."""
    journey = booked()
    came = journey.tick("2016-03-29T22:59:59.999Z")
    assert came.words == []
    came = journey.tick("2016-03-29T23:00:00Z")
    assert came.words == ["breach SESSION_LATE RAISED"]
    assert came.one(Breach).due_on == day("2016-03-29")


@pytest.mark.parametrize(
    ("starts", "words"),
    [("2016-03-29 23:00", []), ("2016-03-15 10:00", []), ("2016-03-14 00:00", [])],
)
def test_a_session_attended_in_time_is_enough(starts: str, words: list[str]) -> None:
    """T2: of a date ≤ D+15."""
    journey = booked(starts=starts)
    journey.record("ATTENDED", max(instant(starts), journey.now))
    assert journey.tick("2016-03-30 00:00").words == words


def test_an_absence_is_not_an_attendance() -> None:
    """T2: outcome ATTENDED."""
    journey = booked(mandatory=False)
    journey.record("DID_NOT_PARTICIPATE")
    assert journey.tick("2016-03-30 00:00").words == ["breach SESSION_LATE RAISED"]


def test_a_rearranged_session_never_moves_the_date() -> None:
    """Words, D: WP19 ¶8, 'You will not receive a re-referral in PRaP'."""
    journey = booked()
    journey.change(starts="2016-04-01 10:00")
    assert at_due(journey, instant("2016-03-30 00:00")) == ["breach SESSION_LATE RAISED"]


@pytest.mark.parametrize("make", [joining, rejected, attached])
def test_a_session_is_not_late_where_the_referral_is_no_longer_open(make: Any) -> None:
    """T2: OPEN."""
    assert "breach SESSION_LATE RAISED" not in make().tick("2016-03-30 00:00").words


# T3.


def test_without_a_wp11_the_referral_is_cancelled_after_21_days() -> None:
    """T3, WP19 ¶12: for a referral of 14 March at 23:00 UTC on 4 April, which is 5 April in London."""
    journey = booked()
    assert "cancellation" not in journey.tick("2016-04-04T22:59:59.999Z").words
    came = journey.tick("2016-04-04T23:00:00Z")
    assert came.words == CANCELLATION
    event = came.one(CancellationEvent)
    assert (event.reason, event.attended) == ("Did Not Start", False)
    assert (event.referred_on, event.effective_on) == (day("2016-03-14"), day("2016-04-05"))
    assert (event.provider_id, event.jobcentre_id) == ("PRV01", "JCP-LEEDS")
    assert (came.one(PrapAction).action, came.one(PrapAction).reason) == ("CANCEL", "Did Not Start")
    assert came.one(Instruction).session_id is None
    assert came.one(Instruction).due_on is None
    assert (journey.state.status, journey.state.closed_at) == ("CANCELLED", instant("2016-04-05 00:00"))


def test_who_attended_is_cancelled_too() -> None:
    """T3, WP19 ¶5: whether or not a session was attended; the event says which."""
    journey = booked()
    journey.record("ATTENDED")
    came = journey.tick("2016-04-05 00:00")
    assert came.words == CANCELLATION
    assert came.one(CancellationEvent).attended


def test_who_was_not_accepted_is_cancelled_too() -> None:
    """T3: OPEN."""
    assert referred().tick("2016-04-05 00:00").words[-3:] == CANCELLATION


@pytest.mark.parametrize("make", [joining, rejected, attached])
def test_who_joins_or_is_closed_is_not_cancelled(make: Any) -> None:
    """T3: OPEN."""
    assert "cancellation" not in make().tick("2016-04-20 00:00").words


@pytest.mark.parametrize(
    ("referred_on", "cancelled_at"),
    [
        ("2016-03-05", "2016-03-27T00:00:00Z"),
        ("2016-03-06", "2016-03-27T23:00:00Z"),
        ("2016-10-08", "2016-10-29T23:00:00Z"),
        ("2016-10-09", "2016-10-31T00:00:00Z"),
        ("2016-02-08", "2016-03-01T00:00:00Z"),
        ("2015-02-08", "2015-03-02T00:00:00Z"),
    ],
)
def test_cancellation_at_the_clock_changes_and_in_leap_years(referred_on: str, cancelled_at: str) -> None:
    """T3: 00:00 London of D+22; the clocks went forward on 27 March and back on 30 October 2016."""
    journey = accepted(referred_on=referred_on)
    assert at_due(journey, instant(cancelled_at))[:3] == CANCELLATION


# T4.


def test_an_attachment_is_due_within_28_days() -> None:
    """T4, WP19 ¶12: for a referral of 14 March by 11 April."""
    journey = joining()
    assert at_due(journey, instant("2016-04-12 00:00")) == ["breach ATTACHMENT_LATE RAISED"]
    assert [event.due_on for event in journey.out if isinstance(event, Breach)] == [day("2016-04-11")]


@pytest.mark.parametrize("make", [referred, *CLOSED])
def test_only_who_is_joining_is_to_be_attached(make: Any) -> None:
    """T4: JOINING."""
    assert "breach ATTACHMENT_LATE RAISED" not in make().tick("2016-04-20 00:00").words


# T5.


@pytest.mark.parametrize("make", [referred, joining, *CLOSED])
def test_every_referral_is_forgotten_after_400_days(make: Any) -> None:
    """T5: for a referral of 14 March 2016 at 00:00 on 19 April 2017; a later Referral is a first one."""
    journey = make()
    journey.tick("2017-04-18 23:59:59.999")
    assert journey.order.referral is not None
    assert journey.tick("2017-04-19 00:00").words == []
    assert journey.order.referral is None
    again = journey.refer(message_id="m1", po_revision=1)
    assert again.words[:3] == ["prap ACKNOWLEDGE", "instruction ACCEPT_REFERRAL", "APPLIED"]


def test_nothing_is_kept_of_a_forgotten_referral_a_millisecond_later() -> None:
    """T5: with all its ids; only for that instant the count of its events stays."""
    journey = referred()
    journey.tick("2017-04-19 00:00")
    assert journey.order is not None
    assert journey.tick(instant("2017-04-19 00:00") + 1).words == []
    assert journey.order is None


def test_a_message_at_the_instant_of_forgetting_finds_no_referral() -> None:
    """T5: a message that arrived at a deadline comes after it."""
    assert referred().accept("2017-04-19 00:00").words == ["HELD"]


# All of them.


@pytest.mark.parametrize("joins", [True, False])
def test_each_is_raised_at_most_once(joins: bool) -> None:
    """Deadlines: however time passes."""
    journey = referred()
    if joins:
        journey.tick("2016-04-01 10:00")
        journey.wp11()
    for at in ("2016-04-05 00:00", "2016-04-12 00:00", "2016-04-12 00:00", "2017-01-01 00:00"):
        journey.tick(at)
    words = [word for word in journey.out.words if word.startswith("breach")]
    last = ["breach ATTACHMENT_LATE RAISED"] if joins else []
    assert words == ["breach ACCEPTANCE_LATE RAISED", "breach SESSION_LATE RAISED", *last]


@given(st.integers(day("2011-06-01"), day("2017-03-31")))
def test_the_limits_count_from_any_day(referred_on: int) -> None:
    """T2 to T4: all fall due at 00:00 London of the day after the limit, on any day of referral."""
    journey = accepted(referred_on=referred_on)
    assert at_due(journey, journey.after(15)) == ["breach SESSION_LATE RAISED"]
    assert at_due(journey, journey.after(21)) == CANCELLATION
    journey = joining_on_day_20(referred_on)
    assert at_due(journey, journey.after(28)) == ["breach ATTACHMENT_LATE RAISED"]


def joining_on_day_20(referred_on: int) -> Journey:
    """The WP11 came on the twentieth day."""
    journey = accepted(referred_on=referred_on)
    journey.wp11(journey.after(19))
    return journey


def replayed(*journeys: Journey, tick: int | None = None) -> list[Event]:
    """What comes of the messages of several purchase orders in order of arrival, and of a last tick."""
    told = sorted((moment for journey in journeys for moment in journey.told), key=lambda moment: moment[0])
    lines = [Line(number, at, message) for number, (at, message) in enumerate(told, 1)]
    return list(replay([*lines, *([Line(0, tick, None)] if tick is not None else [])], shipped()))


def test_at_one_instant_what_falls_due_is_ordered_by_rank_and_then_by_po_number() -> None:
    """Deadlines: first G2's expiries and F2, then all T1, then all T2; within each by code point."""
    at = instant("2016-03-17 00:00")
    journeys = [referred(po_number=name) for name in ("b", "a", "B", "é")]
    for name in ("d", "c"):
        journeys.append(Journey(po_number=name, referred_on="2016-03-01"))
        journeys[-1].refer("2016-03-14 10:00")
    journeys.append(booked(po_number="y", mandatory=True, starts=at - 3_600_000))
    journeys[-1].cannot_attend()
    journeys.append(Journey(po_number="z", referred_on="2016-02-01"))
    journeys[-1].accept("2016-02-17 10:00")
    assert all(journey.now < at for journey in journeys)
    out = [event for event in replayed(*journeys, tick=at) if event.decided_at == at]
    assert [(event.po_number, word) for event, word in zip(out, Came(out).words, strict=True)] == [
        ("y", "notification RAISED"),
        ("z", "REFUSED UNKNOWN_REFERRAL"),
        ("B", "breach ACCEPTANCE_LATE RAISED"),
        ("a", "breach ACCEPTANCE_LATE RAISED"),
        ("b", "breach ACCEPTANCE_LATE RAISED"),
        ("c", "breach ACCEPTANCE_LATE RAISED"),
        ("d", "breach ACCEPTANCE_LATE RAISED"),
        ("é", "breach ACCEPTANCE_LATE RAISED"),
        ("c", "breach SESSION_LATE RAISED"),
        ("d", "breach SESSION_LATE RAISED"),
    ]


def test_the_end_of_the_input_makes_nothing_fall_due() -> None:
    """Deadlines: the last line's `at` is as far as time has come."""
    out = replayed(referred())
    assert Came(out).words == ["prap ACKNOWLEDGE", "instruction ACCEPT_REFERRAL", "APPLIED"]


def test_a_cancelled_referral_is_told_once() -> None:
    """T3: time that passes afterwards tells nothing."""
    assert cancelled().tick("2017-04-18 00:00").words == []


# T6.

CONFIRM = "instruction CONFIRM_NOTIFICATION"
OWED = ["instruction RECORD_OUTCOME", "breach OUTCOME_LATE RAISED"]


def owed(came: Came) -> list[str]:
    """What is asked for of a session, and said to be late."""
    of_session = ("instruction RECORD_OUTCOME", "instruction CONFIRM_NOTIFICATION", "breach OUTCOME_LATE")
    return [word for word in came.words if word.startswith(of_session)]


def test_an_outcome_is_owed_two_working_days_after_a_mandatory_session() -> None:
    """T6, WP19 Mandatory participant does not attend: without it 'unable to pursue sanction activity'."""
    journey = booked(mandatory=True)
    assert at_due(journey, instant("2016-03-24 00:00")) == OWED
    breach = journey.out[-1]
    assert isinstance(breach, Breach)
    assert (breach.session_id, breach.due_on, breach.because) == ("S1", day("2016-03-23"), None)
    assert breach.decided_at == instant("2016-03-24 00:00")
    assert owed(journey.tick("2017-01-01 00:00")) == []


@pytest.mark.parametrize(
    ("starts", "minutes", "due"),
    [
        ("2016-03-24 10:00", 60, "2016-03-30"),  # Easter lies between
        ("2016-03-21 23:30", 29, "2016-03-23"),
        ("2016-03-21 23:30", 30, "2016-03-24"),  # it ends at midnight, on the next day
        ("2016-03-19 10:00", 60, "2016-03-22"),  # a Saturday
    ],
)
def test_the_working_days_run_from_the_london_date_of_the_end(starts: str, minutes: int, due: str) -> None:
    """T6: the end, not the start."""
    journey = booked(mandatory=True, starts=starts, minutes=minutes)
    assert owed(journey.tick(start_of(day(due) + 1) - 1)) == []
    assert owed(journey.tick(start_of(day(due) + 1))) == OWED


def test_a_session_booked_when_it_was_over_is_owed_two_working_days_after_its_booking() -> None:
    """T6: or of the `at` of its booking or change where that is later."""
    journey = accepted(mandatory=True)
    journey.book("S1", "2016-03-18 10:00", starts="2016-03-15 10:00", told="2016-03-14 12:00")
    assert owed(journey.tick(start_of("2016-03-23") - 1)) == []
    assert owed(journey.tick("2016-03-23 00:00")) == OWED


def test_a_voluntary_session_owes_no_outcome() -> None:
    """T6: of a mandatory session."""
    assert owed(booked().tick("2016-05-01 00:00")) == []


@pytest.mark.parametrize("outcome", ["ATTENDED", "DID_NOT_ATTEND", "DID_NOT_PARTICIPATE"])
def test_a_recorded_outcome_is_not_owed(outcome: Any) -> None:
    """T6: recorded a millisecond before, whatever it is; at the instant it is too late."""
    journey = booked(mandatory=True)
    journey.record(outcome, instant("2016-03-24 00:00") - 1)
    assert owed(journey.tick("2016-03-26 00:00")) == []
    journey = booked(mandatory=True)
    journey.record(outcome, "2016-03-24 00:00")
    assert "breach OUTCOME_LATE RAISED" in journey.out.words


@pytest.mark.parametrize("cause", ["PROVIDER", "PARTICIPANT"])
def test_a_cancelled_session_owes_no_outcome(cause: Any) -> None:
    """T6: not cancelled."""
    journey = booked(mandatory=True)
    journey.cancel(cause=cause)
    assert owed(journey.tick("2016-03-26 00:00")) == []


def test_a_failure_that_waits_for_proof_is_asked_for_again() -> None:
    """T6: once, with an outcome or without; the breach is of the outcome alone."""
    with_outcome = booked(mandatory=True, told=False)
    with_outcome.record("DID_NOT_ATTEND")
    assert owed(with_outcome.tick("2016-05-01 00:00")) == ["instruction CONFIRM_NOTIFICATION"]
    without = booked(mandatory=True, told=False)
    without.cannot_attend()
    without.tick("2016-03-21 12:00")
    assert owed(without.tick("2016-03-24 00:00")) == [
        "instruction RECORD_OUTCOME",
        "instruction CONFIRM_NOTIFICATION",
        "breach OUTCOME_LATE RAISED",
    ]
    cancelled_for_them = booked(mandatory=True, told=False)
    cancelled_for_them.cannot_attend()
    cancelled_for_them.cancel(cause="PARTICIPANT")
    cancelled_for_them.tick("2016-03-21 12:00")
    assert owed(cancelled_for_them.tick("2016-03-24 00:00")) == ["instruction CONFIRM_NOTIFICATION"]


def test_while_a_notification_is_active_nothing_is_owed() -> None:
    """T6: no notification of it is active."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.tick("2016-03-21 12:00")
    assert owed(journey.tick("2016-03-26 00:00")) == []


def test_what_a_correction_brings_about_after_the_day_is_not_asked_for_again() -> None:
    """T6 falls due at its instant, once a booked time; a correction before it is in time."""
    for corrected, asked in (("2016-03-24 00:00", []), ("2016-03-23 23:59", [CONFIRM])):
        journey = booked(mandatory=True, told=False)
        journey.record("ATTENDED")
        journey.correct("DID_NOT_ATTEND", corrected)
        assert owed(journey.tick("2016-04-01 00:00")) == asked


def test_a_changed_session_owes_its_outcome_by_its_new_end() -> None:
    """T6: once a booked time."""
    journey = booked(mandatory=True)
    journey.change(starts="2016-03-29 10:00")
    assert owed(journey.tick(start_of("2016-04-01") - 1)) == []
    assert owed(journey.tick("2016-04-01 00:00")) == OWED


@pytest.mark.parametrize(
    ("recorded_at", "words"),
    [
        ("2016-03-23 23:59:59.999", ["breach OUTCOME_LATE CLEARED"]),
        ("2016-03-24 00:00", []),
    ],
)
def test_an_outcome_recorded_in_time_clears_the_breach(recorded_at: str, words: list[str]) -> None:
    """Deadlines: `recorded_at`'s London date is the due date at the latest; as its RAISED was due."""
    journey = booked(mandatory=True)
    journey.tick("2016-03-25 10:00")
    came = journey.record("DID_NOT_ATTEND", recorded_at=recorded_at)
    assert owed(came) == words
    if words:
        assert (came.one(Breach).due_on, came.one(Breach).session_id) == (day("2016-03-23"), "S1")
        assert owed(journey.correct("ATTENDED")) == []


@pytest.mark.parametrize("cause", ["PROVIDER", "PARTICIPANT"])
def test_a_cancellation_in_time_clears_the_breach(cause: Any) -> None:
    """Deadlines: `cancelled_at`'s London date, of either cause; of an owed session too, once."""
    late, in_time = said_beforehand_and_owed(), said_beforehand_and_owed()
    assert owed(late.cancel(cause=cause, cancelled_at=instant("2016-03-24"))) == []
    assert owed(late.cancel(cancelled_at=instant("2016-03-23 10:00"))) == (
        [] if cause == "PROVIDER" else ["breach OUTCOME_LATE CLEARED"]
    )
    came = in_time.cancel(cause=cause, cancelled_at=instant("2016-03-23 10:00"))
    assert owed(came) == ["breach OUTCOME_LATE CLEARED"]


def said_beforehand_and_owed() -> Journey:
    """The participant could not come, and by the limit nobody has said what came of it."""
    journey = booked(mandatory=True, told=False)
    journey.cannot_attend()
    journey.tick("2016-03-25 10:00")
    return journey


def test_no_outcome_is_owed_of_a_session_that_the_mandate_did_not_last_for() -> None:
    """T6: a mandatory session; this one was, when it was booked."""
    journey = booked(mandatory=True)
    journey.refer(claimant_group="ESA_C_SUPPORT_GROUP")
    assert owed(journey.tick("2016-03-25 10:00")) == []


def test_a_late_outcome_is_cleared_once() -> None:
    """Deadlines: cleared at most once; a session that is owed can be cancelled by either."""
    journey = said_beforehand_and_owed()
    in_time = instant("2016-03-23 10:00")
    assert owed(journey.cancel(cause="PARTICIPANT", cancelled_at=in_time)) == ["breach OUTCOME_LATE CLEARED"]
    assert owed(journey.cancel(cancelled_at=in_time)) == []


def test_an_attendance_clears_what_is_late_in_the_order_of_the_limits() -> None:
    """Order of effects: breaches T2, T6."""
    journey = booked(mandatory=True)
    journey.tick("2016-03-31 10:00")
    assert journey.record("ATTENDED", recorded_at="2016-03-22 10:00").words == [
        "attendance ATTENDED",
        *["breach SESSION_LATE CLEARED", "breach OUTCOME_LATE CLEARED", "APPLIED"],
    ]


def test_outcomes_are_owed_in_the_order_of_booking() -> None:
    """Deadlines: at one instant, session by session."""
    journey = accepted(mandatory=True)
    journey.book("S2", starts="2016-03-21 12:00", told=False)
    journey.cannot_attend("S2")
    journey.book("S1", starts="2016-03-21 10:00")
    journey.tick("2016-03-21 15:00")
    came = journey.tick("2016-03-24 00:00")
    assert [getattr(event, "session_id", None) for event in came] == ["S2", "S2", "S2", "S1", "S1"]


def test_an_outcome_is_owed_before_the_referral_is_forgotten_and_after_its_own_limits() -> None:
    """Deadlines, at one instant: T2, T3, T4, T6, then T5."""
    journey = booked(mandatory=True, starts="2016-03-31 10:00")
    journey.tick(journey.after(21) - 1)
    assert journey.tick(journey.after(21)).words == [*CANCELLATION, *OWED]
    policies = parse("[[policy]]\nfrom = 2011-06-01\nforget_after_days = 9")
    short = booked(mandatory=True, policies=policies)
    assert short.tick("2016-03-24 00:00").words[-2:] == OWED
    assert short.order is not None
    assert short.order.referral is None


# T2: what was missing.


@pytest.mark.parametrize(
    ("happens", "because"),
    [
        (lambda journey: None, "NOT_RECORDED"),
        (lambda journey: journey.cancel(), "CANCELLED"),
        (lambda journey: journey.change(starts="2016-03-30 00:00"), "NOT_BOOKED"),
        (lambda journey: journey.change(starts="2016-03-29 23:59"), "NOT_RECORDED"),
        (lambda journey: journey.record("DID_NOT_PARTICIPATE"), "NOT_ATTENDED"),
        (lambda journey: (journey.cancel(), journey.book("S2")), "NOT_RECORDED"),
        (
            lambda journey: (journey.record("DID_NOT_ATTEND"), journey.book("S2", starts="2016-03-24 10:00")),
            "NOT_ATTENDED",
        ),
    ],
)
def test_a_late_session_says_what_was_missing(happens: Any, because: str) -> None:
    """T2: none of such a date is known; all are cancelled; one has an outcome; otherwise."""
    journey = booked()
    happens(journey)
    assert journey.tick("2016-03-30 00:00").one(Breach).because == because


def test_a_late_session_that_was_never_booked() -> None:
    """T2: and the breach that is cleared says nothing of it."""
    journey = accepted()
    assert journey.tick("2016-03-30 00:00").one(Breach).because == "NOT_BOOKED"
    journey.book("S1", starts="2016-03-29 10:00")
    assert journey.record("ATTENDED").one(Breach).because is None


def test_a_correction_after_the_limit_makes_no_session_late() -> None:
    """T2 falls due at its instant, when a session had been attended in time."""
    journey = booked()
    journey.record("ATTENDED")
    assert journey.tick("2016-03-30 00:00").words == []
    journey.correct("DID_NOT_ATTEND", "2016-03-31 10:00")
    assert journey.tick("2016-04-01 10:00").words == []
