"""Random schedules of faults: whatever goes wrong, what comes out is what comes out when nothing does.

    python -m tests.engine.simulate --schedules 100000

A schedule is a number. From it come a few referrals' messages, when they arrive and become visible, how much
a step takes, and what goes wrong: see `simulated.Fault`. When all is decided, the records that came out are
compared with those of a run without faults, purchase order by purchase order, byte by byte, and those with
what `gateway replay` says of the same messages; so is what is kept. Exit 1 and the schedule's number where
they differ; `--seed NUMBER --schedules 1` runs that one again.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from unittest.mock import patch

import structlog
from msgspec import Struct, msgpack

from gateway.engine import step
from gateway.engine.inbox import Inbox
from gateway.engine.log import Headers, Lost
from gateway.engine.step import StepSize
from gateway.engine.worker import Worker
from tests.engine.plain_wiring import DEAD_LETTERS, PLAIN, TOPIC_OF_EVENT
from tests.engine.simulated import Fault, Faults, Ground, Killed, SimulatedClaim, SimulatedLog, Stuck
from tests.engine.small_programmes import POLICIES, SmallProgramme

#: So many schedules go through one programme, which saves making it.
SCHEDULES_A_PROGRAMME = 20
CHUNK = 200

Out = tuple[str, bytes | None, bytes | None, Headers]


class Result(Struct):
    """What is there when all is decided: per key the records that came out, in order; and what is kept."""

    outbound: dict[bytes | None, list[Out]]
    kept: list[tuple[dict[str, bytes], int | None]]


class Report(Struct):
    """How many schedules ran, what went wrong in them, and which failed and how."""

    schedules: int
    messages: int
    struck: Counter[str]
    failed: dict[int, str]


class Rig(Struct):
    """The parts that a schedule is run with; tests put broken ones in."""

    claim: type[SimulatedClaim] = SimulatedClaim
    inbox: type[Inbox] = Inbox


SOUND = Rig()


@contextmanager
def silence() -> Iterator[None]:
    """Nothing is logged meanwhile."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        yield
    finally:
        structlog.configure(**before)


class _Run:
    """One programme through the engine, with faults or without, until all is decided.

    at_once: everything is in the log from the beginning, its clock is the log's, and the workers end when
    all of it is decided. Otherwise things arrive while the workers work.
    """

    def __init__(
        self,
        programme: SmallProgramme,
        faults: Faults,
        *,
        at_once: bool,
        rig: Rig,
        size: StepSize = StepSize(),  # noqa: B008 - it is frozen
    ) -> None:
        self._programme = programme
        self._at_once = at_once
        self._size = size
        self.ground = Ground(
            programme.partitions, programme.script, until=programme.until, instants=programme.instants
        )
        if at_once:
            self.ground.let_all_arrive()
        self._quiet = [asyncio.Event() for _ in range(programme.partitions)]
        self.log = SimulatedLog(
            self.ground,
            faults,
            clock="log" if at_once else "wall",
            replace=self._start,
            quiet=() if at_once else self._quiet,
        )
        self.log.claim_type = rig.claim
        self._running: dict[asyncio.Task[None], int] = {}
        #: How many runs came to no end and had to be started again.
        self.given_up = 0

    async def to_the_end(self) -> Result:
        """Let workers work, others in the place of those that die, until every partition is done."""
        for partition in range(self._programme.partitions):
            self._start(partition)
        try:
            while self._running:
                done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    self._ended(task)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
        return self._result()

    def _start(self, partition: int) -> None:
        one = Worker(
            self.log,
            partition,
            POLICIES,
            PLAIN,
            until=self._programme.until if self._at_once else None,
            pause=_no_pause,
            step=self._size,
        )
        self._running[asyncio.ensure_future(one.run(self._quiet[partition]))] = partition

    def _ended(self, task: asyncio.Task[None]) -> None:
        partition = self._running.pop(task)
        error = task.exception()
        if error is None:
            self._quiet[partition].set()
        elif self._at_once and not isinstance(error, (Killed, Lost, Stuck)):
            # With `until`, a worker gives up after so many attempts; somebody starts it again.
            self.given_up += 1
        elif not isinstance(error, (Killed, Lost)):
            raise error
        if not self._quiet[partition].is_set() and partition not in self._running.values():
            self._start(partition)

    def _result(self) -> Result:
        outbound: dict[bytes | None, list[Out]] = {}
        for record in self.ground.outbound:
            out = (record.topic, record.key, record.value, record.headers)
            outbound.setdefault(record.key, []).append(out)
        return Result(outbound, [(kept.states, kept.decided_to) for kept in self.ground.kept])


async def _no_pause(_: float) -> None:
    await asyncio.sleep(0)


_rates = (0.0, 0.0, 0.02, 0.1, 0.3)


def _faults(rng: random.Random) -> Faults:
    rates = {fault: rate for fault in Fault if (rate := rng.choice(_rates))}
    return Faults(rng, rates, rng.choice((5, 20, 60)))


def run_schedule(
    loop: asyncio.AbstractEventLoop, seed: int, rig: Rig = SOUND
) -> tuple[int, Counter[str], str]:
    """Run one schedule: how many messages it had, what went wrong in it, and what differs, '' if nothing."""
    programme = _programme(seed // SCHEDULES_A_PROGRAMME)
    faultless = _faultless(seed // SCHEDULES_A_PROGRAMME)
    rng = random.Random(seed)
    faults = _faults(rng)
    size = StepSize(decisions=rng.choice((1, 2, 4, 8, 4_000)), waiting=rng.choice((1, 2, 5, 4_000)))
    with patch.object(step, "Inbox", rig.inbox):
        run = _Run(programme, faults, at_once=rng.random() < 0.3, rig=rig, size=size)
        try:
            result = loop.run_until_complete(run.to_the_end())
        except (Exception, Stuck) as error:  # noqa: BLE001 - whatever it is, the schedule has failed
            return len(programme.script), faults.struck, f"{type(error).__name__}: {error}"
    faults.struck["runs that gave up and were started again"] += run.given_up
    faults.struck["commits of owners who had been replaced, refused"] += run.log.fenced
    return len(programme.script), faults.struck, difference(faultless, result)


@lru_cache(maxsize=2)
def _programme(seed: int) -> SmallProgramme:
    return SmallProgramme(seed)


@lru_cache(maxsize=2)
def _faultless(seed: int) -> Result:
    """What comes out when nothing goes wrong. Raises AssertionError where replay says otherwise."""
    programme = _programme(seed)
    run = _Run(programme, Faults(), at_once=False, rig=SOUND)
    with asyncio.Runner() as runner:
        result = runner.run(run.to_the_end())
    said: dict[bytes | None, list[tuple[str, bytes | None]]] = {}
    for event in programme.events:
        pair = (TOPIC_OF_EVENT[type(event)], msgpack.encode(event))
        said.setdefault(event.po_number.encode(), []).append(pair)
    came = {
        key: pairs
        for key, outs in result.outbound.items()
        if (pairs := [(out[0], out[2]) for out in outs if out[0] != DEAD_LETTERS])
    }
    if came != said:
        raise AssertionError(f"programme {seed}: without a fault, the engine and replay differ")
    return result


def difference(expected: Result, result: Result) -> str:
    """The first difference, '' if there is none."""
    for key in {**expected.outbound, **result.outbound}:
        wanted, came = expected.outbound.get(key, []), result.outbound.get(key, [])
        if wanted == came:
            continue
        twice = [out for out, count in Counter(came).items() if count > wanted.count(out)]
        missing = [out for out in wanted if out not in came]
        said = f"{key!r}: {len(wanted)} records expected, {len(came)} came"
        if twice:
            said += f"; too many of {_short(twice[0])}"
        if missing:
            said += f"; missing {_short(missing[0])}"
        return said if twice or missing else f"{said}, in another order"
    for partition, (wanted_kept, kept) in enumerate(zip(expected.kept, result.kept, strict=True)):
        if wanted_kept != kept:
            return f"partition {partition}: what is kept differs"
    return ""


def _short(out: Out) -> str:
    topic, _, value, _ = out
    try:
        body = msgpack.decode(value or b"")
    except ValueError:
        return f"{topic} {value!r}"
    shown = [body[name] for name in ("event_id", "status", "code", "breach", "action") if body.get(name)]
    return f"{topic} {' '.join(map(str, shown))}"


def run_schedules(seeds: Iterable[int], rig: Rig = SOUND) -> Report:
    """Run these schedules, one after another."""
    report = Report(0, 0, Counter(), {})
    loop = asyncio.new_event_loop()
    unheard: list[str] = []
    loop.set_exception_handler(lambda _, what: unheard.append(f"{what['message']}: {what.get('exception')}"))
    try:
        with silence():
            for seed in seeds:
                try:
                    messages, struck, differs = run_schedule(loop, seed, rig)
                except AssertionError as error:
                    messages, struck, differs = 0, Counter(), str(error)
                report.schedules += 1
                report.messages += messages
                differs = differs or "; ".join(unheard)
                unheard.clear()
                if differs:
                    report.failed[seed] = differs
                else:
                    report.struck += struck
    finally:
        loop.close()
    return report


def main(arguments: Sequence[str] | None = None, rig: Rig = SOUND) -> int:
    """Run as many schedules as asked for and say what came of them: 0, or 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.engine.simulate", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--schedules", type=int, default=1_000, help="how many (default 1,000)")
    parser.add_argument("--seed", type=int, default=1, help="the number of the first (default 1)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at a time")
    asked = parser.parse_args(arguments)
    end = asked.seed + asked.schedules
    chunks = [range(first, min(first + CHUNK, end)) for first in range(asked.seed, end, CHUNK)]
    total = Report(0, 0, Counter(), {})
    began_s, said_s = time.monotonic(), 0.0
    with multiprocessing.Pool(min(asked.processes, len(chunks))) as pool:
        for report in pool.imap_unordered(partial(run_schedules, rig=rig), chunks):
            total.schedules += report.schedules
            total.messages += report.messages
            total.struck += report.struck
            total.failed |= report.failed
            for seed, differs in report.failed.items():
                print(f"schedule {seed} failed: {differs}", flush=True)
            took_s = time.monotonic() - began_s
            if took_s - said_s >= 10:
                said_s = took_s
                print(f"{total.schedules:,} of {asked.schedules:,} schedules, {took_s:,.0f} s", flush=True)
    _say(total, time.monotonic() - began_s)
    return 1 if total.failed else 0


def _say(total: Report, took_s: float) -> None:
    print(
        f"\n{total.schedules:,} schedules of {total.messages:,} messages in {took_s:,.0f} s;"
        f" {len(total.failed):,} failed. Survived:"
    )
    for kind, count in sorted(total.struck.items(), key=lambda item: -item[1]):
        print(f"{count:>12,} {kind}")
    for seed in sorted(total.failed):
        print(f"failed: python -m tests.engine.simulate --schedules 1 --seed {seed}")


if __name__ == "__main__":
    sys.exit(main())
