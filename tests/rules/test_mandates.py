"""A mandate, from the referral until it ends (rulebook: Words, M1; R5, R6, R7, R11, R13, R16)."""

from typing import Any

import pytest

from gateway.rules.events import AttendanceEvent, Instruction, SanctionNotification, SessionEvent
from gateway.rules.messages import Benefit, Mandation
from tests.rules.journey import (
    END,
    MANDATIONS,
    MANDATORY,
    START,
    VOLUNTARY,
    Journey,
    accepted,
    attached,
    booked,
    cancelled,
    day,
    instant,
    joining,
    referred,
)

#: A revision that moves the claimant to the Support Group, and leaves the annotation.
SUPPORT_GROUP: dict[str, Any] = {"claimant_group": "ESA_C_SUPPORT_GROUP"}
UPDATED = "instruction REFERRAL_UPDATED"
ENDED = "instruction MANDATE_ENDED"
BEFOREHAND = "UCGS Claimant cannot attend before the mandated group session has taken place"


def notified(journey: Journey) -> bool:
    """Whether a sanction notification was ever raised."""
    return any(isinstance(event, SanctionNotification) for event in journey.out)


def test_nobody_who_moved_to_the_support_group_is_sanctioned() -> None:
    """M1, R5, WP19 Annex A: the revision is refused, the mandate ends, the Jobcentre is told again."""
    journey = booked(mandatory=True)
    came = journey.refer(**SUPPORT_GROUP)
    assert came.words == ["session CHANGED", ENDED, "REFUSED GROUP_CANNOT_BE_MANDATED"]
    assert came.one(SessionEvent).requirement == "VOLUNTARY"
    assert {event.rule for event in came} == {"WP19 Annex A"}
    assert journey.record("DID_NOT_ATTEND").words == ["instruction ARRANGE_ALTERNATIVE_SESSION", "APPLIED"]
    assert not notified(journey)


def test_nobody_whose_session_is_no_longer_appropriate_is_sanctioned() -> None:
    """M1, R13, UCGS Claimant cannot attend: 'the session is no longer appropriate'; annotated voluntary."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.mandatory = False
    came = journey.refer()
    assert came.words == ["session CHANGED", UPDATED, ENDED, "APPLIED"]
    assert [event.rule for event in came if isinstance(event, SessionEvent)] == [BEFOREHAND]
    assert journey.tick(END).words == []
    assert not notified(journey)


@pytest.mark.parametrize(
    ("benefit", "wrong", "code"),
    [
        (
            "ESA",
            {"mandation": Mandation(basis="UC_WORKPLAN", recorded_on=16_000)},
            "MANDATION_DOES_NOT_FIT",
        ),
        ("UC", {"mandation": None}, "UC_MANDATION_NOT_JUSTIFIED"),
        ("JSA", {"mandation": None}, "NO_JOBSEEKERS_DIRECTION"),
    ],
)
def test_a_mandate_ends_where_its_ground_has_gone(benefit: Benefit, wrong: dict[str, Any], code: str) -> None:
    """M1, R16, R6, R7: refused, because the annotation is wrong; a slip ends it too."""
    journey = booked(mandatory=True, benefit=benefit)
    assert journey.refer(**wrong).words == ["session CHANGED", ENDED, f"REFUSED {code}"]
    assert journey.refer().words == ["REFUSED MANDATION_NEEDS_NEW_REFERRAL"]


def test_an_esa_claimant_is_mandated_by_work_related_activity_alone() -> None:
    """R16, WP19 ¶16: the mandation may be left out; no other basis fits. A voluntary one is not read."""
    fits = Mandation(basis="WORK_RELATED_ACTIVITY", recorded_on=16_000)
    other = Mandation(basis="JOBSEEKERS_DIRECTION", recorded_on=16_000)
    assert Journey(mandatory=True).refer(mandation=fits).outcome.status == "APPLIED"
    assert Journey(mandatory=True).refer(mandation=None).outcome.status == "APPLIED"
    assert Journey(mandatory=True).refer(mandation=other).words == ["REFUSED MANDATION_DOES_NOT_FIT"]
    assert Journey().refer(mandation=other).outcome.status == "APPLIED"


def test_a_mandate_that_ended_never_comes_back() -> None:
    """R11, WP19 ¶29: a new referral is needed."""
    journey = booked(mandatory=True)
    journey.mandatory = False
    journey.refer()
    journey.mandatory = True
    assert journey.refer().words == ["REFUSED MANDATION_NEEDS_NEW_REFERRAL"]
    assert journey.refer(**SUPPORT_GROUP).words == ["REFUSED GROUP_CANNOT_BE_MANDATED"]
    journey.cancel()
    assert journey.book("S2").one(SessionEvent).requirement == "VOLUNTARY"
    journey.mandatory = False
    assert journey.refer().words == [UPDATED, "APPLIED"]


@pytest.mark.parametrize(
    "moved", [{"referred_on": "2016-03-13"}, {"provider_id": "PRV02"}, {"po_revision": 1}, {"po_revision": 0}]
)
def test_another_referral_ends_no_mandate(moved: dict[str, Any]) -> None:
    """M1: a higher revision with the known `referred_on` and `provider_id`."""
    journey = booked(mandatory=True)
    came = journey.refer(**SUPPORT_GROUP, **moved)
    assert len(came) == 1
    assert journey.state.mandate_in_force


@pytest.mark.parametrize("closed", [attached, cancelled])
def test_the_mandate_of_a_closed_referral_does_not_end(closed: Any) -> None:
    """M1: of a referral that is not closed."""
    assert closed(mandatory=True).refer(**SUPPORT_GROUP).words == ["REFUSED GROUP_CANNOT_BE_MANDATED"]


def test_a_voluntary_referral_has_no_mandate_to_end() -> None:
    """M1: while its mandate is in force."""
    journey = booked()
    journey.mandatory = True
    assert journey.refer(**SUPPORT_GROUP).words == ["REFUSED GROUP_CANNOT_BE_MANDATED"]


@pytest.mark.parametrize(
    ("at", "sessions", "failure"),
    [
        (instant(START) - 1, ["session CHANGED"], False),
        (instant(START), ["session CHANGED"], False),
        (instant(START) + 1, [], True),
    ],
)
def test_a_session_that_had_started_stays_mandatory(at: int, sessions: list[str], failure: bool) -> None:
    """M1: from `at` no session that starts then or later is mandatory."""
    journey = booked(mandatory=True)
    journey.mandatory = False
    assert journey.refer(at).words == [*sessions, UPDATED, ENDED, "APPLIED"]
    assert ("notification RAISED" in journey.record("DID_NOT_ATTEND").words) == failure


def test_a_session_booked_after_the_mandate_has_ended_is_voluntary_whenever_it_was() -> None:
    """Words: the mandate was in force when its booking or last change was decided."""
    journey = accepted(mandatory=True)
    journey.mandatory = False
    journey.refer("2016-03-16 10:00")
    journey.book("S1", starts="2016-03-15 10:00", told="2016-03-14 12:00")
    assert journey.record("DID_NOT_ATTEND", "2016-03-16 12:00").words[0] != "attendance DID_NOT_ATTEND"
    changed = booked(mandatory=True, starts="2016-03-17 10:00")
    changed.mandatory = False
    changed.refer("2016-03-16 10:00")
    came = changed.change(starts="2016-03-15 10:00", told=False)
    assert came.one(SessionEvent).requirement == "VOLUNTARY"
    assert not changed.session().cancelled


def test_a_session_is_mandatory_by_when_it_starts_and_the_referral_was_closed() -> None:
    """Words: the referral had not been closed at or before its `starts_at`."""
    for starts, requirement in (("2016-03-23 09:59:59.999", "MANDATORY"), ("2016-03-23 10:00", "VOLUNTARY")):
        journey = joining(mandatory=True, starts=starts)
        journey.attach("2016-03-23 10:00")
        assert journey.cancel().one(SessionEvent).requirement == requirement


def test_each_open_session_is_told_of_in_the_order_of_booking_and_then_cancelled() -> None:
    """R13: M1's event of a session, then U4's, session by session; the instructions in the order named."""
    journey = accepted(mandatory=True)
    journey.book("S2", starts="2016-03-22 10:00")
    journey.cannot_attend("S2")
    journey.book("S1", format="ONE_TO_ONE")
    journey.mandatory = False
    came = journey.refer(group_session_restriction="MAPPA")
    told = [(e.session_id, e.change, e.requirement) for e in came if isinstance(e, SessionEvent)]
    assert told == [
        ("S2", "CHANGED", "VOLUNTARY"),
        ("S2", "CANCELLED", "VOLUNTARY"),
        ("S1", "CHANGED", "VOLUNTARY"),
    ]
    assert came.words[3:] == [UPDATED, ENDED, "instruction OFFER_ONE_TO_ONE", "APPLIED"]


def test_a_revision_may_change_the_benefit_and_the_ground() -> None:
    """R13, F1: by the benefit and the mandation of the last applied revision annotated mandatory."""
    journey = booked(mandatory=True)
    journey.refer(benefit="UC", claimant_group=None, mandation=MANDATIONS["UC"])
    journey.mandatory = False
    journey.refer(instant(START) + 1, benefit="JSA", claimant_group=None)
    note = journey.record("DID_NOT_ATTEND").one(SanctionNotification)
    assert (note.failure_type, note.mandation_basis) == ("FAILURE_TO_PARTICIPATE_OR_COMPLY", "UC_WORKPLAN")
    assert note.mandation_recorded_on == 16_000


def test_what_was_raised_before_the_mandate_ended_stays_until_they_came() -> None:
    """M1: from `at` on; a failure of before is one."""
    journey = booked(mandatory=True)
    journey.record("DID_NOT_ATTEND")
    journey.refer(**SUPPORT_GROUP)
    came = journey.correct("ATTENDED")
    assert came.words[:2] == ["attendance ATTENDED", "notification WITHDRAWN"]
    assert came.one(AttendanceEvent).requirement == "MANDATORY"


def test_the_provider_is_told_once_that_the_mandate_has_ended() -> None:
    """M1: Instruction MANDATE_ENDED, of no session."""
    journey = booked(mandatory=True)
    came = journey.refer(**SUPPORT_GROUP)
    assert (came.one(Instruction).session_id, came.one(Instruction).due_on) == (None, None)
    journey.mandatory = False
    assert ENDED not in journey.refer().words


def test_annotations_of_before_and_after_are_read_alike() -> None:
    """R2, R13: 'MANDATORY' in capitals is no end of a mandate."""
    journey = booked(mandatory=True)
    assert journey.refer(action_plan_annotation=MANDATORY.upper()).words == [UPDATED, "APPLIED"]
    assert ENDED in journey.refer(action_plan_annotation=f" {VOLUNTARY.lower()}").words
    assert journey.state.mandate_ended_at == journey.now
    assert referred().state.ground is None
    assert day("2016-03-14") == journey.state.referred_on


def test_a_failure_that_waits_is_not_raised_once_its_session_is_not_mandatory() -> None:
    """P6: where it is still mandatory. The mandate ends at the instant of the start, after the record."""
    for ends, words in ((True, ["APPLIED"]), (False, ["notification RAISED", "APPLIED"])):
        journey = booked(mandatory=True, told=False)
        journey.record("DID_NOT_ATTEND", START)
        if ends:
            journey.refer(START, **SUPPORT_GROUP)
        assert journey.confirm().words == words
