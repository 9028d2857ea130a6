"""The .avsc files, the classes and the published fingerprints say the same."""

from importlib.resources import files
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import fields

from gateway.rules.messages import RECORD_NAMED
from schemas.catalogue import CLASSES, RECORDS, SCHEMA_OF, SCHEMAS
from schemas.codec import header_of
from schemas.ranges import range_of
from tests.schemas.examples import EXAMPLES

#: CRC-64-AVRO, little endian, as Java's Avro 1.12 computes them from the same files.
PUBLISHED = {
    "AlternativeSessionNotPossible": "0a c8 71 8e 13 3d ac 33",
    "AlternativeSessionRequested": "4a 0b 0d 2d 0d 8b 9d e3",
    "AttachmentRegistered": "aa 7a 48 56 c0 77 c8 90",
    "AttendanceCorrected": "3d 33 56 a5 c1 07 e3 4c",
    "AttendanceEvent": "86 61 1a ff b9 ce 11 b8",
    "AttendanceRecorded": "8c 36 55 b0 06 3a 8f 4f",
    "Breach": "fe 48 fa a5 1d 0e a5 7d",
    "CancellationEvent": "0c 75 5f b3 78 f8 a5 99",
    "CannotAttend": "cf 85 58 6c d1 64 3e 3b",
    "DeadLetter": "a5 35 6e 6d 50 89 ff 5a",
    "DeliveryPlan": "29 a1 76 23 81 3a 89 08",
    "ExpenseReimbursed": "6a 23 50 ab ad 2b d4 79",
    "GroupObjection": "75 7d c4 e2 1b 12 fc ea",
    "GroupSessionRestrictionChanged": "66 41 3e ce 0b 4d f8 3c",
    "Instruction": "31 c0 c7 9f 04 a5 76 28",
    "Notice": "1f 95 f6 b8 83 c2 34 38",
    "NotificationConfirmed": "53 0f 5c 2f 83 fe dd f5",
    "Outcome": "3e a9 dd 45 24 d1 bf d9",
    "PrapAction": "26 cb 19 87 8a f1 3f 02",
    "Referral": "a9 2e 67 6a 14 c8 1c b8",
    "ReferralAccepted": "bf 2d b1 0c be 2e 0b 4e",
    "ReferralRejected": "ba f0 83 d7 9e 88 22 b3",
    "SanctionNotification": "2c 86 cb 6c 02 94 cc 5e",
    "SessionBooked": "25 01 53 6f 0d 7f 16 c2",
    "SessionCancelled": "b2 b8 53 7a 98 72 ba b6",
    "SessionChanged": "7c 10 34 0a 8a 17 73 8e",
    "SessionEvent": "e0 37 19 96 78 85 e4 81",
    "SupportGroupAppealChanged": "b0 e5 70 1b 44 94 81 dd",
    "Wp11": "fc a0 78 08 61 69 c0 f5",
}


def test_every_record_has_a_file_and_every_file_a_record() -> None:
    stems = {file.name.removesuffix(".avsc") for file in files("schemas").iterdir() if ".avsc" in file.name}
    assert stems == set(RECORDS) == set(EXAMPLES)


@pytest.mark.parametrize("name", RECORDS)
def test_a_fingerprint_never_changes_unnoticed(name: str) -> None:
    """Where one has to: the version until now goes to schemas/earlier, and the new fingerprint in here."""
    assert header_of(SCHEMAS[name]).hex(" ") == f"c3 01 {PUBLISHED[name]}"


def test_a_fingerprint_is_the_one_of_avros_specification() -> None:
    """The value for "null" stands in the specification's examples: 0x63DD24E7CC258F8A."""
    assert header_of("null")[2:] == 0x63DD24E7CC258F8A.to_bytes(8, "little")  # type: ignore[arg-type]


@pytest.mark.parametrize("record", SCHEMA_OF, ids=lambda record: record.__name__)
def test_a_class_has_the_fields_of_its_schema(record: type[Struct]) -> None:
    """In order, with their types and defaults."""
    schema = SCHEMA_OF[record]
    hints = get_type_hints(record, include_extras=True)
    assert record.__name__ == schema["name"]
    assert list(record.__struct_fields__) == [field["name"] for field in schema["fields"]]
    for of_class, of_schema in zip(fields(record), schema["fields"], strict=True):
        assert _default(of_class.default) == _default(of_schema.get("default", NODEFAULT)), of_class.name
        assert _avro_of(hints[of_class.name]) == _bare(of_schema["type"], record, of_class.name), (
            of_class.name
        )


def _default(default: Any) -> Any:
    return list(default) if isinstance(default, tuple) else default


def _avro_of(hint: Any) -> Any:
    """The Avro type that a class's annotation amounts to, without names and logical types."""
    if get_origin(hint) is Annotated:
        return _avro_of(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        branches = [branch for branch in get_args(hint) if branch is not NoneType]
        return ["null", *map(_avro_of, branches)]
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    if get_origin(hint) is tuple:
        return {"items": _avro_of(get_args(hint)[0])}
    if get_origin(hint) is dict:
        return {"values": _avro_of(get_args(hint)[1])}
    plain = {str: "string", bool: "boolean", int: "number", bytes: "bytes"}
    return plain.get(hint, hint.__name__)


def _bare(schema: Any, record: type[Struct], field: str) -> Any:
    match schema:
        case [*branches]:
            return [_bare(branch, record, field) for branch in branches]
        case {"type": "enum", "symbols": symbols}:
            return symbols
        case {"type": "array", "items": items}:
            return {"items": _bare(items, record, field)}
        case {"type": "map", "values": values}:
            return {"values": _bare(values, record, field)}
        case {"type": "record", "name": name}:
            return name
    if (record.__name__, field) == ("DeadLetter", "code"):
        # Text on the wire, so that a code can be added; the class names those that there are.
        return ["UNKNOWN_SCHEMA", "UNDECODABLE", "KEY_MISMATCH", "TOO_LARGE", "FAILED"]
    return "number" if range_of(schema) else schema


@pytest.mark.parametrize("name", [*RECORD_NAMED, "Mandation", "Participant"])
def test_a_message_may_hold_the_numbers_that_its_schema_allows(name: str) -> None:
    record = CLASSES[name]
    hints = get_type_hints(record, include_extras=True)
    for field in SCHEMA_OF[record]["fields"]:
        branch = field["type"][-1] if isinstance(field["type"], list) else field["type"]
        limits = range_of(branch)
        if limits is not None:
            assert _limits(hints[field["name"]]) == limits, field["name"]


def _limits(hint: Any) -> tuple[Any, Any]:
    if get_origin(hint) is Annotated:
        (meta,) = [note for note in get_args(hint) if isinstance(note, Meta)]
        return meta.ge, meta.le
    return next(_limits(branch) for branch in get_args(hint) if branch is not NoneType)


@pytest.mark.parametrize("name", [name for name in RECORDS if name != "DeliveryPlan"])
def test_a_number_in_a_list_or_a_map_would_go_unchecked_so_there_is_none(name: str) -> None:
    for field in SCHEMAS[name]["fields"]:
        if isinstance(field["type"], dict):
            assert range_of(field["type"].get("items", field["type"].get("values", "null"))) is None


@pytest.mark.parametrize("name", sorted(RECORDS.keys() - RECORD_NAMED.keys()))
def test_every_field_of_an_outbound_record_says_what_it_is(name: str) -> None:
    """Those who subscribe have the schema, and not the guidance."""
    assert [field["name"] for field in SCHEMAS[name]["fields"] if not field.get("doc")] == []
