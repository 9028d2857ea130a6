"""London days and the hours in which offices write. A day is a count since 1970-01-01, an instant UTC ms."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from holidays import country_holidays

SECOND: Final = 1_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

LONDON: Final = ZoneInfo("Europe/London")
_FIRST: Final = date(1970, 1, 1)
_BANK_HOLIDAYS: Final = country_holidays("GB", subdiv="ENG")
_SATURDAY: Final = 5
_OPENS: Final = 8 * HOUR + 15 * MINUTE
_CLOSES: Final = 17 * HOUR + 45 * MINUTE
#: What waits for the morning is written over this long, so that not all of it comes at one instant.
_MORNING: Final = 100 * MINUTE

# Two look-ups a timestamp instead of a strftime: formatting is most of the work of a line.
_TIMES: Final = tuple(f"T{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}" for s in range(86_400))
_FRACTIONS: Final = ("Z", *(f".{ms:03}Z" for ms in range(1, 1_000)))


def day_of(on: date) -> int:
    """The day's count since 1970-01-01."""
    return (on - _FIRST).days


@cache
def iso(day: int) -> str:
    """The day as `2016-03-14`."""
    return (_FIRST + timedelta(days=day)).isoformat()


@cache
def weekday(day: int) -> int:
    """0 for Monday to 6 for Sunday."""
    return (_FIRST + timedelta(days=day)).weekday()


def stamp(at: int) -> str:
    """The instant as RFC 3339, with milliseconds only where they are not zero."""
    day, rest = divmod(at, DAY)
    second, fraction = divmod(rest, SECOND)
    return iso(day) + _TIMES[second] + _FRACTIONS[fraction]


@cache
def midnight(day: int) -> int:
    """The instant at which the London day begins."""
    begins = datetime.combine(_FIRST + timedelta(days=day), datetime.min.time(), LONDON)
    return int(begins.astimezone(UTC).timestamp()) * SECOND


@cache
def by_the_clock(day: int) -> int:
    """The instant to which a time of day is added.

    Not the midnight: on the day on which the clocks change they have changed before any office opens.
    """
    noon = datetime.combine(_FIRST + timedelta(days=day), datetime.min.time(), LONDON).replace(hour=12)
    return int(noon.astimezone(UTC).timestamp()) * SECOND - 12 * HOUR


@cache
def is_bank_holiday(day: int) -> bool:
    """Whether it is one in England and Wales."""
    return _FIRST + timedelta(days=day) in _BANK_HOLIDAYS


@cache
def is_working(day: int) -> bool:
    """Monday to Friday but the bank holidays."""
    return weekday(day) < _SATURDAY and not is_bank_holiday(day)


@cache
def working_after(day: int, count: int = 1) -> int:
    """The working day that is `count` working days after the day."""
    while count > 0:
        day += 1
        count -= is_working(day)
    return day


@cache
def working_until(day: int) -> int:
    """The last working day that is not after the day."""
    while not is_working(day):
        day -= 1
    return day


def in_office_hours(at: int) -> int:
    """The instant, or one on the next working morning where the office is shut."""
    day = at // DAY
    time = at - by_the_clock(day)
    if time > _CLOSES or not is_working(day):
        day = working_after(day)
    elif time >= _OPENS:
        return at
    return by_the_clock(day) + _OPENS + at % _MORNING
