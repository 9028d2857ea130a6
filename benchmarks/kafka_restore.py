"""How long a large state takes to restore: `python -m benchmarks.kafka_restore HOST:PORT`.

The states are committed as the gateway commits them. Then `gateway run` is started as a process, and the time
is taken from its start until it has said of all partitions that they are claimed. By the log's clock nothing
falls due meanwhile.
"""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from argparse import ArgumentParser
from resource import RUSAGE_CHILDREN, getrusage
from time import perf_counter
from typing import Final

from benchmarks.processes import GATEWAY
from benchmarks.programmes import live_referrals
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.topics_create import create
from gateway.engine.log import INBOUND_TOPICS, Commit
from gateway.engine.partitioner import partition_for
from gateway.engine.purchase_orders import PurchaseOrders
from gateway.intake.lines import read_lines
from gateway.rules import policy

#: How many states differ from each other in more than their number.
DIFFERENT: Final = 1_000
A_COMMIT: Final = 5_000


def main() -> int:
    """Prepare, restore as often as asked for, and print what each took."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("--states", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prefix", help="That of an earlier run, whose states are used again.")
    given = parser.parse_args()
    prefix = given.prefix or f"restore-{uuid.uuid4().hex}."
    if given.prefix is None:
        size = asyncio.run(fill(given.bootstrap, prefix, given.states, given.partitions))
        print(f"{given.states:,} states, {size / given.states:.0f} bytes each, under {prefix}", flush=True)
    for _ in range(given.rounds):
        seconds, kept = restore(given.bootstrap, prefix, given.partitions)
        peak_mib = getrusage(RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{kept:,} states in {seconds:.1f} s, at most {peak_mib:,.0f} MiB", flush=True)
    return 0


async def fill(bootstrap: str, prefix: str, count: int, partitions: int) -> int:
    """Commit so many states: those of some live referrals, again and again under other numbers.

    Returns how many bytes they are together.
    """
    purchase_orders = PurchaseOrders(policy.shipped())
    po_numbers = []
    for piece in live_referrals(min(DIFFERENT, count)):
        for line in read_lines(piece.splitlines()):
            if line.message is not None:
                purchase_orders.keep(line.message.po_number, purchase_orders.decide(line.message, line.at))
                po_numbers.append(line.message.po_number)
    states = [state for po_number in po_numbers[:DIFFERENT] if (state := purchase_orders.packed(po_number))]
    connection = BrokerConnection((bootstrap,))
    await create(
        connection,
        prefix,
        partitions=partitions,
        default_partitions=partitions,
        replication=None,
        timestamps="log",
    )
    by_partition: dict[int, dict[str, bytes]] = {number: {} for number in range(partitions)}
    size = 0
    for number in range(count):
        po_number = f"PO{41_000_000 + number}"
        state = states[number % len(states)]
        by_partition[partition_for(po_number.encode(), partitions)][po_number] = state
        size += len(state)
    log = KafkaLog(connection, prefix=prefix)
    try:
        for number, all_states in by_partition.items():
            claim = await log.claim(number)
            items = [*all_states.items()]
            for first in range(0, len(items), A_COMMIT):
                some = dict(items[first : first + A_COMMIT])
                await claim.commit(Commit([], some, dict.fromkeys(INBOUND_TOPICS, 0), 0))
            await claim.release()
    finally:
        await log.close()
    return size


def restore(bootstrap: str, prefix: str, partitions: int) -> tuple[float, int]:
    """Seconds from the start of `gateway run` until it owns all partitions, and how many states they have."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment = kept | {
        "GATEWAY_LOG_URL": f"kafka://{bootstrap}",
        "GATEWAY_TOPIC_PREFIX": prefix,
        "GATEWAY_HTTP_PORT": "0",
    }
    started = perf_counter()
    with subprocess.Popen(
        [GATEWAY, "run", "--clock", "log"], env=environment, stderr=subprocess.PIPE
    ) as process:
        claimed: dict[int, int] = {}
        assert process.stderr is not None
        for said in process.stderr:
            line = json.loads(said)
            if line["event"] == "partition.claimed":
                claimed[line["partition"]] = line["purchase_orders"]
                if len(claimed) == partitions:
                    break
        seconds = perf_counter() - started
        process.terminate()
        process.stderr.read()
    if len(claimed) < partitions:
        raise RuntimeError(f"gateway run ended with {process.returncode} before it owned all partitions")
    return seconds, sum(claimed.values())


if __name__ == "__main__":
    sys.exit(main())
