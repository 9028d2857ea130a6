"""The purchase order: a referral as a work coach makes it, and what now and then is wrong with one."""

from collections.abc import Callable
from typing import Any, Final

from gateway.sample.clock import iso
from gateway.sample.people import (
    BENEFIT_SHARES,
    GROUP_SHARES,
    MANDATABLE,
    RESTRICTION_SHARES,
    UC_PURPOSES,
    mandation,
    participant,
)
from gateway.sample.places import Contract
from gateway.sample.shares import Draw, Shares, between, one_of

MANDATORY: Final = "Work Programme Information Session-Mandatory"
VOLUNTARY: Final = "Work Programme Information Session-Voluntary"

# WP19 ¶16: most are voluntary.
_SHARE_MANDATORY: Final = {"ESA": 0.4, "UC": 0.35, "JSA": 0.3}
#: How an annotation is typed by those who do not pick it from a list.
_TYPED: Final[tuple[Callable[[str], str], ...]] = (
    lambda text: text.upper(),
    lambda text: text.replace("-", " - "),
    lambda text: text.replace("-", " \u2013 "),
    lambda text: f"{text} ",
)
_SHARE_TYPED: Final = 0.01
_SHARE_RESTRICTED: Final = 0.045
_SHARE_APPEALING: Final = 0.006

_FAULTS: Final = Shares(
    {
        "no group": 24.0,
        "nino": 26.0,
        "annotation": 10.0,
        "group cannot be mandated": 14.0,
        "mandation not justified": 14.0,
        "future": 8.0,
        "special customer record": 10.0,
    }
)
_MALFORMED: Final = ("QQ123456C", "xx123456a", "XX 12 34 56 A", "XX12345A", "GB123456B", "XX1234567")


def purchase_order(number: int, contract: Contract, referred_on: int, draw: Draw) -> dict[str, Any]:
    """The first revision: a Referral as JSON, without message_id and po_number."""
    where = int(draw() * len(contract.towns))
    benefit = BENEFIT_SHARES.pick(draw)
    group = GROUP_SHARES.pick(draw) if benefit == "ESA" else None
    mandatory = draw() < _SHARE_MANDATORY[benefit] and (group is None or group in MANDATABLE)
    order: dict[str, Any] = {
        "po_revision": 1,
        "action_plan_annotation": MANDATORY if mandatory else VOLUNTARY,
        "referred_on": iso(referred_on),
        "provider_id": contract.provider_id,
        "contract_package_area": contract.contract_package_area,
        "jobcentre_id": contract.jobcentre_ids[where],
        "benefit": benefit,
    }
    if group:
        order["claimant_group"] = group
    # ESA needs none, the annotation says it; some work coaches record it all the same.
    if mandatory and (benefit != "ESA" or draw() < 0.5):
        order["mandation"] = mandation(benefit, referred_on - between(0, 8, draw), draw)
    if draw() < _SHARE_APPEALING and group and "WRAG" in group:
        order["support_group_appeal_pending"] = True
    if draw() < _SHARE_RESTRICTED:
        order["group_session_restriction"] = RESTRICTION_SHARES.pick(draw)
    order["participant"] = participant(number, contract.towns[where], draw)
    if draw() < _SHARE_TYPED:
        order["action_plan_annotation"] = one_of(_TYPED, draw)(order["action_plan_annotation"])
    return order


def is_mandatory(order: dict[str, Any]) -> bool:
    """Whether the purchase order is annotated so."""
    return bool(order["action_plan_annotation"].strip().lower().endswith("mandatory"))


def spoil(order: dict[str, Any], referred_on: int, draw: Draw) -> dict[str, Any]:
    """The same purchase order with something wrong, for which it is refused."""
    fault = _FAULTS.pick(draw)
    esa = order["benefit"] == "ESA"
    if fault == "special customer record":
        return {**order, "special_customer_record": True}
    if fault == "annotation":
        return {
            **order,
            "action_plan_annotation": one_of(("Work Programme", "Work Programme-Voluntary"), draw),
        }
    if fault == "future":
        # A month too many: the commonest slip with a date.
        return {**order, "referred_on": iso(referred_on + 30)}
    if fault == "no group" and esa:
        return {key: value for key, value in order.items() if key != "claimant_group"}
    if fault == "group cannot be mandated" and esa:
        return {**order, "action_plan_annotation": MANDATORY, "claimant_group": "ESA_IR_SUPPORT_GROUP"}
    if fault in ("no group", "group cannot be mandated", "mandation not justified"):
        unjustified = {"basis": "UC_WORKPLAN", "purpose": UC_PURPOSES[0], "recorded_on": iso(referred_on)}
        benefit = "JSA" if order["benefit"] == "JSA" else "UC"
        return {**order, "benefit": benefit, "action_plan_annotation": MANDATORY, "mandation": unjustified}
    return {**order, "participant": {**order["participant"], "nino": one_of(_MALFORMED, draw)}}
