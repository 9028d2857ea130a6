"""The trace that an event belongs to."""

import re

import pytest

from gateway.engine.log import Headers
from producers import draft, traceparent_of
from tests.schemas.examples import EXAMPLES

TRACE = "0af7651916cd43dd8448eb211c80319c"
CAUSE = f"00-{TRACE}-b7ad6b7169203331-01"


def trace_of_event(traceparent: str | None, event_id: str = "E-1") -> str | None:
    event = EXAMPLES["Outcome"]
    drafted = draft(type(event)(**{**fields(event), "event_id": event_id}), traceparent)  # type: ignore[arg-type]
    return traceparent_of(drafted.headers)


def fields(event: object) -> dict[str, object]:
    return {name: getattr(event, name) for name in type(event).__struct_fields__}  # type: ignore[attr-defined]


def test_the_trace_of_a_message_is_the_one_in_its_headers() -> None:
    assert traceparent_of((("a", b"b"), ("traceparent", CAUSE.encode()))) == CAUSE


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00",
        CAUSE.encode()[:-1],
        CAUSE.encode() + b"0",
        CAUSE.encode() + b"\n",
        CAUSE.upper().encode(),
        b"01" + CAUSE.encode()[2:],
        b"ff" + CAUSE.encode()[2:],
        b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01",
        b"00-0af7651916cd43dd8448eb211c80319c-" + b"0" * 16 + b"-01",
        CAUSE.replace("-", "_").encode(),
        CAUSE.replace("af", "ag").encode(),
        CAUSE.encode()[:-2] + b"-1",
        b"\xff" * 55,
        b"0" * 10_000_000,
    ],
    ids=lambda value: repr(value[:60]),
)
def test_a_traceparent_that_is_not_w3cs_is_none(value: bytes) -> None:
    assert traceparent_of((("traceparent", value),)) is None


@pytest.mark.parametrize("headers", [(), (("Traceparent", CAUSE.encode()),), (("tracestate", b"a=b"),)])
def test_a_message_without_a_traceparent_has_none(headers: Headers) -> None:
    assert traceparent_of(headers) is None


def test_of_several_traceparents_the_first_counts() -> None:
    other = CAUSE.replace("-01", "-00").encode()
    assert traceparent_of((("traceparent", CAUSE.encode()), ("traceparent", other))) == CAUSE
    assert traceparent_of((("traceparent", b"junk"), ("traceparent", other))) is None


@pytest.mark.parametrize("flags", ["00", "01", "ff"])
def test_an_event_continues_the_trace_of_its_cause_with_a_span_of_its_own(flags: str) -> None:
    of_event = trace_of_event(CAUSE[:-2] + flags)
    assert of_event is not None
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-{flags}", of_event)
    assert of_event[36:52] != CAUSE[36:52]


def test_an_event_has_the_same_span_each_time_and_another_one_another() -> None:
    assert trace_of_event(CAUSE) == trace_of_event(CAUSE)
    assert trace_of_event(CAUSE, "E-1") != trace_of_event(CAUSE, "E-2")


def test_an_event_without_a_traced_cause_has_no_trace() -> None:
    assert trace_of_event(None) is None
