"""What is compiled from the schemas writes the bytes that fastavro writes."""

from io import BytesIO

import pytest
from fastavro import schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, to_builtins
from msgspec.structs import replace

from schemas.avro_writer import record_writer
from schemas.catalogue import SCHEMAS
from schemas.codec import Codec, encode, header_of
from schemas.prepared import parsed
from tests.schemas.examples import SESSION_BOOKED
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


@each_record
@given(data=st.data())
@settings(max_examples=20)
def test_a_record_has_the_bytes_that_fastavro_gives_it(name: str, data: st.DataObject) -> None:
    record = data.draw(records(name))
    assert encode(record) == by_fastavro(record)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_text_of_any_length_is_written_as_fastavro_writes_it(length: int) -> None:
    record = replace(SESSION_BOOKED, location="é" * length, session_name="e" * length)
    assert encode(record) == by_fastavro(record)


def test_a_number_of_any_size_is_written_as_by_fastavro() -> None:
    fields = [{"name": name, "type": "long"} for name in ("starts_at", "notified_at")]
    schema = {"type": "record", "name": "Sized", "fields": fields}
    write = record_writer(schema)
    for number in NUMBERS:
        body = BytesIO()
        numbers = {"starts_at": number, "notified_at": 0}
        schemaless_writer(body, schema, numbers)
        assert write(replace(SESSION_BOOKED, **numbers)) == body.getvalue()


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


def test_a_choice_that_is_written_longer_than_it_has_to_be_is_read() -> None:
    """As some writers do."""
    value = encode(SESSION_BOOKED)
    padded = value.replace(b"Town hall\x02", b"Town hall\x82\x00")
    assert len(padded) == len(value) + 1
    assert Codec().decode(padded, {"SessionBooked"}) == SESSION_BOOKED
