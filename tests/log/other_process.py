"""Another process on a log, which commits step after step until it is killed.

    python -m tests.log.other_process KIND PLACE PARTITIONS

Step n puts out the record n and keeps n as the state of PO1, and of PO-n. The number of each step is
printed when it is to be committed and when it has been.
"""

import asyncio
import sys
from pathlib import Path

from gateway.backends.embedded.log import open_embedded
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.engine.log import Log
from tests.log.reading import OUT, draft, owned, step


async def opened(kind: str, place: str, partitions: int) -> Log:
    """The log, as `for_another_process` of its arrangement names it."""
    if kind == "sqlite":
        return await open_embedded(Path(place), partitions=partitions)
    if kind == "kafka":
        bootstrap, prefix = place.split("/")
        return KafkaLog(BrokerConnection((bootstrap,)), prefix=prefix, grace_s=0)
    raise ValueError(f"no log of kind {kind} can be opened here")


async def work(log: Log) -> None:
    """Go on from what was committed, for ever."""
    claim, restored = await owned(log)
    number = int(restored.states.get("PO1", b"0"))
    while True:
        number += 1
        print(f"begins {number}", flush=True)
        outputs = [draft(OUT, b"%d" % number) for _ in range(20)]
        states = {"PO1": b"%d" % number, f"PO-{number}": b"%d" % number, f"PO-{number - 3}": None}
        await claim.commit(step(restored.positions, *outputs, states=states, decided_to=number))
        print(f"has {number}", flush=True)


async def main() -> None:
    """Open the log that is named, and work on it."""
    kind, place, partitions = sys.argv[1:]
    await work(await opened(kind, place, int(partitions)))


if __name__ == "__main__":
    asyncio.run(main())
