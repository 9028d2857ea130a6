"""Dates and instants to text and back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.json import NotADay, NotAnInstant, format_day, format_instant, parse_day, parse_instant
from schemas.ranges import DATE, TIMESTAMP_MILLIS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("1970-01-01", 0),
        ("1969-12-31", -1),
        ("2016-02-29", 16_860),
        ("2016-03-14", 16_874),
        ("0001-01-01", DATE[0]),
        ("9999-12-31", DATE[1]),
    ],
)
def test_a_date_is_a_number_of_days_since_1970(text: str, day: int) -> None:
    assert parse_day(text) == day
    assert format_day(day) == text


@pytest.mark.parametrize(
    "text",
    [
        *("2016-02-30", "2015-02-29", "2016-13-01", "2016-00-10", "2016-01-00", "0000-01-01"),
        *("20160314", "2016-3-14", "2016-03-14 ", " 2016-03-14", "2016-03-14\n", "2016-W11-1", "2016-074"),
        *("+2016-03-14", "-2016-03-14", "12016-03-14", "16-03-14", "14/03/2016", "2016-03-14T00:00:00Z", ""),
        *("２016-03-14", "2016‐03‐14", "٢٠١٦-03-14"),
    ],
)
def test_any_other_text_is_not_a_date(text: str) -> None:
    with pytest.raises(NotADay) as refused:
        parse_day(text)
    assert not text or text not in str(refused.value).replace("such as 2016-03-14", "")


@pytest.mark.parametrize(
    ("text", "instant", "written"),
    [
        ("1970-01-01T00:00:00Z", 0, None),
        ("1969-12-31T23:59:59.999Z", -1, None),
        ("2016-04-04T23:00:00Z", 1_459_810_800_000, None),
        ("2016-04-04T23:00:00+00:00", 1_459_810_800_000, "2016-04-04T23:00:00Z"),
        ("2016-04-04T23:00:00.000Z", 1_459_810_800_000, "2016-04-04T23:00:00Z"),
        ("2016-04-04T23:00:00.5Z", 1_459_810_800_500, "2016-04-04T23:00:00.500Z"),
        ("2016-04-04T23:00:00.050Z", 1_459_810_800_050, None),
        ("2016-04-04T23:00:00.001000000000Z", 1_459_810_800_001, "2016-04-04T23:00:00.001Z"),
        ("2016-04-04T23:00:00.0019999Z", 1_459_810_800_001, "2016-04-04T23:00:00.001Z"),
        ("2016-04-04T23:00:00.0001Z", 1_459_810_800_000, "2016-04-04T23:00:00Z"),
        (f"2016-04-04T23:00:00.{'9' * 500}Z", 1_459_810_800_999, "2016-04-04T23:00:00.999Z"),
        ("1969-12-31T23:59:59.9999Z", -1, "1969-12-31T23:59:59.999Z"),
        ("2016-04-05T00:00:00+01:00", 1_459_810_800_000, "2016-04-04T23:00:00Z"),
        ("2016-04-04T18:30:00-04:30", 1_459_810_800_000, "2016-04-04T23:00:00Z"),
        ("2016-04-05T22:59:00.5+23:59", 1_459_810_800_500, "2016-04-04T23:00:00.500Z"),
        ("2016-04-04T23:00:00-00:00", 1_459_810_800_000, "2016-04-04T23:00:00Z"),
        ("2015-12-31T23:00:00-01:00", 1_451_606_400_000, "2016-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", TIMESTAMP_MILLIS[0], None),
        ("9999-12-31T23:59:59.999Z", TIMESTAMP_MILLIS[1], None),
    ],
)
def test_an_instant_is_a_number_of_milliseconds_and_has_decimals_only_if_needed(
    text: str, instant: int, written: str | None
) -> None:
    assert parse_instant(text) == instant
    assert format_instant(instant) == (written or text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2016-04-04T23:00:00+0000", "not a timestamp"),
        ("2016-04-04T23:00:00+01", "not a timestamp"),
        ("2016-04-04T23:00:00+24:00", "not a timestamp"),
        ("2016-04-04T23:00:00+01:60", "not a timestamp"),
        ("2016-04-04T23:00:00Z+01:00", "not a timestamp"),
        ("2016-04-04T23:00:00 +01:00", "not a timestamp"),
        ("2016-04-04T23:00:00\u221201:00", "not a timestamp"),
        ("2016-04-04T23:00:00z", "not a timestamp"),
        ("0001-01-01T00:00:00+00:01", "on a date that does not exist"),
        ("9999-12-31T23:59:59.999-00:01", "on a date that does not exist"),
        ("2016-02-30T23:00:00Z", "on a date that does not exist"),
        ("0000-01-01T00:00:00Z", "on a date that does not exist"),
        ("2016-04-04T24:00:00Z", "not a timestamp"),
        ("2016-04-04T23:60:00Z", "not a timestamp"),
        ("2016-04-04T23:59:60Z", "not a timestamp"),
        ("2016-04-04T23:00Z", "not a timestamp"),
        ("2016-04-04 23:00:00Z", "not a timestamp"),
        ("2016-04-04t23:00:00Z", "not a timestamp"),
        ("2016-04-04T23:00:00.Z", "not a timestamp"),
        ("2016-04-04T23:00:00,5Z", "not a timestamp"),
        ("2016-04-04T23:00:00.5Z\n", "not a timestamp"),
        ("2016-04-04T２3:00:00Z", "not a timestamp"),
        ("2016-04-04", "not a timestamp"),
        ("1459810800", "not a timestamp"),
        ("", "not a timestamp"),
    ],
)
def test_any_other_text_is_not_an_instant(text: str, problem: str) -> None:
    with pytest.raises(NotAnInstant, match=problem) as refused:
        parse_instant(text)
    assert not text or text not in str(refused.value).replace("2016-04-04T23:00:00Z", "")


@pytest.mark.parametrize("text", ["2016-04-04T23:00:00", "2016-04-04T23:00:00.5"])
def test_a_timestamp_without_an_offset_is_refused_as_such(text: str) -> None:
    with pytest.raises(NotAnInstant, match="has no offset"):
        parse_instant(text)


@given(st.integers(*DATE))
def test_any_date_comes_back_as_it_was(day: int) -> None:
    assert parse_day(format_day(day)) == day


@given(st.integers(*TIMESTAMP_MILLIS))
def test_any_instant_comes_back_as_it_was(instant: int) -> None:
    text = format_instant(instant)
    assert parse_instant(text) == instant
    assert datetime.fromisoformat(text) == EPOCH + timedelta(milliseconds=instant)


@pytest.mark.parametrize("instant", [TIMESTAMP_MILLIS[0] - 1, TIMESTAMP_MILLIS[1] + 1, 10**30])
def test_an_instant_outside_the_years_1_to_9999_has_no_text(instant: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        format_instant(instant)
