"""Runs on topics of their own: how long each took, and what of processors and memory."""

import asyncio
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from benchmarks.by_turns import cpu_s
from benchmarks.kafka_latency import Latency, Taken, TooSlow
from benchmarks.peers.contenders import Contender, Failed, Place
from benchmarks.peers.feeding import Letter, fill, make_topics, outcomes
from gateway.engine.partitioner import partition_for
from tests.broker.broker import Broker

#: Of the messages, how many must have an outcome: without deadlines some wait for their referral for ever.
_DECIDED = 0.99


class Run(Struct, frozen=True):
    """What a programme took, from the start of the processes to their end.

    processor_s: of all its processes; broker_s: of the broker meanwhile. peak_mib: of all together.
    """

    messages: int
    seconds: float
    processor_s: float
    broker_s: float
    peak_mib: float
    outcomes: int

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def processor_us(self) -> float:
        """Processor time a message, in µs."""
        return self.processor_s / self.messages * 1_000_000

    @property
    def broker_us(self) -> float:
        """Processor time of the broker a message, in µs."""
        return self.broker_s / self.messages * 1_000_000


class Runs:
    """Runs on one broker, each contender on topics of its own with so many partitions."""

    def __init__(self, folder: Path, broker: Broker, partitions: int) -> None:
        self._folder = folder
        self._broker = broker
        self._partitions = partitions

    def decide(self, who: Contender, given: Sequence[Letter], until: str, processes: int = 1) -> Run:
        """Have messages decided by so many processes, and what is due by `until`. Raises Failed."""
        place = self._place("create", who)
        asyncio.run(self._fill(place, who, given))
        if who.module is None:
            several = ("--workers", str(processes)) if processes > 1 else ()
            # The peers don't log what they decide either.
            commands = [place.gateway("run", "--clock", "log", "--until", until, *several, log_events="none")]
        else:
            shares = self._shares(given, processes)
            commands = [
                place.peer(
                    who.module, "--messages", str(messages), "--only", str(only), "--of", str(processes)
                )
                for only, messages in enumerate(shares)
            ]
        broker_before_s, began_s = cpu_s(self._broker.pid), time.perf_counter()
        weighed = [each.ended() for each in [place.weighed(command) for command in commands]]
        seconds = time.perf_counter() - began_s
        run = Run(
            len(given),
            # Without the time that starting to weigh takes, where there is one.
            weighed[0].seconds if len(weighed) == 1 else seconds,
            sum(each.processor_s for each in weighed),
            cpu_s(self._broker.pid) - broker_before_s,
            sum(each.peak_mib for each in weighed),
            asyncio.run(outcomes(place.bootstrap, place.prefix, place.partitions)),
        )
        if run.outcomes < _DECIDED * run.messages:
            raise Failed(f"{who.name} left {run.outcomes:,} outcomes of {run.messages:,} messages")
        return run

    def latency(self, who: Contender, rate: int, seconds: float) -> Taken | None:
        """From send to outcome at a rate; None: it doesn't keep up."""

        def start(prefix: str) -> "subprocess.Popen[bytes]":
            place = Place(self._folder, self._broker.bootstrap, prefix, self._partitions)
            if who.module is None:
                return place.live(place.gateway("run", http_port="0", log_events="none"))
            return place.live(place.peer(who.module))

        each = Latency(
            self._broker.bootstrap, self._partitions, self._broker.pid, start, one_input=who.one_input
        )
        try:
            return asyncio.run(each.measure(rate, seconds))
        except TooSlow:
            return None

    def _place(self, timestamps: Literal["create", "log"], who: Contender) -> Place:
        place = Place(
            self._folder, self._broker.bootstrap, f"peers-{uuid.uuid4().hex[:12]}.", self._partitions
        )
        asyncio.run(
            make_topics(
                place.bootstrap,
                place.prefix,
                place.partitions,
                one_input=who.one_input,
                timestamps=timestamps,
            )
        )
        return place

    async def _fill(self, place: Place, who: Contender, given: Sequence[Letter]) -> None:
        await fill(place.bootstrap, place.prefix, place.partitions, given, one_input=who.one_input)

    def _shares(self, given: Sequence[Letter], processes: int) -> list[int]:
        """How many messages each process has, of those that divide the partitions among them."""
        count = Counter(partition_for(each.key, self._partitions) % processes for each in given)
        return [count[only] for only in range(processes)]
