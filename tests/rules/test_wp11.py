"""WP11: the participant joins the Work Programme (rulebook: W1 to W8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.events import Breach, Instruction, Notice
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
    "ESA_IR_LONE_PARENT_CHILD_3_OR_4",
]
OTHERS: list[ClaimantGroup] = [
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
    assert late.words == ["notice NEW_REFERRAL_NEEDED", "REFUSED INTERVIEW_AFTER_21_DAYS"]
    assert "a new Work Programme referral is needed" in str(late.outcome.detail)


@given(referred_on=st.integers(day("2011-06-01"), day("2017-03-31")), days=st.integers(-30, 60))
def test_the_interview_counts_from_the_referral(referred_on: int, days: int) -> None:
    """W2 and W3 for any day of referral: interviews of day 0 to day 21 count, no other does."""
    journey = referred(referred_on=referred_on)
    arrival = max(start_of(journey.on(days)), journey.now)
    came = journey.wp11(arrival, interview_on=journey.on(days), issued_on=journey.on(days))
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
    """W4 knows the five groups whose name contains WRAG, and the lone parents, who are in it too."""
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
    assert came.words == ["notice NEW_REFERRAL_NEEDED", "REFUSED REFERRAL_CANCELLED"]
    assert (came.one(Notice).on, came.one(Notice).rule) == (day("2016-04-04"), "WP19 ¶9")
    assert "new Work Programme referral is needed" in str(came.outcome.detail)


def test_a_wp11_is_not_issued_before_the_interview_that_it_comes_of() -> None:
    """W9, WP19 ¶5: 'only ... if the participant attends the follow up interview'; the same day will do."""
    dates = {"interview_on": "2016-03-22", "at": "2016-03-23 10:00"}
    assert booked().wp11(issued_on="2016-03-21", **dates).words == ["REFUSED ISSUED_BEFORE_INTERVIEW"]
    assert booked().wp11(issued_on="2016-03-22", **dates).outcome.status == "APPLIED"


def test_the_jobcentre_hears_once_that_a_new_referral_is_needed() -> None:
    """N1, WP19 ¶9, ¶12: on the interview's date; once in the life of a referral, by W3 or by W6."""
    journey = booked()
    came = journey.wp11("2016-04-05 09:00", interview_on="2016-04-05")
    assert (came.one(Notice).on, came.one(Notice).message_id) == (day("2016-04-05"), came.outcome.message_id)
    assert came.one(Notice).rule == "WP19 ¶12"
    assert journey.wp11(interview_on="2016-04-04").words == ["REFUSED REFERRAL_CANCELLED"]
    assert journey.wp11().words == ["REFUSED INTERVIEW_AFTER_21_DAYS"]


def test_who_has_joined_needs_no_new_referral() -> None:
    """N1: where the referral is not JOINING or ATTACHED."""
    for journey in (joining(), attached()):
        assert journey.wp11("2016-04-06 10:00").words == ["REFUSED INTERVIEW_AFTER_21_DAYS"]


@pytest.mark.parametrize(
    ("group", "participation"),
    [
        *((group, "MANDATORY") for group in ("ESA_IR_WRAG_OVER_12_MONTHS", "ESA_C_WRAG")),
        ("ESA_IR_LONE_PARENT_CHILD_3_OR_4", "MANDATORY"),
        ("ESA_C_WRAG_CHILD_UNDER_3_OR_CARER", "VOLUNTARY"),
        ("ESA_CREDITS_ONLY", "VOLUNTARY"),
    ],
)
def test_the_provider_hears_what_taking_part_will_be(group: ClaimantGroup, participation: str) -> None:
    """W8, WP19 ¶18 and Annex A, third column; that the session was voluntary does not matter."""
    came = referred(claimant_group=group).wp11()
    assert came.one(Instruction).participation == participation


def test_other_benefits_than_esa_say_nothing_of_taking_part() -> None:
    """W8: otherwise null."""
    assert referred(benefit="UC").wp11().one(Instruction).participation is None


def test_who_moved_to_a_group_that_can_not_be_mandated_takes_part_voluntarily() -> None:
    """W8, R5: where R5 has refused a revision since the last applied one; with the known D and provider."""
    moved = {"claimant_group": "ESA_C_SUPPORT_GROUP"}
    journey = booked(mandatory=True)
    journey.refer(**moved)
    assert journey.wp11().one(Instruction).participation == "VOLUNTARY"
    journey = booked(mandatory=True)
    journey.refer(**moved)
    journey.mandatory = False
    journey.refer()
    assert journey.wp11().one(Instruction).participation == "MANDATORY"
    journey = booked(mandatory=True)
    journey.refer(**moved, provider_id="PRV02")
    assert journey.wp11().one(Instruction).participation == "MANDATORY"


# An appeal while JOINING.


def test_an_appeal_holds_the_attachment_and_its_end_lets_it_go_on() -> None:
    """U3, WRAG: 'will not be put into the work programme'; due D+28 where that is later."""
    journey = joining(claimant_group="ESA_C_WRAG")
    held = journey.appeal(True)
    assert held.words == ["instruction HOLD_ATTACHMENT", "APPLIED"]
    assert held.one(Instruction).rule == "WRAG"
    assert journey.appeal(True).words == ["APPLIED"]
    came = journey.appeal(False, "2016-04-07 10:00")
    assert came.words == ["instruction UNDERTAKE_ATTACHMENT", "APPLIED"]
    assert came.one(Instruction).due_on == day("2016-04-11")
    assert came.one(Instruction).participation == "MANDATORY"


def test_a_hold_that_ends_late_leaves_two_working_days() -> None:
    """U3: Friday 8 April to Tuesday 12 April; T4 and P11 go by that day."""
    journey = joining(claimant_group="ESA_C_WRAG")
    journey.appeal(True)
    came = journey.appeal(False, "2016-04-08 23:59")
    assert came.one(Instruction).due_on == day("2016-04-12")
    assert journey.tick(start_of("2016-04-13") - 1).words == []
    late = journey.tick("2016-04-13 00:00")
    assert late.words == ["breach ATTACHMENT_LATE RAISED"]
    assert late.one(Breach).due_on == day("2016-04-12")
    cleared = journey.attach(attached_on="2016-04-12").one(Breach)
    assert (cleared.status, cleared.due_on) == ("CLEARED", day("2016-04-12"))


def test_while_on_hold_no_limit_for_the_attachment_passes() -> None:
    """T4: not on hold at D+28; due again two working days after the hold has ended."""
    journey = joining(claimant_group="ESA_C_WRAG")
    journey.appeal(True)
    assert journey.tick("2016-05-01 00:00").words == []
    journey.appeal(False, "2016-05-05 10:00")
    assert journey.tick(start_of("2016-05-10") - 1).words == []
    assert journey.tick("2016-05-10 00:00").words == ["breach ATTACHMENT_LATE RAISED"]


def test_a_breach_is_cleared_as_of_the_day_that_it_named() -> None:
    """Deadlines: CLEARED has the `due_on` of its RAISED; raised at most once, though a hold ends later."""
    journey = joining(claimant_group="ESA_C_WRAG")
    assert journey.tick("2016-04-12 00:00").one(Breach).due_on == day("2016-04-11")
    journey.appeal(True)
    journey.appeal(False, "2016-04-20 10:00")
    assert journey.tick("2016-04-23 00:00").words == []
    came = journey.attach(attached_on="2016-04-22")
    assert came.one(Breach).due_on == day("2016-04-11")


def test_an_appeal_of_others_holds_nothing() -> None:
    """On hold: JOINING, and one of the WRAG groups of ESA; an attachment meanwhile is advised about."""
    assert joining(claimant_group="ESA_C_SUPPORT_GROUP").appeal(True).words == ["APPLIED"]
    assert booked(claimant_group="ESA_C_WRAG").appeal(True).words == ["APPLIED"]
    journey = joining(claimant_group="ESA_C_WRAG")
    journey.appeal(True)
    assert journey.attach().words == ["notice ATTACHED", "APPLIED ATTACHED_WHILE_ON_HOLD"]


def test_a_revision_may_put_a_referral_on_hold_and_end_that() -> None:
    """R13: what the appeal or the group changes, after REFERRAL_UPDATED."""
    journey = joining(claimant_group="ESA_C_WRAG")
    updated = "instruction REFERRAL_UPDATED"
    came = journey.refer(support_group_appeal_pending=True)
    assert came.words == [updated, "instruction HOLD_ATTACHMENT", "APPLIED"]
    came = journey.refer(support_group_appeal_pending=True, claimant_group="ESA_CREDITS_ONLY")
    assert came.words == [updated, "instruction UNDERTAKE_ATTACHMENT", "APPLIED"]
    came = journey.refer(support_group_appeal_pending=True, claimant_group="ESA_C_WRAG")
    assert came.words == [updated, "instruction HOLD_ATTACHMENT", "APPLIED"]
    came = journey.refer(support_group_appeal_pending=True, claimant_group=None, benefit="UC")
    assert came.words == [updated, "instruction UNDERTAKE_ATTACHMENT", "APPLIED"]
    participations = [each.participation for each in came if isinstance(each, Instruction)]
    assert participations == [None, None]


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
    early = journey.wp11(interview_on="2016-04-05", issued_on="2016-04-04")
    assert early.outcome.code == "ISSUED_BEFORE_INTERVIEW"
    assert journey.wp11(interview_on="2016-04-04").outcome.code == "REFERRAL_CANCELLED"
    pending = joining(claimant_group="ESA_C_WRAG")
    pending.appeal(True)
    assert pending.wp11().outcome.code == "WP11_ALREADY_RECEIVED"


def test_the_wp11_says_when_it_was_issued_and_the_attachment_looks_at_that() -> None:
    """W8 keeps `issued_on` for P11."""
    journey = booked()
    journey.wp11("2016-03-22 10:00", interview_on="2016-03-21", issued_on="2016-03-21")
    assert journey.state.wp11_issued_on == day("2016-03-21")
    assert instant("2016-03-22 10:00") == journey.now
