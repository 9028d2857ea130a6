"""Sessions booked, changed, cancelled, and what stands against them (rulebook: P3, P4, P5, P7, P9)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.events import Instruction, Notice, SanctionNotification, SessionEvent
from gateway.rules.messages import Participant
from tests.rules.journey import (
    CLOSED,
    END,
    MINUTE,
    START,
    accepted,
    attached,
    booked,
    cancelled,
    day_at,
    instant,
    joining,
    referred,
    rejected,
    start_of,
)

ANOTHER = "instruction ARRANGE_ALTERNATIVE_SESSION"

# P3 SessionBooked.


def test_a_session_is_booked() -> None:
    """P3, WP19 ¶1: 'make contact with them to arrange the Information Session'."""
    journey = accepted()
    assert journey.book(told="2016-03-14 09:30").words == ["session BOOKED", "APPLIED"]
    session = journey.session()
    assert (session.session_name, session.location, session.format) == (
        "Your Work Programme",
        "Leeds",
        "GROUP",
    )
    assert (session.starts_at, session.duration_minutes) == (instant(START), 60)
    assert session.notified_at == instant("2016-03-14 09:30")
    assert (session.attempt, session.outcome, session.open) == (0, None, True)


@pytest.mark.parametrize("closed", [rejected, attached])
def test_an_attached_or_rejected_referral_takes_no_booking_and_no_change(closed: Any) -> None:
    """P3, P4: closed comes first; of an unknown session too."""
    assert closed().book("S2", starts="2016-04-20 10:00").words == ["REFUSED REFERRAL_CLOSED"]
    assert closed().change("S9").words == ["REFUSED REFERRAL_CLOSED"]


def test_after_the_21_days_a_session_may_still_be_booked_and_changed() -> None:
    """P3, P4, WP19 ¶7, ¶27: 'you can still continue to engage with them'; nobody has to come any more."""
    journey = cancelled(mandatory=True)
    journey.cancel()
    came = journey.book("S2", starts="2016-04-20 10:00", told=False)
    late = "REFERRAL_CANCELLED SESSION_AFTER_15_DAYS SESSION_AFTER_21_DAYS"
    assert came.words == ["session BOOKED", f"APPLIED {late}"]
    assert came.one(SessionEvent).requirement == "VOLUNTARY"
    came = journey.change("S2", starts="2016-04-21 10:00", told=False)
    assert came.words == ["session CHANGED", f"APPLIED {late}"]
    assert journey.record("DID_NOT_ATTEND", "2016-04-21 12:00", session_id="S2").words == ["APPLIED"]
    assert journey.correct("ATTENDED", session_id="S2").words == ["attendance ATTENDED", "APPLIED"]
    assert journey.reimburse("S2").words == ["APPLIED"]


def test_the_jobcentre_hears_of_a_booking() -> None:
    """P3: for its diary and the Workplan, all that the claimant needs to know."""
    journey = accepted(mandatory=True)
    event = journey.book(told="2016-03-14 09:30", minutes=45).one(SessionEvent)
    assert (event.change, event.because, event.requirement) == ("BOOKED", None, "MANDATORY")
    assert (event.session_id, event.session_name, event.format) == ("S1", "Your Work Programme", "GROUP")
    assert (event.starts_at, event.duration_minutes, event.location) == (instant(START), 45, "Leeds")
    assert event.notified_at == instant("2016-03-14 09:30")
    assert (event.provider_id, event.jobcentre_id) == ("PRV01", "JCP-LEEDS")


def test_a_referral_is_accepted_before_a_session_is_booked() -> None:
    """P3, WP19 ¶3."""
    assert referred().book().words == ["REFUSED REFERRAL_NOT_ACCEPTED"]


def test_a_session_is_booked_once() -> None:
    """P3: but again where it was cancelled since; with an outcome it is not cancelled."""
    journey = booked()
    assert journey.book().words == ["REFUSED SESSION_ALREADY_BOOKED"]
    journey.record("ATTENDED")
    assert journey.book().words == ["REFUSED SESSION_ALREADY_BOOKED"]


def test_a_cancelled_session_can_be_booked_again() -> None:
    """P3: replaced with all that was known of it but its expenses; a new place in the order of booking."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.reimburse()
    journey.cancel()
    journey.book("S2")
    journey.cancel("S2")
    came = journey.book("S1", starts="2016-03-24 10:00")
    assert came.words == ["session BOOKED", "APPLIED"]
    assert [session.session_id for session in journey.state.sessions] == ["S2", "S1"]
    assert (journey.session().cannot_attend, journey.session().open) == (None, True)
    assert [expense.session_id for expense in journey.state.expenses] == ["S1"]
    assert "notification RAISED" not in journey.tick("2016-03-24 12:00").words


def test_a_session_that_is_owed_can_not_be_booked_again() -> None:
    """P3: until the provider cancels it too, or nothing can come of it any more."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.cancel(cause="PARTICIPANT")
    assert journey.book("S1").words == ["REFUSED SESSION_ALREADY_BOOKED"]
    assert journey.book("S2", starts="2016-03-22 10:00").words == ["session BOOKED", "APPLIED"]
    journey.cancel("S2")
    assert journey.cancel().words == ["session CANCELLED PROVIDER", "APPLIED"]
    assert journey.book("S1").words == ["session BOOKED", "APPLIED"]


def test_a_session_that_was_attended_before_is_advised_about() -> None:
    """P3: ALREADY_ATTENDED, but not of a change."""
    journey = booked(starts="2016-03-14 12:00")
    journey.record("ATTENDED", "2016-03-14 13:00")
    assert journey.book("S2").words == ["session BOOKED", "APPLIED ALREADY_ATTENDED"]
    assert journey.change("S2").words == ["session CHANGED", "APPLIED"]


def test_one_session_is_booked_at_a_time() -> None:
    """P3, UCGS Booking: 'Claimants can only be booked onto 1 group session at the same time.'"""
    assert booked().book("S2").words == ["REFUSED ANOTHER_SESSION_BOOKED"]
    assert booked(format="ONE_TO_ONE").book("S2").words == ["REFUSED ANOTHER_SESSION_BOOKED"]


def test_a_session_with_an_outcome_is_not_in_the_way() -> None:
    """P3, WP19 ¶8: an alternative date is offered."""
    journey = booked()
    journey.record("DID_NOT_ATTEND")
    assert journey.book("S2", starts="2016-03-24 10:00").words == ["session BOOKED", "APPLIED"]


def test_a_cancelled_session_is_not_in_the_way() -> None:
    """P3."""
    journey = booked()
    journey.cancel()
    assert journey.book("S2").words == ["session BOOKED", "APPLIED"]


def test_a_session_that_can_not_be_attended_is_not_in_the_way() -> None:
    """UCGS Claimant cannot attend: 'can then be booked onto a different session'."""
    journey = booked()
    journey.cannot_attend()
    assert journey.book("S2").words == ["session BOOKED", "APPLIED"]
    assert journey.book("S3").words == ["REFUSED ANOTHER_SESSION_BOOKED"]


def test_a_session_is_not_before_the_referral() -> None:
    """P3: London's date counts; the day of the referral is early enough, though before it came."""
    journey = accepted()
    assert journey.book("S1", starts="2016-03-13 23:59:59.999").words == ["REFUSED SESSION_BEFORE_REFERRAL"]
    assert journey.book("S1", starts="2016-03-14 00:00").outcome.status == "APPLIED"


def test_in_summer_the_referrals_day_begins_at_23_00_utc() -> None:
    """P3: the same in British Summer Time."""
    journey = accepted(referred_on="2016-06-06")
    assert journey.book("S1", starts="2016-06-05T22:59:59.999Z").words == ["REFUSED SESSION_BEFORE_REFERRAL"]
    assert journey.book("S1", starts="2016-06-05T23:00:00Z").outcome.status == "APPLIED"


def test_a_session_lasts_at_least_a_minute() -> None:
    """P3."""
    journey = accepted()
    assert journey.book("S1", minutes=0).words == ["REFUSED INVALID_DURATION"]
    assert journey.book("S1", minutes=-1).words == ["REFUSED INVALID_DURATION"]
    assert journey.book("S1", minutes=1).words == ["session BOOKED", "APPLIED"]


def test_a_restricted_participant_is_not_put_in_a_group() -> None:
    """P3, UCGS Identifying suitable claimants: 'are not suitable for group sessions'."""
    journey = accepted(group_session_restriction="SAFETY_MEASURES")
    came = journey.book()
    assert came.words == ["instruction OFFER_ONE_TO_ONE", "REFUSED GROUP_SESSION_UNSUITABLE"]
    assert came.one(Instruction).session_id == "S1"
    assert journey.book("S1", format="ONE_TO_ONE").words == ["session BOOKED", "APPLIED"]


def test_a_session_is_to_be_within_15_days() -> None:
    """P3, WP19 ¶2: for a referral of 14 March by 29 March; later ones are booked, with an advisory."""
    assert accepted().book(starts="2016-03-29 23:59:59.999").words == ["session BOOKED", "APPLIED"]
    assert accepted().book(starts="2016-03-30 00:00").words == [
        "session BOOKED",
        "APPLIED SESSION_AFTER_15_DAYS",
    ]


def test_a_session_after_21_days_is_after_the_cancellation() -> None:
    """P3, WP19 ¶9: for a referral of 14 March after 4 April."""
    assert accepted().book(starts="2016-04-04 23:59:59.999").words == [
        "session BOOKED",
        "APPLIED SESSION_AFTER_15_DAYS",
    ]
    assert accepted().book(starts="2016-04-05 00:00").words == [
        "session BOOKED",
        "APPLIED SESSION_AFTER_15_DAYS SESSION_AFTER_21_DAYS",
    ]


def test_a_session_is_no_longer_than_an_hour() -> None:
    """P3, JSAGIS ¶18: 'no more than an hour'."""
    assert accepted().book(minutes=60).words == ["session BOOKED", "APPLIED"]
    assert accepted().book(minutes=61).words == ["session BOOKED", "APPLIED LONGER_THAN_AN_HOUR"]


def test_where_an_interpreter_is_needed_a_session_may_be_longer() -> None:
    """P3, GSG ¶40: 'consider extending the length of the group session'."""
    journey = accepted(participant=Participant(interpreter_needed=True))
    assert journey.book(minutes=90).words == ["session BOOKED", "APPLIED"]


def test_a_mandatory_participant_is_to_be_told() -> None:
    """P3, UCGS Mandating: the details must be discussed for the session to be mandatory."""
    assert accepted(mandatory=True).book(told=False).words == [
        "session BOOKED",
        "APPLIED PARTICIPANT_NOT_NOTIFIED",
    ]
    assert accepted(mandatory=True).book(told=True).words == ["session BOOKED", "APPLIED"]
    assert accepted(mandatory=False).book(told=False).words == ["session BOOKED", "APPLIED"]


def test_advisories_come_in_the_order_listed() -> None:
    """P3."""
    came = accepted(mandatory=True).book(starts="2016-04-10 10:00", minutes=90, told=False)
    assert came.outcome.advisories == (
        "SESSION_AFTER_15_DAYS",
        "SESSION_AFTER_21_DAYS",
        "LONGER_THAN_AN_HOUR",
        "PARTICIPANT_NOT_NOTIFIED",
    )


@given(days=st.integers(-3, 40), minutes=st.integers(-2, 200), mandatory=st.booleans(), told=st.booleans())
def test_a_booking_is_judged_by_its_day_its_length_and_whether_the_participant_was_told(
    days: int, minutes: int, mandatory: bool, told: bool
) -> None:
    """P3, for any session."""
    journey = accepted(mandatory=mandatory)
    outcome = journey.book(
        starts=start_of(journey.on(days)) + 600 * MINUTE, minutes=minutes, told=told
    ).outcome
    if days < 0:
        assert outcome.code == "SESSION_BEFORE_REFERRAL"
    elif minutes < 1:
        assert outcome.code == "INVALID_DURATION"
    else:
        assert ("SESSION_AFTER_15_DAYS" in outcome.advisories) == (days >= 16)
        assert ("SESSION_AFTER_21_DAYS" in outcome.advisories) == (days >= 22)
        assert ("LONGER_THAN_AN_HOUR" in outcome.advisories) == (minutes >= 61)
        # Told at 10:02 of a session at 10:00 on day 0 is told too late.
        untold = mandatory and not (told and days > 0)
        assert ("PARTICIPANT_NOT_NOTIFIED" in outcome.advisories) == untold


def test_the_checks_of_a_booking_are_made_from_left_to_right() -> None:
    """P3: one fault is mended after another."""
    journey = referred(group_session_restriction="MAPPA")
    bad: dict[str, Any] = {"starts": "2016-03-13 10:00", "minutes": 0}
    assert journey.book("S1", **bad).outcome.code == "REFERRAL_NOT_ACCEPTED"
    journey.accept()
    journey.book("S1", format="ONE_TO_ONE")
    assert journey.book("S1", **bad).outcome.code == "SESSION_ALREADY_BOOKED"
    assert journey.book("S2", **bad).outcome.code == "ANOTHER_SESSION_BOOKED"
    journey.cancel("S1")
    assert journey.book("S2", **bad).outcome.code == "SESSION_BEFORE_REFERRAL"
    assert journey.book("S2", minutes=0).outcome.code == "INVALID_DURATION"
    assert journey.book("S2").outcome.code == "GROUP_SESSION_UNSUITABLE"


def test_sessions_are_known_per_referral() -> None:
    """Words: a group's session_id is shared by many referrals."""
    assert booked(po_number="PO1").session().session_id == booked(po_number="PO2").session().session_id


# P4 SessionChanged.


def test_a_session_is_changed() -> None:
    """P4, UCGS Mandating: 'the claimant can be rebooked on to the new session'."""
    journey = booked(mandatory=True)
    came = journey.change(starts="2016-03-24 14:00", minutes=45, told="2016-03-14 10:01")
    assert came.words == ["session CHANGED", "APPLIED"]
    assert (came.one(SessionEvent).starts_at, came.one(SessionEvent).location) == (
        instant("2016-03-24 14:00"),
        "York",
    )
    session = journey.session()
    assert (session.starts_at, session.duration_minutes) == (instant("2016-03-24 14:00"), 45)
    assert (session.location, session.notified_at) == ("York", instant("2016-03-14 10:01"))
    assert (session.session_name, session.format) == ("Your Work Programme", "GROUP")


def test_a_mandatory_session_is_cancelled_where_the_participant_can_not_be_told_of_the_change() -> None:
    """P4, UCGS Mandating: 'must be cancelled if any details … changes and the agent is unable to contact'."""
    journey = booked(mandatory=True)
    came = journey.change(told=False, starts="2016-04-20 10:00", minutes=90)
    assert came.words == [
        "session CANCELLED UNCONTACTABLE",
        "instruction ARRANGE_ALTERNATIVE_SESSION",
        "APPLIED SESSION_CANCELLED_UNCONTACTABLE",
    ]
    assert came.one(Instruction).session_id == "S1"
    event = came.one(SessionEvent)
    assert (event.starts_at, event.location, event.because) == (instant(START), "Leeds", "UNCONTACTABLE")
    assert journey.record("DID_NOT_ATTEND", "2016-04-20 12:00").words == ["REFUSED SESSION_CANCELLED"]


def test_a_voluntary_session_is_changed_without_the_participant() -> None:
    """P4: voluntary and `notified_at` null is the other case."""
    journey = booked(mandatory=False)
    assert journey.change(told=False).words == ["session CHANGED", "APPLIED"]
    assert journey.session().notified_at is None
    assert journey.session().open


def test_a_changed_session_has_the_advisories_of_a_booking() -> None:
    """P4: as P3."""
    came = booked().change(starts="2016-04-10 10:00", minutes=61)
    assert came.outcome.advisories == (
        "SESSION_AFTER_15_DAYS",
        "SESSION_AFTER_21_DAYS",
        "LONGER_THAN_AN_HOUR",
    )


def test_only_an_open_session_is_changed() -> None:
    """P4: known, not cancelled, without an outcome."""
    journey = booked()
    assert journey.change("S9").words == ["REFUSED UNKNOWN_SESSION"]
    journey.cancel()
    assert journey.change().words == ["REFUSED SESSION_NOT_OPEN"]
    journey = booked()
    journey.record("ATTENDED")
    assert journey.change().words == ["REFUSED SESSION_NOT_OPEN"]


def test_a_session_that_has_started_is_not_changed() -> None:
    """P4: `at` before `starts_at` as it stood, to the millisecond."""
    assert booked().change(at=instant(START) - 1).words == ["session CHANGED", "APPLIED"]
    assert booked().change(at=START).words == ["REFUSED SESSION_ALREADY_STARTED"]


def test_a_session_is_not_moved_before_the_referral() -> None:
    """P4, WP19 ¶8-9."""
    assert booked().change(starts="2016-03-13 23:59").words == ["REFUSED SESSION_BEFORE_REFERRAL"]
    assert booked().change(starts="2016-03-14 00:00").words == ["session CHANGED", "APPLIED"]


def test_a_changed_session_lasts_at_least_a_minute() -> None:
    """P4."""
    assert booked().change(minutes=0).words == ["REFUSED INVALID_DURATION"]
    assert booked().change(minutes=1).words == ["session CHANGED", "APPLIED"]


def test_the_checks_of_a_change_are_made_from_left_to_right() -> None:
    """P4: SESSION_ALREADY_STARTED, then SESSION_BEFORE_REFERRAL, then INVALID_DURATION."""
    bad: dict[str, Any] = {"starts": "2016-03-13 10:00", "minutes": 0}
    assert booked(mandatory=True).change(at=START, **bad).outcome.code == "SESSION_ALREADY_STARTED"
    assert booked(mandatory=True).change(**bad, told=False).outcome.code == "SESSION_BEFORE_REFERRAL"
    assert booked(mandatory=True).change(minutes=0, told=False).outcome.code == "INVALID_DURATION"
    journey = booked(starts="2016-03-15 10:00")
    journey.cancel()
    assert journey.change(at=START, **bad).outcome.code == "SESSION_NOT_OPEN"


def test_a_change_makes_an_earlier_reason_count_no_longer() -> None:
    """P4: the participant was told of the new time; what they said of the old one is no failure."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    assert journey.change(starts="2016-03-22 10:00").outcome.advisories == ("CANNOT_ATTEND_DROPPED",)
    assert journey.change(starts="2016-03-22 10:00").outcome.advisories == ()
    assert journey.tick("2016-03-23 10:00").words == []
    assert journey.session().cannot_attend is None


def test_a_session_is_not_changed_into_the_way_of_another() -> None:
    """P4: another is expected, though this one can't be attended."""
    journey = booked()
    journey.cannot_attend()
    journey.book("S2", starts="2016-03-22 10:00")
    assert journey.change("S1").words == ["REFUSED ANOTHER_SESSION_BOOKED"]
    assert journey.change("S2", starts="2016-03-23 10:00").words == ["session CHANGED", "APPLIED"]


def test_a_changed_session_stands_in_the_way_again() -> None:
    """P4, Words: the CannotAttend no longer counts."""
    journey = booked()
    journey.cannot_attend()
    journey.change()
    assert journey.book("S2").words == ["REFUSED ANOTHER_SESSION_BOOKED"]


def test_the_end_of_a_changed_session_is_new() -> None:
    """P4, P7: F2 comes once per booked time; after a change, again."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.change(starts="2016-03-22 10:00", minutes=30)
    journey.cannot_attend(reason="ill")
    assert journey.tick(instant("2016-03-22 10:30") - 1).words == []
    assert journey.tick("2016-03-22 10:30").words == ["notification RAISED"]


# P5 SessionCancelled.


def test_a_session_is_cancelled() -> None:
    """P5: no failure can follow."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    assert journey.cancel().words == ["session CANCELLED PROVIDER", "APPLIED"]
    assert journey.tick("2016-03-25 10:00").words == []


def test_only_an_open_session_is_cancelled() -> None:
    """P5."""
    journey = booked()
    assert journey.cancel("S9").words == ["REFUSED UNKNOWN_SESSION"]
    journey.cancel()
    assert journey.cancel().words == ["REFUSED SESSION_NOT_OPEN"]
    journey = booked()
    journey.record("DID_NOT_ATTEND")
    assert journey.cancel().words == ["REFUSED SESSION_NOT_OPEN"]


@pytest.mark.parametrize("closed", [closed for closed in CLOSED if closed.__name__ != "rejected"])
def test_a_session_of_a_closed_referral_is_cancelled(closed: Any) -> None:
    """P5: also on a closed referral."""
    journey = closed(starts="2016-04-10 10:00")
    assert journey.cancel().words == ["session CANCELLED PROVIDER", "APPLIED"]
    assert journey.session().cancelled


def test_a_cancellation_after_the_end_withdraws_what_f2_raised() -> None:
    """P5: an active notification is WITHDRAWN."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.tick("2016-03-21 12:00")
    came = journey.cancel()
    assert came.words == ["session CANCELLED PROVIDER", "notification WITHDRAWN", "APPLIED"]
    assert journey.session().notification is None


def test_a_cancellation_drops_a_failure_that_waits() -> None:
    """P5: the proof that comes later raises nothing."""
    journey = booked(mandatory=True, told=False)
    journey.cannot_attend()
    assert journey.tick("2016-03-21 12:00").words == ["instruction CONFIRM_NOTIFICATION"]
    assert journey.cancel().words == ["session CANCELLED PROVIDER", "APPLIED"]
    assert journey.confirm().words == ["REFUSED SESSION_CANCELLED"]
    assert not journey.session().failure_waits


def test_what_was_said_beforehand_is_referred_though_the_session_is_cancelled_for_them() -> None:
    """P5, F2, UCGS Claimant cannot attend: 'this must be referred to a decision maker', after the session."""
    journey = booked(mandatory=True)
    journey.cannot_attend(reason="funeral")
    came = journey.cancel(cause="PARTICIPANT")
    assert came.words == ["session CANCELLED PARTICIPANT", "APPLIED"]
    assert journey.tick(instant(END) - 1).words == []
    note = journey.tick(END).one(SanctionNotification)
    assert (note.failure, note.reason_given) == ("CANNOT_ATTEND", "funeral")
    assert journey.cancel(cause="PARTICIPANT").words == ["REFUSED SESSION_NOT_OPEN"]


def test_a_cancellation_for_the_participant_leaves_what_was_raised_and_what_waits() -> None:
    """P5: an active notification and a waiting failure stay; the provider's own cancellation ends them."""
    raised = booked(mandatory=True)
    raised.cannot_attend()
    raised.tick(END)
    assert raised.cancel(cause="PARTICIPANT").words == ["session CANCELLED PARTICIPANT", "APPLIED"]
    assert raised.cancel().words == ["session CANCELLED PROVIDER", "notification WITHDRAWN", "APPLIED"]
    waits = booked(mandatory=True, told=False)
    waits.cannot_attend()
    waits.tick(END)
    waits.cancel(cause="PARTICIPANT")
    assert waits.confirm().words == ["notification RAISED", "APPLIED"]


def test_who_comes_after_all_has_attended() -> None:
    """P8: ATTENDED at an owed session, which counts as not cancelled from then on; no other outcome."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.cancel(cause="PARTICIPANT")
    assert journey.record("DID_NOT_ATTEND", END).words == ["REFUSED SESSION_CANCELLED"]
    came = journey.record("ATTENDED")
    assert came.words == ["attendance ATTENDED", "notification WITHDRAWN", "APPLIED"]
    assert not journey.session().cancelled
    voluntary = booked()
    voluntary.cannot_attend()
    voluntary.cancel(cause="PARTICIPANT")
    assert voluntary.record("ATTENDED").words == ["REFUSED SESSION_CANCELLED"]


def test_who_said_nothing_beforehand_is_not_referred() -> None:
    """P5: advisory NO_REASON_RECORDED of a mandatory participant; no failure can follow."""
    journey = booked(mandatory=True)
    came = journey.cancel(cause="PARTICIPANT")
    assert came.words == ["session CANCELLED PARTICIPANT", "APPLIED NO_REASON_RECORDED"]
    assert "notification RAISED" not in journey.tick("2016-04-01 10:00").words
    assert journey.confirm().words == ["REFUSED SESSION_CANCELLED"]
    assert booked().cancel(cause="PARTICIPANT").outcome.advisories == ()


@pytest.mark.parametrize("mandatory", [True, False])
def test_once_it_has_started_nobody_who_said_nothing_calls_a_session_off(mandatory: bool) -> None:
    """P5: record the outcome instead; who had said something, or the provider, may."""
    started = ["REFUSED SESSION_ALREADY_STARTED"]
    assert booked(mandatory=mandatory).cancel(at=START, cause="PARTICIPANT").words == started
    early = booked(mandatory=mandatory).cancel(at=instant(START) - 1, cause="PARTICIPANT")
    assert early.outcome.status == "APPLIED"
    assert booked(mandatory=mandatory).cancel(at=START).outcome.status == "APPLIED"
    said = booked(mandatory=mandatory)
    said.cannot_attend()
    assert said.cancel(at=START, cause="PARTICIPANT").outcome.status == "APPLIED"


# P13 AlternativeSessionNotPossible.


def test_the_jobcentre_hears_that_no_other_session_is_possible() -> None:
    """P13, WP19 Mandatory participant does not attend: 'If you are unable to'; asked for, and then once."""
    journey = booked()
    assert journey.no_alternative().words == ["REFUSED NO_ALTERNATIVE_REQUESTED"]
    journey.ask_for_alternative()
    came = journey.no_alternative(told_at=journey.now)
    assert came.words == ["notice ALTERNATIVE_NOT_POSSIBLE", "APPLIED"]
    assert came.one(Notice).on == day_at(journey.now)
    assert journey.no_alternative().words == ["REFUSED NO_ALTERNATIVE_REQUESTED"]


def test_another_session_is_asked_for_until_one_is_booked_or_attended() -> None:
    """Words: an outcome ATTENDED, by P8 or P10; a booking that is APPLIED."""
    journey = booked()
    journey.record("DID_NOT_ATTEND")
    journey.book("S2", starts="2016-03-22 10:00")
    assert journey.no_alternative().words == ["REFUSED NO_ALTERNATIVE_REQUESTED"]
    journey = booked()
    journey.record("DID_NOT_ATTEND")
    journey.book("S1")
    assert journey.no_alternative().outcome.status == "APPLIED"
    journey = booked()
    journey.ask_for_alternative()
    journey.record("ATTENDED")
    assert journey.no_alternative().words == ["REFUSED NO_ALTERNATIVE_REQUESTED"]
    journey = booked()
    journey.record("DID_NOT_ATTEND")
    journey.correct("ATTENDED")
    assert journey.no_alternative().words == ["REFUSED NO_ALTERNATIVE_REQUESTED"]


@pytest.mark.parametrize("closed", CLOSED)
def test_of_a_closed_referral_no_other_session_is_asked_for(closed: Any) -> None:
    """P13."""
    assert closed().no_alternative().words == ["REFUSED REFERRAL_CLOSED"]


# P7 CannotAttend.


def test_a_reason_given_beforehand_is_kept() -> None:
    """P7, UCGS Claimant cannot attend: the newest reason; nothing is told before the session."""
    journey = booked(mandatory=True)
    assert journey.cannot_attend(reason="ill").words == ["session CANNOT_ATTEND", ANOTHER, "APPLIED"]
    assert journey.cannot_attend(reason="").words == ["session CANNOT_ATTEND", "APPLIED"]
    assert journey.session().cannot_attend == ""


def test_who_can_not_attend_is_offered_another_session_once() -> None:
    """P7: OPEN, the first of this booked time, and no session expected; of the session that was booked."""
    journey = booked()
    came = journey.cannot_attend()
    assert (came.one(Instruction).instruction, came.one(Instruction).session_id) == (
        "ARRANGE_ALTERNATIVE_SESSION",
        "S1",
    )
    journey.change()
    assert ANOTHER in journey.cannot_attend().words
    journey.change()
    other = journey.session("S1")
    assert other.expected
    assert ANOTHER not in joining(starts="2016-03-24 10:00").cannot_attend().words
    two = booked()
    two.cannot_attend()
    two.book("S2")
    two.change("S2")
    two.cannot_attend("S2")
    assert two.out.words.count(ANOTHER) == 2


def test_only_of_an_open_session_can_be_said_that_they_can_not_attend() -> None:
    """P7."""
    journey = booked()
    assert journey.cannot_attend("S9").words == ["REFUSED UNKNOWN_SESSION"]
    journey.cancel()
    assert journey.cannot_attend().words == ["REFUSED SESSION_NOT_OPEN"]


def test_a_reason_is_given_before_the_start() -> None:
    """P7: `given_at` before `starts_at`, to the millisecond; the message may come later."""
    journey = booked()
    assert journey.cannot_attend(at=START, given_at=START).words == ["REFUSED SESSION_ALREADY_STARTED"]
    assert journey.cannot_attend(given_at=instant(START) - 1).outcome.status == "APPLIED"


def test_the_checks_of_a_reason_are_made_from_left_to_right() -> None:
    """P7: SESSION_NOT_OPEN before SESSION_ALREADY_STARTED."""
    journey = booked()
    journey.record("DID_NOT_ATTEND")
    assert journey.cannot_attend().words == ["REFUSED SESSION_NOT_OPEN"]


def test_a_reason_is_taken_on_a_closed_referral() -> None:
    """P7: also on a closed referral; a session that began after it was closed is no failure."""
    journey = joining(mandatory=True, starts="2016-03-24 10:00")
    journey.attach("2016-03-23 10:00")
    assert journey.cannot_attend().words == ["session CANNOT_ATTEND", "APPLIED"]
    assert journey.tick("2016-03-25 10:00").words == []


# P9 GroupObjection.


def test_an_objection_ends_the_group_session_and_one_to_one_is_offered() -> None:
    """P9, UCGS Booking: 'they must be offered an alternative … such as a face-to face appointment'."""
    journey = booked()
    came = journey.object_to_group()
    assert came.words == [
        "session CANCELLED GROUP_UNSUITABLE",
        *["instruction OFFER_ONE_TO_ONE", "APPLIED"],
    ]
    assert came.one(Instruction).session_id == "S1"
    assert journey.state.restriction == "OBJECTION"
    assert journey.book("S2").words == ["instruction OFFER_ONE_TO_ONE", "REFUSED GROUP_SESSION_UNSUITABLE"]


def test_one_to_one_is_offered_even_where_nothing_was_booked() -> None:
    """P9: always."""
    journey = referred()
    came = journey.object_to_group()
    assert came.words == ["instruction OFFER_ONE_TO_ONE", "APPLIED"]
    assert came.one(Instruction).session_id is None
    assert journey.object_to_group().words == ["instruction OFFER_ONE_TO_ONE", "APPLIED"]


def test_an_objection_does_not_replace_another_restriction() -> None:
    """P9: OBJECTION if there was none, or ADDITIONAL_NEEDS."""
    for before, after in (("MAPPA", "MAPPA"), ("ADDITIONAL_NEEDS", "OBJECTION")):
        journey = referred(group_session_restriction=before)
        journey.object_to_group()
        assert journey.state.restriction == after


def test_an_objection_leaves_a_session_that_has_started() -> None:
    """P9: open and not started at `at`."""
    journey = booked()
    assert journey.object_to_group(START).one(Instruction).session_id is None
    assert journey.session().open
    journey = booked()
    assert journey.object_to_group(instant(START) - 1).one(Instruction).session_id == "S1"


@pytest.mark.parametrize("closed", CLOSED)
def test_a_closed_referral_takes_no_objection(closed: Any) -> None:
    """P9."""
    assert closed().object_to_group().words == ["REFUSED REFERRAL_CLOSED"]


def test_a_session_is_dated_by_londons_clock() -> None:
    """Words: 23:30 UTC on a summer's day is the next day in London."""
    journey = accepted(referred_on="2016-06-01")
    came = journey.book(starts="2016-06-16T22:59:59.999Z")
    assert came.words == ["session BOOKED", "APPLIED"]
    assert journey.session().on == day_at(instant("2016-06-16T22:59:59Z"))
    journey.cancel()
    assert journey.book("S2", starts="2016-06-16T23:00:00Z").words == [
        "session BOOKED",
        "APPLIED SESSION_AFTER_15_DAYS",
    ]


def test_the_notification_after_a_change_names_the_new_time_and_place() -> None:
    """P4, F1: what the participant was told last."""
    journey = booked(mandatory=True)
    journey.change(starts="2016-03-22 10:00", location="Hull", told="2016-03-15 12:00", at="2016-03-15 12:00")
    note = journey.record("DID_NOT_ATTEND", "2016-03-22 11:00").one(SanctionNotification)
    assert (note.location, note.session_starts_at) == ("Hull", instant("2016-03-22 10:00"))
    assert note.requirement_notified_at == instant("2016-03-15 12:00")
