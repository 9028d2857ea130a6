"""SIGKILL at any moment, as often as one likes: what comes out is what replay says, nothing twice."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.backends.embedded.log import open_embedded
from gateway.engine.log import INBOUND_TOPICS
from gateway.reading.tables import LogTables
from tests.log.reading import followed
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
GATEWAY = (str(Path(sys.executable).with_name("gateway")),)
SHORT_LIVED = (sys.executable, "-m", "tests.engine.short_lived")
#: So far ahead that every deadline of the sample has fallen due, and the first referrals are forgotten.
UNTIL = "2017-12-31T00:00:00Z"


@dataclass
class Place:
    """A folder with a sample, and a log made in it."""

    folder: Path

    @property
    def sample(self) -> Path:
        """The messages."""
        return self.folder / "sample.jsonl"

    async def start(self, *arguments: str, command: Sequence[str] = GATEWAY) -> asyncio.subprocess.Process:
        """A process of the gateway on this log."""
        return await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                **os.environ,
                "GATEWAY_LOG_URL": f"sqlite:///{self.folder / 'gateway.db'}",
                "GATEWAY_LOG_LEVEL": "debug",
            },
            limit=1 << 20,
        )

    async def said(self, *arguments: str) -> bytes:
        """What the command prints; it must succeed."""
        process = await self.start(*arguments)
        async with asyncio.timeout(PATIENCE_S):
            out, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return out

    async def make(self, referrals: int, seed: int) -> None:
        """Write the sample."""
        out = await self.said("sample", "--referrals", str(referrals), "--seed", str(seed))
        self.sample.write_bytes(out)


async def run_and_kill(place: Place, size: str, commits: int, pause_s: float) -> int | None:
    """Run until so many steps have been committed, and for that long more; then kill.

    However late the kill comes, the process has committed one step more at the most.
    Gives how many steps were committed, or None where the process came to its end before.
    """
    command = (*SHORT_LIVED, size, str(commits + 1))
    process = await place.start("run", "--clock", "log", "--until", UNTIL, command=command)
    assert process.stderr is not None
    seen, said = 0, b""
    async with asyncio.timeout(PATIENCE_S):
        while seen < commits and (line := await process.stderr.readline()):
            said += line
            seen += b'"step.committed"' in line
        try:
            await asyncio.wait_for(process.wait(), pause_s)
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
        _, rest = await process.communicate()
    if process.returncode == 0:
        return None
    assert process.returncode == -signal.SIGKILL, (said + rest).decode()
    return seen + rest.count(b'"step.committed"')


def by_po_number(lines: Iterable[bytes]) -> dict[str, list[bytes]]:
    """The lines of each purchase order, in order."""
    sorted_out: dict[str, list[bytes]] = {}
    for line in lines:
        sorted_out.setdefault(json.loads(line)["key"], []).append(line)
    return sorted_out


async def check_the_output(place: Place) -> None:
    """It is what replay says, purchase order by purchase order, byte by byte."""
    came = (await place.said("tail", "--from-start", "--no-follow")).splitlines()
    wanted = (await place.said("replay", str(place.sample), "--until", UNTIL)).splitlines()
    ids = [json.loads(line)["value"]["event_id"] for line in came]
    assert len(set(ids)) == len(ids)
    assert len(came) == len(wanted)
    assert by_po_number(came) == by_po_number(wanted)


async def kill_again_and_again(
    place: Place, rng: random.Random, size: str, *, kills: int, commits: int
) -> None:
    """Feed the sample, and run until all is decided, killed so many times on the way."""
    await place.said("feed", str(place.sample), "--keep-time")
    committed = 0
    for _ in range(kills):
        steps = await run_and_kill(place, size, rng.randint(0, commits), rng.uniform(0, 0.03))
        assert steps is not None, "it came to its end"
        committed += steps
    await place.said("run", "--clock", "log", "--until", UNTIL)
    print(f"killed {kills} times, with {committed} steps committed meanwhile")
    assert committed >= kills // 2


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_killed_at_any_moment_and_started_again_it_decides_each_message_once(
    tmp_path: Path, seed: int
) -> None:
    """With a step every few messages, so that the kills fall before, within and after commits."""
    place = Place(tmp_path)
    await place.make(300, seed)
    await kill_again_and_again(place, random.Random(seed), "small", kills=15, commits=8)
    await check_the_output(place)


@pytest.mark.slow
async def test_with_large_steps_killed_at_any_moment_it_decides_each_message_once(tmp_path: Path) -> None:
    """As many messages a step as it takes by itself, which take longer to commit."""
    place = Place(tmp_path)
    await place.make(9_000, 3)
    await kill_again_and_again(place, random.Random(3), "usual", kills=10, commits=2)
    await check_the_output(place)


async def test_a_feed_that_is_killed_has_put_all_its_messages_or_none(tmp_path: Path) -> None:
    """And the log can be fed and run as before."""
    place = Place(tmp_path)
    await place.make(700, 4)
    lines = len(place.sample.read_bytes().splitlines())
    rng = random.Random(4)
    began_s = time.monotonic()
    await place.said("feed", str(place.sample), "--keep-time")
    takes_s = time.monotonic() - began_s
    for path in tmp_path.glob("gateway.db*"):
        path.unlink()
    found = []
    for _ in range(6):
        process = await place.start("feed", str(place.sample), "--keep-time")
        try:
            await asyncio.wait_for(process.wait(), takes_s * rng.uniform(0.3, 1.0))
        except TimeoutError:
            process.send_signal(signal.SIGKILL)
        await process.communicate()
        found.append(await _inbound(tmp_path / "gateway.db"))
        if found[-1]:
            break
    print(f"killed while feeding, {found} messages on the log")
    assert set(found) <= {0, lines}
    if not found[-1]:
        await place.said("feed", str(place.sample), "--keep-time")
    await place.said("run", "--clock", "log", "--until", UNTIL)
    await check_the_output(place)


async def _inbound(path: Path) -> int:
    # Where the feed was killed before it had made the file, this makes it.
    log = await open_embedded(path, tables=LogTables())
    count = len(await followed(log, INBOUND_TOPICS))
    await log.close()
    return count
