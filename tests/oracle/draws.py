"""What random programmes are drawn from: days and instants on edges, texts as people type them, grounds."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

from tests.oracle.rulebook import (
    CAN_BE_MANDATED,
    DASHES,
    JSA_PURPOSES,
    LONDON,
    UC_PURPOSES,
    bank_holidays,
    format_instant,
    parse_instant,
)

Json = dict[str, Any]

MS = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

PROVIDERS = ["PRV01", "PRV02", "PRV03"]
JOBCENTRES = ["JCP-LEEDS", "JCP-YORK", "JCP-HULL"]
OTHER_GROUPS = [
    "ESA_IR_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_IR_EX_IB_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_C_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_IR_SUPPORT_GROUP",
    "ESA_IR_EX_IB_SUPPORT_GROUP",
    "ESA_C_SUPPORT_GROUP",
    "ESA_C_EX_IB_SUPPORT_GROUP",
    "ESA_CREDITS_ONLY",
]
RESTRICTIONS = ["SAFETY_MEASURES", "MAPPA", "ADDITIONAL_NEEDS", "ADDITIONAL_NEEDS", "OBJECTION"]
OUTCOMES = ["ATTENDED", "DID_NOT_ATTEND", "DID_NOT_PARTICIPATE"]
REASONS = ["", "job interview", "ill", "caring for a child, “no cover”", "Krankheit – für heute\n", " "]
GOOD_NINOS = ["AB123456C", "AB123456 ", "ZY987654A", "JK000000D", "GG000001B", "NA555555 "]
BAD_NINOS = [
    "",
    "AB123456",
    "AB123456E",
    "ab123456C",
    "aB123456C",
    "1B123456C",
    "A1123456C",
    "ABX23456C",
    "AB12345XC",
    "AB 123456C",
    "AB123456C ",
    "AB123456C\n",
    "AB12345C\n",
    "AB12345\n ",
    "DA123456A",
    "FA123456A",
    "IA123456A",
    "QA123456A",
    "UA123456A",
    "VA123456A",
    "AD123456A",
    "AF123456A",
    "AI123456A",
    "AO123456A",
    "AQ123456A",
    "AU123456A",
    "AV123456A",
    "BG123456A",
    "GB123456A",
    "KN123456A",
    "NK123456A",
    "NT123456A",
    "TN123456A",
    "ZZ123456A",
    "AB١٢٣٤٥٦C",
    "ÀB123456C",
    "AB123456\u00a0",
    "AB123456Ｃ",
]
BAD_ANNOTATIONS = [
    "",
    "-",
    "Mandatory",
    "Work Programme",
    "Work Programme Information Session",
    "Work Programme Information Session-",
    "Work Programme Information Session Mandatory",
    "Work Programme Information Session--Mandatory",
    "Work Programme Information-Session-Mandatory",
    "Work Programme Information Session-Mandatory-Voluntary",
    "Work Programme Information Session-Mandatory.",
    "WorkProgramme Information Session-Mandatory",
    "Work Programme İnformation Session-Mandatory",
    "Work Programme Information Session\u2212Mandatory",
    "Work Programme Information Session\u00adMandatory",
    "Work Programme Information Session\uff0dVoluntary",
    "Work Programme Information Session\u2016Voluntary",
    "Work Programme Information Session\u200b-Voluntary",
    "\ufeffWork Programme Information Session-Voluntary",
]
WHITE_SPACE = " \t\n\r\v\f\x1c\x1f\x85\u00a0\u1680\u2003\u2028\u2029\u202f\u205f\u3000"
DURATIONS = [60, 60, 60, 60, 60, 45, 1, 59, 61, 90, 1440, 2880]
BAD_DURATIONS = [0, 0, -1, -2147483648]


def clock_changes(year: int) -> list[date]:
    """The Sundays on which the clocks change in the United Kingdom."""
    last_days = [date(year, 3, 31), date(year, 10, 31)]
    return [day - timedelta(days=(day.weekday() + 1) % 7) for day in last_days]


def base_day(seed: int) -> date:
    """The day around which a seed's programme is referred."""
    rng = random.Random(f"base {seed}")
    year = rng.randint(2011, 2016)
    aim = rng.random()
    if aim < 0.4:
        change = rng.choice(clock_changes(year))
        return change - timedelta(days=rng.choice([0, 1, 2, 14, 15, 16, 21, 22, 28, 29]))
    if aim < 0.65:
        return rng.choice(bank_holidays(year)) - timedelta(days=rng.randint(0, 6))
    return date(year, 6, 1) + timedelta(days=rng.randint(0, 300))


def london(day: date, hour: int, minute: int = 0) -> datetime:
    """An instant given by London's clock."""
    return datetime.combine(day, time(hour, minute), LONDON).astimezone(UTC)


def near(rng: random.Random, instant: datetime) -> datetime:
    """At an instant or hard by it; at it in a third of the cases."""
    aside = rng.choice(
        [timedelta(0), timedelta(0), timedelta(0), -MS, -MS, MS, MS, -MINUTE, MINUTE, -HOUR, HOUR]
    )
    return instant + aside


def somewhen(rng: random.Random, start: datetime, end: datetime) -> datetime:
    """Anywhere between two instants, on a millisecond, on a second or on a minute."""
    if end <= start:
        return start
    step = rng.choice([1, 1000, 60_000])
    span = int((end - start) / MS) // step
    return start + rng.randint(0, span) * step * MS


def typed(rng: random.Random, annotation: str) -> str:
    """An annotation as people type it: R2 reads them all alike."""
    if rng.random() < 0.6:
        return annotation
    text = rng.choice([annotation, annotation.lower(), annotation.upper(), annotation.swapcase()])
    dash = rng.choice([*DASHES])
    if rng.random() < 0.5:
        blank = rng.choice([" ", "  ", rng.choice(WHITE_SPACE), rng.choice(WHITE_SPACE)])
        text = rng.choice(
            [
                blank.join(text.split(" ")),
                blank + text,
                text + blank,
                text.replace("-", blank + "-"),
                text.replace("-", "-" + blank),
                text.replace("-", blank + "-" + blank),
            ]
        )
    if rng.random() < 0.1:
        text = text.replace("k", "\u212a").replace("s", "\u017f", 1)
    return text.replace("-", dash)


def spelt(rng: random.Random, name: str, value: Any) -> Any:
    """A timestamp in a record, now and then with another offset or finer than a millisecond."""
    if isinstance(value, dict):
        return {inner: spelt(rng, inner, item) for inner, item in value.items()}
    if not (isinstance(value, str) and name.endswith("_at") and rng.random() < 0.1):
        return value
    offset = timezone(timedelta(minutes=rng.choice([0, 60, 60, -300, 330, -1, 839])))
    text = parse_instant(value).astimezone(offset).isoformat(timespec="milliseconds")
    finer = rng.choice(["", "", "9", "999", "000001"])
    return f"{text[:-6]}{finer}{text[-6:]}"


def written(value: Any) -> Any:
    """Dates and instants as JSON has them; the last digit of a second's fraction is a millisecond's."""
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: written(item) for name, item in value.items()}
    return value


def somewhen_within(rng: random.Random, span: timedelta) -> timedelta:
    """A part of a span, in whole milliseconds."""
    return rng.randint(0, int(span / MS)) * MS


def end_of(starts_at: datetime, minutes: int) -> datetime:
    """The end of a session, or its start where no end can be told."""
    if minutes < 1 or minutes > 100_000 or starts_at.year > 9000:
        return starts_at
    return starts_at + minutes * MINUTE


def around(rng: random.Random, booked_at: datetime, starts_at: datetime, end: datetime) -> datetime:
    """Between booking and start, or hard by the start or the end."""
    choice = rng.random()
    if choice < 0.6:
        return somewhen(rng, booked_at, starts_at)
    return near(rng, starts_at) if choice < 0.85 else near(rng, end)


def bad_mandations(recorded_on: date) -> list[Json | None]:
    """Mandations that justify neither UC nor JSA, or only one of them."""
    return [
        None,
        {"basis": "UC_WORKPLAN", "recorded_on": recorded_on},
        {"basis": "UC_WORKPLAN", "purpose": "CHECK_COMPLIANCE", "recorded_on": recorded_on},
        {"basis": "UC_WORKPLAN", "purpose": "IMPROVE_PROSPECTS", "tangible_outcome": True,
         "recorded_on": recorded_on},
        {"basis": "UC_WORKPLAN", "purpose": None, "tangible_outcome": True, "recorded_on": recorded_on},
        {"basis": "WORK_RELATED_ACTIVITY", "purpose": "CHECK_COMPLIANCE", "tangible_outcome": True,
         "recorded_on": recorded_on},
        {"basis": "JOBSEEKERS_DIRECTION", "recorded_on": recorded_on},
        {"basis": "JOBSEEKERS_DIRECTION", "purpose": "ASSIST_COMPLIANCE", "recorded_on": recorded_on},
        {"basis": "UC_WORKPLAN", "purpose": "ASSIST_TO_FIND_EMPLOYMENT", "recorded_on": recorded_on},
    ]  # fmt: skip


def fit_to_be_mandatory(rng: random.Random, value: Json, recorded_on: date) -> None:
    """Give a Referral what a mandatory one of its benefit needs."""
    if value["benefit"] == "ESA":
        value["claimant_group"] = rng.choice(CAN_BE_MANDATED)
    if value["benefit"] == "UC":
        value["mandation"] = {
            "basis": "UC_WORKPLAN",
            "purpose": rng.choice(UC_PURPOSES),
            "tangible_outcome": True,
            "recorded_on": recorded_on,
        }
    if value["benefit"] == "JSA":
        value["mandation"] = {
            "basis": "JOBSEEKERS_DIRECTION",
            "purpose": rng.choice(JSA_PURPOSES),
            "recorded_on": recorded_on,
        }
