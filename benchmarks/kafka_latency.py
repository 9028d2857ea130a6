"""How long a message takes on Kafka, from send to outcome: `python -m benchmarks.kafka_latency HOST:PORT`.

One process decides by the wall clock, as a live system does. Messages of the sample come at a steady rate;
each is timed from when it is sent until a consumer that reads only what is committed has its outcome.
"""

import asyncio
import subprocess
import sys
import time
import uuid
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from msgspec import Struct

from benchmarks.by_turns import cpu_s
from benchmarks.peers.deciding import INPUT
from benchmarks.peers.feeding import make_topics
from benchmarks.processes import Commands
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
#: Longer than any that keeps up needs for its last messages.
_KEEPS_UP_S: Final = 20.0
_SHARES: Final = (0.5, 0.9, 0.99, 0.999)


class Message(Struct, frozen=True):
    """A message as it is sent."""

    topic: str
    key: bytes
    value: bytes
    message_id: str


class Taken(Struct, frozen=True):
    """What it took at a rate. seconds: from send to outcome, of each message, in ascending order.

    processor_s: of who decided and of the broker, a second; at_rest_s: likewise with no messages.
    """

    rate: int
    seconds: list[float]
    processor_s: tuple[float, ...]
    at_rest_s: tuple[float, ...]

    def share_ms(self, share: float) -> float:
        """Within how many milliseconds this share of the outcomes came."""
        return self.seconds[int(share * len(self.seconds))] * 1_000


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
            start = gateway_in(Path(folder), given.bootstrap)
            each = Latency(given.bootstrap, given.partitions, given.broker, start)
            taken = asyncio.run(each.measure(rate, given.seconds, _REST_S))
        shares = ", ".join(f"p{100 * share:g} {taken.share_ms(share):.0f} ms" for share in _SHARES)
        print(
            f"{rate:,} a second: {shares}; processor time a second: {_in_words(taken.processor_s)}; "
            f"at rest: {_in_words(taken.at_rest_s)}",
            flush=True,
        )
    return 0


def _in_words(used: tuple[float, ...]) -> str:
    return ", ".join(f"{name} {each:.2f} s" for name, each in zip(("gateway", "broker"), used, strict=False))


#: Starts who decides on the topics with that prefix.
Start = Callable[[str], "subprocess.Popen[bytes]"]


def gateway_in(folder: Path, bootstrap: str) -> Start:
    """Starts a gateway that decides by the wall clock, with what it keeps in a folder."""

    def start(prefix: str) -> "subprocess.Popen[bytes]":
        settings = {"topic_prefix": prefix, "http_port": "0", "log_level": "error"}
        return Commands(folder, log_url=f"kafka://{bootstrap}", **settings).started("run")

    return start


class TooSlow(RuntimeError):
    """Who decides does not keep up with the rate."""


class Latency:
    """Topics of their own, who decides on them, and when messages were sent and their outcomes seen.

    broker: its process id, to weigh it too. one_input: all messages are put on one topic.
    """

    def __init__(
        self, bootstrap: str, partitions: int, broker: int | None, start: Start, *, one_input: bool = False
    ) -> None:
        self._bootstrap = bootstrap
        self._prefix = f"latency-{uuid.uuid4().hex}."
        self._partitions = partitions
        self._broker = broker
        self._start = start
        self._one_input = one_input
        self._sent_s: dict[str, float] = {}
        self._seen_s: dict[str, float] = {}

    async def measure(self, rate: int, seconds: float, rest_s: float = 0.0) -> Taken:
        """Send at a rate, wait for all outcomes, and rest. Raises TooSlow."""
        await make_topics(
            self._bootstrap, self._prefix, self._partitions, one_input=self._one_input, timestamps="log"
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
        deciding = self._start(self._prefix)
        try:
            first, *rest = messages_up_to_today(round(rate * (seconds + _WARM_S)) + 1)
            # The first is decided when all has been claimed; it isn't counted.
            await self._send(producer, first)
            await in_the_end(lambda: self._seen_s)
            weighed = self._weighed(deciding.pid)
            began_s = time.perf_counter()
            await self._send_steadily(producer, rest, rate)
            await self._until_all_seen()
            used = self._a_second(deciding.pid, weighed, time.perf_counter() - began_s)
            weighed = self._weighed(deciding.pid)
            await asyncio.sleep(rest_s)
            at_rest = self._a_second(deciding.pid, weighed, rest_s) if rest_s else ()
        finally:
            deciding.terminate()
            try:
                deciding.wait(_KEEPS_UP_S)
            except subprocess.TimeoutExpired:
                deciding.kill()
                deciding.wait()
            reading.cancel()
            await consumer.stop()
            await producer.stop()
        took = [self._seen_s[each] - at for each, at in self._sent_s.items() if at > began_s + _WARM_S]
        return Taken(rate, sorted(took), used, at_rest)

    async def _until_all_seen(self) -> None:
        try:
            async with asyncio.timeout(_KEEPS_UP_S):
                while not self._seen_s.keys() >= self._sent_s.keys():  # noqa: ASYNC110 - no event says so
                    await asyncio.sleep(0.01)
        except TimeoutError:
            missing = len(self._sent_s.keys() - self._seen_s.keys())
            raise TooSlow(f"{missing:,} outcomes are missing after {_KEEPS_UP_S:.0f} s") from None

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
            self._prefix + (INPUT if self._one_input else message.topic),
            message.value,
            message.key,
            partition=partition_for(message.key, self._partitions),
        )

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        async for record in consumer:
            outcome = decode(record.value, RECORDS[OUTCOMES])
            if isinstance(outcome, Outcome):
                self._seen_s.setdefault(outcome.message_id, time.perf_counter())

    def _weighed(self, deciding: int) -> tuple[float, ...]:
        return tuple(cpu_s(pid) for pid in (deciding, self._broker) if pid is not None)

    def _a_second(self, deciding: int, before: tuple[float, ...], seconds: float) -> tuple[float, ...]:
        return tuple((b - a) / seconds for a, b in zip(before, self._weighed(deciding), strict=True))


def messages_up_to_today(count: int) -> Iterator[Message]:
    """So many of the sample's, about referrals that have come up to today."""
    lines = programme(max(20, count // 3), 0, datetime.now(UTC).date())
    for _, line in zip(range(count), read_lines(lines), strict=False):
        if (message := line.message) is not None:
            key = message.po_number.encode()
            yield Message(TOPIC_OF[type(message)], key, encode(message), message.message_id)


if __name__ == "__main__":
    sys.exit(main())
