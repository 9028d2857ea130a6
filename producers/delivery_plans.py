"""Topic jobcentre.delivery-plans: how a provider plans to deliver the sessions (WP19 ¶24)."""

from typing import Final

from gateway.engine.log import DELIVERY_PLANS, Columns, Draft
from gateway.rules.events import DeliveryPlan
from producers.cloud_event import headers_of
from schemas.codec import encode

TOPIC: Final = DELIVERY_PLANS


def draft(plan: DeliveryPlan, traceparent: str | None = None) -> Draft:
    """The record to put on the topic, keyed by provider_id. It is the log that says when it came.

    traceparent: that of the request with which it came.
    """
    key = plan.provider_id.encode()
    headers = headers_of(DeliveryPlan, plan.message_id, None, key, traceparent)
    columns = Columns(provider_id=plan.provider_id, message_id=plan.message_id)
    return Draft(TOPIC, key, encode(plan), headers, columns=columns)
