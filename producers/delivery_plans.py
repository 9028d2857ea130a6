"""Topic jobcentre.delivery-plans: how a provider plans to deliver the sessions (WP19 ¶24)."""

from gateway.engine.log import DELIVERY_PLANS, Draft
from gateway.rules.events import DeliveryPlan
from producers.cloud_event import headers_of
from schemas.codec import encode

TOPIC = DELIVERY_PLANS


def draft(plan: DeliveryPlan, at: int, traceparent: str | None) -> Draft:
    """The record to put on the topic, keyed by provider: of each the last plan is kept. The log dates it.

    at: when the plan came, UTC milliseconds. traceparent: that of the request with which it came.
    """
    key = plan.provider_id.encode()
    headers = headers_of(DeliveryPlan, plan.message_id, at, key, traceparent)
    return Draft(TOPIC, key, encode(plan), headers)
