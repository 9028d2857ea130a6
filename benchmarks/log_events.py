"""What it costs to log decisions: `make bench-logs`.

A sample programme is put on an embedded log once. Then copies of it are decided by turns in this process, as
`gateway run` does it, with each choice of GATEWAY_LOG_EVENTS, the lines going to a file by standard error.
Turns are short, since what else runs on the machine changes. Printed is the processor time of the process
(user and system, all threads) a message, and the median over the rounds of its ratio to `none` in that round.
"""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.programmes import write_programme
from gateway.backends.embedded.log import open_embedded
from gateway.intake.feed import feed
from gateway.processes.plan import plan_of
from gateway.processes.start import run
from gateway.reading.log_lines import Chosen
from gateway.reading.tables import LogTables
from gateway.settings.settings import Settings
from gateway.system import telemetry
from schemas.json import parse_instant

CHOICES: Final[tuple[Chosen, ...]] = ("none", "notable", "all")
#: After the last deadline of the programme.
UNTIL: Final = parse_instant("2030-01-01T00:00:00Z")


def main() -> None:
    """Run the rounds and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--referrals", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=61)
    given = parser.parse_args()
    for name in [each for each in os.environ if each.startswith("GATEWAY_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)  # no .env counts
        programme = write_programme(folder, given.referrals)
        asyncio.run(_feed(folder / "fed.db", programme.file))
        logged = os.open(folder / "logged.jsonl", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        os.dup2(logged, sys.stderr.fileno())
        telemetry.configure("info")
        _decided(folder, "all")  # what is done once in a process is done before it counts
        rounds: list[dict[Chosen, float]] = []
        for number in range(given.rounds):
            in_turn = CHOICES if number % 2 else CHOICES[::-1]
            rounds.append({choice: _decided(folder, choice) for choice in in_turn})
        for choice in CHOICES:
            us = sorted(each[choice] / programme.messages * 1e6 for each in rounds)
            ratios = sorted(each[choice] / each["none"] for each in rounds)
            quarter = len(rounds) // 4
            half = f"{ratios[quarter]:.3f} to {ratios[-1 - quarter]:.3f} in half of the rounds"
            print(f"{choice}: {median(us):.1f} us a message, {us[0]:.1f} in the best round;", end=" ")
            print(f"to none {median(ratios):.3f}, {half}")
        print(f"{programme.messages:,} messages, {given.rounds} rounds")


async def _feed(path: Path, programme: Path) -> None:
    log = await open_embedded(path, clock="log", tables=LogTables())
    try:
        with programme.open("rb") as lines:
            await feed(log, lines, keep_time=True, checked=lambda: None)
    finally:
        await log.close()


def _decided(folder: Path, choice: Chosen) -> float:
    """The processor time, in seconds, of deciding a copy of the log; its lines are written when it ends."""
    copy = folder / "copy.db"
    shutil.copyfile(folder / "fed.db", copy)
    settings = Settings(log_url=f"sqlite:///{copy}", log_events=choice, http_port=0)
    began = time.process_time()
    asyncio.run(run(plan_of(settings, clock="log", until=UNTIL)))
    telemetry.drain()
    took = time.process_time() - began
    for left in folder.glob("copy.db*"):
        left.unlink()
    return took


if __name__ == "__main__":
    main()
