"""Input that is no message: which line, which field, what was expected; exit 2, and nothing after it."""

import json
from pathlib import Path

import pytest

from gateway.intake.lines import LONGEST_LINE
from tests.cli.conftest import Gateway
from tests.cli.running import Json, json_lines, record, referral

SECRET = "Featherstonehaugh"
GOOD = referral()


def changed(**changes: object) -> bytes:
    """The good line with other fields at its top; None: without that field."""
    line = GOOD | {"at": "2016-03-14T09:00:01Z"} | changes
    return json_lines([{name: value for name, value in line.items() if value is not None}])


def value(**changes: object) -> bytes:
    """The good line with other fields in its value; None: without that field."""
    found = GOOD["value"] | changes
    return changed(value={name: value for name, value in found.items() if value is not None})


def text(line: Json) -> str:
    return json.dumps(line)


BAD: dict[str, tuple[bytes, list[str]]] = {
    "a brace is missing": (b'{"at":"2016-03-14T09:00:01Z"\n', ["not JSON", "ends too early"]),
    "a word of no language": (b"{at: now}\n", ["not JSON", "byte 2"]),
    "two objects in a line": (b"{} {}\n", ["not JSON", "byte 5"]),
    "an array": (b"[1, 2]\n", ["not a JSON object", "at, topic and value"]),
    "a bare text": (b'"Featherstonehaugh"\n', ["not a JSON object"]),
    "a number that JSON lacks": (b'{"at":NaN}\n', ["not JSON", "byte 7"]),
    "a number that nothing holds": (changed(value=1)[:-3] + b"1e999}\n", ["out of range"]),
    "not UTF-8": (b'{"at":"Featherstonehaugh\xff"}\n', ["not UTF-8", "byte 25", "save the file as UTF-8"]),
    "not UTF-8 within the value": (
        changed(value={"x": SECRET}).replace(b"tone", b"\xff\xfe"),
        ["not UTF-8", "save the file as UTF-8"],
    ),
    "UTF-16": ("{}\n".encode("utf-16"), ["not UTF-8"]),
    "a byte order mark": (b"\xef\xbb\xbf" + changed(), ["byte order mark"]),
    "a NUL byte": (b'{"at":"\x00"}\n', ["not JSON", "byte 8"]),
    "only NUL bytes": (b"\x00\x00\x00\n", ["not JSON", "byte 1"]),
    "a lone surrogate": (value(po_number="PO").replace(b'"PO"', b'"\\ud800"'), ["line 2", "surrogate"]),
    "brackets a million deep": (b"[" * 1_000_000 + b"\n", ["nested too deeply"]),
    "a value a million deep": (
        changed(value="HERE").replace(b'"HERE"', b'{"a":' * 500_000 + b"1" + b"}" * 500_000),
        ["nested too deeply"],
    ),
    "a line of 5 MB": (value(po_number="P" * 5_000_000), [f"longer than {LONGEST_LINE:,} bytes"]),
    "an unknown field": (changed(colour=SECRET), ["the unknown field colour", "at, topic, type"]),
    "content in a field's name": (changed(**{SECRET + " 1": 1}), ["an unknown field", "at, topic, type"]),
    "at is missing": (changed(at=None), ["at is missing", "2016-04-04T23:00:00Z"]),
    "at is a number": (changed(at=5), ["at is not text"]),
    "at is a date": (changed(at="2016-03-14"), ["at is not a timestamp", "RFC 3339"]),
    "at is on a date that does not exist": (changed(at="2016-02-30T00:00:00Z"), ["does not exist"]),
    "at has no offset": (changed(at="2016-03-14T10:00:01"), ["at has no offset"]),
    "a name is given twice, the same": (
        b'{"at":"2016-03-14T10:00:01Z","at":"2016-03-14T10:00:01Z","tick":true}\n',
        ["has a field twice"],
    ),
    "a name is given twice in a value": (
        value(po_revision=1).replace(b'"po_revision"', b'"po_revision": 2, "po_revision"'),
        ["value has a field twice"],
    ),
    "an id that is somebody's number": (value(po_number="ab 12 34 56"), ["value.po_number is no id"]),
    "a text that is too long": (
        value(action_plan_annotation="x" * 201),
        ["value.action_plan_annotation is too long; expected at most 200 characters"],
    ),
    "an address of too many lines": (
        value(participant={"address": ["x"] * 11}),
        ["value.participant.address has too many items; expected at most 10"],
    ),
    "a date before all others": (value(referred_on="1899-12-31"), ["value.referred_on is out of range"]),
    "at has a leap second": (changed(at="2016-12-31T23:59:60Z"), ["at is not a timestamp"]),
    "at goes back": (changed(at="2016-03-14T08:59:59.999Z"), ["at goes back", "sort the lines"]),
    "at is at the end of all time": (changed(at="9999-12-31T00:00:00Z"), ["at is after the year 9899"]),
    "topic is missing": (changed(topic=None), ["topic is missing", "prap.referrals"]),
    "topic is null": (changed(value=1).replace(b'"prap.referrals"', b"null"), ["topic is not text"]),
    "topic is unknown": (changed(topic=SECRET), ["topic is unknown", "provider.session-records"]),
    "topic is outbound": (changed(topic="gateway.outcomes"), ["topic is unknown"]),
    "type is missing": (
        changed(topic="jobcentre.updates", type=None),
        ["type is missing", "SupportGroupAppealChanged"],
    ),
    "type is not of the topic": (changed(type="Wp11"), ["type is not a record of prap.referrals"]),
    "type is null": (changed().replace(b'"Referral"', b"null"), ["type is not text"]),
    "value is missing": (changed(value=None), ["value is missing"]),
    "value is null": (changed(value=1).replace(b": 1}", b": null}"), ["value is not an object"]),
    "value is text": (changed(value=SECRET), ["value is not an object"]),
    "a field is missing": (value(po_revision=None), ["value.po_revision is missing"]),
    "a field is unknown": (value(colour=SECRET), ["value.colour is not a field of this record"]),
    "a field has the wrong type": (value(provider_id=7), ["value.provider_id is not text"]),
    "a field deep down is wrong": (
        value(participant={"surname": SECRET, "date_of_birth": "1979-02-29"}),
        ["value.participant.date_of_birth", "does not exist"],
    ),
    "an item of a list is wrong": (
        value(participant={"address": [SECRET, 5]}),
        ["value.participant.address[1] is not text"],
    ),
    "personal data has slipped into a name": (
        value(participant={SECRET + " of York": 1}),
        ["value.participant has a field whose name no record has"],
    ),
    "a number above an int": (value(po_revision=2**31), ["value.po_revision is out of range"]),
    "a number below an int": (value(po_revision=-(2**31) - 1), ["value.po_revision is out of range"]),
    "a number above all": (value(po_revision=10**40), ["value.po_revision"]),
    "a number with decimals": (value(po_revision=1.0), ["value.po_revision is not a whole number"]),
    "a number that is true": (value(po_revision=True), ["value.po_revision is not a whole number"]),
    "an enum's symbol is unknown": (value(benefit="PIP"), ["value.benefit", "ESA, UC, JSA"]),
    "an enum's symbol in lower case": (value(benefit="esa"), ["value.benefit", "ESA, UC, JSA"]),
    "a date that does not exist": (value(referred_on="2015-02-29"), ["value.referred_on", "not exist"]),
    "a date with a time": (value(referred_on="2016-03-14T00:00:00Z"), ["value.referred_on", "YYYY-MM-DD"]),
    "a timestamp without an offset": (
        json_lines([record("ReferralAccepted", "2016-03-14T09:00:01Z", accepted_at="2016-03-14T09:00:00")]),
        ["value.accepted_at has no offset"],
    ),
    "a tick with a topic": (changed(tick=True), ["a tick has other fields"]),
    "a tick with a value": (changed(tick=True, topic=None, type=None), ["a tick has other fields"]),
    "a tick that is false": (changed(tick=False, topic=None, type=None, value=None), ["tick is", "true"]),
    "a tick that is a number": (changed(tick=1), ["tick is not true"]),
    "a tick that goes back": (
        b'{"at":"2016-03-14T08:00:00Z","tick":true}\n',
        ["at goes back", "2016-03-14T09:00:00Z"],
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_replay_says_which_line_is_wrong_and_how_and_writes_what_was_decided_before(
    what: str, gateway: Gateway
) -> None:
    bad, expected = BAD[what]
    good = json_lines([GOOD])
    ended = gateway("replay", stdin=good + bad + json_lines([referral("2017-01-01T00:00:00Z", "PO2")]))
    assert ended.status == 2
    assert ended.sentence.startswith("line 2: ")
    assert len(ended.sentence) < 700
    for part in expected:
        assert part in ended.sentence
    assert SECRET not in ended.err
    assert ended.out == gateway("replay", stdin=good).out
    assert [line["type"] for line in ended.lines] == ["PrapAction", "Instruction", "Outcome"]


@pytest.mark.parametrize("what", BAD)
def test_feed_says_the_same_and_puts_nothing(what: str, gateway: Gateway) -> None:
    bad, _ = BAD[what]
    given = json_lines([GOOD]) + bad
    ended = gateway("feed", "-", stdin=given)
    assert ended.status == 2
    assert ended.out == b""
    assert ended.sentence == gateway("replay", stdin=given).sentence
    explained = gateway("explain", "PO1")
    assert explained.status == 1
    assert "nothing has come" in explained.sentence


@pytest.mark.parametrize("command", ["replay", "feed"])
def test_a_file_that_cannot_be_read_is_named(command: str, gateway: Gateway, tmp_path: Path) -> None:
    missing = gateway(command, "nowhere.jsonl")
    assert missing.status == 2
    assert missing.sentence == "nowhere.jsonl can't be read (No such file or directory); name another file"
    folder = gateway(command, str(tmp_path))
    assert folder.status == 2
    assert "Is a directory" in folder.sentence


@pytest.mark.parametrize("given", [b"", b"\n\n", b"\r\n \t\r\n"])
def test_input_without_a_message_is_no_error(given: bytes, gateway: Gateway) -> None:
    assert gateway("replay", stdin=given) == (0, b"", "")
    fed = gateway("feed", "-", stdin=given)
    assert (fed.status, fed.out, fed.err) == (0, b"", "0 messages put on the log gateway.db\n")


def test_blank_lines_count_where_an_error_names_its_line(gateway: Gateway) -> None:
    assert gateway("replay", stdin=b"\n\n{\n").sentence.startswith("line 3: ")


def test_line_ends_of_windows_and_a_last_line_without_one_are_taken(gateway: Gateway) -> None:
    plain = json_lines([GOOD, referral("2016-03-15T09:00:00Z", "PO2")])
    expected = gateway("replay", stdin=plain)
    assert expected.status == 0
    assert gateway("replay", stdin=plain.replace(b"\n", b"\r\n")) == expected
    assert gateway("replay", stdin=plain.rstrip()) == expected


def test_type_may_be_left_out_where_the_topic_has_one_record(gateway: Gateway) -> None:
    without = {name: value for name, value in GOOD.items() if name != "type"}
    assert gateway("replay", stdin=json_lines([without])) == gateway("replay", stdin=json_lines([GOOD]))


def test_a_file_and_standard_input_are_read_alike(gateway: Gateway, tmp_path: Path) -> None:
    given = json_lines([GOOD])
    (tmp_path / "given.jsonl").write_bytes(given)
    expected = gateway("replay", "given.jsonl")
    assert expected.lines
    assert gateway("replay", stdin=given) == expected
    assert gateway("replay", "-", stdin=given) == expected


def test_a_message_too_large_for_the_log_is_refused_by_both(gateway: Gateway) -> None:
    large = json_lines([referral(participant={"address": ["x" * (1024 * 1024)]})])
    for command in ("feed", "replay"):
        ended = gateway(command, "-", stdin=large)
        assert ended.status == 2
        assert (
            ended.sentence
            == "line 1: value.participant.address[0] is too long; expected at most 200 characters"
        )


def test_a_timestamp_of_another_offset_is_the_same_instant(gateway: Gateway) -> None:
    lines = json_lines([referral("2016-03-14T09:00:00Z")])
    other = lines.replace(b"2016-03-14T09:00:00Z", b"2016-03-14T10:00:00.0009+01:00")
    assert gateway("replay", stdin=other) == gateway("replay", stdin=lines)


def test_until_before_the_last_line_is_refused_when_all_lines_have_been_decided(gateway: Gateway) -> None:
    ended = gateway("replay", "--until", "2016-03-14T08:00:00Z", stdin=json_lines([GOOD]))
    assert ended.status == 2
    assert len(ended.lines) == 3
    assert (
        ended.sentence
        == "--until is before the last line, which is at 2016-03-14T09:00:00Z; name no earlier instant"
    )
