"""Dates and instants as JSON has them: `2016-03-14`, and RFC 3339, written in UTC and read with any offset.

Days are days since 1970-01-01 and instants UTC milliseconds since then, both from year 1 to year 9999.
"""

import re
from datetime import date
from functools import lru_cache
from typing import Final

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
EPOCH_ORDINAL: Final = date(1970, 1, 1).toordinal()

_DAY: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_INSTANT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]+))?"
    r"(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
#: What is written nearly always: an hour, and after it these. The rest is for the pattern above.
_HOUR: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3])")
_SIXTY: Final = tuple(f":{number:02}" for number in range(60))
_END: Final = ("Z", *(f".{number:03}Z" for number in range(1, 1000)))
_MINUTES: Final = {text: number * 60_000 for number, text in enumerate(_SIXTY)}
_SECONDS: Final = {text: number * 1000 for number, text in enumerate(_SIXTY)}
_MILLISECONDS: Final = {text: number for number, text in enumerate(_END)} | {".000Z": 0}
#: A civil date with any time of day, to distinguish what lacks an offset from what is no timestamp.
_WITHOUT_OFFSET: Final = re.compile(r"[0-9-]{10}T[0-9:.]{8,}")
_FIRST_MS: Final = (1 - EPOCH_ORDINAL) * DAY_MS
_LAST_MS: Final = (date.max.toordinal() - EPOCH_ORDINAL + 1) * DAY_MS - 1


class NotADay(ValueError):
    """A text is no date; the message says what is wrong with it, without the text."""


class NotAnInstant(ValueError):
    """A text is no instant; the message says what is wrong with it, without the text."""


@lru_cache(maxsize=16_384)
def parse_day(text: str) -> int:
    """Days since 1970 of `YYYY-MM-DD`. Raises NotADay."""
    parts = _DAY.fullmatch(text)
    if parts is None:
        raise NotADay("is not a date; expected YYYY-MM-DD, such as 2016-03-14")
    try:
        return date(int(parts[1]), int(parts[2]), int(parts[3])).toordinal() - EPOCH_ORDINAL
    except ValueError:
        raise NotADay("is a date that does not exist; expected one from 0001-01-01 to 9999-12-31") from None


@lru_cache(maxsize=16_384)
def format_day(day: int) -> str:
    """`YYYY-MM-DD` of days since 1970. Raises ValueError or OverflowError outside years 1 to 9999."""
    return date.fromordinal(day + EPOCH_ORDINAL).isoformat()


def parse_instant(text: str) -> int:
    """UTC milliseconds since 1970 of an RFC 3339 timestamp; what is finer is cut off. Raises NotAnInstant."""
    try:
        minutes_ms = _MINUTES[text[13:16]] + _SECONDS[text[16:19]] + _MILLISECONDS[text[19:]]
        return _parse_hour(text[:13]) + minutes_ms
    except (KeyError, ValueError):
        pass  # not as plain, or a date that does not exist
    parts = _INSTANT.fullmatch(text)
    if parts is None:
        if _WITHOUT_OFFSET.fullmatch(text):
            raise NotAnInstant("has no offset; expected one such as 2016-04-05T00:00:00+01:00, or Z for UTC")
        raise NotAnInstant("is not a timestamp; expected RFC 3339, such as 2016-04-04T23:00:00Z")
    day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = parts.groups()
    try:
        days = parse_day(day)
    except NotADay:
        raise NotAnInstant(_NO_SUCH_DAY) from None
    instant = days * DAY_MS + (int(hour) * 3600 + int(minute) * 60 + int(second)) * 1000
    instant += int((fraction or "")[:3].ljust(3, "0"))
    if sign:
        offset = int(offset_hours) * HOUR_MS + int(offset_minutes) * 60_000
        instant += offset if sign == "-" else -offset
        if not _FIRST_MS <= instant <= _LAST_MS:
            raise NotAnInstant(_NO_SUCH_DAY)
    return instant


_NO_SUCH_DAY: Final = "is on a date that does not exist; expected 0001-01-01 to 9999-12-31"


@lru_cache(maxsize=16_384)
def _parse_hour(text: str) -> int:
    """The instant at which an hour begins, such as `2016-04-04T23`. Raises ValueError."""
    parts = _HOUR.fullmatch(text)
    if parts is None:
        raise NotAnInstant
    return parse_day(parts[1]) * DAY_MS + int(parts[2]) * HOUR_MS


@lru_cache(maxsize=1_024)  # what goes out together is of one instant
def format_instant(instant: int) -> str:
    """RFC 3339 in UTC, with three decimals only where the milliseconds are not zero.

    Raises ValueError or OverflowError outside years 1 to 9999.
    """
    hours, rest = divmod(instant, HOUR_MS)
    minutes, rest = divmod(rest, 60_000)
    seconds, milliseconds = divmod(rest, 1000)
    return f"{_format_hour(hours)}{_SIXTY[minutes]}{_SIXTY[seconds]}{_END[milliseconds]}"


@lru_cache(maxsize=16_384)
def _format_hour(hours: int) -> str:
    day, hour = divmod(hours, 24)
    return f"{format_day(day)}T{hour:02}"
