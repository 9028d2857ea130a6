"""What a prime contractor asks of many providers at once comes in order, whole, by pages of any size."""

from pathlib import Path
from typing import Final

import pytest

from gateway.engine.log import Changes, Draft, Record
from gateway.reading.filling import fill
from gateway.reading.tables import ProjectionFile
from gateway.reading.view import Place, View
from gateway.rules.events import Instruction
from schemas.codec import encode
from tests.cli.running import referral
from tests.reading.filling import a_log, decide, filled

PROVIDERS: Final = [f"PRV{number:02}" for number in range(1, 8)]
PARTITIONS: Final = 3
EACH: Final = 40


def told(number: int, provider_id: str, decided_at: int) -> Draft:
    po_number = f"PO{number:05}"
    instruction = Instruction(
        event_id=f"{po_number}-1",
        po_number=po_number,
        provider_id=provider_id,
        instruction="ACCEPT_REFERRAL",
        decided_at=decided_at,
        rule="GSG ¶1",
    )
    return Draft("provider.instructions", po_number.encode(), encode(instruction))


@pytest.mark.parametrize("limit", [1, 3, 7, 100, 1_000])
def test_instructions(tmp_path: Path, limit: int) -> None:
    """Those of one provider lie side by side, those of another far apart."""
    records = []
    for partition in range(PARTITIONS):
        for offset in range(len(PROVIDERS) * EACH):
            provider_id = PROVIDERS[0 if offset < EACH else offset % len(PROVIDERS)]
            at = offset * PARTITIONS + partition
            draft = told(at, provider_id, at)
            records.append(Record(draft.topic, partition, offset, at, draft.key, draft.value))
    file = ProjectionFile(tmp_path / "projection")
    file.empty("a log")
    fill(file, Changes(records, {}, {}, 0))
    view = View(file)
    asked = frozenset(PROVIDERS[:-1])
    place: tuple[int, ...] = (0,) * PARTITIONS
    found: list[str] = []
    while page := view.instructions(asked, place, limit):
        found += (each.instruction.po_number for each in page)
        place = page[-1].place
    theirs = [at for at in range(len(records)) if at // PARTITIONS < EACH or (at // PARTITIONS) % 7 != 6]
    assert found == [f"PO{at:05}" for at in theirs]
    view.close()
    file.close()


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_referrals(tmp_path: Path, limit: int) -> None:
    lines = [
        referral(po_number=f"PO{number:03}", provider_id=PROVIDERS[number * number % len(PROVIDERS)])
        for number in range(60)
    ]
    async with a_log(tmp_path / "gateway.db") as log:
        await decide(log, lines)
        await filled(log, tmp_path / "projection")
    file = ProjectionFile(tmp_path / "projection")
    view = View(file)
    after: Place | None = None
    found: list[str] = []
    while page := view.referrals(frozenset(PROVIDERS[:4]), "OPEN", after, limit):
        found += (each.po_number for each in page)
        after = page[-1].referral.referred_on, page[-1].po_number
    theirs = {line["value"]["po_number"] for line in lines if line["value"]["provider_id"] in PROVIDERS[:4]}
    assert found == sorted(theirs, reverse=True)
    view.close()
    file.close()
