"""What the suite of the port needs of a log that it is run on."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.topics_create import create
from gateway.engine.log import Log, SharedLog
from tests.engine.simulated import Fault, Faults, Ground, SimulatedLog

#: Monday 14 March 2016, nine o'clock.
BEGINNING = 1_457_946_000_000


class Arrangement(Protocol):
    """A log, empty at first, that is made for one test.

    partitions: how many partition numbers it has. dated: records keep the timestamps they are put with.
    """

    partitions: int
    dated: bool

    async def open(self) -> Log:
        """A handle on the log, as another process would have; each call gives another."""

    async def another(self) -> Log:
        """A handle on another log of this kind, empty at first."""

    async def pass_time(self) -> None:
        """Let the log's clock move on by some milliseconds."""

    async def step_back(self) -> bool:
        """Let the log's clock step back by a minute. False: that can't be arranged."""

    def for_another_process(self) -> Sequence[str] | None:
        """What `tests.log.other_process` needs to open the log; None: no other process can."""

    async def close(self) -> None:
        """Let go of all handles and remove the log."""


class SharedArrangement(Arrangement, Protocol):
    """A log that several processes work on."""

    async def open(self) -> SharedLog:
        """See Arrangement."""

    async def another(self) -> SharedLog:
        """See Arrangement."""


class Simulated:
    """The simulated log without faults, or with topics that lag and clocks that stand still."""

    dated = True

    def __init__(self, partitions: int, *, lagging: bool = False) -> None:
        self.partitions = partitions
        self._ground = Ground(partitions)
        self._ground.now = BEGINNING
        self._faults = Faults()
        if lagging:
            rates = {Fault.TOPIC_LAGGED: 0.5, Fault.CLOCK_STILL: 0.3, Fault.READ_IN_PART: 0.5}
            self._faults = Faults(rates=rates, budget=50)

    async def open(self) -> SimulatedLog:
        """A handle on the same ground."""
        return SimulatedLog(self._ground, self._faults)

    async def another(self) -> SimulatedLog:
        """A handle on other ground."""
        return SimulatedLog(Ground(self.partitions))

    async def pass_time(self) -> None:
        """Seven milliseconds."""
        self._ground.now += 7

    async def step_back(self) -> bool:
        """The ground's clock is a number."""
        self._ground.now -= 60_000
        return True

    def for_another_process(self) -> Sequence[str] | None:
        """It is in this process's memory."""
        return None

    async def close(self) -> None:
        """Nothing is held."""


class Sqlite:
    """The embedded log, in a file of its own."""

    dated = True

    def __init__(self, partitions: int, folder: Path) -> None:
        self.partitions = partitions
        self._path = folder / "gateway.db"
        self._now = BEGINNING
        self._open: list[EmbeddedLog] = []

    async def open(self) -> Log:
        """Another connection to the file."""
        return await self._opened(self._path)

    async def another(self) -> Log:
        """A file beside it."""
        return await self._opened(self._path.with_name("another.db"))

    async def _opened(self, path: Path) -> Log:
        log = await open_embedded(path, partitions=self.partitions, now=lambda: self._now)
        self._open.append(log)
        return log

    async def pass_time(self) -> None:
        """Seven milliseconds."""
        self._now += 7

    async def step_back(self) -> bool:
        """The clock is handed in."""
        self._now -= 60_000
        return True

    def for_another_process(self) -> Sequence[str] | None:
        """The file's name."""
        return ("sqlite", str(self._path), str(self.partitions))

    async def close(self) -> None:
        """The file goes with its folder."""
        for log in self._open:
            await log.close()


class Kafka:
    """Topics under a prefix of their own on a real broker, which stamps what arrives, unless it is dated."""

    def __init__(self, partitions: int, bootstrap: str, prefix: str, *, dated: bool) -> None:
        self.partitions = partitions
        self.dated = dated
        self._bootstrap = bootstrap
        self._prefix = prefix
        self._open: list[KafkaLog] = []

    async def make(self, more: str = "") -> None:
        """Make the topics. more: behind the prefix, for another log."""
        await create(
            BrokerConnection((self._bootstrap,)),
            self._prefix + more,
            partitions=self.partitions,
            default_partitions=self.partitions,
            replication=None,
            timestamps="create" if self.dated else "log",
        )

    async def open(self) -> KafkaLog:
        """Another connection to the broker."""
        return self._opened(self._prefix)

    async def another(self) -> KafkaLog:
        """Topics whose prefix begins like these', so that they are deleted with them."""
        await self.make("another.")
        return self._opened(self._prefix + "another.")

    def _opened(self, prefix: str) -> KafkaLog:
        log = KafkaLog(BrokerConnection((self._bootstrap,)), prefix=prefix, grace_s=0)
        self._open.append(log)
        return log

    async def pass_time(self) -> None:
        """The broker's clock is the machine's: a few milliseconds are waited for."""
        await asyncio.sleep(0.007)

    async def step_back(self) -> bool:
        """The broker's clock is nobody's to set."""
        return False

    def for_another_process(self) -> Sequence[str] | None:
        """The broker's address, and the prefix."""
        return ("kafka", f"{self._bootstrap}/{self._prefix}", str(self.partitions))

    async def close(self) -> None:
        """Topics that nobody uses cost nothing, and go with the broker."""
        for log in self._open:
            await log.close()
