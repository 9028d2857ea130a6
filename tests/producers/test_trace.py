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
        CAUSE.encode() + b"-more",
        b"01" + CAUSE.encode()[2:] + b"more",
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


def test_several_traceparents_are_none() -> None:
    parent = ("traceparent", CAUSE.encode())
    assert traceparent_of((parent, parent)) is None
    assert traceparent_of((parent, ("traceparent", b"junk"), ("tracestate", b"a=b"))) is None


@pytest.mark.parametrize("more", ["", "-", "-what-else.there=is"])
@pytest.mark.parametrize("version", ["01", "cc", "fe"])
def test_a_later_versions_traceparent_goes_on_as_far_as_it_is_understood(version: str, more: str) -> None:
    assert traceparent_of((("traceparent", f"{version}{CAUSE[2:]}{more}".encode()),)) == CAUSE


@pytest.mark.parametrize(
    ("flags", "known"), [("00", "00"), ("01", "01"), ("02", "00"), ("03", "01"), ("fe", "00"), ("ff", "01")]
)
def test_an_event_continues_the_trace_of_its_cause_with_a_span_of_its_own(flags: str, known: str) -> None:
    """Flags that are not known don't go on."""
    of_event = trace_of_event(traceparent_of((("traceparent", f"{CAUSE[:-2]}{flags}".encode()),)))
    assert of_event is not None
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-{known}", of_event)
    assert of_event[36:52] != CAUSE[36:52]


@pytest.mark.parametrize(
    ("states", "goes_on"),
    [
        ([b"a=1"], b"a=1"),
        ([b"a=1 , b@c=2\t,,", b"d/e=x y"], b"a=1,b@c=2,d/e=x y"),
        ([b",".join(b"k%d=1" % number for number in range(32))], None),
        ([b"k" * 256 + b"=" + b"v" * 256], None),
    ],
)
def test_the_tracestate_goes_on_with_the_traceparent(states: list[bytes], goes_on: bytes | None) -> None:
    headers = (("traceparent", CAUSE.encode()), *(("tracestate", state) for state in states))
    trace = traceparent_of(headers)
    drafted = draft(EXAMPLES["Outcome"], trace)  # type: ignore[arg-type]
    assert dict(drafted.headers)["tracestate"] == (goes_on or states[0])
    assert traceparent_of(headers[1:]) is None


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b",",
        b"a",
        b"a=",
        b"=1",
        b"A=1",
        b"a =1",
        b"a=1,b=\xff",
        b"a=1=2",
        b"a=1\n",
        b"@a=1",
        b"k" * 257 + b"=1",
        b"k=" + b"v" * 257,
        b",".join(b"k%d=1" % number for number in range(33)),
        b"a=1," * 10_000,
    ],
    ids=lambda state: repr(state[:20]),
)
def test_a_tracestate_that_is_not_w3cs_does_not_go_on(state: bytes) -> None:
    assert traceparent_of((("traceparent", CAUSE.encode()), ("tracestate", state))) == CAUSE


def test_an_event_has_the_same_span_each_time_and_another_one_another() -> None:
    assert trace_of_event(CAUSE) == trace_of_event(CAUSE)
    assert trace_of_event(CAUSE, "E-1") != trace_of_event(CAUSE, "E-2")


def test_an_event_without_a_traced_cause_has_no_trace() -> None:
    assert trace_of_event(None) is None
