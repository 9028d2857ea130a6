"""The sample programme: what may be relied on in it, whatever the seed."""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from itertools import islice, pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import time_machine
from holidays import country_holidays
from msgspec.json import decode

from gateway.intake.lines import read_lines
from gateway.replay.decisions import replay
from gateway.rules.events import Outcome
from gateway.rules.messages import RECORD_NAMED
from gateway.rules.policy import shipped
from gateway.sample import ends_on, programme
from gateway.sample.clock import day_of, iso
from gateway.sample.people import GROUPS
from gateway.sample.programme import calendar
from gateway.system.errors import UsageError

_LONDON: Final = ZoneInfo("Europe/London")
_BANK_HOLIDAYS: Final = country_holidays("GB", subdiv="ENG", years=[2016, 2017])
_SUNDAY: Final = 6
_FEW: Final = 200
_MANY: Final = 2_000

Line = dict[str, Any]

several_programmes = pytest.mark.parametrize(("referrals", "seed"), [(_FEW, 1), (_FEW, 2), (_MANY, 3)])


@cache
def _lines(referrals: int, seed: int) -> tuple[Line, ...]:
    return tuple(decode(line) for line in programme(referrals, seed))


def _values(referrals: int, seed: int, record: str) -> list[Line]:
    return [line["value"] for line in _lines(referrals, seed) if line["type"] == record]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _days() -> Iterator[date]:
    for referrals in (1, 7, _FEW, 3_500, 60_000, 600_000, 1_000_000):
        for day, _ in calendar(referrals):
            yield date.fromisoformat(iso(day))


# The same bytes


def _in_another_process(**environment: str) -> bytes:
    code = "import sys; from gateway.sample import programme; sys.stdout.buffer.writelines(programme(120, 7))"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, check=True
    )
    return run.stdout


def test_the_same_seed_gives_the_same_bytes_whatever_the_environment() -> None:
    here = b"".join(programme(120, 7))
    assert _in_another_process(PYTHONHASHSEED="1", TZ="Pacific/Auckland", LC_ALL="C") == here
    assert _in_another_process(PYTHONHASHSEED="2", TZ="America/New_York", LC_ALL="cy_GB.UTF-8") == here


def test_another_seed_gives_another_programme() -> None:
    assert b"".join(programme(20, 1)) != b"".join(programme(20, 2))


# The order


@several_programmes
def test_at_never_goes_back(referrals: int, seed: int) -> None:
    assert all(_instant(a["at"]) <= _instant(b["at"]) for a, b in pairwise(_lines(referrals, seed)))


@several_programmes
def test_no_two_messages_of_one_referral_come_at_one_instant(referrals: int, seed: int) -> None:
    seen = Counter((line["value"]["po_number"], line["at"]) for line in _lines(referrals, seed))
    assert set(seen.values()) == {1}


def test_a_large_programme_begins_without_being_made_whole() -> None:
    assert len(list(islice(programme(1_000_000, 1), 500))) == 500


# Until a day

several_days = pytest.mark.parametrize(
    ("referrals", "until"), [(60, date(2026, 11, 30)), (60, date(2027, 1, 4)), (_MANY, date(2031, 4, 2))]
)


@several_days
def test_a_programme_until_a_day_comes_up_to_it_and_has_nothing_later(referrals: int, until: date) -> None:
    lines = [decode(line) for line in programme(referrals, 1, until)]
    days = [_instant(line["at"]).astimezone(_LONDON).date() for line in lines]
    assert days == sorted(days)
    assert 0 < (until - days[-1]).days <= 7
    referred = [day for day, line in zip(days, lines, strict=True) if line["type"] == "Referral"]
    assert (until - referred[-1]).days <= 7
    assert len({line["value"]["po_number"] for line in lines}) > 0.95 * referrals
    bank_holidays = country_holidays("GB", subdiv="ENG", years=[until.year - 1, until.year])
    assert not any(day.weekday() == _SUNDAY or day in bank_holidays for day in referred)


@several_days
def test_it_is_as_believable_as_another(referrals: int, until: date) -> None:
    events = list(replay(read_lines(programme(referrals, 1, until)), shipped()))
    outcomes = Counter(event.status for event in events if isinstance(event, Outcome))
    assert outcomes["APPLIED"] > 0.95 * outcomes.total()


def test_today_is_that_of_london() -> None:
    with time_machine.travel(datetime(2026, 6, 30, 23, 30, tzinfo=UTC)):
        assert ends_on("today") == date(2026, 7, 1)
    assert ends_on("2026-11-30") == date(2026, 11, 30)


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-02-30", "2012-12-31", "2100-01-01", "30/11/2026"])
def test_what_is_no_day_to_end_on_is_refused(text: str) -> None:
    with pytest.raises(
        UsageError, match="--until is not a date; expected 2013-01-01 to 2099-12-31, or today"
    ):
        ends_on(text)


# The form


@several_programmes
def test_every_line_is_one_that_replay_reads(referrals: int, seed: int) -> None:
    """The reader refuses unknown fields, missing ones, dates and numbers that are none."""
    lines = list(read_lines(programme(referrals, seed)))
    assert len(lines) == len(_lines(referrals, seed))
    assert all(line.message is not None for line in lines)


@several_programmes
def test_a_line_has_four_fields_and_a_newline(referrals: int, seed: int) -> None:
    assert all(list(line) == ["at", "topic", "type", "value"] for line in _lines(referrals, seed))
    assert all(line.endswith(b"}\n") and line.count(b"\n") == 1 for line in programme(20, seed))


def test_message_ids_are_unique_but_for_what_is_sent_twice() -> None:
    values: defaultdict[str, list[Line]] = defaultdict(list)
    for line in _lines(_MANY, 3):
        values[line["value"]["message_id"]].append(line["value"])
    assert all(value == first for first, *others in values.values() for value in others)
    assert 0 < sum(len(each) > 1 for each in values.values()) < len(values) * 0.03


@pytest.mark.parametrize("referrals", [1, 2, 3, 39, _FEW])
def test_there_are_as_many_purchase_orders_as_asked_for(referrals: int) -> None:
    assert len({value["po_number"] for value in _values(referrals, 5, "Referral")}) == referrals


# The calendar


@several_programmes
def test_no_referral_comes_on_a_sunday_or_a_bank_holiday(referrals: int, seed: int) -> None:
    for line in _lines(referrals, seed):
        if line["type"] == "Referral":
            day = _instant(line["at"]).astimezone(_LONDON).date()
            assert day.weekday() != _SUNDAY
            assert day not in _BANK_HOLIDAYS


def test_no_calendar_has_a_sunday_or_a_bank_holiday_or_goes_on_after_the_end_of_referrals() -> None:
    for day in _days():
        assert day.weekday() != _SUNDAY
        assert day not in _BANK_HOLIDAYS
        assert date(2016, 3, 7) <= day <= date(2017, 3, 31)


def test_few_referrals_come_on_saturdays() -> None:
    arrivals = calendar(60_000)
    on_saturdays = sum(count for day, count in arrivals if date.fromisoformat(iso(day)).weekday() == 5)
    assert 0 < on_saturdays < 60_000 * 0.02


@pytest.mark.parametrize("referrals", [0, 1, 2, 199, 3_500, 100_000, 659_999, 660_000, 1_000_000, 3_000_000])
def test_every_referral_has_a_day(referrals: int) -> None:
    assert sum(count for _, count in calendar(referrals)) == referrals


@pytest.mark.parametrize(("referrals", "least", "most"), [(3_500, 80, 130), (400_000, 3_500, 4_600)])
def test_days_are_as_busy_as_the_programme_is_large(referrals: int, least: int, most: int) -> None:
    counts = [count for day, count in calendar(referrals) if date.fromisoformat(iso(day)).weekday() < 5]
    assert least <= sum(counts) / len(counts) <= most


@several_programmes
def test_the_clocks_change_both_ways_while_referrals_are_open(referrals: int, seed: int) -> None:
    days = {value["referred_on"] for value in _values(referrals, seed, "Referral")}
    for change in (date(2016, 3, 27), date(2016, 10, 30)):
        open_then = [day for day in days if 0 < day_of(change) - day_of(date.fromisoformat(day)) <= 21]
        assert len(open_then) > 5
    sent = [_instant(line["at"]) for line in _lines(referrals, seed)]
    for change_at in (datetime(2016, 3, 27, 1, tzinfo=UTC), datetime(2016, 10, 30, 1, tzinfo=UTC)):
        assert any(at < change_at for at in sent)
        assert any(at > change_at for at in sent)


def test_spring_alone_is_five_weeks_in_a_small_programme() -> None:
    spring = [day for day, _ in calendar(_FEW) if iso(day) < "2016-08"]
    assert spring[-1] - spring[0] >= 35


def test_most_downloads_come_in_the_morning_and_in_batches() -> None:
    arrivals: defaultdict[str, list[datetime]] = defaultdict(list)
    for line in _lines(_MANY, 3):
        if line["type"] == "Referral":
            arrivals[line["value"]["provider_id"]].append(_instant(line["at"]))
    instants = [at for each in arrivals.values() for at in each]
    assert sum(at.astimezone(_LONDON).hour < 12 for at in instants) > 0.65 * len(instants)
    together = sum((b - a).total_seconds() < 5 for each in arrivals.values() for a, b in pairwise(each))
    assert together > 0.3 * len(instants)


# Who


@several_programmes
def test_every_group_of_annex_a_occurs(referrals: int, seed: int) -> None:
    groups = {value.get("claimant_group") for value in _values(referrals, seed, "Referral")}
    assert groups == {*GROUPS, None}


def test_most_referrals_are_voluntary_and_most_are_esa() -> None:
    orders = _values(_MANY, 3, "Referral")
    voluntary = sum(value["action_plan_annotation"].endswith("-Voluntary") for value in orders)
    benefits = Counter(value["benefit"] for value in orders)
    assert 0.65 < voluntary / len(orders) < 0.85
    assert 0.75 < benefits["ESA"] / len(orders) < 0.9
    assert min(benefits["UC"], benefits["JSA"]) > 0.03 * len(orders)


def test_personal_data_is_nobodys() -> None:
    for value in _values(_MANY, 3, "Referral"):
        person = value["participant"]
        assert person.get("phone", "07700 900000").startswith("07700 900")
        assert person.get("email", "@example.org").endswith("@example.org")
        assert person.get("postcode", "ZZ").startswith("ZZ")
        # Those that begin with X are well formed and of nobody; the others here are the malformed ones.
        assert person.get("nino", "XX")[:2] in ("XX", "XY", "QQ", "xx", "GB")


def test_some_participants_withhold_everything_and_some_a_part() -> None:
    people = [value["participant"] for value in _values(_MANY, 3, "Referral")]
    assert any(person == {} for person in people)
    assert any("nino" in person and "address" not in person for person in people)


# What happens


def test_about_half_of_the_invited_come() -> None:
    outcomes = Counter(value["outcome"] for value in _values(_MANY, 3, "AttendanceRecorded"))
    assert 0.45 < outcomes["ATTENDED"] / outcomes.total() < 0.62


def test_groups_share_a_session_and_none_has_more_than_twenty_invitations() -> None:
    invited: defaultdict[str, set[str]] = defaultdict(set)
    for value in _values(_MANY, 3, "SessionBooked"):
        if value["format"] == "GROUP":
            invited[value["session_id"]].add(value["po_number"])
    sizes = [len(each) for each in invited.values()]
    assert max(sizes) <= 20
    assert sum(size >= 4 for size in sizes) > 0.3 * len(sizes)


@several_programmes
def test_a_referral_has_between_five_and_a_half_and_seven_messages_on_average(
    referrals: int, seed: int
) -> None:
    assert 5.5 < len(_lines(referrals, seed)) / referrals < 7


def test_every_inbound_record_occurs() -> None:
    missing = set(RECORD_NAMED) - {line["type"] for line in _lines(_MANY, 3)}
    assert not missing, f"`gateway sample` makes no {', '.join(sorted(missing))}; add it in gateway/sample/"


def test_nearly_all_is_applied_and_the_rest_is_of_many_kinds() -> None:
    events = replay(read_lines(programme(600, 4)), shipped())
    outcomes = [event for event in events if isinstance(event, Outcome)]
    statuses = Counter(outcome.status for outcome in outcomes)
    assert statuses["APPLIED"] > 0.95 * len(outcomes)
    assert statuses["DUPLICATE"]
    assert statuses["HELD"]
    assert len({outcome.code for outcome in outcomes if outcome.status == "REFUSED"}) >= 10
