"""The port: what a message log is to the engine.

A log has inbound topics, outbound topics and, for each partition number, the state of the engine: the
purchase orders' states and the read positions. All inbound topics have one partition count, and a
purchase order's messages meet on one partition number. `tests/log/` says in code what an
implementation must do.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Final, Literal, Protocol

from msgspec import Struct

from gateway.engine.forgetting import Asked
from gateway.engine.pausing import Pause, instant
from gateway.rules.events import Event
from gateway.rules.messages import INBOUND
from gateway.system.errors import UserError

#: The inbound topics in the order in which records of one instant are taken.
INBOUND_TOPICS: tuple[str, ...] = tuple(INBOUND)
#: An outbound topic on which nothing is decided: what goes there comes from a provider as it is.
DELIVERY_PLANS = "jobcentre.delivery-plans"
#: What could not be decoded, and what was done by hand, one act after the other: neither is decided on.
DEAD_LETTERS = "gateway.dead-letters"
AUDIT = "gateway.audit"
#: Where a shared log keeps states, and what was done with dead letters.
STATE = "gateway.state"
#: What is registered or marked by hand, each under a key of its own; what has no value any more is gone.
CONTROL = "gateway.control"


class Columns(Struct, frozen=True, gc=False):
    """By what a record can be asked for, as plain values; None: it can't be, by that.

    message_id: of an action for PRaP or a dead letter, its event_id; of an act by hand, that of the letter
    it is about. status: of an outcome, a breach or such an action; of a letter, its code or what was done.
    trace_id: of the trace that its cause is part of. caller: who sent it over HTTP. upload, line: with which
    upload it came, and where it stands in that. jobcentre_id: of an event that is for a Jobcentre.
    """

    po_number: str | None = None
    provider_id: str | None = None
    message_id: str | None = None
    status: str | None = None
    trace_id: str | None = None
    caller: str | None = None
    upload: str | None = None
    line: int | None = None
    jobcentre_id: str | None = None


NO_COLUMNS: Final = Columns()


class Listing(Struct, frozen=True, gc=False):
    """By what a purchase order with a referral can be asked for, as plain values.

    referred_on: days since 1970. changed_at, due_at: when something was decided last, and falls due next, UTC
    milliseconds. messages: how many were decided. sessions: the id of each, its day, whether it was
    cancelled, and whether it was attended. reference: the provider's own. duties: what the provider has to
    do: the kind, the id of the session ('': none), and the last day.
    """

    provider_id: str
    jobcentre_id: str
    contract_package_area: str
    referred_on: int
    status: str
    accepted: bool
    mandatory: bool
    benefit: str
    changed_at: int
    due_at: int
    messages: int
    sessions: tuple[tuple[str, int, bool, bool], ...]
    reference: str | None = None
    duties: tuple[tuple[str, str, int], ...] = ()


#: A name may come twice, and a value may be null.
Header = tuple[str, bytes | None]
Headers = tuple[Header, ...]


class Record(Struct, frozen=True, gc=False):
    """A record as it stands in the log. `timestamp` is when it arrived: UTC milliseconds since 1970.

    unreadable: why the log can't read it, of which this is what it could; None: it can.
    framed: the value as it stands in the log, where that is not in single-object encoding and `value` is.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    unreadable: str | None = None
    framed: bytes | None = None

    @property
    def original(self) -> bytes | None:
        """The value, byte for byte as it stands in the log."""
        return self.value if self.framed is None else self.framed

    def has(self, key: bytes | None, text: bytes | None) -> bool:
        """Whether it has that key, and these bytes somewhere in its headers or value; None: any."""
        if key is not None and key != self.key:
            return False
        if text is None:
            return True
        values = (self.value, *(value for _, value in self.headers))
        return any(text in value for value in values if value is not None)


class Draft(Struct, frozen=True, gc=False):
    """A record to be put on a topic. The log gives it its offset, and its timestamp where it has none.

    columns: by what it can be asked for, where the log is asked.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp: int | None = None
    columns: "Columns" = NO_COLUMNS


#: What makes the record of an event that was caused by a message with that trace context.
Drafting = Callable[[Event, str | None], Draft]
#: What goes out of a step: a record, or an event of which one is to be made.
Output = Draft | tuple[Event, str | None]


class Batch(Struct, frozen=True, gc=False):
    """What one read found on a partition number.

    records: what came next, from any inbound topic, in order of offset within one.
    ends: per inbound topic, the offset up to which it had been filled when the records had been read. There
        may be offsets without a record; `reached` says how far this read has come in each.
    quiet_at: an instant of the log's clock. All that arrived before it lies below `ends`, so where a
        topic has been read up to its end, nothing dated before `quiet_at` can come any more.
    partial: `ends` and `quiet_at` are those of an earlier moment, up to which this read went; a log whose
        topics have one order may read itself in such parts. There is more.
    unread: how many records there are beyond what has been read, at the most; None: those between `reached`
        and `ends`. It is shown to people, and nothing is decided by it.
    trouble: why records beyond `reached` can't be read at the moment, and what to do; None: they can be.
    asked: the questions to forget a referral, of whatever partition, that were not answered when this claim
        was made, or came since; a step that answers one may still be on its way to the log.
    """

    records: Sequence[Record]
    reached: Mapping[str, int]
    ends: Mapping[str, int]
    quiet_at: int
    partial: bool = False
    unread: int | None = None
    trouble: str | None = None
    asked: Sequence[Asked] = ()


class Restored(Struct, frozen=True, gc=False):
    """What the last committed step left: packed states by po_number, the rest as in Commit.

    A partition that was never committed has no states, all positions at the first record, decided_to None.
    """

    states: dict[str, bytes]
    positions: dict[str, int]
    decided_to: int | None


class Forgotten(Struct, frozen=True, gc=False):
    """That a referral was forgotten, at an instant (UTC milliseconds), after so many outputs of the step."""

    at: int
    outputs: int


class Erased(Struct, frozen=True, gc=False):
    """That about somebody nobody is to read any more what was decided before, and had come out of it.

    outputs: so many of the step's outputs came before. positions: per inbound topic, the offset of the next
    record that was to be decided then.
    """

    outputs: int
    positions: Mapping[str, int]


class Commit(Struct, frozen=True, gc=False):
    """One step of the engine: it takes effect whole or not at all.

    outputs: what goes out, in order. draft: what makes records of events; None: there are none among them.
    states: packed states by po_number; None: the state is forgotten.
    listings: by po_number, of those of these states that have a referral; empty where the log isn't asked.
    forgotten: by po_number, that a referral was forgotten in this step, after so many of its outputs.
    positions: per inbound topic, the offset of the next record to decide.
    decided_to: the latest instant at which something was decided; no message is decided before it any more.
    erased: by po_number, that what was known of a participant was erased in this step, and when in it.
    answered: the questions to forget a referral that are done with.
    """

    outputs: Sequence[Output]
    states: Mapping[str, bytes | None]
    positions: Mapping[str, int]
    decided_to: int
    draft: Drafting | None = None
    listings: Mapping[str, Listing] = {}
    forgotten: Mapping[str, "Forgotten"] = {}
    erased: Mapping[str, "Erased"] = {}
    answered: Sequence[Asked] = ()

    def records(self) -> list[Draft]:
        """The records that go out. Raises CannotDraft."""
        return drafted(self.outputs, self.draft)


def drafted(outputs: Iterable[Output], draft: Drafting | None) -> list[Draft]:
    """Outputs as records. Raises CannotDraft."""
    try:
        return [item if isinstance(item, Draft) else draft(*item) for item in outputs]  # type: ignore[misc]
    except Exception as error:
        raise CannotDraft(type(error).__name__) from error


class Assignment(Struct, frozen=True, gc=False):
    """The partition numbers that this process is to work on. generation: 1 and up, higher for each change."""

    generation: int
    partitions: frozenset[int]


class PartitionOwner(Struct, frozen=True, gc=False):
    """Who works on a partition number of a shared log.

    process: what it is called; None: no process is assigned it. waiting: how many records lie beyond what was
    decided, at the most.
    """

    partition: int
    process: str | None
    waiting: int


class Handled(Struct, frozen=True, gc=False):
    """What was done with a dead letter, once for all. `at` is when: UTC milliseconds since 1970."""

    done: Literal["REPLAYED", "DISCARDED"]
    at: int


class Changes(Struct, frozen=True, gc=False):
    """What has been committed since a place in the log, for those who keep a view of it.

    records: of the topics that were asked for, in order within a partition of a topic.
    states: packed states by po_number, as they are at this moment or were when these records were committed;
        None: there is no such state, or no longer. A state that has changed comes with the records of its
        change or, on a log whose topics have no common order, around the same time.
    positions: where to go on. What the names mean is the log's own affair.
    behind: how many records there are beyond, at the most.
    handled: what was done with dead letters, by event_id.
    begins: by topic and partition, the first offset that there still is; empty where that is as it was.
    """

    records: Sequence[Record]
    states: Mapping[str, bytes | None]
    positions: Mapping[str, int]
    behind: int
    handled: Mapping[str, Handled] = {}
    begins: Mapping[tuple[str, int], int] = {}


class LogError(UserError):
    """The log can't be used; the message says what to do."""

    code: ClassVar[str] = "LOG_UNUSABLE"


class LogBusy(LogError):
    """The log can't be used at the moment; what was tried may be tried again."""

    code: ClassVar[str] = "LOG_AWAY"


class Loss(Struct, frozen=True):
    """Undecided records of a topic that are lost.

    decided: the offset up to which the topic was decided. goes_on: the one with which it can go on.
    what: what is known of them, as a clause.
    """

    topic: str
    decided: int
    goes_on: int
    what: str


class RecordsLost(LogError):
    """Records of a partition are lost that were not decided; it stands until somebody accepts that."""

    code: ClassVar[str] = "RECORDS_LOST"

    def __init__(self, partition: int, losses: Sequence[Loss]) -> None:
        said = "; ".join(loss.what for loss in losses)
        super().__init__(
            f"records of partition {partition} are lost ({said}); restore them, or accept that with `gateway "
            f"partitions accept-loss {partition} --reason …`"
        )


class NoSuchPartition(LogError):
    """A partition was named that the log doesn't have."""

    code: ClassVar[str] = "NO_SUCH_PARTITION"

    def __init__(self, partition: int) -> None:
        super().__init__(f"there is no partition {partition}; see /readyz for those that there are")


class PartitionPaused(LogError):
    """A partition that is to be decided to its end is paused."""

    code: ClassVar[str] = "PARTITION_PAUSED"

    def __init__(self, partition: int, pause: Pause) -> None:
        super().__init__(f"partition {partition} is {said(partition, pause)}")


def said(partition: int, pause: Pause) -> str:
    """How a pause is told to operators."""
    return (
        f"paused since {instant(pause.at)} by {pause.by} ({pause.reason}); `gateway partitions resume "
        f"{partition}` lets it go on"
    )


class LogFailed(LogBusy):
    """The log answers and refuses something, which may be mended while it is tried again.

    topic, operation: on what and at what, where that is known. cause: why, as the log calls it.
    """

    def __init__(self, said: str, *, topic: str | None, operation: str, cause: str) -> None:
        super().__init__(said)
        self.topic = topic
        self.operation = operation
        self.cause = cause


class TooLarge(LogError):
    """Something that was to be put is larger than the log takes; nothing was put, nor would it ever be."""


class PositionsGone(LogError):
    """There is nothing at these positions of the log, so whoever keeps a view of it has to begin anew."""


class CannotDraft(Exception):
    """Of something that goes out no record can be made; nothing was committed."""


class Lost(UserError):
    """The partition has another owner now: nothing of this claim can be committed any more."""

    code: ClassVar[str] = "ANOTHER_OWNER"


class Claim(Protocol):
    """One partition number, owned. Whoever claims it next fences this owner out."""

    partition: int

    async def restore(self) -> Restored:
        """What the last committed step left. Called once, first."""

    async def read(self, room: Mapping[str, int], wait_s: float) -> Batch:
        """What has arrived since the last read.

        room: per topic, how many records to return at the most; a topic without room is left alone.
        wait_s: how long to wait, in seconds, where there is nothing.
        Raises Lost, or anything else where the log is away.
        """

    async def commit(self, step: Commit) -> None:
        """Make the step durable, whole or not at all.

        An exception says nothing about whether it took effect: the claim must be dropped, and what
        happened is what the next claim restores. Raises Lost where another owner is known to have come,
        CannotDraft and TooLarge.
        """

    async def release(self) -> None:
        """Let go. Never raises; a claim that is already lost is let go as well."""


class ChangeReader(Protocol):
    """Reads what is committed, of all partitions."""

    async def read(self, wait_s: float) -> Changes:
        """What has been committed since the last read, a part of it where it is much.

        wait_s: how long to wait, in seconds, where there is nothing. Raises LogBusy where the log is away:
        the reader is then to be closed, and another one to go on from the last positions. Raises
        PositionsGone.
        """

    async def close(self) -> None:
        """Let go. Never raises."""


class Log(Protocol):
    """A message log with the state of the engine in it.

    shared: whether other processes work on the same log, so that a lost partition may come back.
    """

    shared: bool

    async def partitions(self) -> int:
        """How many partition numbers the inbound topics have."""

    async def keeps_time(self) -> bool:
        """Whether records have, or may have, timestamps that they were put with."""

    async def assigned(self, after: int) -> Assignment:
        """Wait for an assignment of a later generation than `after`, and return the newest one."""

    async def claim(self, partition: int) -> Claim:
        """Own a partition number, and fence out whoever owned it before."""

    async def append(self, drafts: Iterable[Draft]) -> int:
        """Put records on their topics, all or none, and return how many. Keys choose the partition.

        The topics are the inbound ones, AUDIT, and DELIVERY_PLANS and CONTROL, which are compacted: of a key
        the last one stays.
        """

    async def handle(self, letters: Mapping[str, Draft | None]) -> frozenset[str]:
        """Put dead letters' records back on their topics and mark the letters as handled: all or nothing.

        letters: by the letter's event_id the record to put back; None: the letter is discarded. One that
        was handled before, be it by another process at this moment, is left as it is. Returns the
        event_ids of those that were handled now. A record without a timestamp gets the log's, which never
        moves on the time of a log whose records have times of their own. Raises LogBusy or another
        LogError; that says nothing about whether it took effect, and it may be tried again.
        """

    async def handled(self) -> Mapping[str, Handled]:
        """What was done with the dead letters that were handled, by event_id."""

    async def decided_to(self) -> int | None:
        """The latest instant at which something was decided, on any partition; None: nothing was."""

    async def accept_clock(self, at: int) -> None:
        """Keep that somebody has looked at a clock which says this, and that it is right. Raises LogError."""

    async def clock_accepted(self) -> int | None:
        """The time that was accepted last, UTC milliseconds; None: none was."""

    async def pauses(self) -> Mapping[int, Pause]:
        """The partitions that are paused, by number. Raises LogError."""

    async def pause(self, partition: int, pause: Pause) -> bool:
        """Keep that nothing is to be decided on a partition, also after a restart.

        False: it was paused before, which stays as it is. Raises LogError, also where there is no such
        partition.
        """

    async def resume(self, partition: int, by: str, at: int) -> bool:
        """Keep that a partition may go on. at: UTC milliseconds. False: it was not paused.

        Raises LogError, also where there is no such partition.
        """

    async def asked(self) -> Sequence[Asked]:
        """The questions to forget a referral that are not answered yet, put on CONTROL. Raises LogError."""

    async def unframed(self, value: bytes | None) -> bytes | None:
        """A value as it stands in the log, in single-object encoding where the log knows how.

        Raises LogBusy where it can't be known at the moment.
        """

    def follow(
        self,
        topics: Sequence[str],
        *,
        from_start: bool,
        wait: bool,
        key: bytes | None = None,
        text: bytes | None = None,
    ) -> AsyncIterator[Record]:
        """Records of the topics as they are committed; without `wait`, up to the present end.

        key: only those with that key. text: those without these bytes in their headers or value are left out,
        before they are read where the log can.
        """

    async def close(self) -> None:
        """Let go of everything. Never raises."""


class SharedLog(Log, Protocol):
    """A log that several processes work on, so that each keeps a read model of its own, from its changes."""

    async def owners(self) -> Sequence[PartitionOwner]:
        """Who works on each partition number, of all processes, as far as the log knows. Raises LogBusy."""

    async def identity(self) -> str:
        """What distinguishes this log from all others, also from one that was made anew in its place."""

    async def ends(self, topics: Sequence[str]) -> Mapping[str, int]:
        """Up to where these topics are filled at the moment, named as in the positions of Changes.

        Raises LogBusy.
        """

    async def changes(self, topics: Sequence[str], positions: Mapping[str, int]) -> ChangeReader:
        """A reader of what is committed on these topics, and of states. positions: {}: from the beginning.

        Raises LogBusy or PositionsGone.
        """
