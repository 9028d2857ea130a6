"""The limits, with the date from which each policy holds (rulebook: Words; contracts: Policy file)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.events import Breach, Instruction
from gateway.rules.policy import Policies, PolicyError, PolicyLimits, parse, shipped, to_toml
from tests.rules.journey import DAY, MINUTE, Journey, accepted, booked, day, instant

SHIPPED = PolicyLimits(15, 21, 28, 2, 2, 28, 400, 60, 10, 20, 300)
#: All but the last day of referrals, which is a date.
NAMES = PolicyLimits.__struct_fields__[:-1]

#: Tighter limits from 1 April 2016.
TWO = """
[[policy]]
from = 2016-04-01
session_within_days = 5
wp11_within_days = 8
attach_within_days = 9
accept_within_working_days = 1
hold_unmatched_days = 3
forget_after_days = 20
session_minutes = 30
clock_skew_s = 1

[[policy]]
from = 2011-06-01
"""


def test_the_shipped_policy_is_that_of_the_guidance() -> None:
    """15, 21, 28 days; twice 2 working days; 28 days held; 400 kept; 60 minutes; 10, 20 people; 5 minutes."""
    assert shipped() == Policies((day("2011-06-01"),), (SHIPPED,))


def test_a_limit_left_out_is_that_of_the_shipped_policy() -> None:
    """Policy file."""
    assert parse("[[policy]]\nfrom = 2016-01-01").limits == (SHIPPED,)


@pytest.mark.parametrize("text", [TWO, "[[policy]]\nfrom = 2011-06-01\nreferrals_until = 2017-03-31\n"])
def test_policies_are_written_as_the_file_that_says_them(text: str) -> None:
    """Policy file."""
    assert parse(to_toml(parse(text))) == parse(text)


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_each_limit_is_read_under_its_name(place: int) -> None:
    """Policy file: one limit differs, and no other."""
    policies = parse(f"[[policy]]\nfrom = 2016-01-01\n{NAMES[place]} = 77")
    assert [getattr(policies.limits[0], name) for name in NAMES] == [
        77 if name == NAMES[place] else getattr(SHIPPED, name) for name in NAMES
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "policy = 1",
        "policy = []",
        "[[policy]]",
        "[[policy]]\nfrom = 2016-01-01\nsession_in_days = 1",
        "[[policy]]\nfrom = 2016-01-01\nsession_within_days = -1",
        "[[policy]]\nfrom = 2016-01-01\nsession_within_days = 10001",
        "[[policy]]\nfrom = 2016-01-01\nclock_skew_s = -1",
        "[[policy]]\nfrom = 2016-01-01\nclock_skew_s = 86401",
        "[[policy]]\nfrom = 2016-01-01\nsession_within_days = '1'",
        "[[policy]]\nfrom = 2016-01-01\nsession_within_days = 1.5",
        "[[policy]]\nfrom = 'yesterday'",
        "[[policy]]\nfrom = 2016-01-01\nreferrals_until = 31",
        "[[policy]]\nfrom = 2016-01-01\nreferrals_until = 2017-02-30",
        "[[policy]]\nfrom = 2016-01-01\n[[policy]]\nfrom = 2016-01-01",
        "[[policy]]\nfrom = 2016-01-01\n[other]",
        "[[policy",
    ],
)
def test_what_is_no_policy_file(text: str) -> None:
    """An error that says so, and no traceback of a library."""
    with pytest.raises(PolicyError, match=r"not a policy file: ."):
        parse(text)


@pytest.mark.parametrize("line", ["session_within_days = 0", "forget_after_days = 10000", "clock_skew_s = 0"])
def test_the_least_and_the_most_that_a_limit_can_be(line: str) -> None:
    """0 to 10,000, of the skew 0 to 86,400."""
    name, limit = line.split(" = ")
    policies = parse(f"[[policy]]\nfrom = 2016-01-01\n{line}")
    assert getattr(policies.limits[0], name) == int(limit)
    assert parse("[[policy]]\nfrom = 2016-01-01\nclock_skew_s = 86400").limits[0].clock_skew_s == 86_400


def test_policies_may_stand_in_any_order() -> None:
    """Each holds from its date, that day included, until the next; before the first, the first holds."""
    policies = parse(TWO)
    assert policies.on(day("2016-03-31")) == SHIPPED
    assert policies.on(day("2016-04-01")).session_within_days == 5
    assert policies.on(day("2030-01-01")).session_within_days == 5
    assert policies.on(day("2011-05-31")) == SHIPPED


@given(st.lists(st.integers(0, 1000), unique=True, min_size=1), st.integers(-10, 1010))
def test_the_policy_of_a_day_is_the_last_that_began(starts: list[int], on: int) -> None:
    """Policies.on, for any policies; each is known here by its hold_unmatched_days."""
    starts.sort()
    every = tuple(PolicyLimits(15, 21, 28, 2, 2, start, 400, 60, 10, 20, 300) for start in starts)
    begun = [start for start in starts if start <= on]
    expected = begun[-1] if begun else starts[0]
    assert Policies(tuple(starts), every).on(on).hold_unmatched_days == expected


def test_a_referral_keeps_the_policy_of_its_date_for_life() -> None:
    """Words: of D, not of its arrival; a referral of 31 March that comes on 1 April has 15 days."""
    old = accepted(referred_on="2016-03-31", policies=parse(TWO))
    new = accepted(referred_on="2016-04-01", policies=parse(TWO))
    assert old.tick(old.after(15) - 1).words == []
    assert old.tick(old.after(15)).words == ["breach SESSION_LATE RAISED"]
    assert new.tick(new.after(5)).words == ["breach SESSION_LATE RAISED"]


def test_after_the_last_day_of_referrals_nobody_is_referred() -> None:
    """R15, WP19 (title page): by the policy of D; a referral that is known may still be revised."""
    policies = parse(
        "[[policy]]\nfrom = 2011-06-01\nreferrals_until = 2017-03-31\n[[policy]]\nfrom = 2018-01-01"
    )
    assert policies.limits[0].referrals_until == day("2017-03-31")
    last = Journey(referred_on="2017-03-31", policies=policies)
    assert last.refer("2017-04-05 10:00").outcome.status == "APPLIED"
    assert last.refer("2017-04-06 10:00").outcome.status == "APPLIED"
    late = Journey(referred_on="2017-04-01", policies=policies)
    assert late.refer().words == ["REFUSED PROGRAMME_ENDED"]
    assert late.refer(action_plan_annotation="?").outcome.code == "NOT_AN_INFORMATION_SESSION"
    assert late.refer(referred_on="2017-04-20").outcome.code == "PROGRAMME_ENDED"
    later = Journey(referred_on="2018-01-01", policies=policies)
    assert later.refer().outcome.status == "APPLIED"


def test_an_outcome_is_owed_by_the_policy_of_the_date_of_referral() -> None:
    """T6: working days from the end of the session; 0: its own day."""
    policies = parse("[[policy]]\nfrom = 2011-06-01\noutcome_within_working_days = 0")
    journey = booked(mandatory=True, policies=policies)
    assert journey.tick(instant("2016-03-22 00:00") - 1).words == []
    assert journey.tick("2016-03-22 00:00").words[-1] == "breach OUTCOME_LATE RAISED"


def test_acceptance_runs_by_the_policy_of_the_date_of_referral() -> None:
    """R14: of D, from the date of `at`."""
    journey = Journey(referred_on="2016-03-31", policies=parse(TWO))
    assert journey.refer("2016-04-04 10:00").one(Instruction).due_on == day("2016-04-06")
    journey = Journey(referred_on="2016-04-01", policies=parse(TWO))
    assert journey.refer("2016-04-04 10:00").one(Instruction).due_on == day("2016-04-05")


def test_what_is_held_waits_by_the_policy_of_its_arrival() -> None:
    """Words: where there is no D yet (G2), the one in force on the London date of `at`."""
    journey = Journey(policies=parse(TWO))
    journey.accept("2016-03-31 23:59:59.999", message_id="old")
    journey.accept("2016-04-01 00:00", message_id="new")
    assert journey.tick(instant("2016-04-05 00:00") - 1).words == []
    assert journey.tick("2016-04-05 00:00").outcome.message_id == "new"
    assert journey.tick(instant("2016-04-29 00:00") - 1).words == []
    assert journey.tick("2016-04-29 00:00").outcome.message_id == "old"


def test_a_first_referrals_dates_are_judged_by_the_policy_of_its_arrival() -> None:
    """Words: G4 of a Referral; that of the skew can only be seen where a Referral has a timestamp."""
    journey = Journey(policies=parse(TWO))
    assert journey.refer("2016-04-01 10:00", referred_on="2016-04-02").outcome.code == "DATED_IN_FUTURE"


def test_a_records_timestamp_is_judged_by_the_policy_of_its_referral() -> None:
    """G4: the skew of D, though another is in force when the record arrives."""
    journey = Journey(referred_on="2016-03-31", policies=parse(TWO))
    journey.refer("2016-04-01 10:00")
    at = instant("2016-04-01 11:00")
    assert journey.accept(at, accepted_at=at + 5 * MINUTE).outcome.status == "APPLIED"
    journey = Journey(referred_on="2016-04-01", policies=parse(TWO))
    journey.refer("2016-04-01 10:00")
    assert journey.accept(at, accepted_at=at + 1001).outcome.code == "DATED_IN_FUTURE"
    assert journey.accept(at, accepted_at=at + 1000).outcome.status == "APPLIED"


def test_all_limits_of_a_referral_are_its_policys() -> None:
    """Session, WP11, attachment, forgetting, length: of D."""
    journey = accepted(referred_on="2016-04-01", policies=parse(TWO))
    advised = journey.book(starts="2016-04-07 10:00", minutes=31).outcome.advisories
    assert advised == ("SESSION_AFTER_15_DAYS", "LONGER_THAN_AN_HOUR")
    late = journey.change(starts="2016-04-10 10:00", minutes=30).outcome.advisories
    assert late == ("SESSION_AFTER_15_DAYS", "SESSION_AFTER_21_DAYS")
    came = journey.wp11(journey.after(8) - 1)
    assert came.one(Instruction).due_on == journey.on(9)
    assert journey.tick(journey.after(9)).one(Breach).due_on == journey.on(9)
    assert "breach ATTACHMENT_LATE CLEARED" in journey.attach(attached_on=journey.on(9)).words
    journey.tick(journey.after(20))
    assert journey.order is not None
    assert journey.order.referral is None


def test_the_interview_and_the_cancellation_follow_the_policy() -> None:
    """W3, T3: 8 days instead of 21."""
    journey = booked(referred_on="2016-04-01", starts="2016-04-04 10:00", policies=parse(TWO))
    assert journey.wp11(journey.after(7), interview_on=journey.on(8)).outcome.status == "APPLIED"
    journey = accepted(referred_on="2016-04-01", policies=parse(TWO))
    assert journey.tick(journey.after(8)).words[-3] == "cancellation"
    assert journey.wp11(interview_on=journey.on(9)).outcome.code == "INTERVIEW_AFTER_21_DAYS"


def test_a_limit_that_passed_before_the_wp11_came_is_not_late_afterwards() -> None:
    """T4 falls due once, at its instant, if JOINING then: here before the limit for the WP11."""
    limits = "attach_within_days = 3\nwp11_within_days = 8"
    journey = accepted(policies=parse(f"[[policy]]\nfrom = 2016-01-01\n{limits}"))
    assert journey.tick(journey.after(3)).words == []
    assert journey.wp11().outcome.status == "APPLIED"
    assert journey.tick(journey.after(15)).words == []


def test_what_is_late_when_the_referral_is_forgotten_is_told_first() -> None:
    """Deadlines, at one instant: T4 before T5."""
    journey = accepted(policies=parse("[[policy]]\nfrom = 2016-01-01\nforget_after_days = 28"))
    journey.wp11()
    assert journey.tick(journey.after(28)).words == ["breach ATTACHMENT_LATE RAISED"]
    assert journey.order is not None
    assert journey.order.referral is None


def test_limits_of_no_days_fall_due_at_the_end_of_the_day() -> None:
    """A limit of 0 days includes D; all at one instant, in the order T1 to T5."""
    none = "\n".join(f"{name} = 0" for name in NAMES if name.endswith("_days"))
    journey = Journey(policies=parse(f"[[policy]]\nfrom = 2016-01-01\n{none}"))
    journey.refer("2016-03-14 10:00")
    assert journey.tick(journey.after(0) - 1).words == []
    assert journey.tick(journey.now + 1).words == [
        "breach ACCEPTANCE_LATE RAISED",
        "breach SESSION_LATE RAISED",
        *["cancellation", "prap CANCEL", "instruction REFERRAL_CANCELLED"],
    ]
    assert journey.order is not None
    assert journey.order.referral is None
    assert journey.now == instant("2016-03-14 00:00") + DAY
