"""What goes wrong at a desk: the same thing sent twice, a wrong number, a wrong line, a wrong date."""

from typing import Final

from gateway.sample.attending import record_attendance
from gateway.sample.clock import DAY, MINUTE, in_office_hours
from gateway.sample.life import Life
from gateway.sample.places import CONTRACTS
from gateway.sample.referral_messages import Posted, moment
from gateway.sample.shares import Shares, one_of

_SLIPS: Final = Shares(
    {
        "": 940.0,
        "sent twice": 42.0,
        "somebody else's": 4.0,
        "future": 3.0,
        "wrong session": 3.0,
        "wrong number": 3.0,
        "recorded twice": 3.0,
        "register too early": 2.0,
    }
)


def slip(life: Life) -> None:
    """One slip, in few of the referrals."""
    draw, messages = life.draw, life.messages
    what = _SLIPS.pick(draw)
    if not what:
        return
    posted = one_of(messages.posted, draw)
    at = in_office_hours(posted.at + int((1 + draw() * draw() * 1_400) * MINUTE))
    if what == "sent twice":
        # Nobody saw that it had arrived.
        messages.again(posted, at)
        return
    if what == "somebody else's":
        others = [contract for contract in CONTRACTS if contract is not life.contract]
        provider_id = one_of(others, draw).provider_id
        messages.record(at, "ReferralAccepted", provider_id=provider_id, accepted_at=moment(at))
    elif what == "future":
        messages.record(at, "GroupObjection", raised_at=moment(at + 31 * DAY))
    elif what == "wrong session":
        record_attendance(life, "AttendanceRecorded", at, f"{messages.provider_id}-20160229-01", "ATTENDED")
    elif what == "wrong number":
        messages.record(at, "ReferralAccepted", po_number=f"{messages.po_number}0", accepted_at=moment(at))
    elif what == "recorded twice":
        if recorded := _last(life, "AttendanceRecorded"):
            at = in_office_hours(recorded.at + int(draw() * 3 * DAY))
            record_attendance(life, "AttendanceRecorded", at, recorded.value["session_id"], "ATTENDED")
    elif booked := _last(life, "SessionBooked"):
        at = booked.at + 5 * MINUTE
        record_attendance(life, "AttendanceRecorded", at, booked.value["session_id"], "ATTENDED")


def _last(life: Life, record: str) -> Posted | None:
    return next((posted for posted in reversed(life.messages.posted) if posted.record == record), None)
