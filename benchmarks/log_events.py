"""What it costs to log decisions: `python -m benchmarks.log_events`.

A sample programme is put on an embedded log once. Then `gateway run` decides it by turns with each choice of
GATEWAY_LOG_EVENTS, its log going to a file. Printed is the processor time of deciding, that of a start on an
empty log left out, and each choice as a ratio to `none`, round by round, since machines are noisy.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

CHOICES = ("none", "notable", "all")
COMMAND = Path(sys.executable).parent / "gateway"


def main() -> None:
    """Run the rounds and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--referrals", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        programme = folder / "programme.jsonl"
        with programme.open("wb") as out:
            sample = [COMMAND, "sample", "--referrals", str(given.referrals), "--seed", "1"]
            subprocess.run(sample, stdout=out, check=True)
        with programme.open("rb") as lines:
            messages = sum(1 for _ in lines)
        empty, fed = folder / "empty.db", folder / "fed.db"
        gateway(empty, "topics", "create")
        gateway(fed, "feed", "--keep-time", str(programme))
        rounds = []
        for _ in range(given.rounds):
            start_s = decided(empty, "none")
            seconds = [decided(fed, choice) - start_s for choice in CHOICES]
            rounds.append([each / seconds[0] for each in seconds])
            spoken = ", ".join(
                f"{choice} {each / messages * 1e6:.1f} us a message ({ratio:.3f})"
                for choice, each, ratio in zip(CHOICES, seconds, rounds[-1], strict=True)
            )
            print(spoken, flush=True)
        medians = [f"{median(column):.3f}" for column in zip(*rounds, strict=True)]
        print(f"{messages:,} messages; medians: {dict(zip(CHOICES, medians, strict=True))}")


def decided(log: Path, choice: str) -> float:
    """The processor time, in seconds, of a process that decides a copy of a log."""
    copy = log.with_name("copy.db")
    shutil.copyfile(log, copy)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    gateway(copy, "run", "--clock", "log", "--until", "2030-01-01T00:00:00Z", choice=choice)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    for left in log.parent.glob("copy.db*"):
        left.unlink()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def gateway(log: Path, *arguments: str, choice: str = "none") -> None:
    """Run a command on a log; what it logs goes to a file."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    settings = {
        "GATEWAY_LOG_URL": f"sqlite:///{log}",
        "GATEWAY_LOG_EVENTS": choice,
        "GATEWAY_HTTP_PORT": "0",
    }
    with (log.parent / "logged.jsonl").open("wb") as logged:
        subprocess.run(
            [COMMAND, *arguments], env=kept | settings, stdout=logged, stderr=subprocess.STDOUT, check=True
        )


if __name__ == "__main__":
    main()
