"""A copy says the same as the embedded log itself, whether it has followed it or is made from it anew."""

import json
import random
from pathlib import Path

import pytest

from gateway.reading.copy_file import CopyFile
from gateway.sample import programme as sample
from tests.cli.running import Json
from tests.oracle.programmes import programme
from tests.reading.filling import a_log, decide, differences, fill_up, filled, following, in_parts, rows


async def all_ways(lines: list[Json], folder: Path, seed: int, partitions: int) -> None:
    draw = random.Random(seed)
    most = draw.choice((3, 40, 1_000))
    async with a_log(folder / "gateway.db", partitions=partitions, most=most) as log:
        file = CopyFile(folder / "followed")
        for part in in_parts(lines, draw):
            if draw.random() < 0.5:
                async with following(log, file):
                    await decide(log, part)
            else:
                await decide(log, part)
        await fill_up(log, file)
        file.close()
        wanted = rows(folder / "gateway.db")
        assert differences(rows(folder / "followed"), wanted) == {}
        assert differences(await filled(log, folder / "anew"), wanted) == {}


@pytest.mark.parametrize("seed", range(4))
async def test_of_a_believable_programme(seed: int, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in sample(40, seed)]
    await all_ways(lines, tmp_path, seed, partitions=1 + seed % 3)


#: Those of 4, 7, 11, 15 and 18 have purchase orders that come anew.
@pytest.mark.parametrize("seed", [*range(8), 11, 15, 18])
async def test_of_a_programme_at_the_rulebooks_edges(seed: int, tmp_path: Path) -> None:
    await all_ways(programme(seed, 6), tmp_path, seed, partitions=1 + seed % 3)
