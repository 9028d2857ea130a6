"""How long partitions are without an owner: `python -m benchmarks.kafka_handover HOST:PORT`.

Two processes of `gateway run` share the partitions. One is told to stop, or killed, and the time is taken
until the other one has claimed all that were the first one's.
"""

import sys
import uuid
from argparse import ArgumentParser
from asyncio import run
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.topics_create import create
from tests.kafka.gateways import Gateway, several, share
from tests.patience import eventually


def main() -> int:
    """Hand over as often as asked for, in each way, and print what each took."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    prefix = f"handover-{uuid.uuid4().hex}."
    partitions = given.partitions
    run(
        create(
            BrokerConnection((given.bootstrap,)),
            prefix,
            partitions=partitions,
            default_partitions=partitions,
            replication=None,
            timestamps="log",
        )
    )
    for how, end in (("told to stop", Gateway.terminate), ("killed", Gateway.kill)):
        for _ in range(given.rounds):
            with TemporaryDirectory() as folder, several(2, Path(folder), given.bootstrap, prefix) as both:
                eventually(lambda: share(both, partitions))
                one, other = both
                began_s = perf_counter()
                end(one)
                eventually(lambda: share([other], partitions))  # noqa: B023
                print(f"{how}: {perf_counter() - began_s:.1f} s until the other one owns all", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
