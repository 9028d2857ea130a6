"""London's civil days and the working days of England and Wales (rulebook: Words)."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.calendar import add_working_days, date_of, day_of, london_day, midnight
from tests.rules.journey import EPOCH, LONDON, MILLISECOND, day, instant

#: Of England and Wales, as GOV.UK published them, those on a Saturday or Sunday left out.
BANK_HOLIDAYS = """
2011-01-03 2011-04-22 2011-04-25 2011-04-29 2011-05-02 2011-05-30 2011-08-29 2011-12-26 2011-12-27
2012-01-02 2012-04-06 2012-04-09 2012-05-07 2012-06-04 2012-06-05 2012-08-27 2012-12-25 2012-12-26
2013-01-01 2013-03-29 2013-04-01 2013-05-06 2013-05-27 2013-08-26 2013-12-25 2013-12-26
2014-01-01 2014-04-18 2014-04-21 2014-05-05 2014-05-26 2014-08-25 2014-12-25 2014-12-26
2015-01-01 2015-04-03 2015-04-06 2015-05-04 2015-05-25 2015-08-31 2015-12-25 2015-12-28
2016-01-01 2016-03-25 2016-03-28 2016-05-02 2016-05-30 2016-08-29 2016-12-26 2016-12-27
2017-01-02 2017-04-14 2017-04-17 2017-05-01 2017-05-29 2017-08-28 2017-12-25 2017-12-26
2018-01-01 2018-03-30 2018-04-02 2018-05-07 2018-05-28 2018-08-27 2018-12-25 2018-12-26
""".split()
FREE = {day(on) for on in BANK_HOLIDAYS}
FIRST, LAST = day("2011-01-01"), day("2018-12-31")


def is_working_day(on: int) -> bool:
    """Monday to Friday but the bank holidays. Day 0 was a Thursday."""
    return (on + 3) % 7 < 5 and on not in FREE


def test_each_working_day_is_the_one_after_the_one_before() -> None:
    """Every day of eight years, against the published bank holidays."""
    for on in range(FIRST, LAST - 20):
        following = next(later for later in range(on + 1, on + 20) if is_working_day(later))
        assert add_working_days(on, 1) == following, date_of(on)


@given(on=st.integers(FIRST, LAST - 60), count=st.integers(0, 20))
def test_so_many_working_days_lie_between(on: int, count: int) -> None:
    """add_working_days: after the day, up to the result, which is one; no days: the day itself."""
    end = add_working_days(on, count)
    assert sum(is_working_day(between) for between in range(on + 1, end + 1)) == count
    assert is_working_day(end) if count else end == on


@pytest.mark.parametrize(
    ("on", "due"),
    [
        ("2016-03-14", "2016-03-16"),  # Monday
        ("2016-03-17", "2016-03-21"),  # Thursday, over the weekend
        ("2016-03-19", "2016-03-22"),  # Saturday
        ("2016-03-20", "2016-03-22"),  # Sunday
        ("2016-03-24", "2016-03-30"),  # before Good Friday and Easter Monday
        ("2016-03-25", "2016-03-30"),  # Good Friday itself
        ("2016-04-29", "2016-05-04"),  # before the early May bank holiday
        ("2015-12-24", "2015-12-30"),  # Christmas; Boxing Day on a Saturday is kept on Monday
        ("2012-06-01", "2012-06-07"),  # the Diamond Jubilee
        ("2011-04-21", "2011-04-27"),  # Easter 2011
        ("2011-04-28", "2011-05-04"),  # the royal wedding and early May
    ],
)
def test_two_working_days_after(on: str, due: str) -> None:
    """R14, for known dates."""
    assert add_working_days(day(on), 2) == day(due)


@pytest.mark.parametrize(
    ("on", "begins"),
    [
        ("2016-03-14", "2016-03-14T00:00:00Z"),
        ("2016-03-27", "2016-03-27T00:00:00Z"),
        ("2016-03-28", "2016-03-27T23:00:00Z"),
        ("2016-04-05", "2016-04-04T23:00:00Z"),
        ("2016-10-30", "2016-10-29T23:00:00Z"),
        ("2016-10-31", "2016-10-31T00:00:00Z"),
        ("1970-01-01", "1969-12-31T23:00:00Z"),  # British Standard Time: summer time all year
        ("1971-10-31", "1971-10-30T23:00:00Z"),
        ("1971-11-01", "1971-11-01T00:00:00Z"),
        ("1945-06-01", "1945-05-31T22:00:00Z"),  # double summer time
        ("1800-01-01", "1800-01-01T00:01:15Z"),  # London's own time
    ],
)
def test_when_a_day_begins(on: str, begins: str) -> None:
    """midnight, and the millisecond before it is the day before."""
    at = instant(begins)
    assert midnight(day(on)) == at
    assert london_day(at) == day(on)
    assert london_day(at - MILLISECOND) == day(on) - 1


def test_days_are_23_and_25_hours_long_at_the_clock_changes() -> None:
    """27 March and 30 October 2016."""
    for on, hours in (("2016-03-27", 23), ("2016-10-30", 25), ("2016-03-14", 24)):
        assert midnight(day(on) + 1) - midnight(day(on)) == hours * 3_600_000


@given(st.integers(day("1800-01-02"), day("9999-12-30")))
def test_a_day_begins_when_the_one_before_it_ends(on: int) -> None:
    """midnight and london_day agree on any day."""
    assert london_day(midnight(on)) == on
    assert london_day(midnight(on) - MILLISECOND) == on - 1


@given(st.integers(instant("1800-01-02T00:00:00Z"), instant("9999-12-30T00:00:00Z")))
def test_the_day_in_london_is_that_of_its_clock(at: int) -> None:
    """london_day at any instant."""
    moment = (EPOCH + timedelta(milliseconds=at)).astimezone(LONDON)
    assert london_day(at) == (moment.date() - date(1970, 1, 1)).days


@given(st.dates())
def test_days_and_dates_are_the_same(civil: date) -> None:
    """day_of and date_of."""
    assert date_of(day_of(civil)) == civil
    assert day_of(civil) == (datetime(civil.year, civil.month, civil.day) - datetime(1970, 1, 1)).days  # noqa: DTZ001


def test_the_last_day_that_a_date_can_express() -> None:
    """Limits beyond year 9999 count as GMT, and every later day as a working day."""
    last = day("9999-12-31")
    assert midnight(last) == instant("9999-12-31T00:00:00Z")
    assert midnight(last + 1) == (last + 1) * 86_400_000
    assert london_day(midnight(last)) == last
    assert add_working_days(last, 2) == last + 2
    assert add_working_days(last - 1, 1) == last
    assert add_working_days(last - 1, 3) == last + 2


def test_the_first_day_that_a_date_can_express() -> None:
    """It counts as GMT too."""
    first = day("0001-01-01")
    assert midnight(first) == first * 86_400_000
    assert midnight(first - 1) == (first - 1) * 86_400_000
    assert midnight(first + 1) == (first + 1) * 86_400_000 + 75_000
