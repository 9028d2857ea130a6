"""What the gateway is given: sample programmes of any size, and referrals that are all live at once."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.sample import programme
from schemas.json import format_instant, parse_day, parse_instant

SCALE: Final = float(os.environ.get("BENCH_SCALE") or 1)
#: Two days, less than any referral has until it is cancelled or forgotten.
_FIRST_AT: Final = parse_instant("2016-06-13T06:00:00Z")
_LAST_AT: Final = parse_instant("2016-06-15T05:00:00Z")
_BORN_FIRST: Final = parse_day("1951-01-01")
#: How many lines go into one piece.
_PIECE: Final = 1_000


def scaled(count: int, least: int = 20) -> int:
    """A number of referrals, made smaller by BENCH_SCALE."""
    return max(least, round(count * SCALE))


class Programme(Struct, frozen=True):
    """A sample programme in a file. messages: how many lines it has; last_at: the `at` of the last one."""

    file: Path
    referrals: int
    messages: int
    last_at: str


def write_programme(folder: Path, referrals: int, *, copies: int = 1) -> Programme:
    """Write the sample programme of so many referrals, each message as often in a row as said."""
    file = folder / f"{referrals}-referrals-{copies}-times.jsonl"
    messages = 0
    line = b""
    with file.open("wb") as out:
        for line in programme(referrals, 0):
            out.write(line * copies)
            messages += copies
    return Programme(file, referrals, messages, line[7 : line.index(b'"', 7)].decode())


def live_referrals(count: int) -> Iterator[bytes]:
    """JSON lines in pieces: so many referrals, all of them live at the end. None is a real person's.

    Each comes with a full participant, is accepted, and has one session booked. First all are referred, then
    all accepted, then all booked, as over two days, so each state is made three times, with others between.
    """
    step = max(1, (_LAST_AT - _FIRST_AT) // (3 * count))
    at = _FIRST_AT
    for letter in (_referral, _accepted, _booked):
        for first in range(0, count, _PIECE):
            piece = []
            for number in range(first, min(first + _PIECE, count)):
                piece.append(letter(number, format_instant(at)))
                at += step
            yield "".join(piece).encode()


def _referral(number: int, at: str) -> str:
    born = _birth_date(number)
    return (
        f'{{"at":"{at}","topic":"prap.referrals","type":"Referral","value":{{'
        f'"message_id":"{number:08x}-5eed-4bad-8bad-{number:08x}0001","po_number":"PO{41_000_000 + number}",'
        '"po_revision":1,"action_plan_annotation":"Work Programme Information Session-Mandatory",'
        f'"referred_on":"{at[:10]}","provider_id":"PRV{number % 18:02}",'
        f'"contract_package_area":"CPA{number % 18:02}","jobcentre_id":"JCP-{number % 700:03}",'
        '"benefit":"ESA","claimant_group":"ESA_IR_WRAG_OVER_12_MONTHS",'
        f'"mandation":{{"basis":"WORK_RELATED_ACTIVITY","recorded_on":"{at[:10]}"}},'
        f'"participant":{{"nino":"XX{number % 1_000_000:06}A","forename":"Forename{number % 997}",'
        f'"surname":"Surname{number % 9973}","date_of_birth":"{born}",'
        f'"phone":"07700 900{number % 1_000:03}","email":"participant.{number}@example.org",'
        f'"address":["{number % 300} Specimen Close","Example Quarter","Norwich"],'
        f'"postcode":"ZZ{number % 99:02} {number % 9}AA","preferred_language":"Welsh",'
        '"interpreter_needed":true}}}\n'
    )


def _birth_date(number: int) -> str:
    """A birth date, another one for each of some thousands of numbers."""
    return format_instant((_BORN_FIRST + number % 16_000) * 86_400_000)[:10]


def _accepted(number: int, at: str) -> str:
    return (
        f'{{"at":"{at}","topic":"provider.session-records","type":"ReferralAccepted","value":{{'
        f'"message_id":"{number:08x}-5eed-4bad-8bad-{number:08x}0002","po_number":"PO{41_000_000 + number}",'
        f'"provider_id":"PRV{number % 18:02}","accepted_at":"{at}"}}}}\n'
    )


def _booked(number: int, at: str) -> str:
    provider = f"PRV{number % 18:02}"
    return (
        f'{{"at":"{at}","topic":"provider.session-records","type":"SessionBooked","value":{{'
        f'"message_id":"{number:08x}-5eed-4bad-8bad-{number:08x}0003","po_number":"PO{41_000_000 + number}",'
        f'"provider_id":"{provider}","session_id":"{provider}-20160623-{number // 360:05}",'
        '"session_name":"Work Programme information session","starts_at":"2016-06-23T09:00:00Z",'
        '"duration_minutes":60,"location":"Example House, 12 Sample Street, Norwich","format":"GROUP",'
        f'"notified_at":"{at}"}}}}\n'
    )
