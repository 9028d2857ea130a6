"""A projection says the same whether it has followed the log or is made from it anew."""

import json
import random
from pathlib import Path

import pytest

from gateway.sample import programme as sample
from tests.cli.running import Json, record, referral
from tests.oracle.programmes import programme
from tests.projection.filling import a_log, caught_up, decide, differences, filled, following, in_parts, rows


async def both_ways(lines: list[Json], folder: Path, seed: int, partitions: int) -> None:
    draw = random.Random(seed)
    async with a_log(folder / "gateway.db", partitions=partitions) as log:
        async with following(log, folder / "followed") as projection:
            for part in in_parts(lines, draw):
                await decide(log, part)
                if draw.random() < 0.7:
                    await caught_up(log, projection)
            await caught_up(log, projection)
        assert differences(rows(folder / "followed"), await filled(log, folder / "anew")) == {}


@pytest.mark.parametrize("seed", range(6))
async def test_of_a_believable_programme(seed: int, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in sample(60, seed)]
    await both_ways(lines, tmp_path, seed, partitions=1 + seed % 3)


@pytest.mark.parametrize("seed", range(25))
async def test_of_a_programme_at_the_rulebooks_edges(seed: int, tmp_path: Path) -> None:
    await both_ways(programme(seed, 6), tmp_path, seed, partitions=1 + seed % 3)
