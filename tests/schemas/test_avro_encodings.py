"""What the Avro specification forbids is no record, for every primitive and in every place.

Avro's Java implementation was asked about each case of `GOOD` and `BAD` (1.12.2, GenericDatumReader on
BinaryDecoder). It takes and refuses the same, but for those beside which it says what Java does.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from schemas.codec import Codec, Unreadable, decode, encode, header_of
from schemas.well_formed import NotWellFormed, passing
from tests.schemas.examples import EXAMPLES, REFERRAL, SESSION_BOOKED, WP11
from tests.schemas.test_codec import code_of, damaged
from tests.schemas.test_resolution import version


def ends_at(kind: Any, body: bytes) -> int | None:
    """Where a value ends that stands in a body of its own; None: it is not well formed."""
    schema = {"type": "record", "name": "One", "fields": [{"name": "one", "type": kind}]}
    try:
        return passing(schema)(body, 0)
    except NotWellFormed:
        return None


#: The examples of the specification's "Binary Encoding", and the edges of each type.
GOOD = [
    ("null", ""),
    ("boolean", "00"),
    ("boolean", "01"),
    *((kind, number) for kind in ("int", "long") for number in ("00", "01", "02", "03", "04", "7f", "8001")),
    ("int", "feffffff0f"),
    ("int", "ffffffff0f"),
    ("long", "feffffffffffffffff01"),
    ("long", "ffffffffffffffffff01"),
    ("long", "8000"),  # longer than it has to be: Java takes it, and some writers do so
    ("int", "8080808000"),
    ("long", "80808080808080808000"),
    ("float", "0000c07f"),
    ("double", "000000000000f87f"),
    ("bytes", "04ff00"),
    ("string", "06666f6f"),
    ({"type": "fixed", "name": "f", "size": 3}, "010203"),
    ({"type": "enum", "name": "e", "symbols": ["A", "B", "C", "D"]}, "06"),
    ({"type": "array", "items": "long"}, "04063600"),
    ({"type": "array", "items": "long"}, "0304063600"),  # a count below zero, and the block's size
    ({"type": "map", "values": "long"}, "02026102 00"),
    (["null", "string"], "00"),
    (["null", "string"], "020261"),
]
BAD = [
    ("boolean", "02"),  # Java: false
    ("boolean", "ff"),  # Java: false
    ("boolean", ""),
    ("int", "808080808000"),
    ("int", "ffffffff1f"),  # Java drops the bits that an int has no place for
    ("int", "8080808010"),  # Java: 0
    ("int", ""),
    ("int", "80"),
    ("long", "8080808080808080808000"),
    ("long", "ffffffffffffffffff03"),  # Java drops the bits that a long has no place for
    ("long", "ffffffffffffffffff7f"),  # Java does so too
    ("long", "80808080808080808002"),  # Java: 0
    ("long", "80808080808080808080"),
    ("long", "ff" * 40 + "01"),
    ("float", "000000"),
    ("double", "00000000000000"),
    ("bytes", "01"),
    ("bytes", "04ff"),
    ("bytes", "feffffffffffffffff01"),
    ("string", "03616263"),
    ({"type": "fixed", "name": "f", "size": 3}, "0102"),
    ({"type": "enum", "name": "e", "symbols": ["A", "B", "C", "D"]}, "08"),
    ({"type": "enum", "name": "e", "symbols": ["A", "B", "C", "D"]}, "01"),
    ({"type": "array", "items": "long"}, "0302063600"),  # Java does not look at the size
    ({"type": "array", "items": "long"}, "0306063600"),  # nor here
    ({"type": "array", "items": "long"}, "0301063600"),  # a size below zero, which Java refuses since 1.12.2
    ({"type": "map", "values": "long"}, "010402610200"),  # Java does not look at the size
    ({"type": "array", "items": "long"}, "040636"),
    ({"type": "array", "items": "null"}, "feffffffffffffffff01"),
    ({"type": "array", "items": "null"}, "ffffffffffffffffff0100"),
    (["null", "string"], "04"),
    (["null", "string"], "01"),
]


@pytest.mark.parametrize(("kind", "body"), GOOD)
def test_what_the_specification_allows_is_passed_over_to_its_end(kind: Any, body: str) -> None:
    assert ends_at(kind, bytes.fromhex(body)) == len(bytes.fromhex(body))


@pytest.mark.parametrize(("kind", "body"), BAD)
def test_what_the_specification_forbids_is_not_well_formed(kind: Any, body: str) -> None:
    assert ends_at(kind, bytes.fromhex(body)) is None


def test_a_list_of_more_items_than_bytes_is_not_well_formed() -> None:
    """The specification allows 100 nulls on 3 bytes, Java reads them, and no record has such a list."""
    nulls = {"type": "array", "items": "null"}
    assert ends_at(nulls, bytes.fromhex("c80100")) is None
    assert ends_at(nulls, bytes.fromhex("0400")) == 2


def test_a_type_may_be_referred_to_by_its_name() -> None:
    kind = {
        "type": "record",
        "name": "Tree",
        "namespace": "a.b",
        "fields": [
            {"name": "left", "type": ["null", "Tree"]},
            {"name": "right", "type": ["null", "a.b.Tree"]},
        ],
    }
    assert ends_at(kind, bytes.fromhex("02000000")) == 4
    assert ends_at(kind, bytes.fromhex("0200")) is None


# ---- in the records

#: 16,875 as a date, on 5 bytes and with bits that are lost; 16,875 is d6 87 02.
DAY = b"\xd6\x87\x02"
LONG_DAYS = {
    "of 6 bytes": (b"\xd6\x87\x82\x80\x80\x00", "UNDECODABLE"),
    "of 11 bytes": (b"\xd6\x87\x82" + b"\x80" * 7 + b"\x00", "UNDECODABLE"),
    "of 11 bytes, with bits beyond 64": (b"\xd6\x87\x82" + b"\x80" * 7 + b"\x01", "UNDECODABLE"),
    "of 10 bytes, with bits beyond 64": (b"\xd6\x87\x82" + b"\x80" * 6 + b"\x02", "UNDECODABLE"),
}


@pytest.mark.parametrize("how", LONG_DAYS)
def test_a_date_that_is_too_long_is_undecodable(how: str) -> None:
    assert code_of(damaged(WP11, DAY, LONG_DAYS[how][0])) == "UNDECODABLE"


def test_a_date_that_is_longer_than_it_has_to_be_is_read() -> None:
    assert decode(damaged(WP11, DAY, b"\xd6\x87\x82\x80\x00"), {"Wp11"}) == WP11


AT = bytes.fromhex("80c688b8fc54")  # 2016-04-04T23:00:00Z


@pytest.mark.parametrize("end", [b"\x80" * 5 + b"\x00", b"\x80" * 4 + b"\x00", b"\x80" * 3 + b"\x02"])
def test_an_instant_of_11_bytes_or_with_bits_beyond_64_is_undecodable(end: bytes) -> None:
    longer = AT[:-1] + bytes([AT[-1] | 0x80]) + end
    decoded = decode(damaged(EXAMPLES["CannotAttend"], AT, longer), {"CannotAttend"})
    assert isinstance(decoded, Unreadable) == (len(longer) > 10 or end[-1] > 1)


@pytest.mark.parametrize("length", [b"\x86" + b"\x80" * 9 + b"\x00", b"\x86" + b"\x80" * 8 + b"\x02"])
def test_a_texts_length_of_11_bytes_or_with_bits_beyond_64_is_undecodable(length: bytes) -> None:
    assert code_of(damaged(WP11, b"\x06M-1", length + b"M-1")) == "UNDECODABLE"


@pytest.mark.parametrize("byte", [b"\x02", b"\x03", b"\x80", b"\xff"])
def test_a_boolean_that_is_neither_0_nor_1_is_undecodable(byte: bytes) -> None:
    assert code_of(damaged(WP11, b"\xd4\x87\x02\x01", b"\xd4\x87\x02" + byte)) == "UNDECODABLE"


def test_a_boolean_of_two_bytes_is_undecodable() -> None:
    assert code_of(damaged(WP11, b"\xd4\x87\x02\x01", b"\xd4\x87\x02\x81\x00")) == "UNDECODABLE"


@pytest.mark.parametrize("index", [b"\x82\x80\x80\x80\x80\x00", b"\x82" + b"\x80" * 9 + b"\x00"])
def test_a_choice_of_more_bytes_than_an_int_can_need_is_undecodable(index: bytes) -> None:
    of_enum = damaged(SESSION_BOOKED, b"Town hall\x02\x02", b"Town hall" + index + b"\x02")
    of_union = damaged(SESSION_BOOKED, b"Town hall\x02\x02", b"Town hall\x02" + index)
    assert {code_of(of_enum), code_of(of_union)} == {"UNDECODABLE"}


@pytest.mark.parametrize("size", range(120))
def test_a_block_is_as_large_as_it_says(size: int) -> None:
    lines = b"\x1a1 High Street\x12Sheffield"
    in_blocks = b"\x03" + bytes([size * 2 % 128]) + lines + b"\0"
    value = damaged(REFERRAL, b"\x04" + lines + b"\0", in_blocks)
    if size % 64 == len(lines):
        assert decode(value, {"Referral"}) == REFERRAL
    else:
        assert code_of(value) == "UNDECODABLE"


def test_text_beyond_ascii_is_no_long_number() -> None:
    booked = replace(SESSION_BOOKED, location="会议室会议室会议室", notified_at=None)
    assert decode(encode(booked), {"SessionBooked"}) == booked


def test_what_another_schema_wrote_is_gone_through_too() -> None:
    schema, fields = version("Wp11")
    fields.reverse()
    value = header_of(schema) + bytes.fromhex("d68702 05 d48702 084a432d31 08504f2d31 064d2d31")
    codec = Codec([schema])
    assert isinstance(codec.decode(value, {"Wp11"}), Unreadable)
    assert codec.decode(value.replace(b"\x05", b"\x01", 1), {"Wp11"}) == WP11
