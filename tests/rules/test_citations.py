"""Every decision cites the paragraph that says so: row by row, as the rulebook's tables have it."""

import pytest

from gateway.intake.lines import read_lines
from gateway.replay.decisions import decisions
from gateway.rules import guidance
from gateway.rules.deadlines import DEADLINES, RAISED_BY
from gateway.rules.decide import ROWS, SEEN, SHARED
from gateway.rules.events import (
    AttendanceEvent,
    Breach,
    CancellationEvent,
    Event,
    Instruction,
    Outcome,
    SanctionNotification,
)
from gateway.rules.failures import FAILURE
from gateway.rules.messages import RECORD_NAMED
from gateway.rules.policy import shipped
from gateway.sample import programme
from tests.rules.journey import (
    CLOSED,
    END,
    Came,
    Journey,
    accepted,
    attached,
    booked,
    joining,
    referred,
    word,
)

REQUIREMENT = "UCGS Mandating through the Workplan"
BOOKING = "UCGS Booking a claimant onto a group session"
SUITABLE = "UCGS Identifying suitable or eligible claimants for a group session"
BEFOREHAND = "UCGS Claimant cannot attend before the mandated group session has taken place"
FAILS = "UCGS Claimant fails to attend after the mandated group session has taken place"
MANDATORY_ABSENT = "WP19 Mandatory participant does not attend Information Session"

Refusal = tuple[str, str, str | None]

#: Row, code ('' for a duplicate) and citation of the checks of a Referral, in their order.
REFERRAL: list[Refusal] = [
    ("R1", "SPECIAL_CUSTOMER_RECORD", "WP19 ¶2"),
    ("R8", "", None),
    ("R9", "STALE_REVISION", None),
    ("R2", "NOT_AN_INFORMATION_SESSION", "WP19 ¶2"),
    ("R15", "PROGRAMME_ENDED", "WP19 (title page)"),
    ("G4", "DATED_IN_FUTURE", None),
    ("R3", "INVALID_NINO", None),
    ("R4", "CLAIMANT_GROUP_MISSING", "WP19 Annex A"),
    ("R5", "GROUP_CANNOT_BE_MANDATED", "WP19 Annex A"),
    ("R16", "MANDATION_DOES_NOT_FIT", "WP19 ¶16"),
    ("R6", "UC_MANDATION_NOT_JUSTIFIED", "UCGS What are group sessions"),
    ("R7", "NO_JOBSEEKERS_DIRECTION", "JSAGIS ¶11-12"),
    ("R10", "REFERRAL_CLOSED", None),
    ("R11", "MANDATION_NEEDS_NEW_REFERRAL", "WP19 ¶29"),
    ("R12", "IMMUTABLE_FIELD_CHANGED", "WP19 ¶8-9"),
]
#: Of each record: what APPLIED cites where that does not depend on the case, then its checks.
RECORDS: dict[str, tuple[str | None, list[Refusal]]] = {
    "Referral": (None, REFERRAL),
    "Wp11": (
        "WP19 ¶12",
        [
            ("W1", "DOES_NOT_WANT_TO_JOIN", "WP19 ¶11"),
            ("W2", "INTERVIEW_BEFORE_REFERRAL", None),
            ("W9", "ISSUED_BEFORE_INTERVIEW", "WP19 ¶5"),
            ("W3", "INTERVIEW_AFTER_21_DAYS", "WP19 ¶12"),
            ("W5", "WP11_ALREADY_RECEIVED", None),
            ("W6", "REFERRAL_CANCELLED", "WP19 ¶9"),
            ("W7", "REFERRAL_CLOSED", None),
            ("W4", "SUPPORT_GROUP_APPEAL_PENDING", "WRAG"),
        ],
    ),
    "AlternativeSessionRequested": (MANDATORY_ABSENT, [("U1", "REFERRAL_CLOSED", None)]),
    "SupportGroupAppealChanged": ("WRAG", [("U1", "REFERRAL_CLOSED", None)]),
    "GroupSessionRestrictionChanged": (SUITABLE, [("U1", "REFERRAL_CLOSED", None)]),
    "ReferralAccepted": (
        "WP19 ¶3",
        [("P1", "REFERRAL_CLOSED", "WP19 ¶3"), ("P1", "ALREADY_ACCEPTED", "WP19 ¶3")],
    ),
    "ReferralRejected": (
        "WP19 ¶3",
        [
            ("P2", "REFERRAL_CLOSED", "WP19 ¶3"),
            ("P2", "WP11_ALREADY_RECEIVED", "WP19 ¶3"),
            ("P2", "ALREADY_ACCEPTED", "WP19 ¶3"),
        ],
    ),
    "SessionBooked": (
        "WP19 ¶2",
        [
            ("P3", "REFERRAL_CLOSED", "WP19 ¶2"),
            ("P3", "REFERRAL_NOT_ACCEPTED", "WP19 ¶2"),
            ("P3", "SESSION_ALREADY_BOOKED", BOOKING),
            ("P3", "ANOTHER_SESSION_BOOKED", BOOKING),
            ("P3", "SESSION_BEFORE_REFERRAL", "WP19 ¶2"),
            ("P3", "INVALID_DURATION", "JSAGIS ¶18"),
            ("P3", "GROUP_SESSION_UNSUITABLE", SUITABLE),
        ],
    ),
    "SessionChanged": (
        REQUIREMENT,
        [
            ("P4", "REFERRAL_CLOSED", REQUIREMENT),
            ("P4", "UNKNOWN_SESSION", REQUIREMENT),
            ("P4", "SESSION_NOT_OPEN", REQUIREMENT),
            ("P4", "SESSION_ALREADY_STARTED", REQUIREMENT),
            ("P4", "ANOTHER_SESSION_BOOKED", REQUIREMENT),
            ("P4", "SESSION_BEFORE_REFERRAL", REQUIREMENT),
            ("P4", "INVALID_DURATION", REQUIREMENT),
        ],
    ),
    "SessionCancelled": (
        REQUIREMENT,
        [
            ("P5", "UNKNOWN_SESSION", REQUIREMENT),
            ("P5", "SESSION_NOT_OPEN", REQUIREMENT),
            ("P5", "SESSION_ALREADY_STARTED", BEFOREHAND),
        ],
    ),
    "NotificationConfirmed": (
        REQUIREMENT,
        [
            ("P6", "UNKNOWN_SESSION", REQUIREMENT),
            ("P6", "SESSION_CANCELLED", REQUIREMENT),
            ("P6", "NOTIFIED_TOO_LATE", REQUIREMENT),
            ("P6", "NOTIFIED_BEFORE_REFERRAL", REQUIREMENT),
        ],
    ),
    "CannotAttend": (
        BEFOREHAND,
        [
            ("P7", "UNKNOWN_SESSION", BEFOREHAND),
            ("P7", "SESSION_NOT_OPEN", BEFOREHAND),
            ("P7", "SESSION_ALREADY_STARTED", BEFOREHAND),
        ],
    ),
    # Where the outcome depends on who came, `apply` says which.
    "AttendanceRecorded": (
        "WP19 ¶5",
        [
            ("P8", "UNKNOWN_SESSION", "WP19 ¶5"),
            ("P8", "SESSION_CANCELLED", "WP19 ¶5"),
            ("P8", "OUTCOME_ALREADY_RECORDED", "WP19 ¶5"),
            ("P8", "SESSION_NOT_STARTED", "WP19 ¶5"),
            ("P8", "REFERRAL_CLOSED", "WP19 ¶5"),
        ],
    ),
    "GroupObjection": (BOOKING, [("P9", "REFERRAL_CLOSED", "JSAGIS ¶7")]),
    "AttendanceCorrected": (
        "WP19 ¶6",
        [
            ("P10", "UNKNOWN_SESSION", "WP19 ¶6"),
            ("P10", "OUTCOME_NOT_RECORDED", "WP19 ¶6"),
            ("P10", "NOTHING_TO_CORRECT", "WP19 ¶6"),
        ],
    ),
    "AttachmentRegistered": (
        "WP19 ¶12",
        [
            ("P11", "ATTACHED_TO_INFORMATION_SESSION", "WP19 ¶14"),
            ("P11", "ALREADY_ATTACHED", "WP19 ¶11"),
            ("P11", "NO_WP11", "WP19 ¶11"),
            ("P11", "NO_WP11", "WP19 ¶11"),
            ("P11", "ATTACHED_BEFORE_WP11", "WP19 ¶11"),
        ],
    ),
    "ExpenseReimbursed": (
        "WP19 ¶30",
        [
            ("P12", "UNKNOWN_SESSION", "WP19 ¶30"),
            ("P12", "INVALID_AMOUNT", "WP19 ¶30"),
            ("P12", "NO_ATTENDANCE_TO_REIMBURSE", "WP19 ¶30"),
        ],
    ),
    "AlternativeSessionNotPossible": (
        MANDATORY_ABSENT,
        [
            ("P13", "REFERRAL_CLOSED", MANDATORY_ABSENT),
            ("P13", "NO_ALTERNATIVE_REQUESTED", MANDATORY_ABSENT),
        ],
    ),
}


def rule_of(came: Came, said: str) -> str | None:
    """What the event that is `said` cites."""
    [event] = [event for event in came if word(event) == said]
    return event.rule


def test_every_record_has_its_row() -> None:
    """A new kind of message needs one."""
    assert {record.__name__ for record in ROWS} == set(RECORDS) == set(RECORD_NAMED)


@pytest.mark.parametrize("name", RECORDS)
def test_the_checks_of_a_record_are_those_of_the_rulebook_in_its_order(name: str) -> None:
    """R1 to R16, W1 to W9, U1 to U4, P1 to P13."""
    row = ROWS[RECORD_NAMED[name]]
    rule, checks = RECORDS[name]
    assert row.rule == rule
    assert [(check.row, check.code, check.rule) for check in row.checks] == checks


def test_the_checks_that_all_records_share_are_in_order() -> None:
    """G3, G4."""
    assert [(check.row, check.code, check.rule) for check in SHARED] == [
        ("G3", "NOT_YOUR_REFERRAL", None),
        ("G4", "DATED_IN_FUTURE", None),
    ]


def test_the_deadlines_cite_their_sources() -> None:
    """F2 that of P7; T1 to T4 and T6 their own; T5 tells nothing."""
    assert {deadline.row: deadline.rule for deadline in DEADLINES} == {
        "F2": BEFOREHAND,
        "T1": "WP19 ¶3",
        "T2": "WP19 ¶2",
        "T3": "WP19 ¶12",
        "T4": "WP19 ¶12",
        "T6": MANDATORY_ABSENT,
        "T5": "",
    }


def test_every_citation_is_explained() -> None:
    """`gateway explain` prints what a cited paragraph says."""
    cited = {check.rule for row in ROWS.values() for check in row.checks}
    cited |= {check.rule for check in SHARED} | {row.rule for row in ROWS.values()}
    cited |= {deadline.rule for deadline in DEADLINES}
    assert cited - {None, ""} <= set(guidance.SAYS)
    assert {paragraph.split()[0] for paragraph in guidance.SAYS} == set(guidance.SOURCES)
    named = {value for name, value in vars(guidance).items() if name.isupper() and isinstance(value, str)}
    assert named == set(guidance.SAYS)
    assert all(text.endswith(".") for text in guidance.SAYS.values())


def test_what_a_row_does_cites_no_guidance_but_that_which_the_page_names_for_it() -> None:
    """`cites` of a row, and of F1 where it raises a failure; nothing is missing, and nothing is too much."""
    cited: dict[str, set[str]] = {record: set() for record in RECORDS}
    kinds = {}
    lines = list(read_lines(programme(2_000, 5)))
    for line in lines:
        if line.message is not None:
            kinds[line.message.message_id] = type(line.message).__name__
    by_message = decisions(lines, shipped())
    for events in ([event for event, _ in effects] for _, effects in by_message):
        outcomes = [event for event in events if isinstance(event, Outcome)]
        if len(outcomes) == 1 and outcomes[0].status == "APPLIED":
            cited[kinds[outcomes[0].message_id]] |= {event.rule for event in events if event.rule}
    for name, rules in cited.items():
        row = ROWS[RECORD_NAMED[name]]
        named = {rule for applied in row.applied for rule in (applied.rule, *applied.cites)}
        cleared = {missed.rule for missed in RAISED_BY.values() if row.row in missed.cleared_by}
        assert rules - {FAILURE.rule, *FAILURE.cites} - cleared <= named, name
        # Seldom: a revision with a new restriction, or that puts a referral on hold.
        seldom = {guidance.SUITABLE, guidance.APPEAL, guidance.TIME_LIMITS} if name == "Referral" else set()
        assert named - rules <= {None, *seldom}, name


def test_every_refusal_and_duplicate_says_why() -> None:
    """`detail`: a sentence for a person."""
    for check in (*SHARED, *(check for row in ROWS.values() for check in row.checks)):
        assert check.detail, check
        assert check.detail.endswith("."), check
        assert check.when, check


def test_a_check_without_a_code_makes_a_duplicate() -> None:
    """R8; all others refuse."""
    checks = [check for row in ROWS.values() for check in (*row.checks, *SHARED)]
    assert {check.row for check in checks if check.status == "DUPLICATE"} == {"R8"}
    assert SEEN.status == "DUPLICATE"
    assert {check.status for check in checks} == {"DUPLICATE", "REFUSED"}


# What goes out.


def test_the_first_referral_cites_the_acceptance() -> None:
    """R14."""
    assert {event.rule for event in Journey().refer()} == {"WP19 ¶3"}
    assert {event.rule for event in referred().refer()} == {"WP19 ¶1"}


def test_a_refusal_cites_its_row_and_a_refusal_without_source_nothing() -> None:
    """`rule`: the source of the row that decided; null where it has none."""
    assert Journey().refer(claimant_group=None).outcome.rule == "WP19 Annex A"
    assert referred().refer(po_revision=0).outcome.rule is None
    assert referred().accept(message_id="m1").outcome.rule is None
    assert Journey().accept().outcome.rule is None


def test_each_event_of_a_record_cites_the_row_that_says_it() -> None:
    """P1, P2, W8, U2, U4, P9, P11, P3."""
    assert {event.rule for event in referred().accept()} == {"WP19 ¶3"}
    assert {event.rule for event in referred().reject()} == {"WP19 ¶3"}
    assert {event.rule for event in booked().wp11()} == {"WP19 ¶12"}
    assert {event.rule for event in booked().ask_for_alternative()} == {MANDATORY_ABSENT}
    assert {event.rule for event in booked().restrict("MAPPA")} == {SUITABLE}
    assert {event.rule for event in booked().object_to_group()} == {BOOKING}
    assert {event.rule for event in joining().attach("2016-03-23 10:00")} == {"WP19 ¶12"}
    backed_out = joining().attach(attached_to="INFORMATION_SESSION_REFERRAL")
    assert {event.rule for event in backed_out} == {"WP19 ¶14"}
    assert {event.rule for event in accepted(group_session_restriction="MAPPA").book()} == {SUITABLE}
    assert {event.rule for event in booked(mandatory=True).change(told=False)} == {REQUIREMENT}
    revised = booked().refer(group_session_restriction="MAPPA")
    assert rule_of(revised, "instruction OFFER_ONE_TO_ONE") == SUITABLE
    assert rule_of(revised, "APPLIED") == "WP19 ¶1"


@pytest.mark.parametrize("mandatory", [True, False])
def test_an_attendance_cites_what_is_told_of_whom(mandatory: bool) -> None:
    """P8, P10: ¶5 who came; ¶6 voluntary; the section on mandatory participants who do not attend."""
    journey = booked(mandatory=mandatory)
    absent = MANDATORY_ABSENT if mandatory else "WP19 ¶6"
    came = journey.record("ATTENDED")
    assert [event.rule for event in came] == ["WP19 ¶5", "WP19 ¶5"]
    came = journey.correct("DID_NOT_ATTEND")
    assert rule_of(came, "attendance DID_NOT_ATTEND") == absent
    assert came.outcome.rule == absent
    assert booked(mandatory=mandatory).record("DID_NOT_PARTICIPATE").outcome.rule == absent
    assert journey.correct("ATTENDED").outcome.rule == "WP19 ¶5"


def test_a_failure_cites_how_it_came_to_be_known() -> None:
    """F1 by P8, P10: fails to attend; by P6: the Workplan; F2: beforehand; withdrawn by P5: the Workplan."""
    journey = booked(mandatory=True)
    assert rule_of(journey.record("DID_NOT_ATTEND"), "notification RAISED") == FAILS
    assert rule_of(journey.correct("ATTENDED"), "notification WITHDRAWN") == FAILS
    assert rule_of(journey.correct("DID_NOT_ATTEND"), "notification RAISED") == FAILS
    journey = booked(mandatory=True, told=False)
    assert rule_of(journey.record("DID_NOT_ATTEND"), "instruction CONFIRM_NOTIFICATION") == FAILS
    assert rule_of(journey.confirm(), "notification RAISED") == REQUIREMENT
    journey = booked(mandatory=True)
    journey.cannot_attend()
    assert rule_of(journey.tick(END), "notification RAISED") == BEFOREHAND
    assert rule_of(journey.cancel(), "notification WITHDRAWN") == REQUIREMENT
    journey = booked(mandatory=True)
    journey.cannot_attend()
    journey.tick(END)
    assert rule_of(journey.record("ATTENDED"), "notification WITHDRAWN") == FAILS
    journey = booked(mandatory=True, told=False)
    journey.cannot_attend()
    assert rule_of(journey.tick(END), "instruction CONFIRM_NOTIFICATION") == BEFOREHAND
    assert rule_of(journey.record("ATTENDED"), "attendance ATTENDED") == "WP19 ¶5"


def test_a_breach_cites_its_limit_when_raised_and_when_cleared() -> None:
    """T1, T2, T4; CLEARED too."""
    journey = referred()
    assert journey.tick("2016-03-17 00:00").one(Breach).rule == "WP19 ¶3"
    assert journey.accept(accepted_at="2016-03-15 10:00").one(Breach).rule == "WP19 ¶3"
    journey.book(starts="2016-03-21 10:00")
    assert journey.tick("2016-03-30 00:00").one(Breach).rule == "WP19 ¶2"
    assert journey.record("ATTENDED").one(Breach).rule == "WP19 ¶2"
    journey.wp11()
    assert journey.tick("2016-04-12 00:00").one(Breach).rule == "WP19 ¶12"
    assert journey.attach(attached_on="2016-04-01").one(Breach).rule == "WP19 ¶12"


def test_a_cancellation_cites_what_is_said_of_this_participant() -> None:
    """T3: ¶5 who attended; ¶12; ¶7 a voluntary one who attended nothing; all its events the same."""
    for mandatory, outcome, rule in (
        (True, "ATTENDED", "WP19 ¶5"),
        (False, "ATTENDED", "WP19 ¶5"),
        (True, "DID_NOT_ATTEND", "WP19 ¶12"),
        (False, "DID_NOT_ATTEND", "WP19 ¶7"),
    ):
        journey = booked(mandatory=mandatory)
        journey.record("ATTENDED" if outcome == "ATTENDED" else "DID_NOT_ATTEND")
        journey.tick(journey.after(21) - 1)
        came = journey.tick(journey.after(21))
        assert came.one(CancellationEvent).rule == rule
        assert {event.rule for event in came} == {rule}


def test_every_event_of_a_whole_journey_cites_something_that_is_explained() -> None:
    """Null only in an Outcome."""
    journeys = [make(mandatory=True) for make in CLOSED] + [attached()]
    events: list[Event] = [event for journey in journeys for event in journey.out]
    assert events
    for event in events:
        assert event.rule in guidance.SAYS or (isinstance(event, Outcome) and event.rule is None)
    kinds = (AttendanceEvent, SanctionNotification)
    assert not [event for event in events if isinstance(event, kinds)]
    assert [event for event in events if isinstance(event, Instruction)]
