"""What is compiled from the schemas writes the bytes that fastavro writes, and reads what fastavro reads."""

from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_reader, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, convert, to_builtins
from msgspec.structs import replace

from schemas.avro_reader import record_reader
from schemas.avro_writer import record_writer
from schemas.catalogue import RECORDS, SCHEMAS
from schemas.codec import HEADER_BYTES, MAKERS, Codec, encode, header_of
from schemas.prepared import parsed
from tests.schemas.examples import EXAMPLES, SESSION_BOOKED
from tests.schemas.strategies import ANY_RECORD_NAME, records

each_record = pytest.mark.parametrize("name", ANY_RECORD_NAME)
BY_FASTAVRO = {name: parsed(schema) for name, schema in SCHEMAS.items()}
#: Lengths and numbers about where one more byte is needed.
LENGTHS = [0, 1, 63, 64, 127, 128, 255, 256, 8_191, 8_192, 100_000]
NUMBERS = [number for bits in range(64) for number in (-(2**bits), 1 - 2**bits, 2**bits - 1, 2**bits - 2)]


def by_fastavro(record: Struct) -> bytes:
    body = BytesIO()
    name = type(record).__name__
    schemaless_writer(body, BY_FASTAVRO[name], to_builtins(record, builtin_types=(bytes,)))
    return header_of(SCHEMAS[name]) + body.getvalue()


def read_by_fastavro(name: str, body: bytes) -> tuple[Any, int]:
    stream = BytesIO(body)
    return schemaless_reader(stream, BY_FASTAVRO[name], None), stream.tell()


@each_record
@given(data=st.data())
@settings(max_examples=20)
def test_a_record_has_the_bytes_that_fastavro_gives_it(name: str, data: st.DataObject) -> None:
    record = data.draw(records(name))
    assert encode(record) == by_fastavro(record)


@each_record
@given(data=st.data())
@settings(max_examples=20)
def test_what_fastavro_writes_is_read_without_it(name: str, data: st.DataObject) -> None:
    record = data.draw(records(name))
    value = by_fastavro(record)
    assert record_reader(SCHEMAS[name], MAKERS)(value, HEADER_BYTES) == (record, len(value))


@each_record
@given(data=st.data())
@settings(max_examples=40)
def test_whatever_is_read_without_fastavro_is_what_it_reads(name: str, data: st.DataObject) -> None:
    """Also of damaged bytes: they are told to be unusual, or read as fastavro reads them."""
    body = bytearray(encode(EXAMPLES[name])[HEADER_BYTES:])
    for bit in data.draw(st.lists(st.integers(0, len(body) * 8 - 1), max_size=3)):
        body[bit // 8] ^= 1 << bit % 8
    try:
        record, end = record_reader(SCHEMAS[name], MAKERS)(bytes(body), 0)
    except (ValueError, LookupError):
        return
    if end == len(body):
        fields, end_by_fastavro = read_by_fastavro(name, bytes(body))
        assert (record, end) == (convert(fields, RECORDS[name]), end_by_fastavro)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_text_of_any_length_is_written_as_fastavro_writes_it(length: int) -> None:
    record = replace(SESSION_BOOKED, location="é" * length, session_name="e" * length)
    assert encode(record) == by_fastavro(record)


def test_a_number_of_any_size_is_written_and_read_as_by_fastavro() -> None:
    fields = [{"name": name, "type": "long"} for name in ("starts_at", "notified_at")]
    schema = {"type": "record", "name": "Sized", "fields": fields}
    write, read = record_writer(schema), record_reader(schema, {"Sized": dict})
    for number in NUMBERS:
        body = BytesIO()
        numbers = {"starts_at": number, "notified_at": 0}
        schemaless_writer(body, schema, numbers)
        value = write(replace(SESSION_BOOKED, **numbers))
        assert value == body.getvalue()
        assert read(value, 0) == (numbers, len(value))


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_a_number_that_no_long_can_hold_is_not_written(number: int) -> None:
    with pytest.raises(OverflowError):
        encode(replace(SESSION_BOOKED, starts_at=number))


def test_half_of_a_surrogate_pair_is_not_written() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode(replace(SESSION_BOOKED, location="\ud800"))


def test_a_type_that_no_record_has_is_refused_when_it_is_compiled() -> None:
    schema = {"type": "record", "name": "Real", "fields": [{"name": "real", "type": "double"}]}
    with pytest.raises(NotImplementedError, match="add one here"):
        record_writer(schema)
    with pytest.raises(NotImplementedError, match="add one here"):
        record_reader(schema, {"Real": dict})


def test_what_is_unusual_and_right_is_read_by_fastavro() -> None:
    """A number may be written longer than it has to be, as some writers do; here that of a choice."""
    value = encode(SESSION_BOOKED)
    padded = value.replace(b"Town hall\x02", b"Town hall\x82\x00")
    assert len(padded) == len(value) + 1
    with pytest.raises(LookupError):
        record_reader(SCHEMAS["SessionBooked"], MAKERS)(padded, HEADER_BYTES)
    assert Codec().decode(padded, {"SessionBooked"}) == SESSION_BOOKED
