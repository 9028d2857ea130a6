"""Records to bytes and back, and what becomes of damaged bytes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from gateway.rules.events import Outcome
from gateway.rules.messages import GroupSessionRestrictionChanged
from schemas.codec import HEADER_BYTES, LARGEST_BODY_BYTES, Unreadable, decode, encode
from tests.schemas.examples import EXAMPLES, PARTICIPANT, REFERRAL, SESSION_BOOKED, WP11
from tests.schemas.strategies import ANY_RECORD_NAME, records

EVERY_NAME = frozenset(EXAMPLES)
#: The longest number that Avro has: ten bytes, here 2^63 - 1.
GREATEST_LONG = b"\xfe" + b"\xff" * 8 + b"\x01"

each_record = pytest.mark.parametrize("record", EXAMPLES.values(), ids=EXAMPLES)


def code_of(value: bytes | None, expected: frozenset[str] = EVERY_NAME) -> str:
    decoded = decode(value, expected)
    assert isinstance(decoded, Unreadable), decoded
    assert decoded.detail.index(".") == len(decoded.detail) - 1, "not one sentence"
    return decoded.code


def damaged(record: Struct, field: bytes, other: bytes) -> bytes:
    """The bytes of a record with one place in its body replaced."""
    value = encode(record)
    assert value.count(field, HEADER_BYTES) == 1, value[HEADER_BYTES:]
    at = value.index(field, HEADER_BYTES)
    return value[:at] + other + value[at + len(field) :]


def test_the_bytes_of_a_record_are_avros_single_object_encoding() -> None:
    """The same bytes as Java's BinaryMessageEncoder makes."""
    assert encode(WP11) == bytes.fromhex(
        "c3 01"  # the marker
        "fc a0 78 08 61 69 c0 f5"  # the fingerprint of Wp11, little endian
        "06 4d 2d 31"  # message_id: a length of 3, zigzag, and M-1
        "08 50 4f 2d 31"  # po_number: PO-1
        "08 4a 43 2d 31"  # jobcentre_id: JC-1
        "d4 87 02"  # interview_on: day 16,874, 2016-03-14
        "01"  # wants_to_join: true
        "d6 87 02"  # issued_on: a day later
    )


@pytest.mark.parametrize("name", ANY_RECORD_NAME)
@given(data=st.data())
@settings(max_examples=20)
def test_a_record_comes_back_as_it_was(name: str, data: st.DataObject) -> None:
    record = data.draw(records(name))
    assert decode(encode(record), {name}) == record


@each_record
def test_an_example_comes_back_as_it_was(record: Struct) -> None:
    assert decode(encode(record), EVERY_NAME) == record


@each_record
def test_the_same_record_gives_the_same_bytes(record: Struct) -> None:
    assert encode(record) == encode(replace(record))


def test_a_class_without_a_schema_is_not_encoded() -> None:
    with pytest.raises(KeyError):
        encode(PARTICIPANT)


def test_an_array_may_come_in_blocks_with_their_sizes() -> None:
    """A negative count is followed by the block's size in bytes, as some writers have it."""
    outcome = EXAMPLES["Outcome"]
    in_blocks = damaged(outcome, b"\x04\x0aFIRST\x0cSECOND\x00", b"\x01\x0c\x0aFIRST\x02\x0cSECOND\x00")
    assert decode(in_blocks, EVERY_NAME) == outcome


# ---- what does not begin as it should


def test_a_record_without_a_value_is_undecodable() -> None:
    assert code_of(None) == "UNDECODABLE"


@pytest.mark.parametrize("value", [b"", b"\xc3", b"\xc3\x01", b"\xc3\x01" + b"\x00" * 7, b"{}", b"\x00" * 4])
def test_a_value_without_marker_or_fingerprint_is_undecodable(value: bytes) -> None:
    assert code_of(value) == "UNDECODABLE"


def test_a_fingerprint_that_nobody_knows_is_an_unknown_schema() -> None:
    assert code_of(b"\xc3\x01" + b"\x00" * 8 + encode(WP11)[HEADER_BYTES:]) == "UNKNOWN_SCHEMA"


def test_a_record_that_does_not_belong_on_the_topic_is_an_unknown_schema_that_is_named() -> None:
    decoded = decode(encode(WP11), {"Referral"})
    assert decoded == Unreadable("UNKNOWN_SCHEMA", "The record Wp11 does not belong on this topic.")


def test_a_body_of_over_one_mebibyte_is_too_large_and_not_looked_into() -> None:
    shortest = len(encode(replace(SESSION_BOOKED, location=""))) - HEADER_BYTES
    room = LARGEST_BODY_BYTES - shortest - 2  # the text's length takes three bytes rather than one
    largest = replace(SESSION_BOOKED, location="x" * room)
    assert len(encode(largest)) == HEADER_BYTES + LARGEST_BODY_BYTES
    assert code_of(encode(largest)) == "UNDECODABLE"  # as its text is longer than it may be
    assert code_of(encode(replace(largest, location="x" * (room + 1)))) == "TOO_LARGE"
    assert code_of(b"no marker" * 200_000) == "TOO_LARGE"


# ---- bodies that are not what their schema says


@each_record
def test_a_body_that_ends_early_is_undecodable_wherever_it_ends(record: Struct) -> None:
    value = encode(record)
    codes = {code_of(value[:length]) for length in range(len(value))}
    assert codes == {"UNDECODABLE"}


@each_record
def test_a_body_that_goes_on_after_its_record_is_undecodable(record: Struct) -> None:
    # Java's BinaryMessageDecoder takes the record and leaves the rest.
    codes = {code_of(encode(record) + bytes([trailing])) for trailing in range(256)}
    assert codes == {"UNDECODABLE"}


@pytest.mark.parametrize("text", [b"\xff-1", b"M-\xc3", b"\xed\xa0\x80", b"\xc0\x80x", b"\xe2\x82-"])
def test_a_text_that_is_not_utf8_is_undecodable(text: bytes) -> None:
    """Not even surrogates and overlong zeros, which some writers let through. Java takes any bytes."""
    assert code_of(damaged(WP11, b"\x06M-1", b"\x06" + text)) == "UNDECODABLE"


@pytest.mark.parametrize("index", [b"\x01", b"\x03", b"\x04", b"\x05", b"\x06", GREATEST_LONG])
def test_an_enums_index_that_it_does_not_have_is_undecodable(index: bytes) -> None:
    """-1, -2, 2, -3, 3 and 2^63 - 1: a negative one is not counted from the end."""
    value = damaged(SESSION_BOOKED, b"Town hall\x02\x02", b"Town hall" + index + b"\x02")
    assert code_of(value) == "UNDECODABLE"


@pytest.mark.parametrize("index", [b"\x01", b"\x03", b"\x04", b"\x05", GREATEST_LONG])
def test_a_unions_index_that_it_does_not_have_is_undecodable(index: bytes) -> None:
    """-1, -2, 2, -3 and 2^63 - 1."""
    value = damaged(SESSION_BOOKED, b"Town hall\x02\x02", b"Town hall\x02" + index)
    assert code_of(value) == "UNDECODABLE"


def zigzag(number: int) -> bytes:
    """A number as Avro writes it."""
    left = (number << 1) ^ (number >> 63)
    digits = bytearray()
    while left > 0x7F:
        digits.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*digits, left])


@pytest.mark.parametrize("day", [-25_568, 376_200, 2**31, -(2**63)])
def test_a_date_outside_the_years_1900_to_2999_is_undecodable(day: int) -> None:
    assert code_of(damaged(WP11, b"\xd6\x87\x02", zigzag(day))) == "UNDECODABLE"


@pytest.mark.parametrize("day", [-25_567, 376_199])
def test_the_first_and_the_last_date_are_read(day: int) -> None:
    assert decode(damaged(WP11, b"\xd6\x87\x02", zigzag(day)), EVERY_NAME) == replace(WP11, issued_on=day)


@pytest.mark.parametrize("at", [-2_208_988_800_001, 32_503_680_000_000, 2**63 - 1])
@pytest.mark.parametrize("field", ["starts_at", "notified_at"])
def test_an_instant_outside_the_years_1900_to_2999_is_undecodable(field: str, at: int) -> None:
    assert code_of(encode(replace(SESSION_BOOKED, **{field: at}))) == "UNDECODABLE"


@pytest.mark.parametrize(("name", "field"), [("AttendanceEvent", "attempt"), ("DeliveryPlan", "group_size")])
@pytest.mark.parametrize("number", [2**31, -(2**31) - 1])
def test_an_int_wider_than_32_bits_is_undecodable(name: str, field: str, number: int) -> None:
    assert code_of(encode(replace(EXAMPLES[name], **{field: number}))) == "UNDECODABLE"


def test_a_date_out_of_range_within_another_record_is_undecodable() -> None:
    born = replace(PARTICIPANT, date_of_birth=376_200)
    assert code_of(encode(replace(REFERRAL, participant=born))) == "UNDECODABLE"


def test_a_dead_letter_with_a_code_that_nobody_knows_is_undecodable() -> None:
    value = damaged(EXAMPLES["DeadLetter"], b"\x16UNDECODABLE", b"\x16UNDECODABIL")
    assert code_of(value) == "UNDECODABLE"


def test_a_null_without_a_default_is_read_as_such() -> None:
    changed = GroupSessionRestrictionChanged(message_id="M", po_number="P", restriction=None, changed_on=0)
    assert decode(encode(changed), EVERY_NAME) == changed


# ---- whatever the bytes


@given(name=st.sampled_from(ANY_RECORD_NAME), data=st.data())
@settings(max_examples=300)
def test_flipped_bits_never_raise(name: str, data: st.DataObject) -> None:
    value = bytearray(encode(EXAMPLES[name]))
    bits = st.integers(HEADER_BYTES * 8, len(value) * 8 - 1)
    for bit in data.draw(st.lists(bits, min_size=1, max_size=4)):
        value[bit // 8] ^= 1 << bit % 8
    decoded = decode(bytes(value), EVERY_NAME)
    assert isinstance(decoded, (Unreadable, type(EXAMPLES[name])))


@given(name=st.sampled_from(ANY_RECORD_NAME), body=st.binary(max_size=64))
@settings(max_examples=300)
def test_any_body_at_all_never_raises(name: str, body: bytes) -> None:
    decode(encode(EXAMPLES[name])[:HEADER_BYTES] + body, EVERY_NAME)


@given(value=st.binary(max_size=64))
def test_any_value_at_all_never_raises(value: bytes) -> None:
    assert code_of(value) in {"UNDECODABLE", "UNKNOWN_SCHEMA"}


@pytest.mark.parametrize("length", range(20, 200, 7))
def test_what_is_said_of_a_damaged_record_has_nothing_of_it(length: int) -> None:
    canary: Any = replace(PARTICIPANT, forename="canary" * 9, surname="canary" * 9)
    value = encode(replace(REFERRAL, message_id="canary" * 9, participant=canary))[:length]
    decoded = decode(value, EVERY_NAME)
    assert isinstance(decoded, Unreadable)
    assert "canary" not in decoded.detail


def test_an_outcome_of_nothing_but_defaults_has_them_back() -> None:
    outcome = Outcome(event_id="E", message_id="M", po_number="P", topic="T", status="HELD", decided_at=0)
    assert decode(encode(outcome), EVERY_NAME) == outcome
