"""From an event to the record that is put on its topic."""

from typing import get_args

import pytest

from gateway.rules.events import OUTBOUND, Event
from producers import DRAFTS, draft
from schemas.codec import decode
from tests.schemas.examples import AT, EXAMPLES

EVENTS = [(topic, EXAMPLES[record.__name__]) for topic, record in OUTBOUND.items()]
CAUSE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

each_event = pytest.mark.parametrize(
    ("topic", "event"), EVENTS, ids=[type(event).__name__ for _, event in EVENTS]
)


def test_every_event_has_a_producer() -> None:
    assert set(DRAFTS) == set(get_args(Event))


@each_event
def test_an_event_goes_to_its_topic_under_its_purchase_order_and_instant(topic: str, event: Event) -> None:
    drafted = draft(event, None)
    assert drafted.topic == topic
    assert drafted.key == b"PO-1"
    assert drafted.timestamp == AT
    assert decode(drafted.value, {type(event).__name__}) == event


@each_event
def test_an_event_has_the_headers_of_a_cloud_event(topic: str, event: Event) -> None:
    drafted = draft(event, None)
    assert drafted.value is not None
    fingerprint = drafted.value[2:10].hex()
    assert dict(drafted.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"E-1",
        "ce_source": b"/work-programme/information-session-gateway",
        "ce_type": type(event).__name__.encode(),
        "ce_dataschema": f"urn:workprogramme:{type(event).__name__}:{fingerprint}".encode(),
        "ce_time": b"2016-04-04T23:00:00Z",
        "ce_subject": b"PO-1",
        "content-type": b"application/avro",
    }


@each_event
def test_a_header_stands_once_and_the_trace_comes_last(topic: str, event: Event) -> None:
    names = [name for name, _ in draft(event, CAUSE).headers]
    assert len(names) == len(set(names))
    assert names[-1] == "traceparent"


@each_event
def test_the_same_event_gives_the_same_record(topic: str, event: Event) -> None:
    assert draft(event, CAUSE) == draft(event, CAUSE)


def test_what_is_no_event_has_no_producer() -> None:
    with pytest.raises(KeyError):
        draft(EXAMPLES["DeadLetter"], None)  # type: ignore[arg-type]
