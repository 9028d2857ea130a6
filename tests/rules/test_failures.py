"""Failures of mandatory participants, and their withdrawal (rulebook: F1, F2, P7)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.events import Instruction, SanctionNotification
from gateway.rules.messages import AttendanceOutcome, Benefit, Mandation
from tests.rules.journey import (
    END,
    START,
    Came,
    Journey,
    accepted,
    booked,
    instant,
    joining,
)

ABSENT: list[AttendanceOutcome] = ["DID_NOT_ATTEND", "DID_NOT_PARTICIPATE"]


def notifications(journey: Journey) -> list[SanctionNotification]:
    """All that were told of it."""
    return [event for event in journey.out if isinstance(event, SanctionNotification)]


# F1.


@pytest.mark.parametrize(
    ("benefit", "failure_type"),
    [
        ("ESA", "FAILURE_TO_UNDERTAKE_WORK_RELATED_ACTIVITY"),
        ("UC", "FAILURE_TO_PARTICIPATE_OR_COMPLY"),
        ("JSA", "FAILURE_TO_CARRY_OUT_JOBSEEKERS_DIRECTION"),
    ],
)
@pytest.mark.parametrize("outcome", ABSENT)
def test_a_failure_is_of_the_benefits_kind(
    benefit: Benefit, failure_type: str, outcome: AttendanceOutcome
) -> None:
    """F1, UCGS Claimant fails to attend: 'must not be referred for Failure to Attend'."""
    came = booked(mandatory=True, benefit=benefit).record(outcome)
    assert came.one(SanctionNotification).failure_type == failure_type


def test_a_notification_says_what_was_required_and_when_it_was_told() -> None:
    """F1: name, date and time of the session, and when the participant was told (UCGS Mandating)."""
    journey = booked(mandatory=True, told="2016-03-14 09:30")
    note = journey.record("DID_NOT_ATTEND", reason_given="ill").one(SanctionNotification)
    assert (note.status, note.withdraws) == ("RAISED", None)
    assert (note.session_id, note.session_name, note.location) == ("S1", "Your Work Programme", "Leeds")
    assert (note.session_starts_at, note.requirement_notified_at) == (
        instant(START),
        instant("2016-03-14 09:30"),
    )
    assert (note.provider_id, note.jobcentre_id) == ("PRV01", "JCP-LEEDS")
    assert note.reason_given == "ill"


def test_a_notification_says_what_failed_and_on_what_ground() -> None:
    """F1: the outcome now recorded, or that they said they can't attend; the mandation of the referral."""
    journey = booked(mandatory=True, benefit="UC")
    journey.cannot_attend()
    note = journey.tick(END).one(SanctionNotification)
    assert note.failure == "CANNOT_ATTEND"
    assert (note.mandation_basis, note.mandation_purpose) == ("UC_WORKPLAN", "CHECK_COMPLIANCE")
    assert note.mandation_recorded_on == 16_000
    journey.record("ATTENDED")
    assert journey.correct("DID_NOT_PARTICIPATE").one(SanctionNotification).failure == "DID_NOT_PARTICIPATE"
    wra = Mandation(basis="WORK_RELATED_ACTIVITY", purpose="IMPROVE_PROSPECTS", recorded_on=16_001)
    note = booked(mandatory=True, mandation=wra).record("DID_NOT_ATTEND").one(SanctionNotification)
    assert (note.mandation_basis, note.mandation_purpose) == ("WORK_RELATED_ACTIVITY", "IMPROVE_PROSPECTS")
    assert note.mandation_recorded_on == 16_001
    of_esa = booked(mandatory=True).record("DID_NOT_ATTEND").one(SanctionNotification)
    assert of_esa.failure == "DID_NOT_ATTEND"
    assert (of_esa.mandation_basis, of_esa.mandation_purpose, of_esa.mandation_recorded_on) == (None,) * 3


def test_a_proof_that_comes_after_the_outcome_says_what_the_outcome_was() -> None:
    """F1, P6: `failure` is the outcome now recorded."""
    journey = booked(mandatory=True, told=False)
    journey.cannot_attend()
    journey.tick(END)
    journey.record("DID_NOT_PARTICIPATE")
    assert journey.confirm().one(SanctionNotification).failure == "DID_NOT_PARTICIPATE"


def test_who_was_told_before_the_referral_was_not_told() -> None:
    """Words, told: its London date is not before D."""
    midnight = instant("2016-03-14 00:00")
    for told, word in (
        (midnight - 1, "instruction CONFIRM_NOTIFICATION"),
        (midnight, "notification RAISED"),
    ):
        assert word in booked(mandatory=True, told=told).record("DID_NOT_ATTEND").words


@pytest.mark.parametrize("outcome", ABSENT)
def test_who_was_not_told_has_not_failed_yet(outcome: AttendanceOutcome) -> None:
    """F1: CONFIRM_NOTIFICATION of this session; the failure waits."""
    journey = booked(mandatory=True, told=False)
    came = journey.record(outcome)
    assert came.words[:2] == [f"attendance {outcome}", "instruction CONFIRM_NOTIFICATION"]
    assert [each.session_id for each in came if isinstance(each, Instruction)][:1] == ["S1"]


def test_who_was_told_at_the_start_was_not_told_before_it() -> None:
    """Words, told: `notified_at` before `starts_at`, to the millisecond."""
    journey = accepted(mandatory=True)
    journey.book(starts="2016-03-14 10:05", told="2016-03-14 10:05")
    assert "instruction CONFIRM_NOTIFICATION" in journey.record("DID_NOT_ATTEND", "2016-03-14 11:00").words
    journey = accepted(mandatory=True)
    journey.book(starts="2016-03-14 10:05", told=instant("2016-03-14 10:05") - 1)
    assert "notification RAISED" in journey.record("DID_NOT_ATTEND", "2016-03-14 11:00").words


def test_a_failure_that_waited_is_raised_by_the_proof() -> None:
    """F1, P6: once."""
    journey = booked(mandatory=True, told=False)
    journey.record("DID_NOT_ATTEND", reason_given="ill")
    came = journey.confirm(told="2016-03-15 09:00")
    assert came.words == ["notification RAISED", "APPLIED"]
    note = came.one(SanctionNotification)
    assert (note.requirement_notified_at, note.reason_given) == (instant("2016-03-15 09:00"), "ill")
    assert not journey.session().failure_waits
    assert journey.confirm(told="2016-03-15 10:00").words == ["APPLIED"]


def test_a_failure_that_waits_is_not_asked_about_again() -> None:
    """F1: while it waits; neither by a correction nor by F2's outcome."""
    journey = booked(mandatory=True, told=False)
    journey.record("DID_NOT_ATTEND")
    assert journey.correct("DID_NOT_PARTICIPATE").words == ["attendance DID_NOT_PARTICIPATE", "APPLIED"]
    assert journey.confirm().words == ["notification RAISED", "APPLIED"]


def test_a_failure_that_waited_is_dropped_by_an_attendance() -> None:
    """P8, P10: the proof raises nothing afterwards; a new failure asks anew, or is raised."""
    journey = booked(mandatory=True, told=False)
    journey.record("DID_NOT_ATTEND")
    assert journey.correct("ATTENDED").words == ["attendance ATTENDED", "APPLIED"]
    assert journey.correct("DID_NOT_ATTEND").words[1] == "instruction CONFIRM_NOTIFICATION"
    journey.correct("ATTENDED")
    assert journey.confirm().words == ["APPLIED"]
    assert journey.correct("DID_NOT_ATTEND").words[1] == "notification RAISED"


def test_between_the_two_absences_nothing_more_is_raised() -> None:
    """F1: between DID_NOT_ATTEND and DID_NOT_PARTICIPATE."""
    journey = booked(mandatory=True)
    journey.record("DID_NOT_ATTEND")
    assert journey.correct("DID_NOT_PARTICIPATE").words == ["attendance DID_NOT_PARTICIPATE", "APPLIED"]
    assert "notification RAISED" not in journey.correct("DID_NOT_ATTEND").words


def test_after_a_withdrawal_a_later_correction_raises_a_new_one() -> None:
    """F1: with the reason of the last outcome record."""
    journey = booked(mandatory=True)
    first = journey.record("DID_NOT_ATTEND", reason_given="ill").one(SanctionNotification)
    journey.correct("ATTENDED")
    second = journey.correct("DID_NOT_ATTEND", reason_given="bus").one(SanctionNotification)
    assert (second.status, second.reason_given) == ("RAISED", "bus")
    withdrawn = journey.correct("ATTENDED").one(SanctionNotification)
    assert withdrawn.withdraws == second.event_id != first.event_id


def test_a_withdrawn_notification_is_a_copy_of_the_raised_one() -> None:
    """F1: as it was, though all has changed since; its own id, `withdraws`, `decided_at`, `rule`."""
    journey = booked(mandatory=True)
    raised = journey.record("DID_NOT_ATTEND", reason_given="ill").one(SanctionNotification)
    journey.refer(jobcentre_id="JCP-YORK")
    journey.confirm(told="2016-03-16 09:00")
    withdrawn = journey.correct("ATTENDED", "2016-03-21 15:00").one(SanctionNotification)
    assert (withdrawn.status, withdrawn.withdraws) == ("WITHDRAWN", raised.event_id)
    assert withdrawn.decided_at == instant("2016-03-21 15:00")
    assert withdrawn.event_id != raised.event_id
    same = {"jobcentre_id", "provider_id", "failure_type", "session_id", "session_name", "location"}
    same |= {"failure", "mandation_basis", "mandation_purpose", "mandation_recorded_on"}
    same |= {"session_starts_at", "requirement_notified_at", "reason_given", "po_number"}
    assert all(getattr(withdrawn, name) == getattr(raised, name) for name in same)


@pytest.mark.parametrize(
    ("said", "recorded", "told"),
    [
        (None, None, None),
        ("job interview", None, "job interview"),
        ("job interview", "ill", "ill"),
        ("job interview", "", ""),
        ("", None, ""),
        (None, "ill", "ill"),
        (None, " “ill”\n", " “ill”\n"),
    ],
)
def test_the_reason_is_that_of_the_outcome_or_that_given_before(
    said: str | None, recorded: str | None, told: str | None
) -> None:
    """F1, UCGS: 'must record any reasons'; an empty text is a reason; free text as it came."""
    journey = booked(mandatory=True)
    if said is not None:
        journey.cannot_attend(reason=said)
    came = journey.record("DID_NOT_ATTEND", instant(START) + 1, reason_given=recorded)
    assert came.one(SanctionNotification).reason_given == told


def test_a_correction_without_a_reason_takes_that_given_before() -> None:
    """F1: of the last outcome record, which gave none; else the newest CannotAttend's."""
    journey = booked(mandatory=True)
    journey.cannot_attend(reason="bus")
    journey.cannot_attend(reason="interview")
    journey.record("ATTENDED", instant(START) + 1, reason_given="came late")
    assert journey.correct("DID_NOT_ATTEND").one(SanctionNotification).reason_given == "interview"


@pytest.mark.parametrize("outcome", ["ATTENDED", *ABSENT])
def test_a_voluntary_participant_can_not_fail(outcome: AttendanceOutcome) -> None:
    """WP19 ¶6: whether told or not, said beforehand or not, corrected or not."""
    for told in (True, False):
        journey = booked(mandatory=False, told=told)
        journey.cannot_attend()
        journey.tick("2016-03-21 12:00")
        journey.record(outcome, "2016-03-21 13:00")
        for other in ("DID_NOT_ATTEND", "DID_NOT_PARTICIPATE"):
            journey.correct(other)
        journey.confirm()
        assert notifications(journey) == []
        assert "instruction CONFIRM_NOTIFICATION" not in journey.out.words


# F2.


def test_a_reason_given_beforehand_goes_to_a_decision_maker_after_the_session() -> None:
    """F2, UCGS Claimant cannot attend: 'after the group session was originally scheduled'; no attendance."""
    journey = booked(mandatory=True)
    journey.cannot_attend(reason="funeral")
    assert journey.tick(instant(END) - 1).words == []
    came = journey.tick(END)
    assert came.words == ["notification RAISED"]
    note = came.one(SanctionNotification)
    assert (note.reason_given, note.decided_at) == ("funeral", instant(END))


def test_the_end_is_the_start_and_the_duration() -> None:
    """F2: `starts_at` + duration, in minutes."""
    journey = booked(mandatory=True, minutes=7)
    journey.cannot_attend()
    assert journey.tick(instant(START) + 7 * 60_000 - 1).words == []
    assert journey.tick(instant(START) + 7 * 60_000).words == ["notification RAISED"]


def test_nothing_is_decided_at_the_end_of_a_session_of_which_nothing_was_said() -> None:
    """F2: silence is no failure."""
    assert booked(mandatory=True).tick("2016-03-22 10:00").words == []


def test_an_outcome_before_the_end_decides_instead() -> None:
    """F2: if it is still open; the outcome's failure has the reason given beforehand."""
    journey = booked(mandatory=True)
    journey.cannot_attend(reason="funeral")
    came = journey.record("DID_NOT_ATTEND", instant(END) - 1)
    assert came.one(SanctionNotification).reason_given == "funeral"
    assert journey.tick("2016-03-22 10:00").words == []


def test_a_message_at_the_end_comes_after_it() -> None:
    """A message that arrived at or after a deadline comes after it."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    came = journey.record("ATTENDED", END)
    assert came.words == ["attendance ATTENDED", "notification WITHDRAWN", "APPLIED"]


def test_an_outcome_after_the_end_raises_nothing_twice() -> None:
    """F2: told as in P8."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.tick(END)
    assert journey.record("DID_NOT_ATTEND").words == ["attendance DID_NOT_ATTEND", "APPLIED"]


def test_who_was_not_told_is_asked_about_at_the_end() -> None:
    """F2, F1: and not again by the outcome; the proof raises."""
    journey = booked(mandatory=True, told=False)
    journey.cannot_attend(reason="ill")
    assert journey.tick(END).words == ["instruction CONFIRM_NOTIFICATION"]
    assert journey.record("DID_NOT_ATTEND").words == ["attendance DID_NOT_ATTEND", "APPLIED"]
    assert journey.confirm().one(SanctionNotification).reason_given == "ill"


def test_an_attendance_after_the_end_drops_what_waits() -> None:
    """P8: a waiting failure dropped."""
    journey = booked(mandatory=True, told=False)
    journey.cannot_attend()
    journey.tick(END)
    assert journey.record("ATTENDED").words == ["attendance ATTENDED", "APPLIED"]
    assert journey.confirm().words == ["APPLIED"]


def test_where_the_end_is_past_the_failure_follows_the_outcome_at_once() -> None:
    """P7: right after this outcome where the end is not after `at`."""
    journey = booked(mandatory=True)
    came = journey.cannot_attend(at=END, given_at="2016-03-20 10:00")
    assert came.words[-2:] == ["APPLIED", "notification RAISED"]
    journey = booked(mandatory=True)
    assert journey.cannot_attend(at=instant(END) - 1, given_at="2016-03-20 10:00").words[-1] == "APPLIED"
    assert journey.tick(END).words == ["notification RAISED"]


def test_a_voluntary_participants_reason_is_no_failure_at_once_either() -> None:
    """P7: mandatory only."""
    assert booked().cannot_attend(at=END, given_at="2016-03-20 10:00").words[-1] == "APPLIED"


def test_the_end_is_decided_once_per_booked_time() -> None:
    """P7: a second reason, told later, raises nothing more."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.tick(END)
    came = journey.cannot_attend(given_at="2016-03-20 10:00", reason="ill")
    assert came.words == ["session CANNOT_ATTEND", "APPLIED"]
    journey = booked(mandatory=True, told=False)
    journey.cannot_attend()
    journey.tick(END)
    assert journey.cannot_attend(given_at="2016-03-20 10:00").words[-1] == "APPLIED"


def test_a_session_that_was_cancelled_has_no_failure() -> None:
    """F2: if it is still open."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.object_to_group()
    assert journey.tick("2016-03-22 10:00").words == []


@pytest.mark.parametrize(
    ("starts", "words"),
    [
        ("2016-03-23 09:59:59.999", ["notification RAISED"]),
        ("2016-03-23 10:00", []),
        ("2016-03-23 10:00:00.001", []),
    ],
)
def test_a_session_that_began_after_the_referral_was_closed_has_no_failure(
    starts: str, words: list[str]
) -> None:
    """F2: not closed at or before `starts_at`; attached on 23 March at 10:00."""
    journey = joining(mandatory=True, starts=starts)
    journey.cannot_attend(at="2016-03-22 11:00")
    journey.attach("2016-03-23 10:00")
    assert journey.tick("2016-03-23 12:00").words == words


def test_ends_fall_due_in_the_order_of_booking() -> None:
    """Deadlines: within a referral F2 in order of booking, at one instant."""
    journey = accepted(mandatory=True)
    for session_id, starts, minutes in (("S2", START, 60), ("S1", "2016-03-21 10:30", 30)):
        journey.book(session_id, starts=starts, minutes=minutes)
        journey.cannot_attend(session_id)
    came = journey.tick(END)
    assert [getattr(event, "session_id", None) for event in came] == ["S2", "S1"]


def test_the_end_comes_before_the_cancellation_of_the_same_instant() -> None:
    """Deadlines, at one instant: F2 before T1 to T5."""
    journey = booked(mandatory=True, starts="2016-04-04 23:00")
    journey.cannot_attend()
    journey.tick(journey.after(21) - 1)
    assert journey.tick(journey.after(21)).words[:2] == ["notification RAISED", "cancellation"]


@given(
    st.lists(
        st.sampled_from(["ATTENDED", "DID_NOT_ATTEND", "DID_NOT_PARTICIPATE", "told", "reason", "end"]),
        max_size=12,
    ),
    st.booleans(),
)
def test_at_any_time_at_most_one_notification_is_active(steps: list[Any], told: bool) -> None:
    """F1: raised and withdrawn take turns; one is active where, and only where, an absence was told."""
    journey = booked(mandatory=True, told=told)
    for step in steps:
        before: Came = journey.out
        if step == "end":
            journey.tick(max(journey.now, instant(END)))
        elif step == "told":
            journey.confirm()
        elif step == "reason":
            journey.cannot_attend(
                given_at="2016-03-14 10:30", at=max(journey.now, instant("2016-03-14 11:00"))
            )
        elif journey.session().outcome is None:
            journey.record(step, max(journey.now, instant(START)))
        else:
            journey.correct(step)
        assert before is journey.out
        states = [note.status for note in notifications(journey)]
        assert states == ["RAISED", "WITHDRAWN"] * (len(states) // 2) + ["RAISED"] * (len(states) % 2)
        session = journey.session()
        failed = session.outcome in ABSENT or (
            session.outcome is None and session.cannot_attend is not None and journey.now >= session.ends_at
        )
        assert (len(states) % 2 == 1) == (failed and session.notified_at is not None)


def test_of_two_sessions_each_fails_at_its_own_end() -> None:
    """F2: at the end of the session."""
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.book("S2", starts="2016-03-24 10:00")
    journey.cannot_attend("S2")
    for ends, session_ids in ((END, ["S1"]), ("2016-03-24 11:00", ["S1", "S2"])):
        journey.tick(ends)
        assert [each.session_id for each in notifications(journey)] == session_ids
