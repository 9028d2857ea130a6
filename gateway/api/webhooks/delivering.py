"""Delivers to webhooks what comes, a partition of a webhook at a time: in order, at least once.

1. A partition's events go out one after the other; the next one when the one before was taken.
2. How far it is stands on the log. It is written at most once a second, so after a crash what went out within
   that second goes out again, with the same id.
3. A delivery that fails is tried again, after longer and longer, for three days; then the webhook is paused
   until its owner resumes it. Where the receiver answers 410 it is paused at once.

Whoever owns a partition delivers what is on it: one process each, which changes as the partitions do.
"""

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal, Protocol

import structlog
from msgspec import Struct
from msgspec.structs import replace

from gateway.api.posting import Posting, TooMany
from gateway.api.webhooks.counts import Counts
from gateway.api.webhooks.feeds import FEEDS, Next, end_of, first_place, following
from gateway.api.webhooks.sending import Message, Sender
from gateway.engine.log import CONTROL, LogError
from gateway.reading.asking import Asking
from gateway.reading.model import ReadModel
from gateway.reading.view import View
from gateway.rules.calendar import DAY_MS
from gateway.system.clock import wall_clock
from producers.control import Progress, Webhook, progress

#: The first time to wait after a failure; twice as long after each further one, up to the longest.
FIRST_WAIT_MS: Final = 5_000
LONGEST_WAIT_MS: Final = 3_600_000
PAUSED_AFTER_MS: Final = 3 * DAY_MS
#: How long what has been taken may stand nowhere but here.
KEPT_EVERY_MS: Final = 1_000
#: How many deliveries are under way at a time, and of those for one owner.
AT_ONCE: Final = 32
OF_ONE_OWNER: Final = 4
#: How often it is looked which webhooks there are, and which partitions this process has.
LOOK_AGAIN_S: Final = 1.0
#: How long it may take to write down how far a delivery is, when it ends.
LAST_WORD_S: Final = 2.0


class Clock(Protocol):
    """The time, and a way to wait for it."""

    def now(self) -> int:
        """UTC milliseconds."""

    async def until(self, at: int) -> None:
        """Return at that instant, UTC milliseconds."""


class WallClock:
    """This machine's."""

    def now(self) -> int:
        """UTC milliseconds."""
        return wall_clock()

    async def until(self, at: int) -> None:
        """Return at that instant."""
        await asyncio.sleep(max(at - wall_clock(), 0) / 1_000)


class _Lane(Struct, frozen=True):
    """A webhook on a partition."""

    webhook_id: str
    partition: int


class Deliveries:
    """Delivers for as long as it runs. assigned: the partitions that this process works on at the moment."""

    def __init__(
        self,
        model: ReadModel,
        asking: Asking,
        posting: Posting,
        sender: Sender,
        assigned: Callable[[], Collection[int]],
        clock: Clock | None = None,
    ) -> None:
        self.model = model
        self.asking = asking
        self.posting = posting
        self.sender = sender
        self.clock: Clock = WallClock() if clock is None else clock
        self._assigned = assigned
        self.counts = Counts()
        self._changed = asyncio.Event()
        self._lanes: dict[_Lane, tuple[Webhook, asyncio.Task[None]]] = {}
        self._all = asyncio.Semaphore(AT_ONCE)
        self._of_owner: defaultdict[tuple[str, ...], asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(OF_ONE_OWNER)
        )
        self._say = structlog.get_logger("gateway.webhooks")

    def look(self) -> None:
        """Look now which webhooks there are, and not only in a second."""
        self._changed.set()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Deliver for as long as the block lasts."""
        working = asyncio.create_task(self._run())
        try:
            yield
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await self._end([*self._lanes])
            await self.sender.close()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            await self.model.filled.wait()
            try:
                hooks = await self.asking.ask(_standing)
            except sqlite3.Error as error:
                self.model.unreadable(error)
            else:
                await self._take_on(hooks)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await self._changed.wait()

    async def _take_on(self, hooks: Mapping[str, tuple[Webhook, "Standing"]]) -> None:
        """End what is not to be delivered here any more, and begin what is."""
        stands = [standing.status.lower() for _, standing in hooks.values()]
        self.counts.webhooks = {status: stands.count(status) for status in self.counts.webhooks}
        assigned = self._assigned()
        wanted = {
            _Lane(webhook_id, partition): hook
            for webhook_id, (hook, standing) in hooks.items()
            for partition in assigned
            if standing.status != "PAUSED"
        }
        await self._end(
            [lane for lane, (hook, task) in self._lanes.items() if wanted.get(lane) != hook or task.done()]
        )
        for lane in wanted.keys() - self._lanes.keys():
            hook = wanted[lane]
            self._lanes[lane] = hook, asyncio.create_task(self._deliver_all(lane, hook))

    async def _end(self, lanes: Collection[_Lane]) -> None:
        tasks = [self._lanes.pop(lane)[1] for lane in lanes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver_all(self, lane: _Lane, hook: Webhook) -> None:
        """Deliver what there is and what comes, until it is paused or cancelled."""
        try:
            await self.model.reach([CONTROL, *FEEDS[hook.of].topics])
            await _LaneOfOne(self, lane, hook).run()
        except (LogError, TimeoutError, TooMany):
            pass  # the log is away: it is begun anew when it is looked again
        except sqlite3.Error as error:
            self.model.unreadable(error)
        except Exception as error:  # noqa: BLE001 - a bug must not end the other deliveries
            self._say.error("webhook.broke", webhook=lane.webhook_id, error=type(error).__name__)

    async def attempt(self, webhook_id: str, hook: Webhook, message: Message) -> str | None:
        """Deliver once; why it failed, or None. Raises Gone."""
        async with self._of_owner[hook.parties], self._all:
            found = await self.sender.send(webhook_id, hook.url, message, self.clock.now())
        self.counts.deliveries["taken" if found.failure is None else "failed"] += 1
        if found.gone:
            raise Gone(found.failure)
        return found.failure


class Gone(Exception):
    """A receiver has answered that there is nothing any more."""


class _LaneOfOne:
    """Delivers to one webhook what is on one partition."""

    def __init__(self, deliveries: Deliveries, lane: _Lane, hook: Webhook) -> None:
        self._of = deliveries
        self._id, self._partition = lane.webhook_id, lane.partition
        self._hook = hook
        self._progress: Progress = Progress(())
        self._kept_at = 0
        self._kept = True
        self._say = structlog.get_logger("gateway.webhooks").bind(webhook=self._id, partition=self._partition)

    async def run(self) -> None:
        """Until it is paused, or cancelled. Raises LogError, TimeoutError, TooMany or sqlite3.Error."""
        model, hook = self._of.model, self._hook
        self._progress = await self._of.asking.ask(self._begin)
        try:
            with model.woken_for(hook.topics, hook.parties) as woken:
                while True:
                    woken.clear()
                    # Where the read model is made anew, what it has may be of another log.
                    await model.filled.wait()
                    for each in (found := await self._next()):
                        await self._deliver(each)
                        if self._progress.paused is not None:
                            return
                    if not found:
                        await self._keep()
                        await woken.wait()
        except asyncio.CancelledError:
            with suppress(LogError, TimeoutError, TooMany):
                async with asyncio.timeout(LAST_WORD_S):
                    await self._keep()
            raise

    def _begin(self, view: View) -> Progress:
        """Where it goes on."""
        hook, partitions = self._hook, self._of.model.partitions or 1
        reached = view.progress(self._id).get(self._partition)
        if reached is None or reached.sought != hook.sought:
            return Progress(first_place(hook, self._partition, partitions), hook.sought, hook.resumed)
        place = view.in_log(FEEDS[hook.of].topics, self._partition, reached.place)
        if reached.resumed != hook.resumed:
            return Progress(place, hook.sought, hook.resumed)
        return replace(reached, place=place)

    async def _next(self) -> list[Next]:
        """What comes next."""
        hook, partition, place = self._hook, self._partition, self._progress.place
        model, partitions = self._of.model, self._of.model.partitions or 1
        until: tuple[int, ...] = ()
        if len(FEEDS[hook.of].topics) > 1:
            until = await self._of.asking.ask(
                lambda view: tuple(end_of(view, hook, partition, partitions, place))
            )
            if until:
                await model.reach(FEEDS[hook.of].topics)
        return await self._of.asking.ask(
            lambda view: following(view, hook, partition, partitions, place, until)
        )

    async def _deliver(self, each: Next) -> None:
        """Deliver until it is taken, or the webhook is paused."""
        clock = self._of.clock
        while each.message is not None:
            gone = False
            try:
                failure = await self._of.attempt(self._id, self._hook, each.message)
            except Gone as error:
                failure, gone = str(error), True
            if failure is None:
                break
            now = clock.now()
            before = self._progress
            since = now if before.failing_since is None else before.failing_since
            too_long = now - since >= PAUSED_AFTER_MS
            self._progress = replace(
                before,
                failing_since=since,
                attempts=before.attempts + 1,
                failure=failure,
                paused="GONE" if gone else "FAILED_TOO_LONG" if too_long else None,
            )
            self._kept = False
            await self._keep()
            if self._progress.paused is not None:
                self._say.warning("webhook.paused", why=self._progress.paused, failure=failure)
                self._of.look()
                return
            if before.failing_since is None:
                self._say.warning("webhook.failing", failure=failure)
            self._of.look()
            await clock.until(now + min(FIRST_WAIT_MS << min(before.attempts, 20), LONGEST_WAIT_MS))
        recovered = self._progress.failing_since is not None
        if recovered:
            self._say.info("webhook.recovered", attempts=self._progress.attempts + 1)
        self._progress = Progress(each.place, self._progress.sought, self._progress.resumed)
        self._kept = False
        if recovered or not 0 <= clock.now() - self._kept_at < KEPT_EVERY_MS:
            await self._keep()

    async def _keep(self) -> None:
        """Write down how far it is, where it is further than what is written. Raises LogError or TooMany."""
        if self._kept:
            return
        reached = self._progress
        await self._of.posting.put([progress(self._id, self._partition, reached)])
        self._kept, self._kept_at = True, self._of.clock.now()


class Standing(Struct, frozen=True):
    """How a webhook stands, all its partitions together.

    status: ACTIVE, FAILING or PAUSED. worst: of the partition that has failed for longest; None: none fails.
    """

    status: Literal["ACTIVE", "FAILING", "PAUSED"]
    worst: Progress | None
    progress: Mapping[int, Progress]


def standing(hook: Webhook, progress: Mapping[int, Progress]) -> Standing:
    """How a webhook stands; what it was told since counts for a partition even before that has seen it."""
    failing = [
        each
        for each in progress.values()
        if each.failing_since is not None and (each.sought, each.resumed) == (hook.sought, hook.resumed)
    ]
    paused = [each for each in failing if each.paused is not None]
    worst = min(paused or failing, key=lambda each: each.failing_since or 0, default=None)
    return Standing("PAUSED" if paused else "FAILING" if failing else "ACTIVE", worst, progress)


def _standing(view: View) -> dict[str, tuple[Webhook, Standing]]:
    """All webhooks, and how each stands."""
    return {each: (hook, standing(hook, view.progress(each))) for each, hook in view.webhooks().items()}
