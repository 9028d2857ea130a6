"""A programme on topics of its own, gateway processes that decide it, and what must have come of it."""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

from aiokafka import AIOKafkaProducer
from aiokafka.admin.new_partitions import NewPartitions
from aiokafka.errors import KafkaError
from msgspec import msgpack

from gateway.backends.kafka.claim import PROGRESS, Progress, read_state
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.backends.kafka.topics import administering
from gateway.backends.kafka.topics_create import create
from gateway.engine.log import LogBusy
from gateway.engine.partitioner import partition_for
from gateway.intake.feed import feed
from gateway.intake.lines import read_lines
from gateway.replay.decisions import replay
from gateway.replay.event_lines import to_line
from gateway.rules import policy
from gateway.rules.events import DeadLetter
from gateway.sample import programme
from producers.read_back import OUTBOUND_TOPICS, read_event
from schemas.json import parse_instant
from tests.cli.running import clean_environment
from tests.kafka.altering import alter
from tests.patience import PATIENCE_S

#: When every deadline of the programmes has passed.
UNTIL: Final = "2018-06-01T00:00:00Z"
END: Final = parse_instant(UNTIL)
GATEWAY: Final = (sys.executable, "-m", "gateway")
#: The gateway with so few decisions a step that there are many commits; it may end itself at one of them.
IN_SMALL_STEPS: Final = (sys.executable, "-m", "tests.faults.faulty")
ROOT: Final = Path(__file__).parents[2]
TO_THE_END: Final = ("run", "--clock", "log", "--until", UNTIL)
FOR_EVER: Final = ("run", "--clock", "log")

Records = dict[tuple[str, str], list[bytes]]
Json = dict[str, Any]


class Process:
    """A gateway process, and what it has logged so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._heard = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())
        #: What it has logged, and what it has said in any other way.
        self.lines: list[Json] = []
        self.stray: list[str] = []

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        while said := await self._process.stderr.readline():
            try:
                self.lines.append(json.loads(said))
            except ValueError:
                self.stray.append(said.decode(errors="replace"))
            self._heard.set()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it is there."""
        return self._process.returncode is None

    def heard(self, event: str, **fields: object) -> list[Json]:
        """Its log lines of that event."""
        return [line for line in self.lines if line["event"] == event and fields.items() <= line.items()]

    async def until(self, event: str, times: int = 1, **fields: object) -> None:
        """Wait until it has logged an event so many times."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.heard(event, **fields)) < times:
                if self._listening.done():
                    raise AssertionError(f"it ended without {event}: {self.lines[-20:]} {self.stray}")
                self._heard.clear()
                await asyncio.wait(
                    {self._listening, heard := asyncio.ensure_future(self._heard.wait())},
                    return_when=asyncio.FIRST_COMPLETED,
                )
                heard.cancel()

    def grave(self) -> list[str]:
        """What it has logged that is not logged every day."""
        return [
            json.dumps(line)
            for line in self.lines
            if line["level"] != "debug" and not line["event"].startswith("message.")
        ] + self.stray

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self.running:
            self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; its status, or minus the signal that ended it."""
        async with asyncio.timeout(PATIENCE_S):
            status = await self._process.wait()
            await self._listening
        return status

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.running:
            self._process.kill()
        await self.ended()

    async def stop(self) -> None:
        """SIGTERM: it must end with status 0, and have said nothing that is no log line."""
        self.send(signal.SIGTERM)
        await self.well()

    async def well(self) -> None:
        """It must end with status 0, and have said nothing that is no log line."""
        status = await self.ended()
        assert (status, self.stray) == (0, []), (status, self.stray, self.lines[-20:])


class Scene:
    """Topics under a prefix of their own, whose records keep the time that they are put with.

    bootstrap: where the gateway processes find the broker. direct: where this process does, when that is
    another address.
    """

    def __init__(
        self, bootstrap: str, prefix: str, *, partitions: int = 3, direct: str | None = None
    ) -> None:
        self._bootstrap = bootstrap
        self.prefix = prefix
        self.partitions = partitions
        self.direct = BrokerConnection((direct or bootstrap,))
        self._fed: list[bytes] = []
        self.processes: list[Process] = []
        #: The codes of the dead letters that have come out.
        self.letters: list[str] = []

    async def __aenter__(self) -> Self:
        await create(
            self.direct,
            self.prefix,
            partitions=self.partitions,
            default_partitions=self.partitions,
            replication=None,
            timestamps="create",
        )
        return self

    async def __aexit__(self, failed: object, *_: object) -> None:
        for process in self.processes:
            process.send(signal.SIGCONT)
            await process.kill()
            if failed:
                print(f"process {process.pid}", *process.grave(), sep="\n    ")

    def log(self, *, start_s: float = 30.0, commit_s: float = 20.0) -> KafkaLog:
        """The log in this process. To be closed. start_s, commit_s: its patience with the broker."""
        connection = replace(self.direct, start_s=start_s)
        return KafkaLog(connection, prefix=self.prefix, clock="log", commit_s=commit_s)

    def named(self, topic: str) -> str:
        """What a topic is called on the broker."""
        return self.prefix + topic

    async def limit(self, topic: str, size: int) -> None:
        """Let a topic take records of so many bytes at the most."""
        await self.configure(topic, {"max.message.bytes": str(size)})

    async def configure(self, topic: str, configs: dict[str, str]) -> None:
        """Set a topic's configuration to this."""
        # What is set replaces what was; and records of long ago are not to be deleted.
        dated = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
        await alter(self.direct, self.named(topic), dated | configs)

    async def widen(self, partitions: int, *topics: str) -> None:
        """Give topics more partitions."""
        async with administering(self.direct) as client:
            await client.create_partitions({self.named(topic): NewPartitions(partitions) for topic in topics})

    async def feed(self, lines: Iterable[bytes]) -> None:
        """Put messages on the inbound topics, dated by what the lines say."""
        lines = list(lines)
        log = self.log()
        try:
            await feed(log, lines, keep_time=True, checked=lambda: None)
        finally:
            await log.close()
        self.has_been_fed(lines)

    def has_been_fed(self, lines: Iterable[bytes]) -> None:
        """What somebody else has put on the inbound topics."""
        self._fed += lines

    async def refused(self, *says: str) -> None:
        """A gateway that is started here must end with a sentence that says this."""
        process = await self.start(*TO_THE_END)
        assert await process.ended() in {1, 2}
        (failed,) = process.heard("gateway.failed")
        assert all(words in f"{failed['reason']}; {failed['what_to_do']}" for words in says), failed

    async def start(self, *arguments: str, command: Sequence[str] = GATEWAY, **settings: str) -> Process:
        """A gateway process. settings: such as session_timeout_s="6"."""
        process = Process(
            await asyncio.create_subprocess_exec(
                *command,
                *arguments,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=clean_environment()
                | {
                    "GATEWAY_LOG_URL": f"kafka://{self._bootstrap}",
                    "GATEWAY_TOPIC_PREFIX": self.prefix,
                    "GATEWAY_LOG_LEVEL": "debug",
                    "GATEWAY_SESSION_TIMEOUT_S": "2",
                }
                | {f"GATEWAY_{name.upper()}": value for name, value in settings.items()},
                limit=1 << 20,
            )
        )
        self.processes.append(process)
        return process

    async def finish(self, **settings: str) -> Process:
        """Decide all that is left, and what is due by the end of the programme."""
        process = await self.start(*TO_THE_END, **settings)
        await process.well()
        return process

    async def decided(self) -> dict[int, dict[str, int]]:
        """How far each partition is decided: positions by topic."""
        log = self.log()
        decode = msgpack.Decoder(Progress).decode
        found: dict[int, dict[str, int]] = {}
        try:
            for partition in range(self.partitions):
                async for key, value in read_state(log.brokers, partition):
                    if key == PROGRESS and value is not None:
                        found[partition] = decode(value).positions
        finally:
            await log.close()
        return found

    async def came(self) -> Records:
        """What has come out, committed, by topic and po_number, in order."""
        found: Records = defaultdict(list)
        self.letters = []
        log = self.log()
        try:
            async for record in log.follow(OUTBOUND_TOPICS, from_start=True, wait=False):
                event = read_event(record)
                if isinstance(event, DeadLetter):
                    self.letters.append(event.code)
                else:
                    found[record.topic, (record.key or b"").decode()].append(to_line(event))
        finally:
            await log.close()
        return dict(found)

    def wanted(self, until: int | None = END) -> Records:
        """What replay says must come out."""
        found: Records = defaultdict(list)
        for event in replay(read_lines(self._fed), policy.shipped(), until):
            line = to_line(event)
            found[json.loads(line)["topic"], event.po_number].append(line)
        return dict(found)

    async def until_decided(self) -> None:
        """Wait until every message that was fed has its outcome."""
        ids = {json.loads(line)["value"]["message_id"] for line in self._fed if b'"tick"' not in line}
        log = self.log()
        try:
            async with asyncio.timeout(PATIENCE_S):
                while ids:
                    # A broker that was away may not have come to itself yet.
                    with suppress(LogBusy, KafkaError):
                        await self._take_off(ids, log)
        except TimeoutError:
            await self._report_stall(ids)
            raise
        finally:
            await log.close()

    async def _take_off(self, ids: set[str], log: KafkaLog) -> None:
        """Those that have their outcome, until none is left."""
        async for record in log.follow(("gateway.outcomes",), from_start=True, wait=True):
            event: Any = read_event(record)
            ids.discard(event.message_id)
            if not ids:
                return

    async def _report_stall(self, ids: set[str]) -> None:
        """Say what is not decided, how far it got, and what the processes are at."""
        lines = [json.loads(line)["value"] for line in self._fed if b'"tick"' not in line]
        missing = Counter(
            partition_for(value["po_number"].encode(), self.partitions)
            for value in lines
            if value["message_id"] in ids
        )
        print(f"not decided, by partition: {missing}; decided up to {await self.decided()}")
        for process in self.processes:
            process.send(signal.SIGUSR1)
        await asyncio.sleep(2)

    async def check(self, *letters: str) -> None:
        """None missing, none twice, and order kept within a purchase order on each topic.

        letters: the codes of the dead letters that there must be, in any order.
        """
        came, wanted = await self.came(), self.wanted()
        assert sorted(self.letters) == sorted(letters)
        missing = {key: set(lines) - set(came.get(key, ())) for key, lines in wanted.items()}
        extra = {key: set(lines) - set(wanted.get(key, ())) for key, lines in came.items()}
        assert not any(missing.values()), [next(iter(some)) for some in missing.values() if some][:5]
        assert not any(extra.values()), [next(iter(some)) for some in extra.values() if some][:5]
        twice = {key: len(lines) - len(set(lines)) for key, lines in came.items()}
        assert not any(twice.values()), {key: count for key, count in twice.items() if count}
        assert came == wanted


async def put(scene: Scene, values: Sequence[bytes], key: bytes, at: str) -> None:
    """Put values on the topic of the WP11s, as no feed would."""
    producer = AIOKafkaProducer(**scene.direct.arguments(), max_request_size=64 * 1024 * 1024)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(
                scene.named("jobcentre.wp11"), value, key, timestamp_ms=parse_instant(at)
            )
    finally:
        await producer.stop()


def sample(referrals: int, seed: int) -> list[bytes]:
    """A programme's lines."""
    return list(programme(referrals, seed=seed))


def in_parts(lines: Sequence[bytes], parts: int) -> list[list[bytes]]:
    """The lines in so many parts, none of which ends between two messages of one instant."""
    at = [json.loads(line)["at"] for line in lines]
    cuts = [0]
    for part in range(1, parts):
        cut = max(len(lines) * part // parts, cuts[-1])
        while 0 < cut < len(lines) and at[cut] == at[cut - 1]:
            cut += 1
        cuts.append(cut)
    return [list(lines[begin:end]) for begin, end in zip(cuts, [*cuts[1:], len(lines)], strict=True)]
