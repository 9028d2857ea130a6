"""How long `gateway backup` takes while a gateway works on the log: `python -m benchmarks.backup`.

A programme is decided, so that the log has a size. Then the log is copied: with nothing else going on, and
while the gateway decides what is fed meanwhile. Prints what benchmarks/backup.md reports.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

GATEWAY = str(Path(sys.executable).with_name("gateway"))


def main() -> None:
    """Do the rounds and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--referrals", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)

        def gateway(*arguments: str, stdin: bytes = b"") -> bytes:
            done = subprocess.run(
                [GATEWAY, *arguments], cwd=here, input=stdin, capture_output=True, check=True
            )
            return done.stdout

        def backup(number: str) -> str:
            began = perf_counter()
            gateway("backup", f"{number}.db")
            took = perf_counter() - began
            return f"{took:.1f} s for {(here / f'{number}.db').stat().st_size / 1024**2:,.0f} MiB"

        lines = gateway("sample", "--referrals", str(2 * given.referrals), "--seed", "1").splitlines(True)
        half = len(lines) // 2
        gateway("feed", "--keep-time", "-", stdin=b"".join(lines[:half]))
        running = [GATEWAY, "run", "--clock", "log"]
        with subprocess.Popen(running, cwd=here, stderr=subprocess.DEVNULL) as process:
            try:
                outcomes = 0
                while outcomes < half:
                    outcomes = gateway("tail", "--from-start", "--no-follow", "gateway.outcomes").count(b"\n")
                print("nothing going on:", *(backup(f"alone-{n}") for n in range(given.rounds)), sep="\n  ")
                gateway("feed", "--keep-time", "-", stdin=b"".join(lines[half:]))
                print("while deciding:", *(backup(f"beside-{n}") for n in range(given.rounds)), sep="\n  ")
            finally:
                process.terminate()


if __name__ == "__main__":
    main()
