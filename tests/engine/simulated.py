"""A log in memory whose faults come from a seed: the third implementation of the port, for tests only.

`Ground` is what lasts, as a file or a broker does; `SimulatedLog` is one process's handle on it. Nothing
here sleeps: time is a number that moves on while somebody reads, and with it a script of arrivals. What a
read shows is always true, though it may be partial or behind: `ends` are counted after the records have
been taken, and `quiet_at` is never later than what arrives after that.
"""

import asyncio
import random
import uuid
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from enum import StrEnum

from gateway.engine.forgetting import Asked, asked_of, is_asked
from gateway.engine.inbox import NEVER
from gateway.engine.log import (
    AUDIT,
    CONTROL,
    DELIVERY_PLANS,
    INBOUND_TOPICS,
    Assignment,
    Batch,
    Changes,
    Commit,
    Draft,
    Handled,
    LogError,
    Lost,
    NoSuchPartition,
    PartitionOwner,
    PositionsGone,
    Record,
    Restored,
)
from gateway.engine.partitioner import partition_for
from gateway.engine.pausing import Pause, key_of, paused, resumed

#: What arrives, and when, in order.
Script = Sequence[tuple[int, Draft]]

#: How many records or states a read of changes goes past.
CHANGES = 7
#: More reads than any schedule needs: beyond them, somebody waits for what will never come.
MOST_READS = 20_000


class Fault(StrEnum):
    """What can go wrong. The value is how the report calls it."""

    COMMIT_FAILED = "commits that failed and took no effect"
    COMMIT_IN_DOUBT = "commits that took effect and raised"
    KILLED_BEFORE_COMMIT = "kills before a commit took effect"
    KILLED_AFTER_COMMIT = "kills after a commit took effect"
    KILLED_READING = "kills while reading"
    REPLACED_COMMITTING = "owners replaced before their commit"
    REPLACED_READING = "owners replaced after their read"
    TOPIC_LAGGED = "reads in which a topic lagged behind"
    READ_IN_PART = "reads that went only up to some earlier moment"
    MORE_ARRIVED = "reads during which more arrived"
    CLOCK_BACK = "steps back of the clock"
    CLOCK_STILL = "times the clock stood still"
    READ_FAILED = "reads that failed"
    RESTORE_FAILED = "restores that failed"
    CLAIM_FAILED = "claims that failed"


class LogAway(Exception):
    """The simulated log can't be reached at the moment."""


class Killed(BaseException):
    """The process dies here: nothing after it is done, not even what handles an Exception."""


class Stuck(BaseException):
    """Nothing comes to an end, although nothing goes wrong any more."""


class Faults:
    """Which faults strike, and how often each did.

    rates: how probable each is when it could strike. budget: how many strike at the most, so that every
    schedule ends.
    """

    def __init__(
        self, rng: random.Random | None = None, rates: Mapping[Fault, float] | None = None, budget: int = 0
    ) -> None:
        self.rng = rng or random.Random(0)
        self.rates = rates or {}
        self.budget = budget
        self.struck: Counter[str] = Counter()

    def strikes(self, fault: Fault) -> bool:
        """Whether it strikes now."""
        rate = self.rates.get(fault, 0.0)
        if not rate or self.budget <= 0 or self.rng.random() >= rate:
            return False
        self.budget -= 1
        self.struck[fault] += 1
        return True


class _Kept:
    """What a partition number has committed."""

    def __init__(self) -> None:
        self.epoch = 0
        self.states: dict[str, bytes] = {}
        self.positions = dict.fromkeys(INBOUND_TOPICS, 0)
        self.decided_to: int | None = None


class Ground:
    """What lasts: the records, what was committed, and the time.

    script: what will arrive; a read lets time pass, and with it come the records. until: when the script
    has ended, time goes on to this instant. instants: at which something is expected to fall due, so that
    time stops by them too.
    """

    def __init__(
        self,
        partitions: int = 1,
        script: Script = (),
        *,
        until: int = NEVER,
        instants: Sequence[int] = (),
    ) -> None:
        self.name = uuid.uuid4().hex
        self.partitions = partitions
        self.script = script
        self.until = until
        self.instants = instants
        self.now = script[0][0] - 1 if script else 0
        self.arrived = 0
        #: Per topic and partition number: the records, and the place of each among all that arrived.
        self.inbound: dict[tuple[str, int], list[Record]] = {
            (topic, partition): [] for topic in INBOUND_TOPICS for partition in range(partitions)
        }
        self.places: dict[tuple[str, int], list[int]] = {where: [] for where in self.inbound}
        self.arrived_at: list[int] = []
        self.outbound: list[Record] = []
        #: Each change of a state, in the order in which they were committed.
        self.changed: list[tuple[str, bytes | None]] = []
        self.handled: dict[str, Handled] = {}
        self.clock_accepted: int | None = None
        self.pauses: dict[int, Pause] = {}
        self.asked: dict[bytes | None, Asked] = {}
        self.kept = [_Kept() for _ in range(partitions)]

    def put(self, draft: Draft, at: int, partition: int | None = None) -> None:
        """A record arrives on an inbound topic, or a delivery plan or an act on its own.

        partition: where somebody put it; None: where it belongs.
        """
        if partition is None:
            partition = partition_for(draft.key, self.partitions)
        if draft.topic in {DELIVERY_PLANS, AUDIT}:
            self.put_out(draft, partition, at)
            return
        if draft.topic == CONTROL:
            assert is_asked(draft.key or b"")
            self.asked[draft.key] = asked_of(draft.value or b"")
            return
        records = self.inbound[draft.topic, partition]
        records.append(
            Record(draft.topic, partition, len(records), at, draft.key, draft.value, draft.headers)
        )
        self.places[draft.topic, partition].append(len(self.arrived_at))
        self.arrived_at.append(at)

    def put_out(self, draft: Draft, partition: int, at: int) -> None:
        """A record goes out."""
        offset = len(self.outbound)
        self.outbound.append(
            Record(draft.topic, partition, offset, at, draft.key, draft.value, draft.headers)
        )

    @property
    def in_order(self) -> list[Record]:
        """All that has arrived, in order of arrival."""
        records = [record for some in self.inbound.values() for record in some]
        return sorted(records, key=lambda r: self.places[r.topic, r.partition][r.offset])

    def let_all_arrive(self) -> None:
        """The whole script is in the log, each record at its time, before anybody reads."""
        for at, draft in self.script[self.arrived :]:
            self.put(draft, at)
            self.now = max(self.now, at)
        self.arrived = len(self.script)

    @property
    def over(self) -> bool:
        """Nothing more arrives, and time has come to its end."""
        return self.arrived == len(self.script) and self.now >= self.until

    def let_time_pass(self, rng: random.Random | None) -> None:
        """Time goes on: mostly to the next thing that happens, sometimes by a leap over many of them.

        Without rng, by the next thing only. What arrives at the very instant at which time stops may have
        come or still be on its way.
        """
        if self.over:
            return
        script, arrived = self.script, self.arrived
        ahead = script[arrived][0] if arrived < len(script) else self.until
        place = bisect_left(self.instants, self.now + 1)
        if place < len(self.instants):
            ahead = min(ahead, self.instants[place])
        if rng is not None:
            chance = rng.random()
            if chance < 0.25:
                ahead = script[min(arrived + rng.randint(0, 6), len(script) - 1)][0]
            elif chance < 0.28:
                ahead = self.until
            elif chance < 0.35:
                ahead -= 1
        self.now = max(self.now, min(ahead, self.until) if self.arrived == len(script) else ahead)
        while self.arrived < len(script):
            at, draft = script[self.arrived]
            if at > self.now or (at == self.now and rng is not None and rng.random() < 0.3):
                break
            self.put(draft, at)
            self.arrived += 1


class SimulatedChanges:
    """What is committed on the ground, a few at a time. The positions are places in its lists."""

    def __init__(self, ground: Ground, topics: Sequence[str], positions: Mapping[str, int]) -> None:
        self._ground = ground
        self._topics = frozenset(topics)
        self._next = {name: positions.get(name, 0) for name in ("inbound", "outbound", "states")}

    async def read(self, wait_s: float) -> Changes:
        """What has been committed since the last read. Waiting is letting others have their turn."""
        deadline_s = asyncio.get_running_loop().time() + wait_s
        while True:
            await asyncio.sleep(0)
            before, changes = self._next, self._look()
            if changes.positions != before or asyncio.get_running_loop().time() >= deadline_s:
                return changes

    def _look(self) -> Changes:
        ground, following = self._ground, {}
        ends = {
            "inbound": len(ground.arrived_at),
            "outbound": len(ground.outbound),
            "states": len(ground.changed),
        }
        for name, end in ends.items():
            if self._next[name] > end:
                raise PositionsGone("the ground is another one; begin anew")
            following[name] = min(end, self._next[name] + CHANGES)
        places = {name: slice(self._next[name], following[name]) for name in following}
        records = [] if self._topics.isdisjoint(INBOUND_TOPICS) else ground.in_order[places["inbound"]]
        records = [
            record for record in records + ground.outbound[places["outbound"]] if record.topic in self._topics
        ]
        states = dict(ground.changed[places["states"]])
        self._next = following
        return Changes(records, states, following, sum(ends.values()) - sum(following.values()))

    async def close(self) -> None:
        """Nothing is held."""


class SimulatedLog:
    """One process's handle on the ground.

    clock: 'wall', or 'log', in which no time passes but what the records' timestamps say. replace: called
    with a partition number to let another worker claim it. quiet: per partition number, set when its owner
    has read all there will ever be and has nothing left to decide.
    """

    shared = False

    def __init__(
        self,
        ground: Ground,
        faults: Faults | None = None,
        *,
        clock: str = "wall",
        replace: Callable[[int], None] | None = None,
        quiet: Sequence[asyncio.Event] = (),
    ) -> None:
        self.ground = ground
        self.faults = faults or Faults()
        self.clock = clock
        self.replace = replace
        self.quiet = quiet
        self.reads = 0
        #: How often somebody who had been replaced was kept from committing, and from reading.
        self.fenced = 0
        self.claim_type: type[SimulatedClaim] = SimulatedClaim

    async def partitions(self) -> int:
        """How many partition numbers there are."""
        return self.ground.partitions

    async def keeps_time(self) -> bool:
        """Whoever writes the script dates it."""
        return True

    async def assigned(self, after: int) -> Assignment:
        """All partition numbers, and that never changes."""
        if after:
            await asyncio.Event().wait()
        return Assignment(1, frozenset(range(self.ground.partitions)))

    async def claim(self, partition: int) -> "SimulatedClaim":
        """Own a partition number; who owned it before can commit nothing any more."""
        if self.faults.strikes(Fault.CLAIM_FAILED):
            if self.faults.rng.random() < 0.5:
                self.ground.kept[partition].epoch += 1
            raise LogAway("claim")
        kept = self.ground.kept[partition]
        kept.epoch += 1
        return self.claim_type(self, partition, kept.epoch)

    async def append(self, drafts: Iterable[Draft]) -> int:
        """Put records on their topics, all or none."""
        ground = self.ground
        newest = ground.arrived_at[-1] if ground.arrived_at else NEVER
        stamped = []
        for draft in drafts:
            at = max(ground.now, newest) if draft.timestamp is None else draft.timestamp
            if at < newest:
                raise LogError("a record is older than the newest one")
            newest = at
            stamped.append((draft, at))
        for draft, at in stamped:
            ground.put(draft, at)
        return len(stamped)

    async def handle(self, letters: Mapping[str, Draft | None]) -> frozenset[str]:
        """Put records of dead letters back, and mark the letters."""
        handled = self.ground.handled
        now = {letter: draft for letter, draft in letters.items() if letter not in handled}
        await self.append(draft for draft in now.values() if draft)
        for letter, draft in now.items():
            handled[letter] = Handled("REPLAYED" if draft else "DISCARDED", self.ground.now)
        return frozenset(now)

    async def unframed(self, value: bytes | None) -> bytes | None:
        return value

    async def handled(self) -> Mapping[str, Handled]:
        """What was done with dead letters."""
        return dict(self.ground.handled)

    async def decided_to(self) -> int | None:
        """The latest instant at which something was decided."""
        instants = [kept.decided_to for kept in self.ground.kept if kept.decided_to is not None]
        return max(instants, default=None)

    async def accept_clock(self, at: int) -> None:
        """Keep that a clock which says this is right."""
        self.ground.clock_accepted = at

    async def clock_accepted(self) -> int | None:
        """The time that was accepted last."""
        return self.ground.clock_accepted

    async def pauses(self) -> Mapping[int, Pause]:
        """Those that are paused."""
        return dict(self.ground.pauses)

    async def asked(self) -> Sequence[Asked]:
        """What is asked to be forgotten."""
        return [*self.ground.asked.values()]

    async def pause(self, partition: int, pause: Pause) -> bool:
        """Keep it."""
        if partition >= self.ground.partitions:
            raise NoSuchPartition(partition)
        if partition in self.ground.pauses:
            return False
        self.ground.pauses[partition] = pause
        self.ground.put(Draft(AUDIT, key_of(partition), paused(partition, pause)), pause.at)
        return True

    async def resume(self, partition: int, by: str, at: int) -> bool:
        """Keep that it may go on."""
        if partition >= self.ground.partitions:
            raise NoSuchPartition(partition)
        if self.ground.pauses.pop(partition, None) is None:
            return False
        self.ground.put(Draft(AUDIT, key_of(partition), resumed(partition, by, at)), at)
        return True

    async def owners(self) -> Sequence[PartitionOwner]:
        """It knows of none."""
        return ()

    async def identity(self) -> str:
        """That of the ground."""
        return self.ground.name

    async def ends(self, topics: Sequence[str]) -> dict[str, int]:
        """Those of the lists."""
        return {"inbound": len(self.ground.arrived_at), "outbound": len(self.ground.outbound)}

    async def changes(self, topics: Sequence[str], positions: Mapping[str, int]) -> SimulatedChanges:
        """A reader of what is committed on these topics, and of states."""
        return SimulatedChanges(self.ground, topics, positions)

    async def follow(
        self,
        topics: Sequence[str],
        *,
        from_start: bool,
        wait: bool,
        key: bytes | None = None,
        text: bytes | None = None,
    ) -> AsyncIterator[Record]:
        """Records of the topics in the order in which they were committed."""
        if any(topic in INBOUND_TOPICS for topic in topics):
            records = self.ground.in_order
        else:
            records = self.ground.outbound
        place = 0 if from_start else len(records)
        while True:
            while place < len(records):
                record = records[place]
                place += 1
                if record.topic in topics and record.has(key, text):
                    yield record
            if not wait:
                return
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Nothing is held."""


class SimulatedClaim:
    """One partition number of the simulated log, owned."""

    def __init__(self, log: SimulatedLog, partition: int, epoch: int) -> None:
        self.log = log
        self.partition = partition
        self.epoch = epoch
        self.kept = log.ground.kept[partition]
        self._next = dict.fromkeys(INBOUND_TOPICS, 0)
        #: Up to how many of all that arrived the last read went.
        self._shown = 0
        #: How many reads in a row, with no commit between them, have shown all there will ever be.
        self._all_shown = 0

    @property
    def owned(self) -> bool:
        """Nobody has claimed it since."""
        return self.kept.epoch == self.epoch

    async def restore(self) -> Restored:
        """What the last committed step left."""
        if self.log.faults.strikes(Fault.RESTORE_FAILED):
            raise LogAway("restore")
        kept = self.kept
        self._next = dict(kept.positions)
        return Restored(dict(kept.states), dict(kept.positions), kept.decided_to)

    async def read(self, room: Mapping[str, int], wait_s: float) -> Batch:
        """What has come, or some of it."""
        log, faults = self.log, self.log.faults
        log.reads += 1
        if log.reads > MOST_READS:
            raise Stuck(f"{MOST_READS} reads, and still not all is decided")
        # One such read may be for a second look at a record on which the rules raised.
        if self._all_shown > 1 and self.owned and log.quiet:
            log.quiet[self.partition].set()
        await asyncio.sleep(0)
        if faults.strikes(Fault.KILLED_READING):
            raise Killed
        if faults.strikes(Fault.READ_FAILED):
            raise LogAway("read")
        if not self.owned and faults.rng.random() < 0.5:
            self.fence()
        if log.ground.script:
            log.ground.let_time_pass(faults.rng if faults.rates else None)
        batch = self._look(room)
        if log.replace is not None and faults.strikes(Fault.REPLACED_READING):
            log.replace(self.partition)
            await self._others_go_first()
        return batch

    def _look(self, room: Mapping[str, int]) -> Batch:
        ground, faults = self.log.ground, self.log.faults
        records: list[Record] = []
        upto = len(ground.arrived_at)
        if self._shown < upto and faults.strikes(Fault.READ_IN_PART):
            upto = faults.rng.randint(self._shown, upto)
        partial = upto < len(ground.arrived_at)
        lags = faults.strikes(Fault.TOPIC_LAGGED)
        for topic, most in room.items():
            first = self._next[topic]
            there = self._filled(topic, upto)
            count = max(0, min(most, there - first))
            if lags and count:
                count = faults.rng.choice((0, 0, faults.rng.randint(0, count), count))
            records += ground.inbound[topic, self.partition][first : first + count]
            self._next[topic] = first + count
        while_reading = bool(ground.script) and not partial and faults.strikes(Fault.MORE_ARRIVED)
        if while_reading:
            ground.let_time_pass(faults.rng)
            upto = len(ground.arrived_at)
        self._shown = upto
        newest = ground.arrived_at[upto - 1] if upto else NEVER
        quiet_at = ground.now if self.log.clock == "wall" and not partial else newest
        ends = {topic: self._filled(topic, upto) for topic in INBOUND_TOPICS}
        if while_reading:
            for _ in range(faults.rng.randint(1, 5)):
                ground.let_time_pass(faults.rng)
        if faults.strikes(Fault.CLOCK_BACK):
            quiet_at -= faults.rng.choice((1, 60_000, 86_400_000, 2_000_000_000))
        elif faults.strikes(Fault.CLOCK_STILL):
            quiet_at = min(quiet_at, newest)
        all_shown = (
            ground.over
            and quiet_at >= ground.until
            and all(
                self._next[topic] == ends[topic] == len(ground.inbound[topic, self.partition])
                for topic in INBOUND_TOPICS
            )
        )
        self._all_shown = self._all_shown + 1 if all_shown else 0
        return Batch(records, dict(self._next), ends, quiet_at, partial, asked=[*ground.asked.values()])

    def _filled(self, topic: str, upto: int) -> int:
        """How far a topic was filled when so many records had arrived, but no less than has been read."""
        return max(bisect_left(self.log.ground.places[topic, self.partition], upto), self._next[topic])

    async def commit(self, step: Commit) -> None:
        """The step takes effect whole or not at all, whatever is answered."""
        faults = self.log.faults
        self._all_shown = 0
        if faults.strikes(Fault.KILLED_BEFORE_COMMIT):
            raise Killed
        if self.log.replace is not None and faults.strikes(Fault.REPLACED_COMMITTING):
            self.log.replace(self.partition)
            await self._others_go_first()
        await self._take_time()
        self.fence()
        if faults.strikes(Fault.COMMIT_FAILED):
            raise LogAway("commit")
        self.take_effect(step)
        await self._take_time()
        if faults.strikes(Fault.KILLED_AFTER_COMMIT):
            raise Killed
        if faults.strikes(Fault.COMMIT_IN_DOUBT):
            raise LogAway("commit, which took effect")

    def fence(self) -> None:
        """Raise Lost where somebody else has claimed it since."""
        if not self.owned:
            self.log.fenced += 1
            raise Lost(f"partition {self.partition} has another owner now")

    def take_effect(self, step: Commit) -> None:
        """All of the step, at once."""
        self.put_out(step)
        self.keep(step)

    def put_out(self, step: Commit) -> None:
        """The outputs of the step."""
        for draft in step.records():
            at = step.decided_to if draft.timestamp is None else draft.timestamp
            if draft.topic in INBOUND_TOPICS:
                self.log.ground.put(draft, at)
            else:
                self.log.ground.put_out(draft, self.partition, at)

    def keep(self, step: Commit) -> None:
        """The states and positions of the step."""
        kept = self.kept
        for po_number, state in step.states.items():
            if state is None:
                kept.states.pop(po_number, None)
            else:
                kept.states[po_number] = state
        self.log.ground.changed += step.states.items()
        for asked in step.answered:
            del self.log.ground.asked[asked.key]
        kept.positions.update(step.positions)
        kept.decided_to = step.decided_to

    async def release(self) -> None:
        """Nothing is held."""

    async def _take_time(self) -> None:
        # The next step is decided meanwhile.
        if self.log.faults.rates:
            for _ in range(self.log.faults.rng.choice((0, 0, 1, 3))):
                await asyncio.sleep(0)

    async def _others_go_first(self) -> None:
        for _ in range(self.log.faults.rng.randint(0, 40)):
            await asyncio.sleep(0)
