"""Texts are as long as they may be, and no id is somebody's number, on a topic and in JSON alike."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from gateway.rules.messages import RECORD_NAMED
from gateway.rules.nino import is_nino_in_disguise
from schemas.catalogue import SCHEMAS
from schemas.codec import Unreadable, decode, encode
from schemas.json import InvalidJson, parse, parse_text, render, to_json
from schemas.limits import is_plain_id, wrong_with_id
from tests.schemas.examples import EXAMPLES, PARTICIPANT, REFERRAL, SESSION_BOOKED, WP11

#: What a Participant and the annotation have is short, and so are a session's name and place.
LONGEST = {
    "session_name": 200,
    "location": 200,
    "action_plan_annotation": 200,
    "reason": 2_000,
    "reason_given": 2_000,
    "explanation": 2_000,
    "timings": 2_000,
}
IDS = (
    *("po_number", "contract_package_area", "reference"),
    *("message_id", "provider_id", "jobcentre_id", "session_id"),
)
TEXTS = [
    (name, field["name"])
    for name in (*RECORD_NAMED, "DeliveryPlan")
    for field in SCHEMAS[name]["fields"]
    if field["type"] in ("string", ["null", "string"])
]


def refused(record: Struct) -> tuple[str, str]:
    """What is said of a record on a topic, and in JSON, of which field."""
    name = type(record).__name__
    decoded = decode(encode(record), {name})
    assert isinstance(decoded, Unreadable)
    assert decoded.code == "UNDECODABLE"
    if name not in RECORD_NAMED:
        return decoded.detail, ""
    with pytest.raises(InvalidJson) as in_json:
        parse(name, render(record))
    with pytest.raises(InvalidJson) as in_text:
        parse_text(name, to_json(record))
    assert str(in_text.value) == str(in_json.value)
    return decoded.detail, in_json.value.field


def taken(record: Struct) -> bool:
    name = type(record).__name__
    in_json = name not in RECORD_NAMED or parse_text(name, to_json(record)) == parse(name, render(record))
    return in_json and decode(encode(record), {name}) == record


@pytest.mark.parametrize(("name", "field"), TEXTS)
def test_a_text_of_a_record_is_as_long_as_it_may_be(name: str, field: str) -> None:
    longest = 100 if field in IDS else LONGEST[field]
    assert taken(replace(EXAMPLES[name], **{field: "ŵ" * longest}))
    detail, in_json = refused(replace(EXAMPLES[name], **{field: "ŵ" * (longest + 1)}))
    assert detail.startswith(f"The field {field} ")
    assert in_json in {field, ""}


@pytest.mark.parametrize(("name", "field"), [each for each in TEXTS if each[1] in IDS])
@pytest.mark.parametrize("text", ["", "a\nb", "\0", "a\x7f", "\x9b31m", "AB123456C", "ab 12 34 56"])
def test_an_id_is_no_empty_one_and_no_number_of_a_person(name: str, field: str, text: str) -> None:
    detail, in_json = refused(replace(EXAMPLES[name], **{field: text}))
    assert detail.startswith(f"The field {field} ")
    assert in_json in {field, ""}


@pytest.mark.parametrize("field", [f for f in PARTICIPANT.__struct_fields__ if f != "address"])
def test_what_a_participant_has_is_short(field: str) -> None:
    if isinstance(getattr(PARTICIPANT, field), str):
        fits = replace(REFERRAL, participant=replace(PARTICIPANT, **{field: "x" * 200}))
        assert taken(fits)
        _, in_json = refused(replace(REFERRAL, participant=replace(PARTICIPANT, **{field: "x" * 201})))
        assert in_json == f"participant.{field}"


def test_an_address_has_ten_lines_of_two_hundred_characters() -> None:
    def living(*lines: str) -> Struct:
        return replace(REFERRAL, participant=replace(PARTICIPANT, address=lines))

    assert taken(living(*["x" * 200] * 10))
    assert refused(living(*["x"] * 11))[1] == "participant.address"
    assert refused(living("x", "x" * 201))[1] == "participant.address[1]"


def test_what_the_gateway_writes_has_no_limits() -> None:
    outcome: Any = EXAMPLES["Outcome"]
    assert taken(replace(outcome, event_id="x" * 300, detail="x" * 3_000, decided_at=253_402_300_799_999))


NINOS = st.from_regex(
    r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]?", fullmatch=True
)
#: What somebody may put between, or what stays when a text is copied.
BETWEEN = st.text(" \u00a0\u2009\u200b\u00ad\ufeff\u202e.,;:-_–—/\\|()[]{}'\"’#*+~·•", max_size=3)
WIDE = {chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)}
ARABIC = {str(digit): chr(0x660 + digit) for digit in range(10)}


@given(st.data())
def test_no_spelling_of_a_number_of_a_person_is_an_id(data: st.DataObject) -> None:
    text = data.draw(BETWEEN)
    for character in data.draw(NINOS):
        forms = [character, character.lower(), WIDE[character], ARABIC.get(character, character)]
        text += data.draw(st.sampled_from(forms)) + data.draw(BETWEEN)
    assert wrong_with_id(text) is not None
    assert refused(replace(WP11, po_number=text))[1] == "po_number"


@pytest.mark.parametrize(
    "text",
    [
        *("PO123456", "PO-1", "QQ123456C", "BG123456A", "AB12345", "AB1234567", "AB123456E", "AB123456CD"),
        *("x-AB123456C", "AB123456C-1", "1AB123456C", "prap-AB123456C-1", "AB123456C日本"),
        *("00000000-0000-4000-8000-000000000000", "Ŵ", " ", "\u202e", "x" * 100),
    ],
)
def test_what_only_has_such_a_number_within_it_or_is_like_one_is_an_id(text: str) -> None:
    assert wrong_with_id(text) is None
    assert taken(replace(SESSION_BOOKED, po_number=text))


# ---- names that are given twice


@pytest.mark.parametrize("name", RECORD_NAMED)
def test_a_field_that_is_given_twice_is_refused(name: str) -> None:
    text = to_json(EXAMPLES[name]).decode()
    for field, value in render(EXAMPLES[name]).items():
        for again in (value, None, "", 0):
            twice = f"{{{json.dumps(field)}:{json.dumps(again)},{text[1:]}"
            with pytest.raises(InvalidJson, match="has a field twice"):
                parse_text(name, twice.encode())


@pytest.mark.parametrize("part", ["mandation", "participant"])
def test_a_field_of_a_part_that_is_given_twice_is_refused(part: str) -> None:
    text = to_json(REFERRAL).decode()
    for field, value in render(REFERRAL)[part].items():
        twice = text.replace(f'"{part}":{{', f'"{part}":{{{json.dumps(field)} : {json.dumps(value)},')
        with pytest.raises(InvalidJson, match="has a field twice"):
            parse_text("Referral", twice.encode())


def test_a_field_whose_name_is_escaped_is_the_same_field() -> None:
    text = to_json(WP11).decode().replace("{", '{"\\u0070o_number":"PO-2",', 1)
    with pytest.raises(InvalidJson, match="has a field twice"):
        parse_text("Wp11", text.encode())


@pytest.mark.parametrize("name", RECORD_NAMED)
def test_marks_and_backslashes_within_a_text_are_no_second_field(name: str) -> None:
    record = EXAMPLES[name]
    for field in record.__struct_fields__:
        if field in LONGEST:
            assert taken(replace(record, **{field: 'say "a":1,"a":2 \\ and "\\u0022'}))


@given(st.text("ABDEGKNOTZabdgkntz0149 -_.'\0~", max_size=14) | st.text(st.characters(max_codepoint=127)))
def test_the_quick_look_at_an_id_of_ascii_finds_what_the_thorough_one_finds(text: str) -> None:
    """A character of no other alphabet than a blank's lets the whole text be gone through."""
    assert is_nino_in_disguise(text) == is_nino_in_disguise(f"{text}\u00a0")
    is_printed = all(" " <= each <= "~" for each in text)
    assert bool(is_plain_id(text)) == (is_printed and wrong_with_id(text) is None)


@given(st.from_regex(r"[A-Za-z]{2}[0-9]{6}[A-Ea-e]?", fullmatch=True), st.text(" -._/:@[`{~", max_size=3))
def test_the_quick_look_knows_each_number_and_what_only_looks_like_one(number: str, between: str) -> None:
    text = between.join(["", *number, ""])
    assert is_nino_in_disguise(text) == is_nino_in_disguise(f"{text}\u00a0")
    assert bool(is_plain_id(text)) == (wrong_with_id(text) is None)
