"""Random faults for a long time, while a programme goes on; then all that came out is compared.

python -m tests.faults.soak [--minutes 15] [--seed N]
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from aiokafka.errors import KafkaConnectionError

from gateway.engine.log import LogBusy
from tests.broker.broker import Broker
from tests.faults.cutting import REQUESTS, WHENS, CuttingProxy
from tests.faults.faulty import POINTS
from tests.faults.scene import FOR_EVER, IN_SMALL_STEPS, Process, Scene, in_parts, put, sample
from tests.ports import free_port

#: Much more than is decided in the time.
REFERRALS_A_MINUTE: Final = 1_000
MESSAGES_A_PART: Final = 150
#: All that was fed must have been decided every so many faults.
CHECKED_EVERY: Final = 4
MOST_PROCESSES: Final = 3
THROUGH: Final = "THROUGH"


class Soak:
    """Two or three processes, a broker, a door between them, and what can happen to each."""

    def __init__(self, rng: random.Random, scene: Scene, broker: Broker, door: CuttingProxy) -> None:
        self._rng = rng
        self._scene = scene
        self._broker = broker
        self._door = door
        self._at: Process | None = None
        self.working: list[Process] = []
        self.letters: list[str] = []
        self.survived: Counter[str] = Counter()
        self.complaints: list[str] = []
        #: Where the programme is: an instant and a purchase order of it.
        self.now = ("", "")

    @property
    def faults(self) -> dict[str, Callable[[], Awaitable[bool]]]:
        """All that can happen, by what it is called. Each says whether it did happen."""
        return {
            "process killed": self.kill,
            "process killed at a step of a commit": self.kill_at,
            "process told to stop": self.stop,
            "process frozen, and woken up": self.freeze,
            "process added": self.add,
            "connection cut at a request": self.cut,
            "broker stopped": self.stop_broker,
            "broker killed": self.kill_broker,
            "broker frozen, and woken up": self.freeze_broker,
            "batches refused": self.refuse,
            "record that nobody can decode": self.poison,
        }

    async def keep(self) -> None:
        """Have at least two processes at work."""
        for process in [*self.working]:
            if not process.running:
                self.working.remove(process)
        while len(self.working) < 2:
            await self.add()

    async def add(self, *arguments: str) -> bool:
        if len(self.working) == MOST_PROCESSES:
            return False
        self.working.append(await self._scene.start(*arguments, *FOR_EVER, command=IN_SMALL_STEPS))
        return True

    async def kill(self) -> bool:
        await self.working.pop(self._rng.randrange(len(self.working))).kill()
        return True

    async def kill_at(self) -> bool:
        point, times = self._rng.choice([*POINTS]), str(self._rng.randint(1, 10))
        return await self.add("--killed-at", point, times)

    async def stop(self) -> bool:
        process = self.working.pop(self._rng.randrange(len(self.working)))
        process.send(signal.SIGTERM)
        async with asyncio.timeout(10):
            status = await process.ended()
        # It may have been killed meanwhile. Told before it could listen to signals, it ends by the signal, or
        # with the status that says so.
        by_signal = {-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM}
        assert status in {0, *by_signal}, (status, process.grave())
        self.complaints += process.stray
        return True

    async def freeze(self) -> bool:
        process = self._rng.choice(self.working)
        process.send(signal.SIGSTOP)
        await asyncio.sleep(self._rng.uniform(0.1, 8))
        process.send(signal.SIGCONT)
        return True

    async def cut(self) -> bool:
        try:
            await self._door.cut(self._rng.choice([*REQUESTS]), self._rng.choice(WHENS), 5)
        except TimeoutError:
            return False
        return True

    async def stop_broker(self) -> bool:
        await asyncio.to_thread(self._broker.stop)
        await asyncio.sleep(self._rng.uniform(0, 10))
        await asyncio.to_thread(self._broker.start)
        return True

    async def kill_broker(self) -> bool:
        await asyncio.to_thread(self._broker.kill)
        await asyncio.to_thread(self._broker.start)
        return True

    async def freeze_broker(self) -> bool:
        self._broker.pause()
        await asyncio.sleep(self._rng.uniform(0.1, 12))
        self._broker.resume()
        return True

    async def refuse(self) -> bool:
        await self._scene.limit("gateway.outcomes", 100)
        await asyncio.sleep(self._rng.uniform(0.5, 5))
        await self._scene.limit("gateway.outcomes", 1024 * 1024)
        return True

    async def poison(self) -> bool:
        at, po_number = self.now
        await put(self._scene, [b"not Avro"], po_number.encode(), at)
        self.letters.append("UNDECODABLE")
        return True

    async def feed(self, lines: list[bytes]) -> None:
        """Put the next part of the programme on the log."""
        last = json.loads(lines[-1])
        while True:
            try:
                await self._scene.feed(lines)
            except (KafkaConnectionError, LogBusy):  # before anything was put: the broker has just come back
                await asyncio.sleep(0.5)
            else:
                break
        self.now = last["at"], last["value"]["po_number"]


async def soak(minutes: float, seed: int, folder: Path) -> None:
    """Go on for so long, and compare."""
    rng = random.Random(seed)
    door = CuttingProxy(free_port())
    lines = sample(max(round(minutes * REFERRALS_A_MINUTE), 200), seed)
    parts = in_parts(lines, len(lines) // MESSAGES_A_PART)
    began = time.monotonic()
    with Broker(
        folder / "broker", listeners={THROUGH: "PLAINTEXT"}, advertised={THROUGH: door.address}
    ) as broker:
        await asyncio.to_thread(broker.start)
        await door.open(broker.address(THROUGH))
        prefix = f"t{uuid.uuid4().hex}."
        async with Scene(door.address, prefix, partitions=4, direct=broker.bootstrap) as scene:
            it = Soak(rng, scene, broker, door)
            fed = 0
            for number, part in enumerate(parts, 1):
                if time.monotonic() > began + 60 * minutes:
                    break
                await it.keep()
                await it.feed(part)
                fed += len(part)
                name = rng.choice([*it.faults])
                if await it.faults[name]():
                    it.survived[name] += 1
                await it.keep()
                if number % CHECKED_EVERY == 0:
                    await scene.until_decided()
                    print(f"{time.monotonic() - began:.0f} s: {it.survived.total()} faults", flush=True)
            await it.keep()
            await scene.until_decided()
            while it.working:
                await it.stop()
            await scene.finish()
            await scene.check(*it.letters)
            came = sum(map(len, (await scene.came()).values()))
        await door.close()
    print(f"seed {seed}, {time.monotonic() - began:.0f} s: {fed} messages in, {came} records out, as replay")
    for name, times in it.survived.most_common():
        print(f"{times:6} {name}")
    print(f"{it.survived.total():6} in all")
    if it.complaints:
        sys.exit("and processes that were told to stop said:\n" + "".join(it.complaints))


def main() -> None:
    """Read the arguments, and go on."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    with TemporaryDirectory() as folder:
        asyncio.run(soak(arguments.minutes, arguments.seed, Path(folder)))


if __name__ == "__main__":
    main()
