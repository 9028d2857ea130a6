"""Schemas of a registry: whatever is registered there, and in however many parts."""

import json
from copy import deepcopy
from typing import Any

import pytest

from gateway.rules.messages import Referral
from schemas.catalogue import SCHEMAS
from schemas.codec import HEADER_BYTES, Unreadable, decode, encode, header_of
from schemas.registered import full_name, header, learn_registered, text
from tests.schemas.examples import EXAMPLES

EXPECTED = frozenset({"Referral"})


@pytest.mark.parametrize("record", SCHEMAS)
def test_what_is_registered_is_the_schema_that_is_written_by(record: str) -> None:
    assert learn_registered([text(record)]) == header(record) == header_of(SCHEMAS[record])
    assert full_name(record) == f"workprogramme.{record}"


def in_parts() -> list[str]:
    """The schema of a referral, which refers to its participant and to what it is mandated by."""
    schema = deepcopy(SCHEMAS["Referral"])
    parts = []
    for field in schema["fields"]:
        branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
        for place, branch in enumerate(branches):
            if isinstance(branch, dict) and branch["type"] in {"record", "enum"}:
                parts.append(json.dumps({"namespace": "workprogramme"} | branch))
                named = branch["name"] if len(parts) % 2 else f"workprogramme.{branch['name']}"
                if isinstance(field["type"], list):
                    field["type"][place] = named
                else:
                    field["type"] = named
    assert len(parts) > 3
    return [*parts, json.dumps(schema)]


def test_a_schema_in_parts_is_the_same_as_in_one() -> None:
    assert learn_registered(in_parts()) == header("Referral")


def test_a_later_version_is_decoded_once_it_is_learned() -> None:
    schema = deepcopy(SCHEMAS["Referral"])
    schema["fields"].append({"name": "learned_colour", "type": "string", "default": "grey"})
    plain = encode(EXAMPLES["Referral"])[HEADER_BYTES:]
    value = header_of(schema) + plain + b"\x06red"
    assert isinstance(decode(value, EXPECTED), Unreadable)
    assert learn_registered([json.dumps(schema)]) == header_of(schema)
    assert isinstance(decode(value, EXPECTED), Referral)


def test_a_record_that_the_gateway_does_not_have_stays_unknown() -> None:
    begins = learn_registered(['{"type": "record", "name": "a.Horse", "fields": []}'])
    unknown = decode(begins, EXPECTED)
    assert isinstance(unknown, Unreadable)
    assert unknown.code == "UNKNOWN_SCHEMA"


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "null",
        "7",
        '"string"',
        '["null", "string"]',
        "{}",
        '{"type": "record", "name": "Referral"}',
        '{"type": "record", "name": "Referral", "fields": 7}',
        '{"type": "record", "name": "Referral", "fields": [7]}',
        '{"type": "record", "name": "Referral", "fields": [{"name": "a"}]}',
        '{"type": "record", "name": "Referral", "fields": [{"name": "a", "type": "nothing"}]}',
        '{"type": "record", "name": ["Referral"], "fields": []}',
        "[" * 100_000,
    ],
)
def test_what_is_no_schema_of_a_record_is_refused(odd: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|not an Avro schema"):
        learn_registered([odd])


def test_without_a_registry_a_value_in_the_wire_format_is_an_unknown_schema() -> None:
    found: Any = decode(b"\0\0\0\0\7" + encode(EXAMPLES["Referral"])[HEADER_BYTES:], EXPECTED)
    assert found.code == "UNKNOWN_SCHEMA"
    assert found.detail == (
        "The value names its schema by the id of a schema registry, and none is known for it."
    )
