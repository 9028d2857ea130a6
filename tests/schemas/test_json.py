"""Records to JSON and back, and what is said of JSON that is no record."""

import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from gateway.rules.events import DeliveryPlan
from gateway.rules.messages import (
    RECORD_NAMED,
    GroupSessionRestrictionChanged,
    Participant,
    Referral,
    SessionBooked,
)
from schemas.catalogue import RECORDS, SCHEMAS
from schemas.json import InvalidJson, mistakes, parse, parse_as, render, to_json
from tests.schemas.examples import EXAMPLES, PARTICIPANT, REFERRAL, WP11
from tests.schemas.strategies import ANY_RECORD_NAME, records

JsonObject = dict[str, Any]


def refusal(name: str, value: object) -> InvalidJson:
    with pytest.raises(InvalidJson) as refused:
        parse_as(RECORDS[name], value)
    return refused.value


@pytest.fixture
def referral() -> JsonObject:
    return render(REFERRAL)


# ---- what it looks like


def test_a_record_looks_as_the_contract_has_it() -> None:
    assert render(REFERRAL) == {
        "message_id": "M-1",
        "po_number": "PO-1",
        "po_revision": 2,
        "action_plan_annotation": "Work Programme Information Session-Mandatory",
        "referred_on": "2016-03-14",
        "provider_id": "PRV01",
        "contract_package_area": "CPA09",
        "jobcentre_id": "JC-1",
        "benefit": "UC",
        "claimant_group": "ESA_C_WRAG",
        "mandation": {
            "basis": "UC_WORKPLAN",
            "purpose": "CHECK_COMPLIANCE",
            "tangible_outcome": True,
            "recorded_on": "2016-03-14",
        },
        "special_customer_record": True,
        "support_group_appeal_pending": True,
        "group_session_restriction": "MAPPA",
        "participant": {
            "nino": "QQ123456C",
            "forename": "Ann",
            "surname": "O’Neill",
            "date_of_birth": "1991-07-24",
            "phone": "020 7946 0000",
            "email": "ann@example.org",
            "address": ["1 High Street", "Sheffield"],
            "postcode": "S1 1AA",
            "preferred_language": "cy",
            "interpreter_needed": True,
        },
    }


def test_bytes_are_base64_and_an_instant_has_no_decimals_where_there_are_none() -> None:
    letter = render(EXAMPLES["DeadLetter"])
    assert letter["key"] == "UE8tMQ=="
    assert letter["value"] == "AP8="
    assert letter["headers"] == {"a": "AQ==", "b": None}
    assert letter["decided_at"] == "2016-04-04T23:00:00Z"


def test_what_is_null_or_a_default_is_written_out() -> None:
    rendered = render(replace(REFERRAL, mandation=None, participant=Participant()))
    assert rendered["mandation"] is None
    assert rendered["participant"]["nino"] is None
    assert rendered["participant"]["address"] == []
    assert rendered["participant"]["interpreter_needed"] is False


@pytest.mark.parametrize("name", ANY_RECORD_NAME)
def test_all_fields_are_written_in_avros_order(name: str) -> None:
    assert list(render(EXAMPLES[name])) == [field["name"] for field in SCHEMAS[name]["fields"]]


def test_to_json_is_compact_utf8() -> None:
    text = to_json(EXAMPLES["Breach"])
    assert (
        text
        == (
            '{"event_id":"E-1","po_number":"PO-1","provider_id":"PRV01","breach":"SESSION_LATE",'
            '"status":"RAISED","session_id":"S-1","because":"NOT_ATTENDED","due_on":"2016-03-14",'
            '"decided_at":"2016-04-04T23:00:00Z","rule":"WP19 ¶12"}'
        ).encode()
    )


def test_a_record_is_not_changed_by_being_written() -> None:
    before = replace(REFERRAL)
    render(REFERRAL)["participant"]["address"].append("elsewhere")
    assert before == REFERRAL


@pytest.mark.parametrize("name", ANY_RECORD_NAME)
@given(data=st.data())
@settings(max_examples=20)
def test_a_record_comes_back_as_it_was(name: str, data: st.DataObject) -> None:
    record = data.draw(records(name))
    assert parse_as(RECORDS[name], json.loads(to_json(record))) == record
    assert parse_as(RECORDS[name], msgspec.json.decode(to_json(record))) == record


# ---- what may be read


def test_fields_with_a_default_may_be_left_out() -> None:
    required = {
        field["name"]: value
        for field, value in zip(SCHEMAS["Referral"]["fields"], render(REFERRAL).values(), strict=True)
        if "default" not in field
    }
    assert parse("Referral", required | {"participant": {}}) == Referral(
        message_id="M-1",
        po_number="PO-1",
        po_revision=2,
        action_plan_annotation="Work Programme Information Session-Mandatory",
        referred_on=REFERRAL.referred_on,
        provider_id="PRV01",
        contract_package_area="CPA09",
        jobcentre_id="JC-1",
        benefit="UC",
        participant=Participant(),
    )


def test_the_order_of_fields_does_not_matter(referral: JsonObject) -> None:
    assert parse("Referral", dict(reversed(referral.items()))) == REFERRAL


def test_what_is_read_is_not_changed(referral: JsonObject) -> None:
    parse("Referral", referral)
    assert referral == render(REFERRAL)


def test_a_null_without_a_default_may_be_null_but_not_left_out() -> None:
    value = {"message_id": "M", "po_number": "P", "restriction": None, "changed_on": "1970-01-01"}
    changed = GroupSessionRestrictionChanged(message_id="M", po_number="P", restriction=None, changed_on=0)
    assert parse("GroupSessionRestrictionChanged", value) == changed
    del value["restriction"]
    assert refusal("GroupSessionRestrictionChanged", value).field == "restriction"


def test_a_delivery_plan_is_read_too() -> None:
    plan = EXAMPLES["DeliveryPlan"]
    assert parse_as(DeliveryPlan, render(plan)) == plan


@pytest.mark.parametrize("name", ["Outcome", "DeliveryPlan", "Mandation", "Struct", ""])
def test_only_an_inbound_record_is_a_message(name: str) -> None:
    with pytest.raises(InvalidJson, match="type is not the name of an inbound record"):
        parse(name, {})


@pytest.mark.parametrize("number", [-(2**31), 2**31 - 1])
def test_an_int_may_be_as_wide_as_avros(referral: JsonObject, number: int) -> None:
    parsed = parse("Referral", referral | {"po_revision": number})
    assert parsed == replace(REFERRAL, po_revision=number)


# ---- what may not


def of_another_type(schema: Any) -> list[object]:
    """Values that no reader of an Avro type may take, each with a canary in it where it can have one."""
    canary = "2016-canary"
    never = [1.5, float("nan"), {"canary": canary}, [{"canary": canary}]]
    match schema:
        case ["null", other]:
            return [value for value in of_another_type(other) if value is not None]
        case "string":
            return [*never, None, True, 7, ["canary"], "canary\ud800"]
        case "boolean":
            return [*never, None, 0, 1, canary, "true"]
        case "bytes":
            return [*never, None, True, 7, canary, "AP8", "AP8=\n"]
        case {"type": "array"}:
            return [*never, None, canary, [canary, None], [7]]
        case {"type": "map"} | {"type": "record"}:
            return [*never, None, canary, [canary]]
    return [*never, None, True, canary, "", " ", 2**63, -(2**63) - 1, 7.0, ["canary"]]


EVERY_FIELD = [(name, field["name"], field["type"]) for name in RECORDS for field in SCHEMAS[name]["fields"]]


@pytest.mark.parametrize(("name", "field", "schema"), EVERY_FIELD)
def test_a_value_of_another_type_is_refused_by_field_and_never_quoted(
    name: str, field: str, schema: Any
) -> None:
    for value in of_another_type(schema):
        error = refusal(name, render(EXAMPLES[name]) | {field: value})
        assert error.field.partition(".")[0].partition("[")[0] in {field, "canary"}, value
        assert error.problem
        if error.field.rpartition(".")[2] != "canary":  # an unknown field has to be named
            assert "canary" not in str(error)


@pytest.mark.parametrize(
    ("name", "field"), [(name, field) for name, field, _ in EVERY_FIELD if name in RECORD_NAMED]
)
def test_a_field_left_out_is_missing_unless_it_has_a_default(name: str, field: str) -> None:
    value = render(EXAMPLES[name])
    del value[field]
    (schema,) = [of_schema for of_schema in SCHEMAS[name]["fields"] if of_schema["name"] == field]
    if "default" in schema:
        assert getattr(parse(name, value), field) == schema["default"]
    else:
        error = refusal(name, value)
        assert (error.field, error.problem) == (field, "is missing; it has no default")


@pytest.mark.parametrize("name", ANY_RECORD_NAME)
def test_a_field_that_the_record_does_not_have_is_refused_by_its_name(name: str) -> None:
    error = refusal(name, render(EXAMPLES[name]) | {"colour": "red"})
    assert str(error) == "colour is not a field of this record; take it out"


@pytest.mark.parametrize("key", ["Ann O’Neill", "", "ann@example.org", "x" * 65, "a.b"])
def test_a_field_that_is_not_named_like_one_is_not_quoted(referral: JsonObject, key: str) -> None:
    """It may be content in the wrong place."""
    error = refusal("Referral", referral | {key: "red"})
    assert str(error) == "the value has a field whose name no record has; take it out"


@pytest.mark.parametrize("value", [None, [], "Referral", 1, True, [["message_id", "M-1"]]])
def test_a_value_that_is_not_an_object_is_refused(value: object) -> None:
    error = refusal("Referral", value)
    assert (error.field, str(error)) == ("", "the value is not an object; expected a JSON object")


def test_a_problem_within_is_named_by_its_path(referral: JsonObject) -> None:
    referral["mandation"]["recorded_on"] = "2016-02-30"
    error = refusal("Referral", referral)
    assert error.field == "mandation.recorded_on"
    assert error.problem == "is a date that does not exist; expected one from 0001-01-01 to 9999-12-31"
    assert str(error.within("value")).startswith("value.mandation.recorded_on is a date that does not exist")
    assert refusal("Referral", None).within("value").field == "value"


def test_a_problem_in_a_list_is_named_by_its_index(referral: JsonObject) -> None:
    referral["participant"]["address"] = ["1 High Street", 2]
    assert refusal("Referral", referral).field == "participant.address[1]"


def test_an_unknown_field_within_is_named_by_its_path(referral: JsonObject) -> None:
    referral["participant"]["age"] = 25
    assert refusal("Referral", referral).field == "participant.age"


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("po_revision", 2**31, "is out of range; expected -2147483648 to 2147483647"),
        ("po_revision", -(2**31) - 1, "is out of range; expected -2147483648 to 2147483647"),
        ("po_revision", "2", "is not a whole number; expected a JSON number without decimals"),
        ("po_revision", True, "is not a whole number; expected a JSON number without decimals"),
        ("po_revision", 2.0, "is not a whole number; expected a JSON number without decimals"),
        ("po_revision", 10**400, "is out of range; expected -2147483648 to 2147483647"),
        ("po_revision", float("inf"), "is out of range; expected -2147483648 to 2147483647"),
        ("referred_on", "1899-12-31", "is out of range; expected a date from 1900-01-01 to 2999-12-31"),
        ("referred_on", "3000-01-01", "is out of range; expected a date from 1900-01-01 to 2999-12-31"),
        ("referred_on", "2016-3-14", "is not a date; expected YYYY-MM-DD, such as 2016-03-14"),
        ("referred_on", 16_874, "is not a date; expected YYYY-MM-DD, such as 2016-03-14"),
        ("benefit", "uc", "is not one of the values that it can have; expected ESA, UC, JSA"),
        ("provider_id", None, "is not text; expected a JSON string"),
        ("provider_id", "\ud800", "is not valid Unicode; expected text without lone surrogates"),
        ("special_customer_record", "false", "is not a boolean; expected true or false"),
        ("mandation", "none", "is not an object; expected a JSON object"),
    ],
)
def test_a_problem_says_what_was_expected(
    referral: JsonObject, field: str, value: object, problem: str
) -> None:
    error = refusal("Referral", referral | {field: value})
    assert (error.field, error.problem) == (field, problem)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            "2016-04-04T23:00:00",
            "has no offset; expected one such as 2016-04-05T00:00:00+01:00, or Z for UTC",
        ),
        ("1899-12-31T23:59:59.999Z", "is out of range; expected a timestamp from 1900 to 2999"),
        ("3000-01-01T00:00:00Z", "is out of range; expected a timestamp from 1900 to 2999"),
        (1_459_810_800_000, "is not a timestamp; expected RFC 3339, such as 2016-04-04T23:00:00Z"),
    ],
)
@pytest.mark.parametrize("field", ["starts_at", "notified_at"])
def test_a_problem_with_an_instant_says_what_was_expected(field: str, value: object, problem: str) -> None:
    error = refusal("SessionBooked", render(EXAMPLES["SessionBooked"]) | {field: value})
    assert (error.field, error.problem) == (field, problem)


def test_an_instant_that_may_be_null_may_be_null() -> None:
    parsed = parse("SessionBooked", render(EXAMPLES["SessionBooked"]) | {"notified_at": None})
    assert isinstance(parsed, SessionBooked)
    assert parsed.notified_at is None


def test_an_error_brings_no_other_along_that_could_quote_the_content() -> None:
    for value in ({"message_id": "canary\ud800"}, render(WP11) | {"issued_on": "2016-02-30"}):
        error: BaseException | None = refusal("Wp11", value)
        assert error is not None
        assert error.__cause__ is None
        assert error.__suppress_context__


def test_a_part_of_a_record_may_be_written_and_read_alone() -> None:
    assert parse_as(Participant, render(PARTICIPANT)) == PARTICIPANT


@given(record=st.sampled_from(list(EXAMPLES.values())), data=st.data())
@settings(max_examples=200)
def test_any_json_at_all_is_a_record_or_is_refused(record: Struct, data: st.DataObject) -> None:
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    )
    name = data.draw(st.sampled_from(list(record.__struct_fields__)))
    with suppress(InvalidJson):
        parsed = parse_as(type(record), render(record) | {name: data.draw(anything)})
        assert isinstance(parsed, type(record))


def test_all_that_is_wrong_with_a_record_is_found_one_mistake_a_field() -> None:
    whole: JsonObject = json.loads(to_json(REFERRAL))
    value = whole | {
        "po_revision": "1",
        "mandation": {"basis": "NONE", "more": 1},
        "participant": whole["participant"] | {"address": [1, 2]},
        "unknown": 1,
    }
    del value["referred_on"]
    assert [each.field for each in mistakes("Referral", value)] == [
        *("po_revision", "referred_on", "mandation.basis", "mandation.recorded_on", "mandation.more"),
        *("participant.address[0]", "unknown"),
    ]
    assert [each.field for each in mistakes("Referral", [])] == [""]


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_there_are_mistakes_where_a_record_is_not_taken_and_nowhere_else(data: st.DataObject) -> None:
    """The first that `parse` finds is among them."""
    name = data.draw(st.sampled_from(sorted(RECORD_NAMED)))
    value = json.loads(to_json(data.draw(records(name))))
    for field in data.draw(st.lists(st.sampled_from(sorted(value)), unique=True)):
        value[field] = data.draw(st.sampled_from([None, 1.5, "", [], {}]))
    found = mistakes(name, value)
    if found:
        assert refusal(name, value).field in {each.field for each in found}
    else:
        assert type(parse(name, value)) is RECORD_NAMED[name]
