"""What has arrived and is not decided yet: merging by time, and the silence rule.

Nothing is decided by silence until the inbox has been read: a record waits while an inbound topic that lags
may still bring an earlier one, and a deadline waits until every message that arrived before it is decided.
"""

from collections import deque
from collections.abc import Mapping

from gateway.engine.log import INBOUND_TOPICS, Batch, Record

#: Before any instant of a log.
NEVER = -(2**62)
#: When the records that wait are as large as this together, the inbox has no room for more.
MOST_BYTES = 64 * 1024 * 1024


class Inbox:
    """The inbound topics of one partition, merged by (timestamp, order of topics, offset).

    capacity: how many records of one topic are kept waiting at the most.
    """

    def __init__(self, positions: Mapping[str, int], capacity: int) -> None:
        self._capacity = capacity
        self._bytes = 0
        self._waiting: dict[str, deque[Record]] = {topic: deque() for topic in INBOUND_TOPICS}
        #: Per topic, the offset of the next record to decide.
        self.positions: dict[str, int] = dict(positions)
        self._reached: dict[str, int] = dict(positions)
        self._ends: dict[str, int] = {}
        self._at_end: dict[str, bool] = dict.fromkeys(INBOUND_TOPICS, False)
        self._read_to: dict[str, int] = dict.fromkeys(INBOUND_TOPICS, NEVER)
        self._quiet_at = NEVER
        self._partial = True
        #: How many records the log holds beyond what is in the inbox, at the most.
        self.unread = 0

    def waiting(self) -> int:
        """How many records wait."""
        return sum(map(len, self._waiting.values()))

    def room(self) -> dict[str, int]:
        """Per topic, how many records there is room for.

        Where what waits is large, only for topics of which nothing waits: they may hold up all others.
        """
        full = self._bytes >= MOST_BYTES
        return {
            topic: 0 if full and waiting else self._capacity - len(waiting)
            for topic, waiting in self._waiting.items()
        }

    def add(self, batch: Batch) -> None:
        """Take in what a read found."""
        for record in batch.records:
            self._waiting[record.topic].append(record)
            self._bytes += len(record.value or b"")
            self._read_to[record.topic] = max(self._read_to[record.topic], record.timestamp)
        self._reached.update(batch.reached)
        # A broker that was away may report an older end; what was quiet by a newer one is so only up to that.
        for topic, end in batch.ends.items():
            self._ends[topic] = max(end, self._ends.get(topic, end))
        self._quiet_at = max(self._quiet_at, batch.quiet_at)
        self._partial = batch.partial
        between = (end - self._reached[topic] for topic, end in self._ends.items())
        self.unread = sum(max(more, 0) for more in between) if batch.unread is None else batch.unread
        for topic, waiting in self._waiting.items():
            # The end was asked for after everything in the inbox had been read, so a topic that has
            # reached it can bring nothing that arrived before what is waiting here.
            self._at_end[topic] = topic in self._ends and self._reached[topic] >= self._ends[topic]
            if not waiting:
                self.positions[topic] = self._reached[topic]

    def first(self) -> Record | None:
        """The record that comes next; None where there is none, or where an earlier one may still come."""
        first: Record | None = None
        for topic, waiting in self._waiting.items():
            if waiting:
                # Of two at one instant, the one of the earlier topic comes first.
                if first is None or waiting[0].timestamp < first.timestamp:
                    first = waiting[0]
            elif not self._at_end[topic]:
                return None
        return first

    def take(self, record: Record) -> None:
        """The first record is being decided: it is not in the inbox any more."""
        waiting = self._waiting[record.topic]
        waiting.popleft()
        self._bytes -= len(record.value or b"")
        self.positions[record.topic] = waiting[0].offset if waiting else self._reached[record.topic]

    def oldest_at(self) -> int | None:
        """The timestamp of the oldest record that waits; None: none waits."""
        return min((waiting[0].timestamp for waiting in self._waiting.values() if waiting), default=None)

    def quiet_until(self) -> int:
        """A deadline at or before this instant may fall due: no message from before it is still to come."""
        return min(self._heard_to(topic, waiting) for topic, waiting in self._waiting.items())

    def drained(self) -> bool:
        """All that the log held at the last read has been taken."""
        return not self._partial and all(
            not waiting and self._at_end[topic] for topic, waiting in self._waiting.items()
        )

    def _heard_to(self, topic: str, waiting: deque[Record]) -> int:
        if waiting:
            return waiting[0].timestamp
        if self._at_end[topic]:
            return max(self._read_to[topic], self._quiet_at)
        return self._read_to[topic]
