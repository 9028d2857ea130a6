"""WP11: the participant joins the Work Programme (rulebook: W1 to W8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.events import Instruction
from gateway.rules.messages import ClaimantGroup
from tests.rules.journey import (
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

WRAG: list[ClaimantGroup] = [
    "ESA_IR_WRAG_OVER_12_MONTHS",
    "ESA_C_WRAG",
    "ESA_IR_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_IR_EX_IB_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_C_WRAG_CHILD_UNDER_3_OR_CARER",
]
OTHERS: list[ClaimantGroup] = [
    "ESA_IR_LONE_PARENT_CHILD_3_OR_4",
    "ESA_IR_SUPPORT_GROUP",
    "ESA_IR_EX_IB_SUPPORT_GROUP",
    "ESA_C_SUPPORT_GROUP",
    "ESA_C_EX_IB_SUPPORT_GROUP",
    "ESA_CREDITS_ONLY",
]


def test_a_wp11_of_one_who_attended_lets_the_provider_attach() -> None:
    """WP19 ¶5, ¶12: the usual way; attachment is due within 28 days of the referral."""
    journey = booked()
    journey.record("ATTENDED")
    came = journey.wp11("2016-03-22 10:00")
    assert came.words == ["instruction UNDERTAKE_ATTACHMENT", "APPLIED"]
    assert came.one(Instruction).due_on == day("2016-04-11")
    assert journey.state.status == "JOINING"


def test_one_who_attended_no_session_may_join_too() -> None:
    """WP19 ¶7: voluntary participants may join without having come. An advisory says so."""
    assert booked().wp11().outcome.advisories == ("WP11_WITHOUT_ATTENDANCE",)


def test_a_session_corrected_to_attended_counts() -> None:
    """Attended means that the outcome of some session is ATTENDED now."""
    journey = booked()
    journey.record("DID_NOT_ATTEND")
    journey.correct("ATTENDED")
    assert journey.wp11().outcome.advisories == ()
    journey = booked()
    journey.record("ATTENDED")
    journey.correct("DID_NOT_ATTEND")
    assert journey.wp11().outcome.advisories == ("WP11_WITHOUT_ATTENDANCE",)


def test_a_session_attended_after_15_days_counts() -> None:
    """Attended: of whatever date."""
    journey = booked(starts="2016-03-31 10:00")
    journey.record("ATTENDED", "2016-03-31 11:00")
    assert journey.wp11().outcome.advisories == ()


def test_one_who_does_not_want_to_join_gets_no_wp11() -> None:
    """W1, WP19 ¶11: it is only issued for those who want to join."""
    assert booked().wp11(wants_to_join=False).words == ["REFUSED DOES_NOT_WANT_TO_JOIN"]


def test_the_interview_is_not_before_the_referral() -> None:
    """W2: D itself is early enough."""
    assert booked().wp11(interview_on="2016-03-13").words == ["REFUSED INTERVIEW_BEFORE_REFERRAL"]
    assert booked().wp11(interview_on="2016-03-14").outcome.status == "APPLIED"


def test_the_interview_is_on_day_21_at_the_latest() -> None:
    """W3, WP19 ¶12: for a referral of 14 March by 4 April; one accepted before the deadline, too."""
    on_time = booked().wp11("2016-04-04 23:59:59.999", interview_on="2016-04-04")
    assert on_time.outcome.status == "APPLIED"
    late = booked().wp11("2016-04-05 09:00", interview_on="2016-04-05")
    assert late.words == ["REFUSED INTERVIEW_AFTER_21_DAYS"]
    assert "a new Work Programme referral is needed" in str(late.outcome.detail)


@given(referred_on=st.integers(day("2011-06-01"), day("2017-03-31")), days=st.integers(-30, 60))
def test_the_interview_counts_from_the_referral(referred_on: int, days: int) -> None:
    """W2 and W3 for any day of referral: interviews of day 0 to day 21 count, no other does."""
    journey = referred(referred_on=referred_on)
    arrival = max(start_of(journey.on(days)), journey.now)
    came = journey.wp11(arrival, interview_on=journey.on(days), issued_on=referred_on)
    code = None
    if days < 0:
        code = "INTERVIEW_BEFORE_REFERRAL"
    elif days > 21:
        code = "INTERVIEW_AFTER_21_DAYS"
    assert came.outcome.code == code


@pytest.mark.parametrize("group", WRAG)
def test_while_an_appeal_for_the_support_group_is_pending_a_wrag_claimant_can_not_join(
    group: ClaimantGroup,
) -> None:
    """W4, WRAG: those who appeal 'will not be put into the work programme'; afterwards they may."""
    journey = referred(claimant_group=group, support_group_appeal_pending=True)
    assert journey.wp11().words == ["REFUSED SUPPORT_GROUP_APPEAL_PENDING"]
    journey.appeal(False)
    assert journey.wp11().outcome.status == "APPLIED"


@pytest.mark.parametrize("group", OTHERS)
def test_an_appeal_does_not_matter_to_other_groups(group: ClaimantGroup) -> None:
    """W4 knows the five groups whose name contains WRAG."""
    journey = referred(claimant_group=group, support_group_appeal_pending=True)
    assert journey.wp11().outcome.status == "APPLIED"


def test_an_appeal_does_not_matter_where_no_group_is_known() -> None:
    """W4: another benefit has no group."""
    journey = referred(benefit="JSA", support_group_appeal_pending=True)
    assert journey.wp11().outcome.status == "APPLIED"


def test_a_second_wp11_is_refused() -> None:
    """W5, before and after the attachment."""
    assert joining().wp11().words == ["REFUSED WP11_ALREADY_RECEIVED"]
    assert attached().wp11().words == ["REFUSED WP11_ALREADY_RECEIVED"]


def test_a_wp11_that_arrives_at_the_deadlines_instant_is_too_late() -> None:
    """W6, WP19 ¶9: the referral 'should already have been cancelled'; 5 April begins at 23:00 UTC."""
    journey = booked()
    assert journey.wp11("2016-04-04T22:59:59.999Z").outcome.status == "APPLIED"
    journey = booked()
    came = journey.wp11("2016-04-04T23:00:00Z", interview_on="2016-04-04")
    assert came.words == ["REFUSED REFERRAL_CANCELLED"]
    assert "new Work Programme referral is needed" in str(came.outcome.detail)


def test_a_rejected_referral_takes_no_wp11() -> None:
    """W7."""
    assert rejected().wp11().words == ["REFUSED REFERRAL_CLOSED"]


def test_a_wp11_joins_a_referral_that_was_not_accepted() -> None:
    """Nothing in W1 to W8 asks for the acceptance."""
    assert referred().wp11().outcome.status == "APPLIED"


def test_the_checks_are_made_from_left_to_right() -> None:
    """Each WP11 meets several conditions; the first of them decides."""
    journey = cancelled(support_group_appeal_pending=True)
    dates = {"interview_on": "2016-03-13", "issued_on": "2016-03-13"}
    assert journey.wp11(wants_to_join=False, **dates).outcome.code == "DOES_NOT_WANT_TO_JOIN"
    assert journey.wp11(**dates).outcome.code == "INTERVIEW_BEFORE_REFERRAL"
    late = journey.wp11("2016-04-05 10:00", interview_on="2016-04-05")
    assert late.outcome.code == "INTERVIEW_AFTER_21_DAYS"
    pending = journey.wp11(interview_on="2016-04-04")
    assert pending.outcome.code == "SUPPORT_GROUP_APPEAL_PENDING"


def test_the_wp11_says_when_it_was_issued_and_the_attachment_looks_at_that() -> None:
    """W8 keeps `issued_on` for P11."""
    journey = booked()
    journey.wp11("2016-03-22 10:00", issued_on="2016-03-21")
    assert journey.state.wp11_issued_on == day("2016-03-21")
    assert instant("2016-03-22 10:00") == journey.now
