"""The beginning: the referral arrives, is accepted or rejected, and is revised."""

from typing import Any, Final

from gateway.sample.clock import (
    DAY,
    HOUR,
    MINUTE,
    by_the_clock,
    in_office_hours,
    iso,
    midnight,
    working_after,
    working_until,
)
from gateway.sample.inviting import send_booking
from gateway.sample.life import WP11_DAYS, Life
from gateway.sample.people import ADDITIONAL_NEEDS, MANDATABLE, address, phone
from gateway.sample.referral_messages import date_of, moment
from gateway.sample.referring import MANDATORY, VOLUNTARY, is_mandatory, purchase_order, spoil
from gateway.sample.sessions import one_to_one
from gateway.sample.shares import Shares, between, one_of

_WORKING_DAYS_TO_ACCEPT: Final = Shares({0: 58.0, 1: 29.0, 2: 10.0, 3: 1.6, 5: 0.9})
_REJECTIONS: Final = (
    "Participant has moved out of the area",
    "Referred to us by mistake",
    "Already on the Work Programme",
)


def refer(life: Life, day: int, at: int, again_at: int) -> bool:
    """Sends the purchase order; whether anything can follow it. The arguments are those of `journey`."""
    draw, messages = life.draw, life.messages
    age = draw()
    life.referred_on = day if age < 0.86 else working_until(day - (1 if age < 0.97 else between(2, 6, draw)))
    life.limit_at = midnight(life.referred_on + WP11_DAYS + 1)
    order = life.order = purchase_order(life.number, life.contract, life.referred_on, draw)
    life.mandatory = is_mandatory(order)
    life.appealing = "support_group_appeal_pending" in order
    life.restricted = order.get("group_session_restriction", ADDITIONAL_NEEDS) != ADDITIONAL_NEEDS
    life.now = at
    fault = draw()
    if fault < 0.012:
        spoilt = spoil(order, life.referred_on, draw)
        messages.referral(at, spoilt)
        if "special_customer_record" in spoilt:
            return False
        life.now = by_the_clock(working_after(day)) + int((8 + draw() * 3) * HOUR)
        life.order = {**order, "po_revision": 2}
        messages.referral(life.now, life.order)
        return True
    if fault < 0.017:
        # The gateway's copy of the download is late: what the provider sends overtakes it and is held.
        late_on = working_after(day, between(1, 4, draw))
        messages.referral(by_the_clock(late_on) + 8 * HOUR + at % (9 * HOUR), order)
        return True
    messages.referral(at, order)
    if again_at:
        messages.again(messages.posted[0], again_at)
    return True


def accept(life: Life) -> bool:
    """Whether the provider goes on with it."""
    draw, messages = life.draw, life.messages
    soon = in_office_hours(life.now + int((10 + draw() * 230) * MINUTE))
    fate = draw()
    if fate < 0.018:
        messages.record(soon, "ReferralRejected", reason=one_of(_REJECTIONS, draw), rejected_at=moment(soon))
        return False
    if fate < 0.026:
        # Nobody at the provider's ever looks at it.
        return False
    if fate < 0.029:
        # A booking typed in before the acceptance is refused; it comes again below.
        starts_at = by_the_clock(working_after(date_of(soon), 4)) + 10 * HOUR
        early = one_to_one(life.contract, f"{messages.provider_id}-{life.number}-0", starts_at, draw)
        send_booking(life, soon, early, soon)
        soon += int(draw() * 40 * MINUTE) + MINUTE
    days = _WORKING_DAYS_TO_ACCEPT.pick(draw)
    at = soon
    if days:
        at = by_the_clock(working_after(date_of(life.now), days)) + int((8.5 + draw() * 8) * HOUR)
    accepted_at = soon if days > 2 and draw() < 0.4 else at - int(draw() * 15 * MINUTE)
    messages.record(at, "ReferralAccepted", accepted_at=moment(max(accepted_at, life.now)))
    if draw() < 0.002:
        messages.record(at + 50 * MINUTE, "ReferralAccepted", accepted_at=moment(at))
    life.now = at
    return True


def amend(life: Life) -> None:
    """Later revisions, and what a jobcentre says while the participant waits for a session."""
    draw, messages = life.draw, life.messages
    fate = draw()
    at = in_office_hours(life.now + int((1 + draw() * 60) * HOUR))
    change: dict[str, Any]
    if fate < 0.05:
        stale = life.order
        change = {"phone": phone(draw)} if draw() < 0.4 else address(one_of(life.contract.towns, draw), draw)
        life.order = {
            **stale,
            "po_revision": stale["po_revision"] + between(1, 3, draw),
            "participant": {**stale["participant"], **change},
        }
        if draw() < 0.15:
            life.order["jobcentre_id"] = one_of(life.contract.jobcentre_ids, draw)
        messages.referral(at, life.order)
        if draw() < 0.06:
            messages.referral(in_office_hours(at + 2 * HOUR), stale)
    elif fate < 0.052:
        # Neither can be done to a referral by a revision.
        change = {"referred_on": iso(life.referred_on - 1)}
        if not life.mandatory and life.order.get("claimant_group") in MANDATABLE:
            change = {"action_plan_annotation": MANDATORY}
        messages.referral(at, {**life.order, "po_revision": 9, **change})
    elif fate < 0.072:
        if life.mandatory:
            _end_mandate(life, at)
    elif fate < 0.0728:
        messages.referral(at, {**life.order, "po_revision": 9, "special_customer_record": True})
    elif fate < 0.081:
        messages.update(at, "SupportGroupAppealChanged", pending=True, changed_on=iso(date_of(at)))
        life.appealing = True
    if life.appealing and draw() < 0.35:
        decided = in_office_hours(at + int((3 + draw() * 7) * DAY))
        messages.update(decided, "SupportGroupAppealChanged", pending=False, changed_on=iso(date_of(decided)))
        life.appealing = False


def _end_mandate(life: Life, at: int) -> None:
    """The participant need not come any more: annotated voluntary, by most work coaches at once.

    Some only enter the new group of one who moved to the Support Group. That is refused, and mended.
    """
    draw, messages = life.draw, life.messages
    revision = life.order["po_revision"] + 1
    change: dict[str, Any] = {"action_plan_annotation": VOLUNTARY}
    if life.order["benefit"] == "ESA" and draw() < 0.5:
        change["claimant_group"] = one_of(("ESA_IR_SUPPORT_GROUP", "ESA_C_SUPPORT_GROUP"), draw)
        if draw() < 0.6:
            wrong = {**life.order, "po_revision": revision, "claimant_group": change["claimant_group"]}
            messages.referral(at, wrong)
            at = in_office_hours(at + int((1 + draw() * 30) * HOUR))
            revision += 1
    life.order = {**life.order, "po_revision": revision, **change}
    messages.referral(at, life.order)
    life.mandatory = False
