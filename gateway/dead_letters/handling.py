"""Dead letters: which there are, what was done with them, and how they are put back or discarded."""

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Final, cast

import structlog
from msgspec import Struct

from consumers import READERS, columns_of
from gateway.engine.log import NO_COLUMNS, Draft, Handled, Log, Record
from gateway.rules.events import DeadLetter
from gateway.system.errors import UsageError
from producers.dead_letters import REPLAYED_FROM, as_they_came, came_from
from producers.read_back import DEAD_LETTERS, read_event
from schemas.codec import Unreadable

#: So many letters, or bytes of their values, are handled in one transaction at the most.
AT_ONCE: Final = 100
AT_ONCE_BYTES: Final = 8 * 1024 * 1024


class DeadLetterFilter(Struct, frozen=True):
    """Which dead letters are meant: those with these ids, or all of this code and from this topic.

    Without an id, a code or a topic, that means any.
    """

    ids: frozenset[str] = frozenset()
    code: str | None = None
    topic: str | None = None

    def takes(self, dead: DeadLetter) -> bool:
        """Whether the letter is among them."""
        return (
            (not self.ids or dead.event_id in self.ids)
            and self.code in (None, dead.code)
            and self.topic in (None, dead.source_topic)
        )


class DeadLetterEntry(Struct, frozen=True):
    """A dead letter, and what became of it.

    value: that of its record in single-object encoding, where the log knows how; else as it came.
    handled: what was done with it; None: it waits. came_from: the letter that was put back and became this
    one, with what was done then. failed_again: the letter that this one became when it had been put back.
    """

    dead: DeadLetter
    value: bytes | None
    handled: Handled | None
    came_from: tuple[str, Handled] | None
    failed_again: str | None


class PutBack(Struct, frozen=True):
    """What came of putting letters back.

    done: how many were put back. failing: those of them that fail again, with why, as far as that is known.
    left: those that were not put back because they would.
    """

    done: int
    failing: Mapping[str, str]
    left: Mapping[str, str]


async def dead_letters(log: Log, which: DeadLetterFilter) -> AsyncIterator[DeadLetterEntry]:
    """The letters that match, in the order in which the log gives them. Raises LogError.

    The log is read twice, so that no letter is kept in memory: only what was done with those handled.
    """
    handled = await log.handled()
    again: dict[str, str] = {}
    if any(mark.done == "REPLAYED" for mark in handled.values()):
        async for dead in _read(log):
            if origin := _origin(dead, handled):
                again[origin[0]] = dead.event_id
    async for dead in _read(log):
        if which.takes(dead):
            name = dead.event_id
            value = await log.unframed(dead.value)
            yield DeadLetterEntry(dead, value, handled.get(name), _origin(dead, handled), again.get(name))


async def dead_letter(log: Log, event_id: str) -> DeadLetterEntry:
    """One letter. Raises UsageError or LogError."""
    found = None
    async for one in dead_letters(log, DeadLetterFilter(frozenset({event_id}))):
        found = one
    if found is None:
        raise _unknown(event_id, (await log.handled()).get(event_id))
    return found


async def choose(log: Log, which: DeadLetterFilter) -> dict[str, Handled | None]:
    """The ids of the letters that match, with what was done with them.

    Of letters that are not named, only those that wait. Raises UsageError, where one that is named is not
    on the log, or LogError.
    """
    handled = await log.handled()
    found: dict[str, Handled | None] = {}
    async for dead in _read(log):
        if which.takes(dead) and (which.ids or dead.event_id not in handled):
            found[dead.event_id] = handled.get(dead.event_id)
    for event_id in sorted(which.ids - found.keys()):
        raise _unknown(event_id, handled.get(event_id))
    return found


async def put_back(
    log: Log,
    ids: Collection[str],
    *,
    anyway: bool,
    at_once: int = AT_ONCE,
    at_once_bytes: int = AT_ONCE_BYTES,
) -> PutBack:
    """Put the letters' records back on their topics: bytes, key and headers, and REPLAYED_FROM beside.

    Only those that this version of the gateway can read, but `anyway` all of them. One that was handled
    meanwhile is left as it is. Raises LogError; what was put back until then is marked and stays so.
    """
    done: set[str] = set()
    failing, left = {}, {}
    batch: dict[str, Draft | None] = {}
    size = 0
    async for dead in _read(log):
        if dead.event_id not in ids:
            continue
        if why := fails_again(dead, await log.unframed(dead.value)):
            if not anyway:
                left[dead.event_id] = why
                continue
            failing[dead.event_id] = why
        batch[dead.event_id] = _draft(dead)
        size += len(dead.value or b"")
        if len(batch) >= at_once or size >= at_once_bytes:
            done |= await _handle(log, batch)
            batch, size = {}, 0
    done |= await _handle(log, batch)
    return PutBack(len(done), {name: why for name, why in failing.items() if name in done}, left)


async def put_back_one(log: Log, dead: DeadLetter) -> bool:
    """Put a letter's record back in any case; False: it was handled before. Raises LogError."""
    return bool(await _handle(log, {dead.event_id: _draft(dead)}))


async def discard(log: Log, ids: Collection[str]) -> int:
    """Mark letters as handled without putting them back; returns how many were not handled before.

    Raises LogError; what was discarded until then stays so.
    """
    names = list(ids)
    done = 0
    for start in range(0, len(names), AT_ONCE):
        done += len(await _handle(log, dict.fromkeys(names[start : start + AT_ONCE])))
    return done


def fails_again(dead: DeadLetter, value: bytes | None) -> str | None:
    """Why the letter's record would be a dead letter again; None: this version of the gateway can read it.

    value: the record's, in single-object encoding where the log knows how.
    Whether the rules fail on it is not known before it is decided.
    """
    draft = _draft(dead)
    read = READERS[dead.source_topic](
        Record(draft.topic, dead.source_partition, 0, 0, draft.key, value, draft.headers)
    )
    return read.detail if isinstance(read, Unreadable) else None


async def _handle(log: Log, batch: Mapping[str, Draft | None]) -> frozenset[str]:
    """Handle letters in one transaction; returns those that were not handled before."""
    done = await log.handle(batch) if batch else frozenset()
    logger = structlog.get_logger("gateway")
    for name, draft in batch.items():
        if name in done and draft:
            logger.info("dead_letter.replayed", letter=name, topic=draft.topic)
        elif name in done:
            logger.info("dead_letter.discarded", letter=name)
    return done


async def _read(log: Log) -> AsyncIterator[DeadLetter]:
    async for record in log.follow((DEAD_LETTERS,), from_start=True, wait=False):
        yield cast(DeadLetter, read_event(record))  # the topic has no other record


def _draft(dead: DeadLetter) -> Draft:
    came = (header for header in as_they_came(dead.headers) if header[0] != REPLAYED_FROM)
    headers = (*came, (REPLAYED_FROM, dead.event_id.encode()))
    record = Record(dead.source_topic, 0, 0, 0, dead.key, dead.value)
    message = READERS[dead.source_topic](record)
    columns = NO_COLUMNS if isinstance(message, Unreadable) else columns_of(message)
    return Draft(dead.source_topic, dead.key, dead.value, headers, columns=columns)


def _origin(dead: DeadLetter, handled: Mapping[str, Handled]) -> tuple[str, Handled] | None:
    named = came_from(dead)
    mark = None if named is None else handled.get(named)
    # Anybody may send such a header; it counts where that letter was put back.
    return (named, mark) if named and mark and mark.done == "REPLAYED" else None


def _unknown(event_id: str, mark: Handled | None) -> UsageError:
    name = event_id if event_id.isprintable() else "of this id"
    if mark is not None:
        return UsageError(
            f"the dead letter {name} was {mark.done.lower()}, and is no longer on the log, which keeps "
            "letters for a time only; there is nothing left to do"
        )
    return UsageError(
        f"there is no dead letter {name} on the log, or no longer; see `gateway dead-letters list --all`"
    )
