"""From a provider's plan to the record for the Jobcentre."""

from typing import cast
from uuid import UUID

from msgspec.structs import replace

from gateway.engine.log import DELIVERY_PLANS
from gateway.rules.events import DeliveryPlan
from producers import draft as draft_event
from producers.cloud_event import cloud_event_headers
from producers.delivery_plans import draft, key_of, keys_of
from schemas.codec import decode
from tests.schemas.examples import EXAMPLES

PLAN = cast(DeliveryPlan, EXAMPLES["DeliveryPlan"])
CAUSE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_plan_goes_to_its_topic_under_its_provider_and_area_and_the_log_dates_it() -> None:
    drafted = draft(PLAN)
    assert (drafted.topic, drafted.key, drafted.timestamp) == (DELIVERY_PLANS, b"PRV01/CPA09", None)
    assert decode(drafted.value, {"DeliveryPlan"}) == PLAN


def test_no_plan_takes_the_place_of_another_ones_by_a_slash_in_an_id() -> None:
    keys = {key_of("a", "b/c"), key_of("a/b", "c"), key_of("a%2Fb", "c"), key_of("a", "b%2Fc")}
    assert len(keys) == 4


def test_a_plan_has_the_headers_of_a_cloud_event() -> None:
    headers = dict(draft(PLAN).headers)
    assert UUID((headers.pop("ce_id") or b"").decode()).version == 4
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_source": b"/work-programme/information-session-gateway/delivery-plans",
        "ce_type": b"DeliveryPlan",
        "ce_dataschema": b"urn:workprogramme:DeliveryPlan:29a17623813a8908",
        "ce_subject": b"PRV01",
        "content-type": b"application/avro",
    }


def test_source_and_id_are_those_of_no_other_event() -> None:
    """Callers choose a plan's message_id; a dead letter's id is made of its place, not of its instant."""
    event = EXAMPLES["Outcome"]
    as_chosen = replace(PLAN, message_id=event.event_id)  # type: ignore[attr-defined]
    letter = replace(EXAMPLES["DeadLetter"], event_id=event.event_id)  # type: ignore[attr-defined]
    events = [draft(as_chosen), draft(as_chosen), draft_event(event, None)]  # type: ignore[arg-type]
    headers = [*(each.headers for each in events), cloud_event_headers(letter, None, None)]  # type: ignore[arg-type]
    named = {(dict(each)["ce_source"], dict(each)["ce_id"]) for each in headers}
    assert len(named) == 4


def test_the_keys_of_earlier_plans_go_with_a_plan() -> None:
    first = draft(PLAN, None, "one")
    later = replace(PLAN, message_id="M-2", group_size=1)
    keys = keys_of(PLAN, first.value or b"", first.headers)
    second = draft(later, None, "other", keys)
    found = keys_of(later, second.value or b"", second.headers)
    assert [(key.caller, key.message_id) for key in found] == [("one", "M-1"), ("other", "M-2")]
    assert found[0] == keys[0]
    assert keys_of(PLAN, b"", draft(PLAN).headers) == []
    assert keys_of(PLAN, b"", (("caller", b"one"), ("earlier-keys", b"junk")))[0].message_id == "M-1"


def test_the_trace_of_the_request_goes_on() -> None:
    value = dict(draft(PLAN, CAUSE).headers)["traceparent"]
    assert value is not None
    assert value.startswith(CAUSE[:36].encode())
    assert value != CAUSE.encode()
