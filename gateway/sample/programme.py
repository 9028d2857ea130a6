"""The programme: who is referred on which day, in which download, and all that is sent, in order of time."""

from collections.abc import Iterator
from datetime import date, datetime
from random import Random
from typing import Final

from msgspec import Struct

from gateway.sample.clock import (
    DAY,
    HOUR,
    LONDON,
    MINUTE,
    by_the_clock,
    day_of,
    is_bank_holiday,
    is_working,
    midnight,
    weekday,
    working_after,
)
from gateway.sample.journey import journey
from gateway.sample.life import Life
from gateway.sample.places import CONTRACTS, Contract
from gateway.sample.referral_messages import ReferralMessages, Sent
from gateway.sample.sessions import Timetable
from gateway.sample.shares import Draw, between
from gateway.system.clock import wall_clock
from gateway.system.errors import UsageError

#: Three weeks before Easter and the spring clock change.
_SPRING: Final = day_of(date(2016, 3, 7))
#: Two weeks before the autumn clock change.
_AUTUMN: Final = day_of(date(2016, 10, 17))
#: Referrals to the Work Programme ended on it.
_LAST: Final = day_of(date(2017, 3, 31))

#: Between which days a programme may end: since there is a policy, and while bank holidays are known.
_EARLIEST: Final = date(2013, 1, 1)
_LATEST: Final = date(2099, 12, 31)

_FEWEST_DAYS: Final = 35
_MOST_A_DAY: Final = 4_000
#: From so many working days on, spring and autumn are one programme, without a pause in summer.
_UNBROKEN: Final = 165
_SHARE_IN_SPRING: Final = 0.7

#: Referrals by weekday, relative to each other: few on Saturdays, none on Sundays.
_WEEKDAYS: Final = (110, 108, 100, 95, 82, 5, 0)
_BATCHES_A_DAY: Final = 3
_SHARE_DOWNLOADED_TWICE: Final = 0.012


class _Desk(Struct, frozen=True):
    """A contract and its timetable of sessions."""

    contract: Contract
    timetable: Timetable


def programme(referrals: int, seed: int, until: date | None = None) -> Iterator[bytes]:
    """The JSON lines of a programme of so many referrals, each with its newline, in order of `at`.

    The same number and seed give the same bytes. What is held at once is what those referrals that have
    begun are still to send. A small programme has a spring and an autumn, so that the clocks change both
    ways in it; a large one runs from March 2016 on at up to 4,000 referrals a working day, or at more
    where it would not end by 31 March 2017. No two lines of one referral have the same `at`.

    until: referrals come without a pause up to the day before this one, and nothing is dated on it or later:
    what would be still to come is left out.
    """
    random = Random(seed)
    days = calendar(referrals, until)
    end_at = None if until is None else midnight(day_of(until))
    desks = _desks(referrals, len(days) / 5.05, random.random)
    waiting: dict[int, list[Sent]] = {}
    number = 0
    complete = days[0][0] if days else 0
    for day, count in days:
        # Whatever is sent about a referral is sent on its day or after it: the days before are complete.
        while complete < day:
            yield from _flush(waiting, complete, end_at)
            for desk in desks:
                desk.timetable.forget(complete)
            complete += 1
        for desk, at, again_at in _downloads(day, count, desks, random.random):
            po_number = f"PO{41_000_000 + 7 * number + random.getrandbits(2)}"
            messages = ReferralMessages(number, po_number, desk.contract, random.getrandbits(128))
            life = Life(number, desk.contract, desk.timetable, messages, random.random)
            for sent in journey(life, day, at, again_at):
                waiting.setdefault(sent[0] // DAY, []).append(sent)
            number += 1
    for rest in sorted(waiting):
        yield from _flush(waiting, rest, end_at)


def ends_on(text: str) -> date:
    """The day that `--until` names, of London. Raises UsageError."""
    if text == "today":
        return datetime.fromtimestamp(wall_clock() / 1_000, LONDON).date()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if not _EARLIEST <= day <= _LATEST:
        raise UsageError(f"--until is not a date; expected {_EARLIEST} to {_LATEST}, or today")
    return day


def calendar(referrals: int, until: date | None = None) -> list[tuple[int, int]]:
    """The days on which referrals arrive, and how many on each.

    35 working days at least, 5 weeks of them in spring: about 10 referrals a day in a programme of a few
    hundred, 100 in one of 3,500, 4,000 from 400,000 on. With `until` they are the last ones before that day.
    """
    wanted = _FEWEST_DAYS * max(1.0, referrals / 3_500) ** 0.22
    working = round(max(wanted, referrals / _MOST_A_DAY))
    if until is not None:
        days = _open_days_before(day_of(until), working)
    elif working < _UNBROKEN:
        spring = round(working * _SHARE_IN_SPRING)
        days = _open_days(_SPRING, spring) + _open_days(_AUTUMN, working - spring)
    else:
        days = _open_days(_SPRING, working)
    total = sum(_WEEKDAYS[weekday(day)] for day in days)
    arrivals = []
    weight = 0
    for day in days:
        # Rounded up from the beginning, in whole numbers: they add up, and even one referral has a day.
        before = -(-referrals * weight // total)
        weight += _WEEKDAYS[weekday(day)]
        count = -(-referrals * weight // total) - before
        if count:
            arrivals.append((day, count))
    return arrivals


def _open_days(first: int, working: int) -> list[int]:
    days = []
    day = first
    while working and day <= _LAST:
        if is_working(day):
            working -= 1
        if _WEEKDAYS[weekday(day)] and not is_bank_holiday(day):
            days.append(day)
        day += 1
    return days


def _open_days_before(end: int, working: int) -> list[int]:
    first = end
    while working:
        first -= 1
        working -= is_working(first)
    return [day for day in range(first, end) if _WEEKDAYS[weekday(day)] and not is_bank_holiday(day)]


def _desks(referrals: int, weeks: float, draw: Draw) -> list[_Desk]:
    """Those contracts that take part: fewer in a small programme, so that its groups are groups."""
    count = min(len(CONTRACTS), max(2, referrals // 40))
    weekly = referrals / count / max(1.0, weeks)
    return [_Desk(contract, Timetable(contract, weekly, draw)) for contract in CONTRACTS[:count]]


def _downloads(day: int, count: int, desks: list[_Desk], draw: Draw) -> Iterator[tuple[_Desk, int, int]]:
    """The day's referrals in batches: whose each is, when it comes (UTC ms), and when once more, or 0."""
    size = max(3, count // (_BATCHES_A_DAY * len(desks)))
    while count:
        # WP19 ¶20: at random, in equal shares.
        desk = desks[int(draw() * len(desks))]
        # Three in four are there in the morning, most of them when the offices open.
        time = (
            7 * HOUR + int(draw() * draw() * 4 * HOUR)
            if draw() < 0.75
            else between(11 * HOUR, 17 * HOUR, draw)
        )
        at = by_the_clock(day) + time
        again_at = 0
        if draw() < _SHARE_DOWNLOADED_TWICE:
            again_at = by_the_clock(working_after(day)) + 8 * HOUR + between(0, 90 * MINUTE, draw)
        for _ in range(min(count, between(1, 2 * size, draw))):
            at += between(30, 1_400, draw)
            yield desk, at, again_at
            count -= 1
            again_at += 40 if again_at else 0


def _flush(waiting: dict[int, list[Sent]], day: int, end_at: int | None) -> Iterator[bytes]:
    """The lines of one UTC day, in order of time, then of referral; those before `end_at`."""
    lines = waiting.pop(day, [])
    lines.sort()
    for at, _, line in lines:
        if end_at is None or at < end_at:
            yield line
