"""Who was told, who came, and what they were reimbursed (rulebook: P6, P8, P10, P12)."""

from typing import Any

import pytest

from gateway.rules.events import AttendanceEvent, Breach, Instruction, SessionEvent
from gateway.rules.messages import AttendanceOutcome
from tests.rules.journey import (
    CLOSED,
    END,
    START,
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

ABSENT: list[AttendanceOutcome] = ["DID_NOT_ATTEND", "DID_NOT_PARTICIPATE"]
ANOTHER = "instruction ARRANGE_ALTERNATIVE_SESSION"
OUTCOMES: list[AttendanceOutcome] = ["ATTENDED", *ABSENT]

# P8 AttendanceRecorded.


@pytest.mark.parametrize("mandatory", [True, False])
def test_an_attendance_is_told_to_the_jobcentre(mandatory: bool) -> None:
    """P8, WP19 ¶5."""
    came = booked(mandatory=mandatory).record("ATTENDED")
    assert came.words == ["attendance ATTENDED", "APPLIED"]
    event = came.one(AttendanceEvent)
    assert (event.session_id, event.session_starts_at) == ("S1", instant(START))
    assert (event.attempt, event.supersedes) == (1, None)
    assert event.requirement == ("MANDATORY" if mandatory else "VOLUNTARY")
    assert (event.provider_id, event.jobcentre_id) == ("PRV01", "JCP-LEEDS")


@pytest.mark.parametrize("outcome", ABSENT)
def test_the_jobcentre_need_not_be_told_that_a_voluntary_participant_did_not_come(
    outcome: AttendanceOutcome,
) -> None:
    """P8, WP19 ¶6: 'You are not required to tell Jobcentre Plus'."""
    assert "attendance" not in " ".join(booked(mandatory=False).record(outcome).words)


@pytest.mark.parametrize("outcome", ABSENT)
def test_the_jobcentre_must_be_told_that_a_mandatory_participant_did_not_come(
    outcome: AttendanceOutcome,
) -> None:
    """P8, WP19 Mandatory participant does not attend: 'You must tell Jobcentre Plus'."""
    came = booked(mandatory=True).record(outcome)
    assert came.words[:2] == [f"attendance {outcome}", "notification RAISED"]


@pytest.mark.parametrize("mandatory", [True, False])
def test_who_did_not_come_is_offered_another_session(mandatory: bool) -> None:
    """P8, WP19 ¶8: 'You should aim to offer an alternative date ... at the next available time'."""
    came = booked(mandatory=mandatory).record("DID_NOT_ATTEND")
    assert came.words[-2:] == [ANOTHER, "APPLIED"]
    assert came.one(Instruction).session_id == "S1"
    assert came.one(Instruction).rule == "WP19 ¶8"


def test_another_session_is_offered_after_the_proof_that_is_asked_for() -> None:
    """P8: after F1's instruction."""
    came = booked(mandatory=True, told=False).record("DID_NOT_ATTEND")
    assert came.words[1:] == ["instruction CONFIRM_NOTIFICATION", ANOTHER, "APPLIED"]


def test_no_other_session_is_offered_where_none_is_wanted() -> None:
    """P8: who took no part; who had said so beforehand; another is expected; the referral is not OPEN."""
    assert ANOTHER not in booked().record("DID_NOT_PARTICIPATE").words
    said = booked()
    assert ANOTHER in said.cannot_attend().words
    said.book("S2", starts="2016-03-22 10:00")
    assert ANOTHER not in said.record("DID_NOT_ATTEND").words
    said = booked()
    said.cannot_attend()
    assert ANOTHER not in said.record("DID_NOT_ATTEND").words
    assert ANOTHER not in joining().record("DID_NOT_ATTEND", "2016-03-23 10:00").words
    assert ANOTHER not in cancelled().record("DID_NOT_ATTEND").words


def test_a_correction_to_an_absence_offers_another_session_too() -> None:
    """P10: the instruction as in P8."""
    journey = booked()
    journey.record("ATTENDED")
    assert journey.correct("DID_NOT_PARTICIPATE").words == ["attendance DID_NOT_PARTICIPATE", "APPLIED"]
    assert journey.correct("DID_NOT_ATTEND").words == [ANOTHER, "APPLIED"]


def test_only_a_booked_session_has_an_outcome() -> None:
    """P8."""
    journey = booked()
    assert journey.record("ATTENDED", session_id="S9").words == ["REFUSED UNKNOWN_SESSION"]
    journey.cancel()
    assert journey.record("ATTENDED").words == ["REFUSED SESSION_CANCELLED"]


def test_a_session_has_one_outcome() -> None:
    """P8: another is a correction."""
    journey = booked()
    journey.record("DID_NOT_ATTEND")
    assert journey.record("ATTENDED").words == ["REFUSED OUTCOME_ALREADY_RECORDED"]


def test_an_outcome_is_not_recorded_before_the_start() -> None:
    """P8: neither `recorded_at` nor `at` is before `starts_at`, to the millisecond."""
    at = instant(START)
    assert booked().record("ATTENDED", at, recorded_at=at).outcome.status == "APPLIED"
    assert booked().record("ATTENDED", at, recorded_at=at - 1).words == ["REFUSED SESSION_NOT_STARTED"]
    assert booked().record("ATTENDED", at - 1, recorded_at=at).words == ["REFUSED SESSION_NOT_STARTED"]
    assert booked().record("ATTENDED", at - 1).words == ["REFUSED SESSION_NOT_STARTED"]


def test_an_outcome_may_be_recorded_before_the_end() -> None:
    """P8 asks for the start only."""
    assert booked().record("ATTENDED", instant(START) + 1).outcome.status == "APPLIED"


@pytest.mark.parametrize("mandatory", [True, False])
def test_who_is_booked_on_another_session_is_offered_none_by_a_correction(mandatory: bool) -> None:
    """P10: to DID_NOT_ATTEND as in P8, where no session is expected."""
    for starts, offered in (("2016-03-29 10:00", False), (None, True)):
        journey = booked(mandatory=mandatory)
        journey.record("ATTENDED")
        if starts is not None:
            journey.book("S2", starts=starts)
        assert (ANOTHER in journey.correct("DID_NOT_ATTEND").words) is offered


@pytest.mark.parametrize(
    ("starts", "requirement"), [("2016-04-04 23:59:59.999", "MANDATORY"), ("2016-04-05 00:00", "VOLUNTARY")]
)
def test_who_comes_after_the_21_days_has_attended_and_no_longer_has_to(starts: str, requirement: str) -> None:
    """P8, WP19 ¶7, ¶27: 'They may also choose to attend ... at a later date'; cancelled from 5 April."""
    came = booked(starts=starts, mandatory=True).record("ATTENDED", "2016-04-06 10:00")
    assert came.words == ["attendance ATTENDED", "APPLIED"]
    assert came.one(AttendanceEvent).requirement == requirement
    absent = booked(starts=starts, mandatory=True).record("DID_NOT_ATTEND", "2016-04-06 10:00")
    assert ("notification RAISED" in absent.words) == (requirement == "MANDATORY")


def test_an_attachment_closes_a_referral_at_its_arrival() -> None:
    """Words, closed at: the `at` of the message; here 23 March at 10:00."""
    for starts, word in (("2016-03-23 10:00", "REFUSED REFERRAL_CLOSED"), ("2016-03-23 09:59", "APPLIED")):
        journey = attached(starts=starts, mandatory=False)
        assert journey.record("DID_NOT_ATTEND", "2016-03-24 10:00").words == [word]


def test_a_rejection_closes_a_referral_at_its_arrival() -> None:
    """Words, closed at: only an accepted referral has sessions, so no outcome follows a rejection."""
    assert rejected().record("ATTENDED").words == ["REFUSED UNKNOWN_SESSION"]


def test_the_checks_of_an_outcome_are_made_from_left_to_right() -> None:
    """P8: SESSION_CANCELLED, OUTCOME_ALREADY_RECORDED, SESSION_NOT_STARTED, REFERRAL_CLOSED."""
    journey = attached(starts="2016-04-20 10:00")
    assert journey.record("ATTENDED", "2016-04-10 10:00").words == ["REFUSED SESSION_NOT_STARTED"]
    journey.cancel()
    assert journey.record("ATTENDED", "2016-04-11 10:00").words == ["REFUSED SESSION_CANCELLED"]
    journey = booked()
    journey.record("ATTENDED")
    assert journey.record("ATTENDED", recorded_at="2016-03-20 10:00").words == [
        "REFUSED OUTCOME_ALREADY_RECORDED"
    ]


def test_attempts_are_counted_in_the_order_of_the_first_outcomes() -> None:
    """`attempt`: the order in which outcomes were first recorded, told or not; it never changes."""
    journey = booked(starts="2016-03-17 10:00")
    journey.record("DID_NOT_ATTEND", "2016-03-17 11:00")
    journey.book("S2", starts="2016-03-18 10:00")
    assert journey.record("ATTENDED", "2016-03-18 11:00", session_id="S2").one(AttendanceEvent).attempt == 2
    assert journey.correct("ATTENDED", session_id="S1").one(AttendanceEvent).attempt == 1
    assert journey.correct("DID_NOT_ATTEND", session_id="S2").one(AttendanceEvent).attempt == 2


def test_a_breach_is_cleared_by_an_attendance_in_time() -> None:
    """P8, T2: an ATTENDED session of a date up to 29 March, though recorded later."""
    journey = booked(starts="2016-03-29 23:59:59.999")
    assert journey.tick("2016-03-30 00:00").words == ["breach SESSION_LATE RAISED"]
    came = journey.record("ATTENDED", "2016-03-30 09:00")
    assert came.words == ["attendance ATTENDED", "breach SESSION_LATE CLEARED", "APPLIED"]
    assert came.one(Breach).due_on == day("2016-03-29")


def test_a_breach_is_not_cleared_by_an_attendance_out_of_time() -> None:
    """P8, T2: a session of 30 March."""
    journey = booked(starts="2016-03-30 00:00")
    journey.tick("2016-03-30 00:00")
    assert journey.record("ATTENDED", "2016-03-30 09:00").words == ["attendance ATTENDED", "APPLIED"]


def test_a_breach_is_not_cleared_by_an_absence() -> None:
    """P8, T2."""
    journey = booked(mandatory=False, starts="2016-03-29 10:00")
    journey.tick("2016-03-30 00:00")
    assert journey.record("DID_NOT_ATTEND", "2016-03-30 09:00").words == [ANOTHER, "APPLIED"]


@pytest.mark.parametrize("mandatory", [True, False])
def test_a_breach_is_cleared_once_by_a_correction_too(mandatory: bool) -> None:
    """P10, T2: at most once; the later attendance is told, the breach is not cleared again."""
    journey = booked(mandatory=mandatory)
    journey.record("DID_NOT_ATTEND")
    journey.tick("2016-03-30 00:00")
    assert "breach SESSION_LATE CLEARED" in journey.correct("ATTENDED").words
    journey.correct("DID_NOT_ATTEND")
    assert "breach SESSION_LATE CLEARED" not in journey.correct("ATTENDED").words


def test_a_breach_is_cleared_on_a_cancelled_referral_too() -> None:
    """T2: a record that came later shows that the limit was met, whenever it comes."""
    journey = booked()
    journey.tick("2016-04-06 10:00")
    assert journey.record("ATTENDED", "2016-04-06 11:00").words == [
        "attendance ATTENDED",
        "breach SESSION_LATE CLEARED",
        "APPLIED",
    ]


# P10 AttendanceCorrected.


def test_a_correction_to_attended_is_told_and_withdraws() -> None:
    """P10, UCGS: there was no failure."""
    journey = booked(mandatory=True)
    first = journey.record("DID_NOT_ATTEND").one(AttendanceEvent)
    came = journey.correct("ATTENDED")
    assert came.words == ["attendance ATTENDED", "notification WITHDRAWN", "APPLIED"]
    assert came.one(AttendanceEvent).supersedes == first.event_id


def test_a_correction_to_an_absence_raises() -> None:
    """P10, F1: of a mandatory participant."""
    journey = booked(mandatory=True)
    first = journey.record("ATTENDED").one(AttendanceEvent)
    came = journey.correct("DID_NOT_PARTICIPATE")
    assert came.words == ["attendance DID_NOT_PARTICIPATE", "notification RAISED", "APPLIED"]
    assert came.one(AttendanceEvent).supersedes == first.event_id


def test_each_correction_supersedes_the_last_event_told() -> None:
    """P10: of this session."""
    journey = booked(mandatory=True)
    told = journey.record("ATTENDED").one(AttendanceEvent)
    for outcome in ("DID_NOT_ATTEND", "DID_NOT_PARTICIPATE", "ATTENDED"):
        event = journey.correct(outcome).one(AttendanceEvent)
        assert event.supersedes == told.event_id
        told = event


def test_a_voluntary_absence_is_told_only_where_it_corrects_an_attendance() -> None:
    """P10, WP19 ¶6: nothing wrong was told, so there is nothing to set right."""
    journey = booked(mandatory=False)
    journey.record("DID_NOT_ATTEND")
    assert journey.correct("DID_NOT_PARTICIPATE").words == ["APPLIED"]
    assert journey.correct("DID_NOT_PARTICIPATE").words == ["REFUSED NOTHING_TO_CORRECT"]
    attended = journey.correct("ATTENDED").one(AttendanceEvent)
    assert attended.supersedes is None
    absent = journey.correct("DID_NOT_ATTEND")
    assert absent.words == ["attendance DID_NOT_ATTEND", ANOTHER, "APPLIED"]
    assert absent.one(AttendanceEvent).supersedes == attended.event_id
    assert journey.correct("DID_NOT_PARTICIPATE").words == ["APPLIED"]
    again = journey.correct("ATTENDED").one(AttendanceEvent)
    assert again.supersedes == absent.one(AttendanceEvent).event_id


def test_only_an_outcome_is_corrected_and_only_to_another() -> None:
    """P10."""
    journey = booked()
    assert journey.correct("ATTENDED", session_id="S9").words == ["REFUSED UNKNOWN_SESSION"]
    assert journey.correct("ATTENDED").words == ["REFUSED OUTCOME_NOT_RECORDED"]
    journey.record("ATTENDED")
    assert journey.correct("ATTENDED").words == ["REFUSED NOTHING_TO_CORRECT"]


@pytest.mark.parametrize("closed", [closed for closed in CLOSED if closed.__name__ != "rejected"])
def test_records_of_a_session_count_on_a_closed_referral(closed: Any) -> None:
    """P6, P8, P10, P12: also on a closed referral, of a session that began before it was closed."""
    journey = closed(mandatory=True)
    at = journey.now
    assert journey.record("DID_NOT_ATTEND", at).words[-1] == "APPLIED"
    assert journey.correct("ATTENDED").words[-1] == "APPLIED"
    assert journey.confirm().words == ["APPLIED"]
    assert journey.reimburse().words == ["APPLIED"]


# P6 NotificationConfirmed.


def test_a_confirmation_replaces_when_the_participant_was_told() -> None:
    """P6, UCGS Mandating; the Jobcentre is told of an open session."""
    journey = booked(told=False)
    came = journey.confirm(told="2016-03-14 09:00")
    assert came.words == ["session CHANGED", "APPLIED"]
    assert came.one(SessionEvent).notified_at == instant("2016-03-14 09:00")
    assert journey.session().notified_at == instant("2016-03-14 09:00")
    journey.confirm(told="2016-03-14 09:30")
    assert journey.session().notified_at == instant("2016-03-14 09:30")


def test_a_confirmation_that_is_too_late_does_not_count() -> None:
    """P6: `notified_at` before `starts_at`, to the millisecond."""
    at = instant(START)
    assert booked().confirm(at=END, told=at).words == ["REFUSED NOTIFIED_TOO_LATE"]
    assert booked().confirm(at=END, told=at - 1).words == ["session CHANGED", "APPLIED"]


def test_nobody_is_told_before_the_referral() -> None:
    """P6: `notified_at` of a London date before D proves nothing."""
    midnight = instant("2016-03-14 00:00")
    assert booked().confirm(told=midnight - 1).words == ["REFUSED NOTIFIED_BEFORE_REFERRAL"]
    assert booked().confirm(told=midnight).words == ["session CHANGED", "APPLIED"]


def test_a_cancelled_session_is_not_confirmed() -> None:
    """P6: UNKNOWN_SESSION, SESSION_CANCELLED, NOTIFIED_TOO_LATE, in this order."""
    journey = booked()
    assert journey.confirm("S9").words == ["REFUSED UNKNOWN_SESSION"]
    journey.cancel()
    assert journey.confirm(at=END, told=END).words == ["REFUSED SESSION_CANCELLED"]


def test_a_confirmation_alone_raises_nothing() -> None:
    """P6: only a failure that waited for it."""
    journey = booked(mandatory=True, told=False)
    assert journey.confirm().words == ["session CHANGED", "APPLIED"]
    journey = booked(mandatory=True)
    journey.record("DID_NOT_ATTEND")
    assert journey.confirm().words == ["APPLIED"]


# P12 ExpenseReimbursed.


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ("ATTENDED", "APPLIED"),
        ("DID_NOT_PARTICIPATE", "APPLIED"),
        ("DID_NOT_ATTEND", "REFUSED NO_ATTENDANCE_TO_REIMBURSE"),
    ],
)
def test_who_came_is_reimbursed(outcome: AttendanceOutcome, word: str) -> None:
    """P12, WP19 ¶30: one who came and took no part too."""
    journey = booked()
    journey.record(outcome)
    assert journey.reimburse().words == [word]


def test_what_was_paid_beforehand_or_at_the_door_is_reimbursed() -> None:
    """P12, WP19 ¶30: 'not out of pocket'; whether they came is not known, and that is said."""
    journey = booked()
    assert journey.reimburse().words == ["APPLIED ATTENDANCE_NOT_RECORDED"]
    journey.cancel()
    assert journey.reimburse().words == ["APPLIED ATTENDANCE_NOT_RECORDED"]
    assert journey.reimburse("S9", pence=0).words == ["REFUSED UNKNOWN_SESSION"]


def test_an_amount_is_at_least_a_penny() -> None:
    """P12: INVALID_AMOUNT comes before NO_ATTENDANCE_TO_REIMBURSE."""
    journey = booked()
    assert journey.reimburse(pence=0).words == ["REFUSED INVALID_AMOUNT"]
    journey.record("ATTENDED")
    assert journey.reimburse(pence=-1).words == ["REFUSED INVALID_AMOUNT"]
    assert journey.reimburse(pence=1).words == ["APPLIED"]


def test_expenses_are_kept() -> None:
    """P12: as they came, each."""
    journey = booked()
    journey.record("ATTENDED", "2016-03-21 11:00")
    journey.reimburse(pence=450)
    journey.reimburse(pence=1200, kind="CHILDCARE")
    kept = [(e.session_id, e.kind, e.amount_pence, e.paid_on) for e in journey.state.expenses]
    on = day("2016-03-21")
    assert kept == [("S1", "TRAVEL", 450, on), ("S1", "CHILDCARE", 1200, on)]


def test_a_booking_is_not_an_outcome() -> None:
    """P8: nothing is told of a session before its outcome."""
    journey = accepted()
    assert not [event for event in journey.out if isinstance(event, AttendanceEvent)]
    assert referred().state.outcomes == 0
