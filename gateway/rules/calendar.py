"""Civil days in Europe/London and working days in England and Wales.

Days are counted from 1970-01-01, instants are UTC milliseconds since then.
"""

from collections.abc import Container
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo

LONDON: Final = ZoneInfo("Europe/London")
DAY_MS: Final = 86_400_000
MINUTE_MS: Final = 60_000
_EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()
#: The last day whose midnight datetime can express; later ones count as GMT.
_LAST_DAY: Final = date.max.toordinal() - _EPOCH_ORDINAL
_FIRST_DAY: Final = date.min.toordinal() - _EPOCH_ORDINAL
_SATURDAY: Final = 5


def date_of(day: int) -> date:
    """The date of a day."""
    return date.fromordinal(day + _EPOCH_ORDINAL)


def day_of(civil: date) -> int:
    """The day of a date."""
    return civil.toordinal() - _EPOCH_ORDINAL


def day_text(day: int) -> str:
    """A day as people in Britain write it, such as 4 Apr 2016."""
    civil = date_of(day)
    return f"{civil.day} {civil:%b %Y}"


def instant_text(instant: int) -> str:
    """An instant as people in Britain write it, in London's time, such as 4 Apr 2016 09:30."""
    try:
        civil = datetime.fromtimestamp(instant / 1000, LONDON)
    except (ValueError, OverflowError):  # at the very ends of the calendar, London is in another year
        civil = datetime.fromtimestamp(instant / 1000, UTC)
    return f"{civil.day} {civil:%b %Y %H:%M}"


@lru_cache(maxsize=8192)
def midnight(day: int) -> int:
    """The instant at which a civil day begins in London."""
    if not _FIRST_DAY < day <= _LAST_DAY:
        return day * DAY_MS
    civil = date_of(day)
    offset = datetime(civil.year, civil.month, civil.day, tzinfo=LONDON).utcoffset() or timedelta()
    return day * DAY_MS - offset // timedelta(milliseconds=1)


def london_day(instant: int) -> int:
    """The civil day in London at an instant."""
    day = instant // DAY_MS
    if instant >= midnight(day + 1):  # British Summer Time: the day began an hour before UTC's
        return day + 1
    if instant < midnight(day):  # before 1847 London's clocks were behind Greenwich's
        return day - 1
    return day


@cache
def _bank_holidays() -> Container[date]:
    """Those of England, which are those of Wales too."""
    # Here and not above: importing it takes a fifth of a second, which most commands need not wait for.
    from holidays import country_holidays

    return country_holidays("GB", subdiv="ENG")


def late_before(today: int, count: int) -> int:
    """The first day whose work, due within `count` working days, is not late today."""
    day = today
    while add_working_days(day - 1, count) >= today:
        day -= 1
    return day


@lru_cache(maxsize=8192)
def add_working_days(day: int, count: int) -> int:
    """The day that lies `count` working days after `day`: Monday to Friday but bank holidays."""
    while count:
        day += 1
        if day > _LAST_DAY:
            return day + count - 1
        civil = date_of(day)
        if civil.weekday() < _SATURDAY and civil not in _bank_holidays():
            count -= 1
    return day
