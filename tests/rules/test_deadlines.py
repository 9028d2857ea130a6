"""What falls due (rulebook: Deadlines, T1 to T5), and the order of it at one instant."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.lines import Line
from gateway.replay.decisions import replay
from gateway.rules.events import Breach, CancellationEvent, Event, Instruction, PrapAction
from gateway.rules.policy import shipped
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
