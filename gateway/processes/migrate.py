"""Moving an embedded log to Kafka: everything that is on it, counted on both sides."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.backends.embedded.file import EmbeddedFile, Moved
from gateway.backends.embedded.leaving import ALWAYS, EmbeddedLeaving
from gateway.backends.kafka.brokers import Brokers
from gateway.backends.kafka.taking_over import TakingOver
from gateway.backends.kafka.topics import FOREVER, TOPICS, Timestamps, administering, found
from gateway.backends.kafka.topics_check import differences
from gateway.engine.log import LogError
from gateway.engine.moving import CannotMove
from gateway.processes.logs import open_kafka
from gateway.reading.tables import LogTables
from gateway.settings.settings import Settings
from gateway.settings.wrapping import wrapping_keys
from gateway.system.clock import wall_clock
from producers.control import PROGRESS, WEBHOOKS

#: Webhooks are signed by a key of the embedded log, and are at places of it.
_STAYING: Final = (WEBHOOKS, PROGRESS)
#: Called after each partition: how many were moved, of how many.
Progress = Callable[[int, int], None]


class Migrated(Struct, frozen=True):
    """How much there was on the embedded log, and how much there is on Kafka, by topic or what else it is."""

    before: Mapping[str, int]
    after: Mapping[str, int]

    @property
    def whole(self) -> bool:
        """Whether it is the same."""
        return all(
            self.before.get(name, 0) == self.after.get(name, 0) for name in {*self.before, *self.after}
        )


async def migrate(
    path: Path, settings: Settings, timestamps: Timestamps, progress: Progress = lambda _done, _of: None
) -> Migrated:
    """Move the embedded log in a file to the topics that the settings name.

    1. Lock the file, and mark it, so that nobody decides or puts anything on it.
    2. See that no dead letter waits, and that the topics are empty, but for what an earlier try has moved. If
       not, the file is as it was.
    3. Have the inbound topics keep the times of what is put on them: the messages arrived when they did.
    4. Move partition after partition.
    5. Have the topics date what arrives again, before anybody else puts something on them.
    6. Count, and mark the file as moved.
    Killed anywhere, it goes on when it is started again. Raises LogError.
    """
    kafka = open_kafka(settings)
    file = EmbeddedFile(path, LogTables.schema, wrapping=wrapping_keys(settings))
    try:
        await _take(file)
        target = " ".join(filter(None, (settings.log_name, settings.topic_prefix)))
        before = await file.run(lambda: file.moved)
        if before is not None and (before.target != target or before.done_at is not None):
            await file.run(file.refuse_moved)
        await _check(kafka.brokers, None if before else timestamps)
        moving = before or Moved(target, wall_clock())
        await file.run(lambda: file.mark_moved(moving))
        leaving: EmbeddedLeaving | None = None
        try:
            oldest = await _oldest(kafka.brokers, moving.begun_at)
            taking = TakingOver(kafka.brokers)
            try:
                leaving = EmbeddedLeaving(file, await kafka.partitions(), oldest, _STAYING)
                if before is not None:
                    await taking.end_open()
                missing = await taking.missing(leaving.identity)
            except CannotMove:
                await file.run(lambda: file.mark_moved(before))
                raise
            migrated = await _move(leaving, taking, missing, timestamps, progress)
        finally:
            if leaving is not None:
                leaving.close()
        if migrated.whole:
            await file.run(lambda: file.mark_moved(Moved(target, moving.begun_at, wall_clock())))
        return migrated
    finally:
        await kafka.close()
        await file.close()


async def take_back(path: Path, settings: Settings) -> bool:
    """Let the file be used again; False: it was not marked. What was moved stays on Kafka."""
    file = EmbeddedFile(path, LogTables.schema, wrapping=wrapping_keys(settings))
    try:
        await _take(file)
        marked = await file.run(lambda: file.moved) is not None
        await file.run(lambda: file.mark_moved(None))
        return marked
    finally:
        await file.close()


async def _take(file: EmbeddedFile) -> None:
    """Open the file and lock it. Raises LogError where that can't be, or it is a sandbox."""
    if not file.path.exists():
        raise LogError(f"there is no log {file.path}; name the file of an embedded log")
    await file.run(lambda: file.connect(1))
    file.take_lock()
    if await file.run(lambda: file.sandbox_now) is not None:
        raise CannotMove(f"the log {file.path} is a sandbox, and has no real referrals; name another file")


async def _check(brokers: Brokers, timestamps: Timestamps | None) -> None:
    """See that the topics can be used. timestamps: what dates messages there; None: it was seen before."""
    wrongs = await differences(brokers.connection, brokers.prefix, timestamps=None)
    if wrong := next((each for each in wrongs if each.breaks), None):
        raise CannotMove(f"{wrong}; see `gateway topics check`")
    if timestamps is not None and await brokers.keeps_time() != (timestamps == "create"):
        other = "log" if timestamps == "create" else "create"
        raise CannotMove(
            f"the topics were made with `--timestamps {other}`; say so to `gateway migrate`, too, or name "
            "others with GATEWAY_TOPIC_PREFIX"
        )


async def _oldest(brokers: Brokers, now: int) -> dict[str, int]:
    """By topic, the instant before which brokers would delete what is put on it."""
    async with administering(brokers.connection) as client:
        there = await found(client, brokers.prefix)
    kept = {
        topic: each.settings["retention.ms"]
        for topic, each in there.items()
        if each.settings["cleanup.policy"] == "delete"
    }
    return {
        topic: now - int(kept[topic]) if kept.get(topic, FOREVER) != FOREVER else ALWAYS for topic in TOPICS
    }


async def _move(
    leaving: EmbeddedLeaving,
    taking: TakingOver,
    missing: Sequence[int],
    timestamps: Timestamps,
    progress: Progress,
) -> Migrated:
    if missing:
        await taking.set_timestamps("create")
    for done, partition in enumerate(missing, 1):
        await taking.take(leaving, partition)
        progress(done, len(missing))
    await taking.set_timestamps(timestamps)
    return Migrated(leaving.counts(), await taking.counts())
