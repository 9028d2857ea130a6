"""Dates and instants as JSON has them: `2016-03-14`, and RFC 3339 in UTC to the millisecond at the finest.

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
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,32}))?(?:Z|\+00:00)"
)
#: What is written nearly always: an hour, and after it these. The rest is for the pattern above.
_HOUR: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3])")
_SIXTY: Final = tuple(f":{number:02}" for number in range(60))
_END: Final = ("Z", *(f".{number:03}Z" for number in range(1, 1000)))
_MINUTES: Final = {text: number * 60_000 for number, text in enumerate(_SIXTY)}
_SECONDS: Final = {text: number * 1000 for number, text in enumerate(_SIXTY)}
_MILLISECONDS: Final = {text: number for number, text in enumerate(_END)} | {".000Z": 0}
# A civil date with any time of day and any offset or none, to tell "not UTC" from "not an instant".
_ELSEWHERE: Final = re.compile(r"[0-9-]{10}[Tt][0-9:.]{8,}([+-][0-9]{2}:?[0-9]{2}|[a-z])?")


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
    """UTC milliseconds since 1970 of an RFC 3339 timestamp in UTC. Raises NotAnInstant."""
    try:
        minutes_ms = _MINUTES[text[13:16]] + _SECONDS[text[16:19]] + _MILLISECONDS[text[19:]]
        return _parse_hour(text[:13]) + minutes_ms
    except (KeyError, ValueError):
        pass  # not as plain, or a date that does not exist
    parts = _INSTANT.fullmatch(text)
    if parts is None:
        if _ELSEWHERE.fullmatch(text):
            raise NotAnInstant("is not a timestamp in UTC; expected one such as 2016-04-04T23:00:00Z")
        raise NotAnInstant("is not a timestamp; expected RFC 3339 in UTC, such as 2016-04-04T23:00:00Z")
    day, hour, minute, second, fraction = parts.groups()
    milliseconds = 0
    if fraction is not None:
        if fraction[3:].strip("0"):
            raise NotAnInstant("is finer than a millisecond; expected three decimals at the most")
        milliseconds = int(fraction[:3].ljust(3, "0"))
    try:
        days = parse_day(day)
    except NotADay:
        raise NotAnInstant("is on a date that does not exist; expected 0001-01-01 to 9999-12-31") from None
    return days * DAY_MS + (int(hour) * 3600 + int(minute) * 60 + int(second)) * 1000 + milliseconds


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
