"""From a provider's plan to the record for the Jobcentre."""

from typing import cast

from gateway.engine.log import DELIVERY_PLANS
from gateway.rules.events import DeliveryPlan
from producers.delivery_plans import draft
from schemas.codec import decode
from tests.schemas.examples import EXAMPLES

PLAN = cast(DeliveryPlan, EXAMPLES["DeliveryPlan"])
CAUSE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_plan_goes_to_its_topic_under_its_provider_and_the_log_dates_it() -> None:
    drafted = draft(PLAN)
    assert (drafted.topic, drafted.key, drafted.timestamp) == (DELIVERY_PLANS, b"PRV01", None)
    assert decode(drafted.value, {"DeliveryPlan"}) == PLAN


def test_a_plan_has_the_headers_of_a_cloud_event() -> None:
    assert dict(draft(PLAN).headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"M-1",
        "ce_source": b"/work-programme/information-session-gateway",
        "ce_type": b"DeliveryPlan",
        "ce_subject": b"PRV01",
        "content-type": b"application/avro",
    }


def test_the_trace_of_the_request_goes_on() -> None:
    name, value = draft(PLAN, CAUSE).headers[-1]
    assert name == "traceparent"
    assert value is not None
    assert value.startswith(CAUSE[:36].encode())
    assert value != CAUSE.encode()
