"""The rules of two checkouts, by turns: `python -m benchmarks.rules_by_turns OLD NEW`.

Both decide the same programme, the one that OLD's sample makes. It prints how many messages a second each
decides, how large the states are that it keeps, packed, and the ratios of NEW to OLD.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median

#: Run by the Python of each checkout. Prints the best of five, in messages a second of processor time, and
#: bytes of a state on average.
WORK = """
import gc, sys, time
from collections import deque
from msgspec import json, msgpack
from benchmarks.bench_rules import _decisions
from gateway.intake.lines import read_lines
from gateway.rules import policy
with open(sys.argv[1], "rb") as lines:
    read = list(read_lines(lines))
decisions = _decisions(read, policy.shipped())
sizes = [len(msgpack.encode(order)) for call in decisions if (order := call().order) and order.referral]
gc.collect()
gc.freeze()
best = 1e9
for _ in range(5):
    began = time.process_time()
    deque((decision() for decision in decisions), 0)
    best = min(best, time.process_time() - began)
print(json.encode([len(read) / best, sum(sizes) / len(sizes)]).decode())
"""


def main() -> None:
    """Run the rounds and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path, help="a checkout where `make setup` was run")
    parser.add_argument("new", type=Path, help="another one")
    parser.add_argument("--referrals", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        programme = Path(folder) / "programme.jsonl"
        sample = ["-m", "gateway", "sample", "--referrals", str(given.referrals), "--seed", "1"]
        programme.write_bytes(python(given.old, *sample))
        ratios = []
        for _ in range(given.rounds):
            old, new = (
                json.loads(python(each, "-c", WORK, str(programme))) for each in (given.old, given.new)
            )
            ratios.append((new[0] / old[0], new[1] / old[1]))
            print(
                f"messages/s {old[0]:,.0f} {new[0]:,.0f}, new/old {ratios[-1][0]:.2f}; "
                f"bytes of a state {old[1]:,.0f} {new[1]:,.0f}, new/old {ratios[-1][1]:.2f}",
                flush=True,
            )
        print("medians of new/old: " + ", ".join(f"{median(each):.2f}" for each in zip(*ratios, strict=True)))


def python(checkout: Path, *arguments: str) -> bytes:
    """What the Python of a checkout prints."""
    command = [checkout.absolute() / ".venv" / "bin" / "python", *arguments]
    return subprocess.run(command, cwd=checkout, stdout=subprocess.PIPE, check=True).stdout


if __name__ == "__main__":
    main()
