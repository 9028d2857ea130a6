"""Dates and times of day as people in Britain write them, and spreadsheets save them: the day first.

Days are days since 1970-01-01, instants UTC milliseconds since then. A time without a zone is London's. The
order month, day, year looks the same as the British one, so 03/04/2016 is always the third of April.
"""

import re
from datetime import date, datetime, timedelta
from typing import Final

from gateway.rules.calendar import DAY_MS, LONDON, date_of, day_of
from schemas.times import NotADay, NotAnInstant, parse_instant

_YEAR_FIRST: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_DAY_FIRST: Final = re.compile(r"([0-9]{1,2})([/.-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})")
_NAMED: Final = re.compile(r"([0-9]{1,2})(?:st|nd|rd|th)?[ -]([a-z]{3,9})[ -]([0-9]{4}|[0-9]{2})")
_CLOCK: Final = re.compile(r"(?:,| at)? ([0-9]{1,2})[:.]([0-9]{2})(?::([0-9]{2}))?(?: ?(am|pm))?$")
#: What is meant as a timestamp, so that what is said of it is about timestamps.
_TIMESTAMP: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt]")

_NAMES: Final = "january february march april may june july august september october november december"
_MONTHS: Final = {
    name: number for number, full in enumerate(_NAMES.split(), 1) for name in (full, full[:3])
} | {"sept": 9}


def read_day(text: str) -> int:
    """The day of `14/03/2016`, `14.3.2016`, `14 March 2016`, `14-Mar-2016` or `2016-03-14`.

    Capitals don't matter, nor do blanks around it. Raises NotADay, whose message has nothing of the text.
    """
    plain = " ".join(text.split()).lower()
    if parts := _YEAR_FIRST.fullmatch(plain):
        year, month, day = parts[1], int(parts[2]), parts[3]
    elif parts := _DAY_FIRST.fullmatch(plain):
        day, month, year = parts[1], int(parts[3]), parts[4]
    elif (parts := _NAMED.fullmatch(plain)) and parts[2] in _MONTHS:
        day, month, year = parts[1], _MONTHS[parts[2]], parts[3]
    else:
        raise NotADay("is not a date; expected one such as 2016-03-14 or 14/03/2016")
    if len(year) == 2:
        raise NotADay("has a year of two digits; write all four, such as 14/03/2016")
    try:
        return day_of(date(int(year), month, int(day)))
    except ValueError:
        raise NotADay("is a date that does not exist; expected day, month, year or year-month-day") from None


def read_instant(text: str) -> int:
    """The instant of a timestamp in UTC (RFC 3339), or of a date as above and a London time of day.

    The time of day is `10:30`, `10.30`, `10:30:15` or `10:30am`, behind a blank, a comma or `at`. Raises
    NotAnInstant, whose message has nothing of the text; so too where London's clocks make it none or two.
    """
    plain = " ".join(text.split())
    if _TIMESTAMP.match(plain):
        return parse_instant(plain)
    lowered = plain.lower()
    clock = _CLOCK.search(lowered)
    if clock is None:
        raise NotAnInstant(
            "is not a date with a time of day; expected one such as 14/03/2016 10:30, or 2016-03-14T10:30:00Z"
        )
    try:
        day = read_day(lowered[: clock.start()])
    except NotADay as error:
        raise NotAnInstant(str(error)) from None
    return _in_london(day, _seconds(clock))


def _seconds(clock: re.Match[str]) -> int:
    """Since midnight."""
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    least, greatest = (1, 12) if clock[4] else (0, 23)
    if not least <= hour <= greatest or minute > 59 or second > 59:
        raise NotAnInstant("has a time of day that does not exist; expected 00:00 to 23:59")
    if clock[4]:
        hour = hour % 12 + (12 if clock[4] == "pm" else 0)
    return hour * 3600 + minute * 60 + second


def _in_london(day: int, seconds: int) -> int:
    civil = date_of(day)
    local = datetime(civil.year, civil.month, civil.day, tzinfo=LONDON) + timedelta(seconds=seconds)
    # By fold a time that came twice has two offsets; so has one that was left out, in the other order.
    before, after = (local.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    if before < after:
        raise NotAnInstant(
            "is a time that London's clocks left out when they went forward; "
            "write it in UTC, such as 2016-03-27T01:30:00Z"
        )
    if before > after:
        raise NotAnInstant(
            "is a time that London's clocks showed twice when they went back; "
            "write it in UTC, such as 2016-10-30T01:30:00Z"
        )
    return day * DAY_MS + seconds * 1000 - before // timedelta(milliseconds=1)
