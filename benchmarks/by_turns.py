"""Two checkouts of the gateway on the embedded log, by turns: `python -m benchmarks.by_turns OLD NEW`.

Each round feeds a programme to `gateway run` with HTTP on, and times it from the first record fed until the
last outcome can be read over HTTP; then it feeds the same to a new log and runs it with `--until`. It prints
each figure of the second checkout as a ratio to the first, round by round, since machines are noisy.
"""

import argparse
import json
import os
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

END = "2030-01-01T00:00:00Z"


@dataclass(frozen=True)
class Figures:
    """Of one checkout in one round. cpu_s, memory_mib: of all its processes."""

    served_s: float
    cpu_s: float
    memory_mib: float
    ready_s: float
    offline_s: float


def main() -> None:
    """Run the rounds and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path, help="a checkout where `make setup` was run")
    parser.add_argument("new", type=Path, help="another one")
    parser.add_argument("--referrals", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        programme = Path(folder) / "programme.jsonl"
        sample = ["sample", "--referrals", str(given.referrals), "--seed", "1"]
        programme.write_bytes(run(given.old, *sample, cwd=Path(folder)))
        messages = programme.read_bytes().splitlines()
        print(f"{len(messages):,} messages; ratios new/old of: served, processor, memory, ready, offline")
        ratios = []
        for _ in range(given.rounds):
            old, new = (measured(checkout, programme) for checkout in (given.old, given.new))
            ratios.append([b / a for a, b in zip(astuple(old), astuple(new), strict=True)])
            for name, each in (("old", old), ("new", new)):
                print(
                    f"{name}: served {len(messages) / each.served_s:,.0f}/s, "
                    f"{each.cpu_s / len(messages) * 1e6:.0f} us of processor a message, "
                    f"{each.memory_mib:.0f} MiB, ready in {each.ready_s:.2f} s, "
                    f"feed and run --until {len(messages) / each.offline_s:,.0f}/s"
                )
            print("new/old: " + ", ".join(f"{ratio:.2f}" for ratio in ratios[-1]), flush=True)
        print("medians: " + ", ".join(f"{median(column):.2f}" for column in zip(*ratios, strict=True)))


def measured(checkout: Path, programme: Path) -> Figures:
    """One round of one checkout."""
    with tempfile.TemporaryDirectory() as served, tempfile.TemporaryDirectory() as offline:
        began_s = time.perf_counter()
        run(checkout, "feed", str(programme), "--keep-time", cwd=Path(offline))
        run(checkout, "run", "--clock", "log", "--until", END, cwd=Path(offline), port=0)
        offline_s = time.perf_counter() - began_s
        return serve(checkout, programme, Path(served), offline_s)


def serve(checkout: Path, programme: Path, folder: Path, offline_s: float) -> Figures:
    """With HTTP on. The last provider's record of the programme is asked for."""
    lines = [json.loads(line) for line in programme.read_bytes().splitlines()]
    last = [line["value"] for line in lines if line["topic"] == "provider.session-records"][-1]
    port = free_port()
    began_s = time.perf_counter()
    gateway = subprocess.Popen(
        [command(checkout), "run", "--clock", "log"], cwd=folder, env=environment(port)
    )
    try:
        ask_until_it_answers(f"http://127.0.0.1:{port}/readyz", {})
        ready_s = time.perf_counter() - began_s
        token = (
            run(checkout, "token", "--provider", last["provider_id"], cwd=folder, port=port).decode().strip()
        )
        feeding = subprocess.Popen(
            [command(checkout), "feed", str(programme), "--keep-time"],
            cwd=folder,
            env=environment(port),
            stderr=subprocess.DEVNULL,
        )
        began_s = first_record_s(folder / "gateway.db")
        url = f"http://127.0.0.1:{port}/v1/messages/{last['message_id']}"
        while True:
            outcome = ask_until_it_answers(url, {"Authorization": f"Bearer {token}"})
            if outcome["status"] != "PENDING":
                break
            time.sleep(0.05)
        served_s = time.perf_counter() - began_s
        feeding.wait()
        every = processes(gateway.pid)
        return Figures(served_s, sum(map(cpu_s, every)), sum(map(memory_mib, every)), ready_s, offline_s)
    finally:
        gateway.send_signal(signal.SIGTERM)
        gateway.wait()


def first_record_s(log: Path) -> float:
    """When the log had its first inbound record, in seconds of the performance counter."""
    with closing(sqlite3.connect(f"file:{log}?mode=ro", uri=True)) as connection:
        while connection.execute("SELECT 1 FROM inbound LIMIT 1").fetchone() is None:
            time.sleep(0.005)
    return time.perf_counter()


def ask_until_it_answers(url: str, headers: dict[str, str]) -> dict[str, str]:
    """The JSON of an answer 200."""
    while True:
        try:
            with urlopen(Request(url, headers=headers), timeout=20) as answer:
                return dict(json.load(answer))
        except (HTTPError, URLError, OSError):
            time.sleep(0.01)


def run(checkout: Path, *arguments: str, cwd: Path, port: int = 0) -> bytes:
    """What a command prints."""
    done = subprocess.run(
        [command(checkout), *arguments],
        cwd=cwd,
        env=environment(port),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return done.stdout


def command(checkout: Path) -> Path:
    """The command of a checkout."""
    return checkout.absolute() / ".venv" / "bin" / "gateway"


def environment(port: int) -> dict[str, str]:
    """Without other settings of the gateway; modules are compiled once, as where it is installed."""
    left_out = ("GATEWAY_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {"GATEWAY_HTTP_PORT": str(port), "GATEWAY_LOG_LEVEL": "error"}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def processes(pid: int) -> list[int]:
    """A process and all that came of it."""
    found = [pid]
    for each in found:
        children = Path(f"/proc/{each}/task/{each}/children").read_text("ascii")
        found += map(int, children.split())
    return found


def cpu_s(pid: int) -> float:
    """What a process has used of processors so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Its share of memory: what several processes share is counted once among them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__":
    main()
