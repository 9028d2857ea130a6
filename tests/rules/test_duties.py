"""What a provider has to do on a referral, and by when (T1, T2, T4, T6 and the instructions)."""

from typing import get_args

from gateway.rules.duties import RULE_OF_DUTY, Duty, DutyKind, duties
from gateway.rules.guidance import SAYS
from tests.rules.journey import END, Journey, accepted, booked, day, joining

#: D+15 and D+28 of 14 March.
SESSION_BY = day("2016-03-29")
ATTACH_BY = day("2016-04-11")
DELIVER = Duty("DELIVER_SESSION", SESSION_BY)
ANOTHER = Duty("ARRANGE_ALTERNATIVE_SESSION", SESSION_BY)
#: Two working days after 21 March.
RECORD = Duty("RECORD_OUTCOME", day("2016-03-23"), "S1")


def of(journey: Journey) -> list[Duty]:
    return [*duties(journey.state)]


def test_a_new_referral_is_to_be_accepted_and_a_session_delivered() -> None:
    journey = Journey()
    journey.refer()
    assert of(journey) == [Duty("ACCEPT_REFERRAL", day("2016-03-16")), DELIVER]
    journey.accept()
    assert of(journey) == [DELIVER]


def test_what_is_overdue_is_still_to_be_done() -> None:
    journey = Journey()
    journey.refer()
    before = of(journey)
    journey.tick("2016-04-01 10:00")
    assert of(journey) == before


def test_nothing_is_to_be_done_on_a_referral_that_was_rejected_or_has_not_started() -> None:
    journey = Journey()
    journey.refer()
    journey.reject()
    assert of(journey) == []
    late = accepted()
    late.tick(late.after(21))
    assert (late.state.status, of(late)) == ("CANCELLED", [])


def test_the_outcome_of_a_mandatory_session_is_to_be_recorded_until_it_is() -> None:
    journey = booked(mandatory=True)
    assert of(journey) == [DELIVER, RECORD]
    journey.tick("2016-03-28 10:00")
    assert of(journey) == [DELIVER, RECORD]
    journey.record("ATTENDED")
    assert of(journey) == []


def test_a_voluntary_session_has_no_limit_of_its_own() -> None:
    assert of(booked(mandatory=False)) == [DELIVER]


def test_an_alternative_is_to_be_arranged_until_one_is_booked() -> None:
    journey = booked(mandatory=True)
    journey.record("DID_NOT_ATTEND", at=END)
    assert of(journey) == [ANOTHER]
    # Good Friday and Easter Monday are no working days.
    journey.book("S2", starts="2016-03-24 10:00")
    assert of(journey) == [DELIVER, Duty("RECORD_OUTCOME", day("2016-03-30"), "S2")]


def test_a_failure_that_waits_is_to_be_confirmed() -> None:
    journey = accepted(mandatory=True)
    journey.book(told=False)
    journey.record("DID_NOT_ATTEND", at=END)
    assert of(journey) == [ANOTHER, Duty("CONFIRM_NOTIFICATION", day("2016-03-23"), "S1")]
    journey.confirm()
    assert of(journey) == [ANOTHER]


def test_of_a_special_record_no_outcome_is_to_be_recorded() -> None:
    journey = booked(mandatory=True)
    journey.refer(special_customer_record=True)
    assert of(journey) == [DELIVER]


def test_the_participant_is_to_be_attached_unless_that_is_on_hold() -> None:
    journey = joining()
    attach = Duty("UNDERTAKE_ATTACHMENT", ATTACH_BY)
    assert of(journey) == [attach]
    journey.appeal(pending=True)
    assert of(journey) == []
    journey.appeal(pending=False)
    assert of(journey) == [attach]
    journey.ask_for_alternative()
    assert of(journey) == [Duty("ARRANGE_ALTERNATIVE_SESSION", None), attach]
    journey.attach()
    assert of(journey) == []


def test_each_duty_has_its_paragraph() -> None:
    assert set(RULE_OF_DUTY) == set(get_args(DutyKind))
    assert set(RULE_OF_DUTY.values()) <= set(SAYS)
