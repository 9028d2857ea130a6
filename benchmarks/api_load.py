"""How many records a second providers can post, and how long outcomes take: python -m benchmarks.api_load.

A gateway of its own on a new embedded log, and wrk, which posts over 50 connections: first as fast as it can,
then at about half that rate with `Prefer: wait`. At the end what is on the log is counted: as many records,
each with one outcome, as there were answers.
"""

import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Final

from msgspec import json

from benchmarks.processes import Commands

#: On the disk that has the code: /tmp may be in memory, where to be durable costs nothing.
_DISK: Final = Path(__file__).parent.parent / ".benchmarks"
_SCRIPT: Final = Path(__file__).with_name("api_post.lua")
_PORT: Final = 18_734
_THREADS: Final = 2
_REFERRALS: Final = 50_000
_PATIENCE_S: Final = 120


def main() -> int:
    """Measure as often as asked for, and print what came of it."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pause-ms", type=int, default=25, help="between two posts that wait for an outcome")
    given = parser.parse_args()
    if which("wrk") is None:
        sys.exit("wrk is needed: install it, on Debian with `apt-get install wrk`")
    _DISK.mkdir(exist_ok=True)
    wrong = 0
    for _ in range(given.rounds):
        for what, wait_s, pause_ms in (
            ("posted, answered 202", 0, 0),
            ("posted, answered with the outcome", 5, given.pause_ms),
        ):
            with TemporaryDirectory(dir=_DISK, prefix="work-") as name:
                load = Load(Path(name))
                print(f"{what}: {load.run(given.connections, given.seconds, wait_s, pause_ms)}", flush=True)
                wrong += load.wrong
    return 1 if wrong else 0


class Load:
    """One gateway with its referrals, and wrk. wrong: how many records are lost, or have not one outcome."""

    def __init__(self, folder: Path) -> None:
        self._commands = Commands(
            folder, http_port=str(_PORT), rate_per_s="1000000", rate_burst="1000000", log_level="warning"
        )
        self._commands.gateway("feed", "-", stdin=_referrals())
        self.wrong = 0

    def run(self, connections: int, seconds: int, wait_s: int, pause_ms: int) -> str:
        """Post for so long; what came of it, in words."""
        with self._served() as process:
            token = self._commands.output("token", "--provider", "PRV01").strip()
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            before_s = _processor_s(process.pid)
            said = subprocess.run(
                [
                    *("wrk", f"-t{_THREADS}", f"-c{connections}", f"-d{seconds}s", "-s", str(_SCRIPT)),
                    *(f"http://127.0.0.1:{_PORT}", "--", str(_REFERRALS), str(_THREADS)),
                    *(str(wait_s), str(pause_ms), token, at),
                ],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            took_s = _processor_s(process.pid) - before_s
            _until_ready()
        (line,) = (line for line in said.splitlines() if line.startswith("RESULT "))
        requests, refused, failed, duration, half, most, longest = map(float, line.split()[1:])
        records, outcomes, several = self._on_the_log()
        # What wrk had sent and not heard of when it ended is on the log too.
        self.wrong = int(refused + failed + several + (records < requests) + (outcomes != records))
        return (
            f"{requests / duration * 1_000_000:,.0f} a second over {connections} connections, "
            f"{took_s / requests * 1_000_000:.0f} µs of processor time each; "
            f"half within {half / 1_000:.0f} ms, 99 % within {most / 1_000:.0f} ms, all within "
            f"{longest / 1_000:.0f} ms; {requests:,.0f} answers, {refused:.0f} of them refusals, "
            f"{failed:.0f} failed connections; on the log {records:,} records, {outcomes:,} outcomes, "
            f"{several} records with several"
        )

    @contextmanager
    def _served(self) -> Iterator[subprocess.Popen[bytes]]:
        with self._commands.started("run") as process:
            try:
                _until_ready()
                yield process
            finally:
                process.terminate()

    def _on_the_log(self) -> tuple[int, int, int]:
        db = sqlite3.connect(self._commands.log)
        records = db.execute(
            "SELECT count(*) FROM inbound WHERE topic = 'provider.session-records'"
        ).fetchone()[0]
        outcomes = db.execute("SELECT count(*) FROM outbound WHERE topic = 'gateway.outcomes'").fetchone()[0]
        # Of the referrals' own, which all are APPLIED, there is one each.
        lines = self._commands.output("tail", "--from-start", "--no-follow", "gateway.outcomes").splitlines()
        ids = [json.decode(line)["value"]["message_id"] for line in lines]
        db.close()
        return records, outcomes - _REFERRALS, len(ids) - len(set(ids))


def _referrals() -> Iterator[bytes]:
    now = datetime.now(UTC)
    at, on = now.strftime("%Y-%m-%dT%H:%M:%SZ"), now.strftime("%Y-%m-%d")
    for number in range(_REFERRALS):
        value = {
            "message_id": f"referral-{number}",
            "po_number": f"LOAD{number:06}",
            "po_revision": 1,
            "action_plan_annotation": "Work Programme Information Session-Voluntary",
            "referred_on": on,
            "provider_id": "PRV01",
            "contract_package_area": "CPA01",
            "jobcentre_id": "JCP-LEEDS",
            "benefit": "ESA",
            "claimant_group": "ESA_C_WRAG",
            "participant": {"forename": "Forename", "surname": "Surname", "postcode": "LS1 1AA"},
        }
        yield json.encode({"at": at, "topic": "prap.referrals", "value": value}) + b"\n"


def _until_ready() -> None:
    """Wait until everything on the log is decided, and can be asked for."""
    give_up_at = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up_at:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{_PORT}/readyz") as answer:
                said = json.decode(answer.read())
        except OSError:
            said = {"ready": False}
        if said["ready"] and not any(
            [said["projection"]["behind_records"], *(p["lag_records"] for p in said["partitions"].values())]
        ):
            return
        time.sleep(0.1)
    raise TimeoutError("the gateway was not ready in time")


def _processor_s(pid: int) -> float:
    """What a process has taken so far of this machine's processors."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
