"""What could not be read is kept byte for byte."""

from typing import get_args, get_type_hints

import pytest

from gateway.engine.log import Headers, Record
from gateway.rules.events import DeadLetter
from producers import dead_letters, traceparent_of
from schemas.codec import Unreadable, UnreadableCode, decode
from schemas.json import render
from tests.schemas.examples import AT

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = (("a", b"1"), ("b", b"\xff"), ("a", b"2"), ("c", None), ("traceparent", TRACEPARENT))
WHY = Unreadable("UNDECODABLE", "The body ends before its record does.")


def record(key: bytes | None = b"PO-1", value: bytes | None = b"\xc3\x01junk") -> Record:
    return Record("jobcentre.wp11", 3, 42, AT, key, value, HEADERS)


@pytest.mark.parametrize("key", [None, b"", b"PO-1", b"\xff\x00"])
@pytest.mark.parametrize("value", [None, b"", b"\xff" * 2_000_000])
def test_a_dead_letter_holds_the_record_as_it_came(key: bytes | None, value: bytes | None) -> None:
    drafted = dead_letters.draft(record(key, value), WHY)
    assert (drafted.topic, drafted.key, drafted.timestamp) == ("gateway.dead-letters", key, AT)
    assert dead_letters.dead_letter_of(record(key, value), WHY) == DeadLetter(
        event_id="jobcentre.wp11-3-42",
        source_topic="jobcentre.wp11",
        source_partition=3,
        source_offset=42,
        code="UNDECODABLE",
        detail="The body ends before its record does.",
        key=key,
        value=value,
        headers={"a": b"1", "b": b"\xff", "a[2]": b"2", "c": None, "traceparent": TRACEPARENT},
        decided_at=AT,
    )


def test_a_dead_letter_can_be_decoded() -> None:
    drafted = dead_letters.draft(record(), WHY)
    assert decode(drafted.value, {"DeadLetter"}) == dead_letters.dead_letter_of(record(), WHY)


@pytest.mark.parametrize(
    "headers",
    [
        HEADERS,
        (("a", None), ("a", b""), ("a", None)),
        (("a[2]", b"1"), ("a", b"2"), ("a", b"3"), ("a[2]", b"4"), ("a[2][1]", b"5"), ("[1]", b"6")),
        (("", b"1"), ("", b"2"), ("a\n[1]", b"3"), ("a[0]", b"4"), ("a[01]", b"5")),
    ],
)
def test_headers_come_back_as_they_came(headers: Headers) -> None:
    named = dead_letters.named_once(headers)
    assert len(named) == len(headers)
    assert dead_letters.as_they_came(named) == headers


def test_a_dead_letter_is_a_cloud_event_without_a_subject_in_the_trace_of_its_cause() -> None:
    headers = dict(dead_letters.draft(record(), WHY).headers)
    traceparent = headers.pop("traceparent")
    assert traceparent is not None
    assert traceparent[:36] == TRACEPARENT[:36]
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_id": b"jobcentre.wp11-3-42",
        "ce_source": b"/work-programme/information-session-gateway/dead-letters",
        "ce_type": b"DeadLetter",
        "ce_dataschema": b"urn:workprogramme:DeadLetter:a5356e6d5089ff5a",
        "ce_time": b"2016-04-04T23:00:00Z",
        "content-type": b"application/avro",
    }


def test_a_dead_letter_of_a_record_without_a_trace_has_none() -> None:
    untraced = Record("jobcentre.wp11", 3, 42, AT, None, None)
    assert traceparent_of(dead_letters.draft(untraced, WHY).headers) is None


def test_the_codes_of_a_dead_letter_are_those_of_what_is_unreadable() -> None:
    assert get_args(get_type_hints(DeadLetter)["code"]) == get_args(UnreadableCode)


def test_a_dead_letter_can_be_shown_as_json() -> None:
    letter = dead_letters.dead_letter_of(record(), WHY)
    assert render(letter)["value"] == "wwFqdW5r"
