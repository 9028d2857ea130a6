"""What became of a session: the register, corrections, proof that the participant was notified, expenses."""

from typing import Any, Final

from gateway.sample.clock import DAY, HOUR, in_office_hours, iso
from gateway.sample.life import Life
from gateway.sample.referral_messages import date_of, moment
from gateway.sample.sessions import PlannedSession
from gateway.sample.shares import Shares, between, one_of

#: GSG ¶32: about half of the invited come. More do where they must.
_OUTCOMES: Final = {
    True: Shares({"ATTENDED": 66.0, "DID_NOT_ATTEND": 30.0, "DID_NOT_PARTICIPATE": 4.0}),
    False: Shares({"ATTENDED": 50.0, "DID_NOT_ATTEND": 48.5, "DID_NOT_PARTICIPATE": 1.5}),
}
_EXPENSES: Final = Shares(
    {"TRAVEL": 78.0, "CHILDCARE": 12.0, "REPLACEMENT_CARE": 6.0, "ADDITIONAL_SUPPORT": 4.0}
)
_REASONS: Final = (
    "Not well on the day",
    "Hospital appointment",
    "Childcare fell through",
    "Bus did not come",
    "Did not receive the letter",
    "Funeral",
    "Job interview",
    "Forgot",
    "Went to the wrong address",
    "",
)
_NO_OTHER: Final = ("All sessions are full", "No session before the limit", "No trainer in this town")
_EXPLANATIONS: Final = ("Entered on the wrong line", "Signed the register after it was copied", "Came late")
_SHARE_FORGOTTEN: Final = 0.025
_SHARE_CORRECTED: Final = 0.016
_SHARE_REIMBURSED: Final = 0.55
_SHARE_REIMBURSED_AGAIN: Final = 0.15


def reason(life: Life) -> str:
    """Why somebody did not come, in their words."""
    return one_of(_REASONS, life.draw)


def outcome(life: Life, session: PlannedSession, starts_at: int, notified_at: int, stays_away: bool) -> int:
    """Who came; the instant from which another session is to be booked, or 0.

    notified_at: when the participant was notified, or 0. stays_away: they have said that they cannot come.
    """
    draw, session_id = life.draw, session.session_id
    # A few who said so come after all.
    stays_away = stays_away and draw() < 0.94
    result = "DID_NOT_ATTEND" if stays_away else _OUTCOMES[life.mandatory].pick(draw)
    at = session.register(draw)
    attended = result == "ATTENDED"
    if draw() < _SHARE_FORGOTTEN:
        # Most are recorded when the gateway asks for them, two working days later.
        if draw() < 0.4:
            life.attended_at = starts_at if attended else 0
            return 0
        noted_at, at = at, in_office_hours(at + int((4 + draw() * 4) * DAY))
        record_attendance(life, "AttendanceRecorded", at, session_id, result, one_of((noted_at, at), draw))
    else:
        record_attendance(life, "AttendanceRecorded", at, session_id, result)
    if not notified_at and life.mandatory and not attended and draw() < 0.7:
        _confirm(life, session_id, starts_at, at)
    if draw() < _SHARE_CORRECTED:
        attended = not attended
        right = "ATTENDED" if attended else "DID_NOT_ATTEND"
        at = in_office_hours(at + int((1 + draw() * 48) * HOUR))
        record_attendance(life, "AttendanceCorrected", at, session_id, right)
    elif starts_at < life.limit_at and (attended or result == "DID_NOT_PARTICIPATE"):
        _reimburse(life, at, session_id)
    if attended:
        life.attended_at = starts_at
        return 0
    if draw() < (0.4 if life.mandatory else 0.1):
        at = _ask_for_another(life, at)
    if draw() < (0.75 if life.mandatory else 0.5):
        return at
    if result == "DID_NOT_ATTEND" and draw() < 0.1:
        _decline(life, at)
    return 0


def record_attendance(
    life: Life, record: str, at: int, session_id: str, result: str, noted_at: int = 0
) -> None:
    """AttendanceRecorded or AttendanceCorrected; noted_at: when it was written down, 0: when sent."""
    fields: dict[str, Any] = {"session_id": session_id, "outcome": result}
    if result != "ATTENDED" and life.draw() < 0.5:
        fields["reason_given"] = reason(life)
    if record == "AttendanceCorrected":
        fields["explanation"] = one_of(_EXPLANATIONS, life.draw)
    life.messages.record(at, record, **fields, recorded_at=moment(noted_at or at))


def _confirm(life: Life, session_id: str, starts_at: int, recorded_at: int) -> None:
    """The provider is asked when the participant was notified; a few find that it was too late."""
    confirmed_at = in_office_hours(recorded_at + int((1 + life.draw() * 20) * HOUR))
    notified_at = min(confirmed_at, starts_at - int((life.draw() * 5 - 0.3) * DAY))
    life.messages.record(
        confirmed_at, "NotificationConfirmed", session_id=session_id, notified_at=moment(notified_at)
    )


def _ask_for_another(life: Life, at: int) -> int:
    asked_at = in_office_hours(at + int((1 + life.draw() * 24) * HOUR))
    if asked_at >= life.limit_at:
        return at
    life.messages.update(
        asked_at,
        "AlternativeSessionRequested",
        jobcentre_id=life.order["jobcentre_id"],
        requested_at=moment(asked_at),
    )
    return asked_at


def _decline(life: Life, at: int) -> None:
    """The provider has no other session, and says so."""
    told_at = in_office_hours(at + int((1 + life.draw() * 24) * HOUR))
    if told_at < life.limit_at:
        why = one_of(_NO_OTHER, life.draw)
        life.messages.record(told_at, "AlternativeSessionNotPossible", reason=why, told_at=moment(told_at))


def _reimburse(life: Life, at: int, session_id: str) -> None:
    draw = life.draw
    share = _SHARE_REIMBURSED
    while draw() < share:
        at = in_office_hours(at + int((1 + draw() * 100) * HOUR))
        life.messages.record(
            at,
            "ExpenseReimbursed",
            session_id=session_id,
            kind=_EXPENSES.pick(draw),
            # Fares end in 0 or 5. Now and then the amount is forgotten.
            amount_pence=between(18, 240, draw) * 5 if draw() > 0.004 else 0,
            paid_on=iso(date_of(at)),
        )
        share = _SHARE_REIMBURSED_AGAIN
