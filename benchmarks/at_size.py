"""The embedded log at size: `python -m benchmarks.at_size 10000 300000`, a row for each number of referrals.

Each programme of `gateway sample` is fed and decided, up to its last message: so nearly all referrals are
live then. The gateway is started on that log and asked for pages of referrals. It prints a table in Markdown;
where other programs run beside it, compare processor time and bytes.
"""

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final
from urllib.request import Request, urlopen

from benchmarks.by_turns import (
    ask_until_it_answers,
    command,
    environment,
    free_port,
    memory_mib,
    processes,
    run,
)

ROOT: Final = Path(__file__).parents[1]
#: How many pages of referrals are asked for.
PAGES: Final = 20
COLUMNS: Final = (
    "referrals",
    "messages",
    "feed, µs of processor a message",
    "run, µs of processor a message",
    "feed and run, s",
    "written, kB a message",
    "disk, MiB",
    "memory deciding, MiB",
    "ready again, s",
    "memory serving, MiB",
    "page of referrals, ms",
)


@dataclass(frozen=True)
class Took:
    """What a command took. cpu_s: of all its threads. written_bytes: to disk. memory_mib: at its peak."""

    seconds: float
    cpu_s: float
    written_bytes: int
    memory_mib: float


def main() -> None:
    """Measure each size and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("referrals", type=int, nargs="+", help="how many; several are measured in turn")
    given = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"|{'--:|' * len(COLUMNS)}")
    for referrals in given.referrals:
        print(f"| {' | '.join(measured(referrals))} |", flush=True)


def measured(referrals: int) -> list[str]:
    """The row of one size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programme = folder / "programme.jsonl"
        with programme.open("wb") as lines:
            subprocess.run(
                [command(ROOT), "sample", "--referrals", str(referrals), "--seed", "1"],
                stdout=lines,
                check=True,
            )
        with programme.open("rb") as lines:
            first = last = next(lines)
            messages = 1
            for line in lines:
                messages, last = messages + 1, line
        fed = timed(folder, "feed", str(programme), "--keep-time")
        decided = timed(folder, "run", "--clock", "log", "--until", json.loads(last)["at"])
        programme.unlink()
        disk_bytes = sum(path.stat().st_size for path in folder.glob("gateway.db*"))
        ready_s, serving_mib, page_s = served(folder, json.loads(first)["value"]["provider_id"])
    return [
        f"{referrals:,}",
        f"{messages:,}",
        f"{fed.cpu_s / messages * 1e6:.0f}",
        f"{decided.cpu_s / messages * 1e6:.0f}",
        f"{fed.seconds + decided.seconds:,.0f}",
        f"{(fed.written_bytes + decided.written_bytes) / messages / 1000:.0f}",
        f"{disk_bytes / 2**20:,.0f}",
        f"{decided.memory_mib:,.0f}",
        f"{ready_s:.1f}",
        f"{serving_mib:,.0f}",
        f"{page_s * 1000:.0f}",
    ]


def timed(folder: Path, *arguments: str) -> Took:
    """Run a command of the gateway in a folder."""
    began_s = time.perf_counter()
    child = subprocess.Popen(
        [command(ROOT), *arguments],
        cwd=folder,
        env=environment(0),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"gateway {arguments[0]} ended with {child.returncode}")
    return Took(
        time.perf_counter() - began_s,
        used.ru_utime + used.ru_stime,
        used.ru_oublock * 512,
        used.ru_maxrss / 1024,
    )


def served(folder: Path, provider_id: str) -> tuple[float, float, float]:
    """How long a start takes until it is ready, its memory in MiB, and how long a page of referrals takes."""
    port = free_port()
    began_s = time.perf_counter()
    gateway = subprocess.Popen(
        [command(ROOT), "run", "--clock", "log"], cwd=folder, env=environment(port), stderr=subprocess.DEVNULL
    )
    try:
        ask_until_it_answers(f"http://127.0.0.1:{port}/readyz", {})
        ready_s = time.perf_counter() - began_s
        token = run(ROOT, "token", "--provider", provider_id, cwd=folder, port=port).decode().strip()
        asked = Request(
            f"http://127.0.0.1:{port}/v1/referrals?limit=100", headers={"Authorization": f"Bearer {token}"}
        )
        pages_s = []
        for _ in range(PAGES):
            began_s = time.perf_counter()
            with urlopen(asked, timeout=20) as answer:
                answer.read()
            pages_s.append(time.perf_counter() - began_s)
        return ready_s, sum(map(memory_mib, processes(gateway.pid))), median(pages_s)
    finally:
        gateway.send_signal(signal.SIGTERM)
        gateway.wait()


if __name__ == "__main__":
    main()
