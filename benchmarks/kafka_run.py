"""How fast a programme is decided, on Kafka and embedded: `python -m benchmarks.kafka_run HOST:PORT`.

The same messages by turns, each time on a new log, fed and then decided by one process each.
"""

import sys
import uuid
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.processes import Commands
from benchmarks.programmes import Programme, write_programme

#: On the disk that has the code: /tmp may be in memory, where to be durable costs nothing.
_DISK: Final = Path(__file__).parent.parent / ".benchmarks"


def main() -> int:
    """Decide as often as asked for on both, and print what each took."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("--referrals", type=int, default=20_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    _DISK.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=_DISK, prefix="work-") as name:
        folder = Path(name)
        programme = write_programme(folder, given.referrals)
        for _ in range(given.rounds):
            embedded = Commands(folder)
            embedded.forget_log()
            decide("the embedded log, 1 partition", embedded, programme)
            on_kafka = Commands(
                folder,
                log_url=f"kafka://{given.bootstrap}",
                topic_prefix=f"run-{uuid.uuid4().hex}.",
                partitions=str(given.partitions),
            )
            on_kafka.gateway("topics", "create", "--timestamps", "create")
            decide(f"Kafka, {given.partitions} partitions", on_kafka, programme)
    return 0


def decide(where: str, commands: Commands, programme: Programme) -> None:
    """Feed a programme and decide it, and print how fast."""
    feed = commands.gateway("feed", programme.file, "--keep-time")
    run = commands.gateway("run", "--clock", "log", "--until", programme.last_at)
    for what, took in (("feed", feed), ("run", run)):
        print(
            f"{where}: {what} of {programme.messages:,} messages in {took.seconds:.1f} s, "
            f"{programme.messages / took.seconds:,.0f} a second; "
            f"{took.processor_s / programme.messages * 1_000_000:.0f} µs of processor time each, "
            f"{took.peak_mib:.0f} MiB at most",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
