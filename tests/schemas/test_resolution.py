"""What an earlier schema wrote is read as the current one has it, by Avro's rules."""

import json
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastavro import schemaless_reader, schemaless_writer
from msgspec import Struct, to_builtins
from msgspec.structs import replace

from schemas.catalogue import SCHEMAS, Schema, earlier_schemas
from schemas.codec import Codec, Unreadable, decode, header_of
from tests.schemas.examples import EXAMPLES, REFERRAL, WP11

Fields = list[dict[str, Any]]


def version(name: str) -> tuple[Schema, Fields]:
    """A copy of a current schema, and its fields, to make an earlier version of."""
    schema = deepcopy(SCHEMAS[name])
    return schema, schema["fields"]


def field(fields: Fields, name: str) -> dict[str, Any]:
    return next(field for field in fields if field["name"] == name)


def written(schema: Schema, record: Struct, **more: Any) -> bytes:
    """A record's bytes as a writer with this schema would have made them."""
    body = BytesIO()
    schemaless_writer(body, schema, to_builtins(record, builtin_types=(bytes,)) | more)
    return header_of(schema) + body.getvalue()


def resolved(schema: Schema, value: bytes) -> Struct | Unreadable:
    return Codec([schema]).decode(value, {schema["name"]})


def code_of(decoded: Struct | Unreadable) -> str:
    assert isinstance(decoded, Unreadable), decoded
    return decoded.code


def test_a_writer_without_a_field_gets_its_default() -> None:
    schema, fields = version("Referral")
    fields.remove(field(fields, "special_customer_record"))
    fields.remove(field(fields, "mandation"))
    expected = replace(REFERRAL, special_customer_record=False, mandation=None)
    assert resolved(schema, written(schema, REFERRAL)) == expected


def test_a_writer_without_a_field_of_a_record_within_gets_its_default() -> None:
    schema, fields = version("Referral")
    of_participant = field(fields, "participant")["type"]["fields"]
    for gone in "address", "postcode":
        of_participant.remove(field(of_participant, gone))
    decoded = resolved(schema, written(schema, REFERRAL))
    assert decoded == replace(REFERRAL, participant=replace(REFERRAL.participant, address=(), postcode=None))


def test_a_writers_order_of_fields_is_its_own() -> None:
    schema, fields = version("Referral")
    fields.reverse()
    assert resolved(schema, written(schema, REFERRAL)) == REFERRAL


def test_a_writers_int_is_read_as_a_long() -> None:
    schema, fields = version("DeadLetter")
    field(fields, "source_offset")["type"] = "int"
    letter = replace(EXAMPLES["DeadLetter"], source_offset=7)
    assert resolved(schema, written(schema, letter)) == letter


def test_a_writers_bytes_are_read_as_text() -> None:
    schema, fields = version("Wp11")
    field(fields, "jobcentre_id")["type"] = "bytes"
    assert resolved(schema, written(schema, WP11, jobcentre_id=b"JC-1")) == WP11


def test_a_writers_plain_field_is_read_where_a_null_is_allowed_now() -> None:
    schema, fields = version("SessionBooked")
    field(fields, "notified_at")["type"] = {"type": "long", "logicalType": "timestamp-millis"}
    del field(fields, "notified_at")["default"]
    booked = EXAMPLES["SessionBooked"]
    assert resolved(schema, written(schema, booked)) == booked


def test_a_field_that_only_the_writer_has_is_passed_over() -> None:
    schema, fields = version("Wp11")
    fields.insert(2, {"name": "colour", "type": {"type": "array", "items": "string"}})
    assert resolved(schema, written(schema, WP11, colour=["red", "blue"])) == WP11


def test_a_field_that_only_the_writer_has_must_be_whole_all_the_same() -> None:
    schema, fields = version("Wp11")
    fields.append({"name": "colour", "type": "string"})
    value = written(schema, WP11, colour="vermilion")
    assert resolved(schema, value) == WP11
    for length in range(len(value)):
        assert code_of(resolved(schema, value[:length])) == "UNDECODABLE"


def test_what_an_earlier_writer_left_is_checked_for_trailing_bytes_and_ranges_too() -> None:
    schema, fields = version("Wp11")
    fields.reverse()
    assert code_of(resolved(schema, written(schema, WP11) + b"\x00")) == "UNDECODABLE"
    assert code_of(resolved(schema, written(schema, WP11, issued_on=2_932_897))) == "UNDECODABLE"


def test_a_writers_negative_index_is_not_counted_from_the_end() -> None:
    schema, fields = version("SessionBooked")
    fields.insert(0, fields.pop())
    value = bytearray(written(schema, replace(EXAMPLES["SessionBooked"], notified_at=None)))
    value[10] = 0x03  # -2 where 0 was: in a list of two, the first
    assert code_of(resolved(schema, bytes(value))) == "UNDECODABLE"


def test_a_writers_symbol_that_is_no_longer_known_is_undecodable() -> None:
    schema, fields = version("SessionBooked")
    field(fields, "format")["type"]["symbols"] = ["GROUP", "ONE_TO_ONE", "BY_POST"]
    booked = EXAMPLES["SessionBooked"]
    assert resolved(schema, written(schema, booked)) == booked
    assert code_of(resolved(schema, written(schema, booked, format="BY_POST"))) == "UNDECODABLE"


def test_a_writer_without_a_field_that_has_no_default_is_undecodable() -> None:
    schema, fields = version("Wp11")
    fields.remove(field(fields, "issued_on"))
    assert code_of(resolved(schema, written(schema, WP11))) == "UNDECODABLE"


def test_a_schema_that_was_not_given_is_an_unknown_one() -> None:
    schema, fields = version("Wp11")
    fields.reverse()
    assert code_of(decode(written(schema, WP11), {"Wp11"})) == "UNKNOWN_SCHEMA"


def test_a_schema_of_no_known_record_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="Wp12"):
        Codec([SCHEMAS["Wp11"] | {"name": "Wp12"}])


def test_earlier_schemas_are_those_in_their_folder(tmp_path: Path) -> None:
    schema, fields = version("Wp11")
    fields.pop()
    (tmp_path / "Wp11-1.avsc").write_text(json.dumps(schema), "utf-8")
    (tmp_path / "README.md").write_text("not a schema", "utf-8")
    assert earlier_schemas(tmp_path) == [schema]
    assert earlier_schemas(tmp_path / "absent") == []


@pytest.mark.parametrize("schema", [*SCHEMAS.values(), *earlier_schemas()], ids=lambda schema: schema["name"])
def test_a_current_schema_reads_every_published_one_and_is_read_by_it(schema: Schema) -> None:
    """FULL_TRANSITIVE compatibility: consumers and producers may be upgraded in any order."""
    name = schema["name"]
    record = EXAMPLES[name]
    assert not isinstance(resolved(schema, written(schema, record)), Unreadable)
    body = BytesIO(written(SCHEMAS[name], record)[10:])
    assert schemaless_reader(body, SCHEMAS[name], schema)


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ("SessionEvent", "change"),
        ("Notice", "notice"),
        ("SanctionNotification", "failure"),
        ("PrapAction", "action"),
        ("Instruction", "instruction"),
        ("Breach", "breach"),
    ],
)
def test_a_kind_of_event_that_a_later_version_wrote_is_read_as_other(record: str, name: str) -> None:
    schema, fields = version(record)
    kind = field(fields, name)["type"]
    kind["symbols"] = [*kind["symbols"], "INVENTED_LATER"]
    decoded = resolved(schema, written(schema, EXAMPLES[record], **{name: "INVENTED_LATER"}))
    assert decoded == replace(EXAMPLES[record], **{name: "OTHER"})
