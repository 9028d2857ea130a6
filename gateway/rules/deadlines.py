"""What falls due: F2, T1 to T5 (rulebook: Failures, Deadlines).

Each is a row. What is due next, what happens then, and the page of rules all read the same rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, get_args

from msgspec.structs import replace

from gateway.rules.calendar import midnight
from gateway.rules.case import Case
from gateway.rules.events import BreachKind, CancellationEvent
from gateway.rules.failures import fail
from gateway.rules.guidance import (
    ACCEPTANCE,
    ATTENDED,
    CANNOT_ATTEND,
    SESSION_IN_TIME,
    TIME_LIMITS,
    VOLUNTARY_NOT_STARTED,
)
from gateway.rules.referral import LEADS_TO, ReferralState, Session, Status

#: The place of what was held (G2) and of F2 among what falls due at one instant; T1 to T5 follow.
HELD_OR_END: Final = 0
#: After all else: the last trace of a purchase order that has neither a referral nor held messages.
TRACE: Final = 6


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
    case.change_session(fail(case, replace(session, end_decided=True), CANNOT_ATTEND))


def _raise(case: Case[Any], row: ReferralDeadline, instant: int) -> None:
    breach = row.breach
    if breach is not None:
        case.breach(breach, "RAISED", row.last_day(case.referral), row.rule)
        case.update(**{breach.lower(): "RAISED"})


def _cancel(case: Case[Any], row: ReferralDeadline, instant: int) -> None:
    referral, effects = case.referral, case.effects
    rule = ATTENDED if referral.attended else row.rule if referral.mandatory else VOLUNTARY_NOT_STARTED
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
    when="mandatory, said beforehand that they can't attend, the session still open, the referral not closed "
    "at or before its start",
    # Once for each booked time.
    holds=lambda referral, session: (
        session.cannot_attend is not None
        and not session.end_decided
        and referral.mandatory
        and session.open
        and (referral.closed_at is None or referral.closed_at > session.starts_at)
    ),
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
    then="Breach SESSION_LATE RAISED",
    over="the time for a session is over",
    effect=_raise,
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
    limit="D+{attach_within_days}",
    last_day=ReferralState.attach_by,
    status="JOINING",
    then="Breach ATTACHMENT_LATE RAISED",
    over="the time to attach is over",
    effect=_raise,
    breach="ATTACHMENT_LATE",
    cleared_by=("P11",),
    rule=TIME_LIMITS,
)
FORGOTTEN: Final = ReferralDeadline(
    row="T5",
    place=5,
    limit="D+{forget_after_days}",
    last_day=ReferralState.kept_until,
    status=None,
    then="the referral is forgotten, with all its ids",
    effect=_forget,
    rule="",
)

_OF_REFERRAL: Final = (ACCEPTANCE_LATE, SESSION_LATE, NOT_STARTED, ATTACHMENT_LATE, FORGOTTEN)
_AT_PLACE: Final = {row.place: row for row in _OF_REFERRAL}
#: The row that raises each breach.
RAISED_BY: Final = {row.breach: row for row in _OF_REFERRAL if row.breach is not None}
DEADLINES: Final[tuple[SessionDeadline | ReferralDeadline, ...]] = (SESSION_ENDED, *_OF_REFERRAL)

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
    if referral.mandatory:
        for session in referral.sessions:
            # First what is seldom so.
            if session.cannot_attend is not None and SESSION_ENDED.holds(referral, session):
                instant = SESSION_ENDED.at(session)
                if instant <= due_at:
                    due_at, place = instant, HELD_OR_END
    return due_at, place


def decide_end(case: Case[Any], session: Session) -> None:
    """F2, at the end of a session or, where that had passed when the reason came, at once."""
    if SESSION_ENDED.holds(case.referral, session):
        SESSION_ENDED.effect(case, session)


def fall_due(case: Case[Any], instant: int, place: int) -> None:
    """Let fall due what is due at `instant` with that place. After T5 the case knows no referral."""
    if place == HELD_OR_END:
        for session in case.referral.sessions:
            if SESSION_ENDED.at(session) == instant:
                decide_end(case, session)
        return
    row = _AT_PLACE[place]
    case.update(passed=case.referral.passed | 1 << place)
    if row.is_met(case.referral):
        row.effect(case, row, instant)


def clear(case: Case[Any], row: ReferralDeadline) -> None:
    """A record has shown that the limit of a row was met: where its breach was raised, clear it."""
    breach = row.breach
    if breach is not None and getattr(case.referral, breach.lower()) == "RAISED":
        case.breach(breach, "CLEARED", row.last_day(case.referral), row.rule)
        case.update(**{breach.lower(): "CLEARED"})
