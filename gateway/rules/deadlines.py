"""What falls due: F2, T1 to T6 (rulebook: Failures, Deadlines).

Each is a row. What is due next, what happens then, and the page of rules all read the same rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, get_args

from msgspec.structs import replace

from gateway.rules.calendar import london_day, midnight
from gateway.rules.case import Case
from gateway.rules.events import BreachBecause, BreachKind, CancellationEvent
from gateway.rules.failures import fail
from gateway.rules.guidance import (
    ACCEPTANCE,
    ATTENDED,
    CANNOT_ATTEND,
    MANDATORY_ABSENCE,
    SESSION_IN_TIME,
    TIME_LIMITS,
    VOLUNTARY_NOT_STARTED,
)
from gateway.rules.referral import F2_PASSED, LEADS_TO, T6_PASSED, ReferralState, Session, Status

#: The place of what was held (G2) and of F2 among what falls due at one instant; T1 to T4, T6 and T5 follow.
HELD_OR_END: Final = 0
OUTCOME: Final = 5
#: After all else: the last trace of a purchase order that has neither a referral nor held messages.
TRACE: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """What every row has for its readers. In its words a limit of the policy stands in braces.

    row: its name in the rulebook. place: among what falls due at one instant. limit, when, then: the time,
    the condition and the effect, in words. over: that its time is over, for somebody new to the Work
    Programme; '' where no event says so. rule: the guidance, '' where there is none. cites: other guidance
    that its events cite; cites_when: in which case which, in words.
    """

    row: str
    place: int
    limit: str
    when: str
    then: str
    over: str = ""
    rule: str
    cites: tuple[str, ...] = ()
    cites_when: str = ""

    @property
    def condition(self) -> str:
        """All of it, in words."""
        return self.when


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDeadline(Deadline):
    """A row about one session: `effect` at the instant `at`, if `holds`."""

    at: Callable[[Session], int]
    holds: Callable[[ReferralState, Session], bool]
    effect: Callable[[Case[Any], Session], None]
    breach: BreachKind | None = None
    cleared_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralDeadline(Deadline):
    """A row about a referral: `effect` when `last_day` has passed, if the referral has `status` and `holds`.

    status: None: any. when: `holds` in words, '' where that is always so. may_return: `holds` may become true
    again, so it is looked at only at the instant. effect: takes the instant. breach: the one it raises, which
    the rows `cleared_by` clear where they show that the limit was met.
    """

    last_day: Callable[[ReferralState], int]
    status: Status | None
    when: str = ""
    holds: Callable[[ReferralState], bool] | None = None
    may_return: bool = False
    effect: Callable[[Case[Any], "ReferralDeadline", int], None]
    breach: BreachKind | None = None
    cleared_by: tuple[str, ...] = ()

    @property
    def condition(self) -> str:
        """The status, and `when`."""
        return ", ".join(filter(None, (self.status or "any", self.when)))

    def is_met(self, referral: ReferralState) -> bool:
        """Whether the condition is true of a referral."""
        return self.status in (None, referral.status) and (self.holds is None or self.holds(referral))

    def may_come(self, status: Status) -> bool:
        """Whether a referral of that status may be in this row's one at the instant."""
        return self.status in (None, status) or self.status in LEADS_TO[status]


def _fail(case: Case[Any], session: Session) -> None:
    case.change_session(fail(case, replace(session, passed=session.passed | F2_PASSED), CANNOT_ATTEND))


def _raise(case: Case[Any], row: ReferralDeadline, instant: int) -> None:
    breach = row.breach
    if breach is not None:
        case.breach(breach, "RAISED", row.last_day(case.referral), row.rule)
        case.update(**{breach.lower(): "RAISED"})


def _missing(referral: ReferralState) -> BreachBecause:
    last_day = referral.session_by()
    in_time = [session for session in referral.sessions if session.on <= last_day]
    if not in_time:
        return "NOT_BOOKED"
    if all(session.cancelled for session in in_time):
        return "CANCELLED"
    return "NOT_RECORDED" if all(session.outcome is None for session in in_time) else "NOT_ATTENDED"


def _session_late(case: Case[Any], row: ReferralDeadline, instant: int) -> None:
    referral = case.referral
    because = _missing(referral)
    case.breach("SESSION_LATE", "RAISED", row.last_day(referral), row.rule, because=because)
    case.update(session_late="RAISED")


def _attachment_late(case: Case[Any], row: ReferralDeadline, instant: int) -> None:
    due_on = row.last_day(case.referral)
    case.breach("ATTACHMENT_LATE", "RAISED", due_on, row.rule)
    # A later day may be named when a hold ends; what clears the breach names this one.
    case.update(attachment_late="RAISED", attachment_due_on=due_on)


def _outcome_day(session: Session) -> int:
    return _NEVER if session.outcome_by is None else session.outcome_by


def _ask_for_outcome(case: Case[Any], session: Session) -> None:
    # Before the instructions: `holds` has made sure that there is something to ask for.
    missing = session.open
    changed = replace(session, passed=session.passed | T6_PASSED)
    if missing:
        changed = replace(changed, outcome_late="RAISED")
        case.instruct("RECORD_OUTCOME", MANDATORY_ABSENCE, session_id=session.session_id)
    if session.failure_waits:
        case.instruct("CONFIRM_NOTIFICATION", MANDATORY_ABSENCE, session_id=session.session_id)
    if missing:
        case.breach(
            "OUTCOME_LATE",
            "RAISED",
            _outcome_day(session),
            MANDATORY_ABSENCE,
            session_id=session.session_id,
        )
    case.change_session(changed)


def _cancel(case: Case[Any], row: ReferralDeadline, instant: int) -> None:
    referral, effects = case.referral, case.effects
    rule = ATTENDED if referral.attended else row.rule if referral.mandate_in_force else VOLUNTARY_NOT_STARTED
    # It closes at the instant of the deadline, even if that is decided later.
    case.update(status="CANCELLED", closed_at=instant)
    effects.add(
        CancellationEvent(
            event_id=effects.next_id(),
            po_number=effects.po_number,
            provider_id=referral.provider_id,
            jobcentre_id=referral.jobcentre_id,
            reason="Did Not Start",
            referred_on=referral.referred_on,
            effective_on=row.last_day(referral) + 1,
            attended=referral.attended,
            decided_at=effects.decided_at,
            rule=rule,
        )
    )
    case.enter_on_prap("CANCEL", rule, "Did Not Start")
    case.instruct("REFERRAL_CANCELLED", rule)


def _forget(case: Case[Any], row: ReferralDeadline, instant: int) -> None:
    case.known = None


SESSION_ENDED: Final = SessionDeadline(
    row="F2",
    place=HELD_OR_END,
    limit="the end of the session",
    at=lambda session: session.ends_at,
    when="mandatory, said beforehand that they can't attend, the session still open or owed",
    holds=ReferralState.failure_to_come,
    then="F1 with that reason, and no attendance event",
    over="the session is over, and the participant had said that they can't come",
    effect=_fail,
    rule=CANNOT_ATTEND,
)
ACCEPTANCE_LATE: Final = ReferralDeadline(
    row="T1",
    place=1,
    limit="{accept_within_working_days} working days",
    last_day=lambda referral: referral.accept_by,
    status="OPEN",
    when="not accepted",
    holds=lambda referral: not referral.accepted,
    then="Breach ACCEPTANCE_LATE RAISED",
    over="the time to accept is over",
    effect=_raise,
    breach="ACCEPTANCE_LATE",
    cleared_by=("P1",),
    rule=ACCEPTANCE,
)
SESSION_LATE: Final = ReferralDeadline(
    row="T2",
    place=2,
    limit="D+{session_within_days}",
    last_day=ReferralState.session_by,
    status="OPEN",
    when="no session of a date within the limit has outcome ATTENDED",
    holds=lambda referral: not referral.attended_in_time,
    may_return=True,  # the outcome may be corrected
    then="Breach SESSION_LATE RAISED, `because` no session of such a date is known (NOT_BOOKED), all are "
    "cancelled (CANCELLED), one has an outcome (NOT_ATTENDED), otherwise NOT_RECORDED",
    over="the time for a session is over",
    effect=_session_late,
    breach="SESSION_LATE",
    cleared_by=("P8", "P10"),
    rule=SESSION_IN_TIME,
)
NOT_STARTED: Final = ReferralDeadline(
    row="T3",
    place=3,
    limit="D+{wp11_within_days}",
    last_day=ReferralState.wp11_by,
    status="OPEN",
    then="CANCELLED: cancellation event 'Did Not Start', PRaP CANCEL, Instruction REFERRAL_CANCELLED",
    over="the time for a WP11 is over",
    effect=_cancel,
    rule=TIME_LIMITS,
    cites=(ATTENDED, VOLUNTARY_NOT_STARTED),
    cites_when=f"{ATTENDED} where a session was attended. Where none was, it cites {TIME_LIMITS} for a "
    f"mandatory participant and {VOLUNTARY_NOT_STARTED} for a voluntary one",
)
ATTACHMENT_LATE: Final = ReferralDeadline(
    row="T4",
    place=4,
    limit="D+{attach_within_days}, or the later day that UNDERTAKE_ATTACHMENT said",
    last_day=ReferralState.attach_by,
    status="JOINING",
    when="not on hold",
    # Once, though another day may be named later.
    holds=lambda referral: not referral.on_hold and referral.attachment_late is None,
    may_return=True,  # when the hold ends
    then="Breach ATTACHMENT_LATE RAISED",
    over="the time to attach is over",
    effect=_attachment_late,
    breach="ATTACHMENT_LATE",
    cleared_by=("P11",),
    rule=TIME_LIMITS,
)
OUTCOME_LATE: Final = SessionDeadline(
    row="T6",
    place=OUTCOME,
    limit="{outcome_within_working_days} working days after the date of the end of the session, or of the "
    "`at` of its booking or change where that is later",
    at=lambda session: midnight(_outcome_day(session) + 1),
    when="a mandatory session, not of a special record, no notification of it active; not cancelled and no "
    "outcome, or a failure of it waits",
    holds=lambda referral, session: not session.passed & T6_PASSED and referral.owes_outcome(session),
    then="where it is not cancelled and has no outcome, Instruction RECORD_OUTCOME and Breach OUTCOME_LATE "
    "RAISED; where a failure waits, Instruction CONFIRM_NOTIFICATION",
    over="the time to record what came of the session is over",
    effect=_ask_for_outcome,
    breach="OUTCOME_LATE",
    cleared_by=("P5", "P8"),
    rule=MANDATORY_ABSENCE,
)
FORGOTTEN: Final = ReferralDeadline(
    row="T5",
    place=6,
    limit="D+{forget_after_days}",
    last_day=ReferralState.kept_until,
    status=None,
    then="the referral is forgotten, with all its ids",
    effect=_forget,
    rule="",
)

_OF_REFERRAL: Final = (ACCEPTANCE_LATE, SESSION_LATE, NOT_STARTED, ATTACHMENT_LATE, FORGOTTEN)
_AT_PLACE: Final = {row.place: row for row in _OF_REFERRAL}
_OF_SESSION: Final = {row.place: row for row in (SESSION_ENDED, OUTCOME_LATE)}
#: The row that raises each breach.
DEADLINES: Final[tuple[SessionDeadline | ReferralDeadline, ...]] = (
    SESSION_ENDED,
    *_OF_REFERRAL[:-1],
    OUTCOME_LATE,
    FORGOTTEN,
)
RAISED_BY: Final = {row.breach: row for row in DEADLINES if row.breach is not None}

#: For each status the rows that a referral of it waits for, as `next_due` needs them: the bit that says that
#: it has passed, the place, the last day, and the condition where one that no longer holds never will again.
#: From the last place to the first, so that of two rows at one instant the earlier one stays.
_WAITS_FOR: Final = {
    status: tuple(
        (1 << row.place, row.place, row.last_day, None if row.may_return else row.holds)
        for row in reversed(_OF_REFERRAL)
        if row.may_come(status)
    )
    for status in get_args(Status)
}
_NEVER: Final = 2**62  # a day after all others


def next_due(referral: ReferralState) -> tuple[int, int]:
    """When something falls due next: the instant and the place at it. T5 comes to every referral."""
    passed = referral.passed
    day, place = _NEVER, TRACE
    for bit, of_row, last_day, holds in _WAITS_FOR[referral.status]:
        if not passed & bit and (holds is None or holds(referral)):
            last = last_day(referral)
            if last <= day:
                day, place = last, of_row
    due_at = midnight(day + 1)
    if referral.ground is not None:
        for session in referral.sessions:
            # First what is seldom so.
            if session.cannot_attend is not None and SESSION_ENDED.holds(referral, session):
                instant = SESSION_ENDED.at(session)
                if instant <= due_at:
                    due_at, place = instant, HELD_OR_END
            waits = session.outcome is None or session.failure_waits
            if waits and OUTCOME_LATE.holds(referral, session):
                instant = OUTCOME_LATE.at(session)
                if instant < due_at or (instant == due_at and place > OUTCOME):
                    due_at, place = instant, OUTCOME
    return due_at, place


def row_due(place: int) -> Deadline | None:
    """The row that falls due with a place, as `next_due` gives it; None: only traces are left to forget."""
    return _OF_SESSION.get(place) or _AT_PLACE.get(place)


def still_runs(due_rank: int) -> bool:
    """Whether something else than T5 falls due on a referral, by the place of what falls due next."""
    return due_rank != FORGOTTEN.place


def decide_end(case: Case[Any], session: Session) -> None:
    """F2, at the end of a session or, where that had passed when the reason came, at once."""
    if SESSION_ENDED.holds(case.referral, session):
        SESSION_ENDED.effect(case, session)


def fall_due(case: Case[Any], instant: int, place: int) -> None:
    """Let fall due what is due at `instant` with that place. After T5 the case knows no referral."""
    row_of_session = _OF_SESSION.get(place)
    if row_of_session is not None:
        for session in case.referral.sessions:
            if row_of_session.holds(case.referral, session) and row_of_session.at(session) == instant:
                row_of_session.effect(case, session)
        return
    row = _AT_PLACE[place]
    case.update(passed=case.referral.passed | 1 << place)
    if row.is_met(case.referral):
        row.effect(case, row, instant)


def clear(case: Case[Any], row: ReferralDeadline) -> None:
    """A record has shown that the limit of a row was met: where its breach was raised, clear it."""
    breach = row.breach
    if breach is not None and getattr(case.referral, breach.lower()) == "RAISED":
        late = case.referral.attachment_due_on if row is ATTACHMENT_LATE else None
        case.breach(breach, "CLEARED", row.last_day(case.referral) if late is None else late, row.rule)
        case.update(**{breach.lower(): "CLEARED"})


def clear_outcome_late(case: Case[Any], session_id: str, recorded_at: int) -> None:
    """A record about a session, made at an instant, clears T6's breach where that was in time."""
    session = case.referral.session(session_id)
    if session is None or session.outcome_late != "RAISED":
        return
    by = _outcome_day(session)
    if london_day(recorded_at) <= by:
        case.breach("OUTCOME_LATE", "CLEARED", by, OUTCOME_LATE.rule, session_id=session_id)
        case.change_session(replace(session, outcome_late="CLEARED"))


def pass_outcome_day(case: Case[Any], session: Session) -> Session:
    """T6 is not looked at while nothing is missing, so what a correction brings about may come after it."""
    return (
        replace(session, passed=session.passed | T6_PASSED)
        if case.at >= OUTCOME_LATE.at(session)
        else session
    )
