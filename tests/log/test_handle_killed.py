"""Operators that are killed, or at work at the same time, put no letter back twice and lose none."""

import asyncio
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from gateway.engine.log import Log
from tests.log.arrangement import Arrangement
from tests.log.reading import WP11, followed, values
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
LETTERS = 150


async def operator(arrangement: Arrangement) -> asyncio.subprocess.Process:
    """A process that handles all letters that are left."""
    words = arrangement.for_another_process()
    assert words is not None
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.log.other_operator", *words, str(LETTERS)),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )


async def said_by(process: asyncio.subprocess.Process, lines: int | None = None) -> list[str]:
    """The letters that it said it had handled, until it ended, or until it is killed after so many lines."""
    assert process.stdout is not None
    said = b""
    async with asyncio.timeout(PATIENCE_S):
        while lines is None or lines > 0:
            line = await process.stdout.readline()
            if not line:
                break
            said += line
            lines = None if lines is None else lines - 1
        if lines is not None and process.returncode is None:
            process.send_signal(signal.SIGKILL)
        rest, _ = await process.communicate()
    whole = (said + rest).rpartition(b"\n")[0]
    return whole.decode().split()


async def check(log: Log) -> tuple[int, int]:
    """What is marked as put back has come back once, and nothing else; gives how many of each kind."""
    came = Counter(value.decode() for value in values(await followed(log, [WP11])) if value)
    handled = await log.handled()
    assert came == Counter(letter for letter, mark in handled.items() if mark.done == "REPLAYED")
    assert set(came.values()) <= {1}
    assert all((mark.done == "DISCARDED") == (int(letter) % 4 == 0) for letter, mark in handled.items())
    return len(came), len(handled)


@pytest.mark.parametrize("arrangement", ["sqlite", "kafka"], indirect=True)  # a simulated log has one process
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_letter_is_put_back_with_its_mark_or_not_at_all_wherever_the_operator_is_killed(
    arrangement: Arrangement, seed: int
) -> None:
    """Killed again and again; the last one comes to the end. Letters are put back in order."""
    rng = random.Random(seed)
    log = await arrangement.open()
    before = 0
    for _ in range(4):
        said = await said_by(await operator(arrangement), rng.randint(1, LETTERS // 3 // 5))
        _, marked = await check(log)
        assert set(said) <= set(await log.handled())
        assert marked >= before + len(set(said))
        before = marked
    await said_by(await operator(arrangement))
    assert await check(log) == (LETTERS - LETTERS // 4, LETTERS)
    came = [int(value or b"0") for value in values(await followed(log, [WP11]))]
    assert came == sorted(came)


@pytest.mark.parametrize("arrangement", ["sqlite", "kafka"], indirect=True)
async def test_two_operators_at_once_put_each_letter_back_once(arrangement: Arrangement) -> None:
    """One of them is killed on the way."""
    log = await arrangement.open()
    processes = [await operator(arrangement) for _ in range(3)]
    try:
        one, two, three = await asyncio.gather(
            said_by(processes[0]), said_by(processes[1]), said_by(processes[2], 7)
        )
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
    assert await check(log) == (LETTERS - LETTERS // 4, LETTERS)
    handled = Counter([*one, *two, *three])
    assert set(handled.values()) == {1}
