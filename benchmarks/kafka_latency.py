"""How long a message takes on Kafka, from send to outcome: `python -m benchmarks.kafka_latency HOST:PORT`.

One process decides by the wall clock, as a live system does. Messages of the sample come at a steady rate;
each is timed from when it is sent until a consumer that reads only what is committed has its outcome.
"""

import asyncio
import sys
import time
import uuid
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from msgspec import Struct

from benchmarks.by_turns import cpu_s
from benchmarks.processes import Commands
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.topics_create import create
from gateway.engine.partitioner import partition_for
from gateway.intake.lines import read_lines
from gateway.rules.events import Outcome
from gateway.rules.messages import TOPIC_OF
from gateway.sample import programme
from producers.by_event import RECORDS
from producers.outcomes import TOPIC as OUTCOMES
from schemas.codec import decode, encode
from tests.patience import in_the_end

#: How often what is due is sent.
_TICK_S: Final = 0.002
#: What is sent for so long isn't counted: modules are imported, and caches filled.
_WARM_S: Final = 3.0
_REST_S: Final = 5.0
_SHARES: Final = (0.5, 0.9, 0.99, 0.999)


class Message(Struct, frozen=True):
    """A message as it is sent."""

    topic: str
    key: bytes
    value: bytes
    message_id: str


def main() -> int:
    """Measure at each rate, and print percentiles and processor time."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("--rates", default="10,100,1000,5000", help="messages a second, with commas")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--broker", type=int, help="its process id, to weigh it too")
    given = parser.parse_args()
    for rate in map(int, given.rates.split(",")):
        with TemporaryDirectory() as folder:
            each = Latency(given.bootstrap, Path(folder), given.partitions, given.broker)
            asyncio.run(each.measure(rate, given.seconds))
    return 0


class Latency:
    """One gateway on topics of its own, and when messages were sent and their outcomes seen."""

    def __init__(self, bootstrap: str, folder: Path, partitions: int, broker: int | None) -> None:
        self._bootstrap = bootstrap
        self._prefix = f"latency-{uuid.uuid4().hex}."
        self._partitions = partitions
        self._broker = broker
        self._commands = Commands(
            folder,
            log_url=f"kafka://{bootstrap}",
            topic_prefix=self._prefix,
            http_port="0",
            log_level="error",
        )
        self._sent_s: dict[str, float] = {}
        self._seen_s: dict[str, float] = {}

    async def measure(self, rate: int, seconds: int) -> None:
        """Send at a rate, wait for all outcomes, rest, and print what it took."""
        await create(
            BrokerConnection((self._bootstrap,)),
            self._prefix,
            partitions=self._partitions,
            default_partitions=self._partitions,
            replication=None,
            timestamps="log",
        )
        consumer = AIOKafkaConsumer(
            f"{self._prefix}{OUTCOMES}",
            bootstrap_servers=self._bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, acks="all", linger_ms=0)
        await consumer.start()
        await producer.start()
        reading = asyncio.create_task(self._read(consumer))
        gateway = self._commands.started("run")
        try:
            first, *rest = messages_up_to_today(round(rate * (seconds + _WARM_S)) + 1)
            # The first is decided when all has been claimed; it isn't counted.
            await self._send(producer, first)
            await in_the_end(lambda: self._seen_s)
            weighed = self._weighed(gateway.pid)
            began_s = time.perf_counter()
            await self._send_steadily(producer, rest, rate)
            await in_the_end(lambda: self._seen_s.keys() >= self._sent_s.keys())
            cost = self._a_second(gateway.pid, weighed, time.perf_counter() - began_s)
            weighed = self._weighed(gateway.pid)
            await asyncio.sleep(_REST_S)
            at_rest = self._a_second(gateway.pid, weighed, _REST_S)
        finally:
            gateway.terminate()
            gateway.wait()
            reading.cancel()
            await consumer.stop()
            await producer.stop()
        took = sorted(self._seen_s[each] - at for each, at in self._sent_s.items() if at > began_s + _WARM_S)
        shares = ", ".join(f"p{100 * each:g} {took[int(each * len(took))] * 1000:.0f} ms" for each in _SHARES)
        print(f"{rate:,} a second: {shares}; processor time a second: {cost}; at rest: {at_rest}", flush=True)

    async def _send_steadily(self, producer: AIOKafkaProducer, messages: list[Message], rate: int) -> None:
        began_s = time.perf_counter()
        sent = 0
        while sent < len(messages):
            due = min(len(messages), int((time.perf_counter() - began_s) * rate) + 1)
            for message in messages[sent:due]:
                await self._send(producer, message)
            sent = due
            await asyncio.sleep(max(_TICK_S, 1 / rate / 4))

    async def _send(self, producer: AIOKafkaProducer, message: Message) -> None:
        self._sent_s.setdefault(message.message_id, time.perf_counter())
        await producer.send(
            f"{self._prefix}{message.topic}",
            message.value,
            message.key,
            partition=partition_for(message.key, self._partitions),
        )

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        async for record in consumer:
            outcome = decode(record.value, RECORDS[OUTCOMES])
            if isinstance(outcome, Outcome):
                self._seen_s.setdefault(outcome.message_id, time.perf_counter())

    def _weighed(self, gateway: int) -> tuple[float, ...]:
        return tuple(cpu_s(pid) for pid in (gateway, self._broker) if pid is not None)

    def _a_second(self, gateway: int, before: tuple[float, ...], seconds: float) -> str:
        used = [(b - a) / seconds for a, b in zip(before, self._weighed(gateway), strict=True)]
        return ", ".join(
            f"{name} {each:.2f} s" for name, each in zip(("gateway", "broker"), used, strict=False)
        )


def messages_up_to_today(count: int) -> Iterator[Message]:
    """So many of the sample's, about referrals that have come up to today."""
    lines = programme(max(20, count // 3), 0, datetime.now(UTC).date())
    for _, line in zip(range(count), read_lines(lines), strict=False):
        if (message := line.message) is not None:
            key = message.po_number.encode()
            yield Message(TOPIC_OF[type(message)], key, encode(message), message.message_id)


if __name__ == "__main__":
    sys.exit(main())
