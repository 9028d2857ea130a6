"""Jobcentre updates (rulebook: U1 to U4)."""

from typing import Any

import pytest

from gateway.rules.events import Instruction, SessionEvent
from tests.rules.journey import CLOSED, START, accepted, booked, instant, joining, referred

CANCELLED = "session CANCELLED GROUP_UNSUITABLE"


@pytest.mark.parametrize("closed", CLOSED)
def test_a_closed_referral_takes_no_update(closed: Any) -> None:
    """U1."""
    journey = closed()
    assert journey.ask_for_alternative().words == ["REFUSED REFERRAL_CLOSED"]
    assert journey.appeal(True).words == ["REFUSED REFERRAL_CLOSED"]
    assert journey.restrict("MAPPA").words == ["REFUSED REFERRAL_CLOSED"]
    assert (journey.state.appeal_pending, journey.state.restriction) == (False, None)


@pytest.mark.parametrize("mandatory", [True, False])
def test_the_jobcentre_may_ask_for_another_session(mandatory: bool) -> None:
    """U2, WP19 Mandatory participant does not attend: 'may contact you'; here for a voluntary one too."""
    came = referred(mandatory=mandatory).ask_for_alternative()
    assert came.words == ["instruction ARRANGE_ALTERNATIVE_SESSION", "APPLIED"]
    assert came.one(Instruction).session_id is None
    assert came.one(Instruction).due_on is None


def test_an_appeal_is_noted() -> None:
    """U3: the flag, and nothing is told."""
    journey = referred()
    assert journey.appeal(True).words == ["APPLIED"]
    assert journey.state.appeal_pending
    assert journey.appeal(False).words == ["APPLIED"]
    assert not journey.state.appeal_pending


def test_a_restriction_cancels_the_group_session_that_is_booked() -> None:
    """U4, GSG ¶28-33: consider other arrangements."""
    journey = booked()
    came = journey.restrict("SAFETY_MEASURES")
    assert came.words == [CANCELLED, "instruction OFFER_ONE_TO_ONE", "APPLIED"]
    assert came.one(Instruction).session_id == "S1"
    assert journey.session().cancelled
    assert journey.state.restriction == "SAFETY_MEASURES"


def test_a_restriction_lifted_cancels_nothing() -> None:
    """U4: a non-null one cancels."""
    journey = referred(group_session_restriction="MAPPA")
    assert journey.restrict(None).words == ["APPLIED"]
    assert journey.state.restriction is None
    journey.accept()
    journey.book()
    assert journey.restrict(None).words == ["APPLIED"]
    assert journey.session().open


def test_additional_needs_do_not_keep_people_out_of_a_group() -> None:
    """U4, P3, JSAGIS ¶17: 'integrated into mainstream groups'; the facilities are looked at."""
    journey = booked()
    assert journey.restrict("ADDITIONAL_NEEDS").words == ["APPLIED"]
    assert journey.session().open
    journey.cancel()
    assert journey.book("S2").words == ["session BOOKED", "APPLIED CHECK_FACILITIES"]
    journey = accepted(group_session_restriction="ADDITIONAL_NEEDS")
    assert journey.book(format="ONE_TO_ONE").words == ["session BOOKED", "APPLIED"]


def test_a_restriction_leaves_one_to_one_sessions() -> None:
    """U4: every GROUP session."""
    journey = booked(format="ONE_TO_ONE")
    assert journey.restrict("MAPPA").words == ["APPLIED"]
    assert journey.session().open


def test_a_restriction_leaves_a_session_that_has_started() -> None:
    """U4: not started at `at`; at its start it has started, a millisecond before it has not."""
    journey = booked()
    assert journey.restrict("MAPPA", START).words == ["APPLIED"]
    assert journey.session().open
    journey = booked()
    came = journey.restrict("MAPPA", instant(START) - 1)
    assert came.words == [CANCELLED, "instruction OFFER_ONE_TO_ONE", "APPLIED"]


def test_a_restriction_leaves_sessions_that_are_not_open() -> None:
    """U4: one that was cancelled before is not cancelled again."""
    journey = booked()
    journey.cancel()
    assert journey.restrict("MAPPA").words == ["APPLIED"]
    journey = booked(starts="2016-03-14 12:00")
    journey.record("ATTENDED", "2016-03-14 13:00")
    assert journey.restrict("MAPPA").words == ["APPLIED"]
    assert not journey.session().cancelled


def test_of_several_group_sessions_the_one_booked_last_is_named() -> None:
    """U4: all are cancelled; the instruction names one. Two are open where one can't be attended."""
    journey = accepted()
    journey.book("S1", starts="2016-03-23 10:00")
    journey.cannot_attend("S1")
    journey.book("S2", starts="2016-03-22 10:00")
    came = journey.restrict("SAFETY_MEASURES")
    assert came.words == [CANCELLED, CANCELLED, "instruction OFFER_ONE_TO_ONE", "APPLIED"]
    assert [event.session_id for event in came if isinstance(event, SessionEvent)] == ["S1", "S2"]
    assert came.one(Instruction).session_id == "S2"
    assert journey.session("S1").cancelled
    assert journey.session("S2").cancelled


def test_a_joining_referral_takes_updates() -> None:
    """U1: closed is ATTACHED, CANCELLED or REJECTED."""
    assert joining().ask_for_alternative().outcome.status == "APPLIED"
