"""Dates and times as people in Britain write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.intake.british_dates import read_day, read_instant
from schemas.json import NotADay, NotAnInstant, format_day, format_instant
from schemas.ranges import DATE, TIMESTAMP_MILLIS
from tests.intake.uploads.files import days, local_times

NO_DATE = "is not a date; expected one such as 2016-03-14 or 14/03/2016"
NO_SUCH_DATE = "is a date that does not exist; expected day, month, year or year-month-day"
TWO_DIGITS = "has a year of two digits; write all four, such as 14/03/2016"

DAYS = {
    "2016-03-14": "2016-03-14",
    "14/03/2016": "2016-03-14",
    "14/3/2016": "2016-03-14",
    "4/3/2016": "2016-03-04",
    "03/04/2016": "2016-04-03",  # the third of April, as everywhere in Britain
    "14-03-2016": "2016-03-14",
    "14.03.2016": "2016-03-14",
    "14 March 2016": "2016-03-14",
    "14 march 2016": "2016-03-14",
    "14 MARCH 2016": "2016-03-14",
    "14 Mar 2016": "2016-03-14",
    "14-Mar-2016": "2016-03-14",
    "14th March 2016": "2016-03-14",
    "1st Sept 2016": "2016-09-01",
    "2nd sep 2016": "2016-09-02",
    "3rd June 2016": "2016-06-03",
    "  14   March  2016 ": "2016-03-14",
    "14\u00a0March 2016": "2016-03-14",
    "29/02/2016": "2016-02-29",
    "1/1/0001": "0001-01-01",
    "31/12/9999": "9999-12-31",
}
NO_DAYS = {
    "14/03/16": TWO_DIGITS,
    "14 March 16": TWO_DIGITS,
    "14-Mar-16": TWO_DIGITS,
    "16-03-14": TWO_DIGITS,
    "3/14/2016": NO_SUCH_DATE,
    "29/02/2015": NO_SUCH_DATE,
    "31 April 2016": NO_SUCH_DATE,
    "0/3/2016": NO_SUCH_DATE,
    "14/3/0000": NO_SUCH_DATE,
    "2016-13-01": NO_SUCH_DATE,
    "March 14, 2016": NO_DATE,
    "14/03": NO_DATE,
    "14 March": NO_DATE,
    "14/03-2016": NO_DATE,
    "2016/03/14": NO_DATE,
    "2016-3-14": NO_DATE,
    "14032016": NO_DATE,
    "42443": NO_DATE,
    "14 Mars 2016": NO_DATE,
    "14 Marchy 2016": NO_DATE,
    "١٤/٠٣/٢٠١٦": NO_DATE,
    "14/03/2016 10:30": NO_DATE,
    "": NO_DATE,
}
INSTANTS = {
    "2016-03-14T10:30:00Z": "2016-03-14T10:30:00Z",
    "2016-03-14T10:30:00.250+00:00": "2016-03-14T10:30:00.250Z",
    "14/03/2016 10:30": "2016-03-14T10:30:00Z",
    "4/7/2016 10:30": "2016-07-04T09:30:00Z",  # British Summer Time
    "14 March 2016 10:30": "2016-03-14T10:30:00Z",
    "14 March 2016 at 10:30": "2016-03-14T10:30:00Z",
    "14 March 2016, 10.30": "2016-03-14T10:30:00Z",
    "14/03/2016 10:30:15": "2016-03-14T10:30:15Z",
    "14/03/2016 9:30": "2016-03-14T09:30:00Z",
    "14/03/2016 9:30am": "2016-03-14T09:30:00Z",
    "14/03/2016 9.30 PM": "2016-03-14T21:30:00Z",
    "14/03/2016 12:15am": "2016-03-14T00:15:00Z",
    "14/03/2016 12:15pm": "2016-03-14T12:15:00Z",
    "2016-03-14 10:30": "2016-03-14T10:30:00Z",
    "27/03/2016 00:59:59": "2016-03-27T00:59:59Z",  # the clocks go forward a second later
    "27/03/2016 02:00": "2016-03-27T01:00:00Z",
    "30/10/2016 00:59:59": "2016-10-29T23:59:59Z",
    "30/10/2016 02:00": "2016-10-30T02:00:00Z",
    "01/01/1970 00:00": "1969-12-31T23:00:00Z",  # British Standard Time, all year round
}
NO_TIME = "is not a date with a time of day; expected one such as 14/03/2016 10:30, or 2016-03-14T10:30:00Z"
NO_SUCH_TIME = "has a time of day that does not exist; expected 00:00 to 23:59"
LEFT_OUT = "is a time that London's clocks left out when they went forward; write it in UTC"
TWICE = "is a time that London's clocks showed twice when they went back; write it in UTC"
NO_INSTANTS = {
    "14/03/2016": NO_TIME,
    "10:30": NO_TIME,
    "14/03/2016 10am": NO_TIME,
    "14/03/2016 10:30 GMT": NO_TIME,
    "14/03/2016 10:30+01:00": NO_TIME,
    "2016-03-14 10:30:00Z": NO_TIME,
    "14/03/16 10:30": TWO_DIGITS,
    "3/14/2016 10:30": NO_SUCH_DATE,
    "14 10:30": NO_DATE,
    "14/03/2016 24:00": NO_SUCH_TIME,
    "14/03/2016 10:60": NO_SUCH_TIME,
    "14/03/2016 10:30:60": NO_SUCH_TIME,
    "14/03/2016 13:30pm": NO_SUCH_TIME,
    "14/03/2016 0:30am": NO_SUCH_TIME,
    "27/03/2016 01:00": LEFT_OUT,
    "27/03/2016 01:59:59": LEFT_OUT,
    "30/10/2016 01:00": TWICE,
    "30/10/2016 01:59:59": TWICE,
    "2016-03-14T10:30:00": "has no offset; expected one such as",
    "2016-02-30T10:30:00Z": "is on a date that does not exist",
}


@pytest.mark.parametrize("text", DAYS)
def test_a_date_is_read(text: str) -> None:
    assert format_day(read_day(text)) == DAYS[text]


@pytest.mark.parametrize("text", NO_DAYS)
def test_what_is_no_date_is_said_in_a_sentence(text: str) -> None:
    with pytest.raises(NotADay) as refused:
        read_day(text)
    assert str(refused.value) == NO_DAYS[text]


@pytest.mark.parametrize("text", INSTANTS)
def test_a_time_is_read_in_utc_or_as_londons(text: str) -> None:
    assert format_instant(read_instant(text)) == INSTANTS[text]


@pytest.mark.parametrize("text", NO_INSTANTS)
def test_what_is_no_time_is_said_in_a_sentence(text: str) -> None:
    with pytest.raises(NotAnInstant) as refused:
        read_instant(text)
    assert str(refused.value).startswith(NO_INSTANTS[text])


@given(st.integers(*DATE))
def test_any_date_is_read_however_it_is_written(day: int) -> None:
    assert {read_day(text) for text in days(day)} == {day}


@given(st.integers(*TIMESTAMP_MILLIS).map(lambda at: at - at % 1000))
def test_any_time_is_read_however_it_is_written(at: int) -> None:
    assert {read_instant(text) for text in (format_instant(at), *local_times(at))} == {at}


@given(
    st.dates().map(lambda day: f"{day:%d/%m/}{day.year:04}"),
    st.times().map(lambda time: f"{time:%H:%M:%S}"),
)
def test_a_local_time_is_an_instant_or_said_to_be_none(date: str, time: str) -> None:
    try:
        at = read_instant(f"{date} {time}")
    except NotAnInstant as error:
        assert "London's clocks" in str(error)  # noqa: PT017 - it may be either
    else:
        assert f"{date} {time}" in local_times(at)


@given(st.text(max_size=40) | st.from_regex(r"[0-9]{1,3}.[0-9A-Za-z]{1,4}.[0-9]{1,5}( [0-9]+:[0-9]+)?"))
def test_any_text_is_a_date_or_none_and_a_time_or_none(text: str) -> None:
    with suppress(NotADay):
        assert DATE[0] <= read_day(text) <= DATE[1]
    with suppress(NotAnInstant):
        assert TIMESTAMP_MILLIS[0] <= read_instant(text) <= TIMESTAMP_MILLIS[1]
