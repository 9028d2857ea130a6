"""The end: the interview at the Jobcentre, the WP11, the attachment."""

from typing import Final

from gateway.sample.clock import DAY, HOUR, by_the_clock, in_office_hours, iso, working_after, working_until
from gateway.sample.inviting import come_later
from gateway.sample.life import ATTACH_DAYS, WP11_DAYS, Life
from gateway.sample.referral_messages import date_of
from gateway.sample.shares import Shares, between, one_of

_WP11S: Final = Shares(
    {
        "in time": 86.0,
        "days later": 8.0,
        "last hours": 2.2,
        "last instant": 0.5,
        "too late": 2.0,
        "late interview": 1.3,
    }
)
_ATTACHMENTS: Final = Shares(
    {"in time": 86.0, "wrong first": 2.5, "recorded late": 2.5, "late": 6.0, "never": 3.0}
)


def join(life: Life) -> None:
    """A WP11 where the participant volunteers, and the attachment that follows it."""
    draw, messages = life.draw, life.messages
    # WP19 ¶6: some who never came volunteer at their interview all the same.
    if draw() > (0.46 if life.attended_at else 0.07):
        if draw() < 0.004:
            _attach(life, in_office_hours(life.limit_at - int(draw() * 6 * DAY)), "WORK_PROGRAMME_REFERRAL")
        elif draw() < 0.015:
            come_later(life)
        return
    # WRAG: those who appeal for the Support Group are not put into the programme. Most work coaches know.
    barred = life.appealing and "WRAG" in life.order.get("claimant_group", "")
    if barred and draw() < 0.7:
        return
    last_on = life.referred_on + WP11_DAYS
    first_on = max(date_of(life.attended_at), date_of(life.now)) + 1
    if not life.attended_at:
        first_on = max(first_on, last_on - 6)
    how = _WP11S.pick(draw)
    interview_on = working_until(between(first_on, last_on + 1, draw))
    if interview_on < first_on or how == "late interview":
        if how != "late interview" and draw() < 0.8:
            return
        how, interview_on = "late interview", working_after(last_on, between(1, 6, draw))
    at = by_the_clock(interview_on) + int((9.5 + draw() * 8) * HOUR)
    if how == "days later":
        at = min(
            in_office_hours(at + int((1 + 2 * draw()) * DAY)),
            life.limit_at - 1 - between(0, 4 * HOUR, draw),
        )
    elif how == "last hours":
        at = life.limit_at - 1 - between(0, 5 * HOUR, draw)
    elif how == "last instant":
        at = life.limit_at - one_of((1, 0), draw)
    elif how == "too late":
        at = in_office_hours(life.limit_at + int(draw() * 4 * DAY))
    if draw() < 0.003:
        # Somebody wrote the year before: the interview would have been before the referral.
        messages.wp11(at - HOUR, life.order["jobcentre_id"], interview_on - 366, interview_on, True)
    wants_to_join = draw() > 0.01
    messages.wp11(at, life.order["jobcentre_id"], interview_on, interview_on, wants_to_join)
    if at >= life.limit_at or how == "late interview" or not wants_to_join or barred:
        return
    if draw() < 0.006:
        messages.wp11(at + 2 * HOUR, life.order["jobcentre_id"], interview_on, interview_on, True)
    _register_attachment(life, at)


def _register_attachment(life: Life, wp11_at: int) -> None:
    draw = life.draw
    how = _ATTACHMENTS.pick(draw)
    due_on = life.referred_on + ATTACH_DAYS
    if how == "never":
        return
    first = in_office_hours(wp11_at + 4 * HOUR)
    at = in_office_hours(first + int(draw() ** 2 * 5 * DAY))
    if date_of(at) > due_on:
        at = first
    if draw() < 0.015 and "WRAG" in life.order.get("claimant_group", ""):
        at = _appeal(life, wp11_at, at)
    if how == "wrong first":
        _attach(life, at, "INFORMATION_SESSION_REFERRAL")
        at = in_office_hours(at + int((3 + draw() * 24) * HOUR))
    elif how == "late":
        at = by_the_clock(working_after(due_on, between(1, 6, draw))) + int((9 + draw() * 8) * HOUR)
    attached_on = date_of(at)
    if how == "recorded late":
        at = by_the_clock(working_after(due_on, between(1, 4, draw))) + int((9 + draw() * 8) * HOUR)
    if draw() < 0.004:
        _attach(life, at - HOUR, "WORK_PROGRAMME_REFERRAL", life.referred_on - 1)
    _attach(life, at, "WORK_PROGRAMME_REFERRAL", attached_on)
    if draw() < 0.004:
        _attach(life, in_office_hours(at + 26 * HOUR), "WORK_PROGRAMME_REFERRAL")


def _appeal(life: Life, wp11_at: int, at: int) -> int:
    """An appeal for the Support Group holds the attachment; the instant at which it may go on."""
    draw, messages = life.draw, life.messages
    begins = in_office_hours(wp11_at + HOUR)
    ends = in_office_hours(begins + int((1 + draw() * 9) * DAY))
    for changed_at, pending in ((begins, True), (ends, False)):
        on = iso(date_of(changed_at))
        messages.update(changed_at, "SupportGroupAppealChanged", pending=pending, changed_on=on)
    return max(at, in_office_hours(ends + int((1 + draw() * 24) * HOUR)))


def _attach(life: Life, at: int, to: str, attached_on: int = 0) -> None:
    life.messages.record(
        at, "AttachmentRegistered", attached_on=iso(attached_on or date_of(at)), attached_to=to
    )
