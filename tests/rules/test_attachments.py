"""Attachments to the Work Programme (rulebook: P11)."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.events import Breach, Instruction, Notice, PrapAction
from tests.rules.journey import Journey, attached, booked, cancelled, day, joining, referred, rejected

BACKED_OUT = ["notice INCORRECT_ATTACHMENT", "prap BACK_OUT_ATTACHMENT", "instruction BACK_OUT_ATTACHMENT"]


def test_a_participant_with_a_wp11_is_attached() -> None:
    """P11, WP19 ¶11-12."""
    journey = joining()
    came = journey.attach("2016-03-23 10:00", attached_on="2016-03-22")
    assert came.words == ["notice ATTACHED", "APPLIED"]
    assert (came.one(Notice).on, came.one(Notice).message_id) == (day("2016-03-22"), came.outcome.message_id)
    assert (journey.state.status, journey.state.closed_at) == ("ATTACHED", journey.now)


def test_an_attachment_to_the_information_session_is_backed_out() -> None:
    """P11, WP19 ¶14: 'you must back out the attachment using normal PRaP16 process'."""
    journey = joining()
    came = journey.attach(attached_to="INFORMATION_SESSION_REFERRAL")
    assert came.words == [*BACKED_OUT, "REFUSED ATTACHED_TO_INFORMATION_SESSION"]
    assert came.one(Notice).on == day("2016-03-22")
    assert came.one(PrapAction).reason == "PRaP16"
    assert came.one(Instruction).session_id is None
    assert journey.state.status == "JOINING"


@pytest.mark.parametrize("make", [referred, rejected, cancelled, attached])
def test_an_attachment_to_the_information_session_comes_first_of_all(make: Callable[[], Journey]) -> None:
    """P11, WP19 ¶14: whatever has become of the referral."""
    came = make().attach(attached_to="INFORMATION_SESSION_REFERRAL")
    assert came.outcome.code == "ATTACHED_TO_INFORMATION_SESSION"


def test_a_participant_is_attached_once() -> None:
    """P11."""
    assert attached().attach().words == ["REFUSED ALREADY_ATTACHED"]


@pytest.mark.parametrize("make", [rejected, cancelled])
def test_without_a_wp11_nobody_is_attached(make: Callable[[], Journey]) -> None:
    """P11, WP19 ¶11: 'until Jobcentre Plus has sent you the WP11'."""
    assert make().attach(attached_on="2016-03-01").words == ["REFUSED NO_WP11"]


def test_an_attachment_before_the_wp11_came_is_backed_out_and_fees_are_recovered() -> None:
    """B1, WP19 ¶11, ¶14: 'Any fees paid resulting from incorrect attachments will be recovered by DWP'."""
    journey = booked()
    came = journey.attach()
    assert came.words == [*BACKED_OUT, "REFUSED NO_WP11"]
    assert {event.rule for event in came} == {"WP19 ¶11"}


def test_an_attachment_is_backed_out_once() -> None:
    """B1: once for each `attached_on` and `attached_to`."""
    journey = booked()
    day_before = {"attached_on": "2016-03-13"}
    assert len(journey.attach(**day_before).words) == 4
    assert journey.attach(**day_before).words == ["REFUSED NO_WP11"]
    assert len(journey.attach(attached_on="2016-03-14").words) == 4
    wrong = {"attached_to": "INFORMATION_SESSION_REFERRAL"}
    assert len(journey.attach(**day_before, **wrong).words) == 4
    assert journey.attach(**day_before, **wrong).words == ["REFUSED ATTACHED_TO_INFORMATION_SESSION"]


def test_an_attachment_is_not_before_the_wp11() -> None:
    """P11: `attached_on` before the WP11's `issued_on`; the same day will do."""
    assert joining().attach(attached_on="2016-03-21").words == ["REFUSED ATTACHED_BEFORE_WP11"]
    assert joining().attach(attached_on="2016-03-22").words == ["notice ATTACHED", "APPLIED"]


def test_an_attachment_by_day_28_is_in_time() -> None:
    """T4, WP19 ¶12: for a referral of 14 March by 11 April, though the record comes later."""
    journey = joining()
    assert journey.tick("2016-04-12 00:00").words[-1] == "breach ATTACHMENT_LATE RAISED"
    came = journey.attach("2016-04-13 10:00", attached_on="2016-04-11")
    assert came.words == ["notice ATTACHED", "breach ATTACHMENT_LATE CLEARED", "APPLIED"]
    assert came.one(Breach).due_on == day("2016-04-11")
    assert journey.state.attachment_late == "CLEARED"


def test_an_attachment_after_day_28_is_late_but_made() -> None:
    """T4: a breach never changes what happens to the referral."""
    journey = joining()
    journey.tick("2016-04-12 00:00")
    assert journey.attach("2016-04-13 10:00", attached_on="2016-04-12").words == [
        "notice ATTACHED",
        "APPLIED",
    ]
    assert journey.state.status == "ATTACHED"
    assert journey.state.attachment_late == "RAISED"


@given(st.integers(0, 60))
def test_an_attachment_of_any_day_is_made_and_clears_where_it_was_in_time(days: int) -> None:
    """P11, T4: from the day of the WP11, here day 8, on; in time up to day 28."""
    journey = joining()
    journey.tick(journey.after(60))
    came = journey.attach(attached_on=journey.on(days))
    if days < 8:
        assert came.words == ["REFUSED ATTACHED_BEFORE_WP11"]
    else:
        cleared = ["breach ATTACHMENT_LATE CLEARED"] if days <= 28 else []
        assert came.words == ["notice ATTACHED", *cleared, "APPLIED"]


def test_a_refused_attachment_clears_nothing() -> None:
    """Deadlines: an outcome REFUSED clears nothing."""
    journey = joining()
    journey.tick("2016-04-12 00:00")
    assert journey.attach(attached_on="2016-03-21").words == ["REFUSED ATTACHED_BEFORE_WP11"]
    assert journey.state.attachment_late == "RAISED"
