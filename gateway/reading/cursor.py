"""Where a reader of a provider's instructions or outcomes, or of a Jobcentre's events, stands.

Events of different partitions have no common order that would hold for ever, so a place among them is
the next offset for each partition: `17` on a log of one partition, `17.0.4` on a log of three. Behind that
stands a digest of the records that lie just before: `17.0.4-5d41402abc4b`. So a cursor belongs to one history
of one log: where another record stands there, or none, it is of another.

A Jobcentre's events are on several topics, so a place among them has the offsets of one topic after the
other. Most of these stay for long, and records grow old and leave the log. So the digest is of one record
only, the last event that was read, and says which offset is its: `17.0.4.3.1.0-3.5d41402abc4b`.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

from msgspec import Struct

#: A cursor has to fit into a request's line of 8,190 bytes, with seven digits and a dot for each partition of
#: five topics.
MOST_PARTITIONS: Final = 200
#: Offsets are below 2**63, and a log has at most 1,000 partitions.
_LONGEST: Final = 20 * 1_000
_LARGEST: Final = 2**63 - 1
_DIGITS: Final = 19
#: Of one record, and of all of a cursor.
STANDING_BYTES: Final = 8
_DIGEST_BYTES: Final = 6


class NotACursor(ValueError):
    """A text is no cursor of this log; the message says what is expected."""


class CursorOfAnotherLog(ValueError):
    """A text is a cursor of a log with another number of partitions."""


class Cursor(Struct, frozen=True):
    """A place, by partition, and the digest of what lies before it; empty at the beginning."""

    place: tuple[int, ...]
    digest: str

    def __str__(self) -> str:
        place = ".".join(map(str, self.place))
        return f"{place}-{self.digest}" if self.digest else place


def parse_cursor(text: str, partitions: int, topics: int = 1) -> Cursor:
    """The cursor of a text. Raises NotACursor or CursorOfAnotherLog.

    partitions: those of all its topics together.
    """
    offsets, _, digest = text.partition("-")
    parts = offsets.split(".") if len(text) <= _LONGEST else []
    if parts and len(parts) % topics == 0 and all(map(_is_offset, parts)):
        cursor = Cursor(tuple(map(int, parts)), digest)
        if str(cursor) == text and bool(digest) == any(cursor.place):
            if len(parts) != partitions:
                raise CursorOfAnotherLog
            return cursor
    raise NotACursor("is no cursor; expected `next` of an earlier answer, or nothing for the first page")


def _is_offset(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) <= _DIGITS and int(part) <= _LARGEST


def last_read(cursor: Cursor) -> int | None:
    """Which offset of a cursor is that of the last event read; None: it says none that can be."""
    number, dot, _ = cursor.digest.partition(".")
    if not dot or not _is_offset(number) or int(number) >= len(cursor.place) or not cursor.place[int(number)]:
        return None
    return int(number)


def cursor_behind(place: tuple[int, ...], last: int, before: bytes) -> Cursor:
    """The cursor of a place on several topics. last: see `last_read`. before: what stands before it there."""
    return Cursor(place, f"{last}.{blake2b(before, digest_size=_DIGEST_BYTES).hexdigest()}")


def beginning(partitions: int) -> Cursor:
    """Before the first event."""
    return Cursor((0,) * partitions, "")


def standing(value: bytes) -> bytes:
    """What stands for an event: its digest. What is forgotten has that in the place of its value."""
    return value if len(value) == STANDING_BYTES else blake2b(value, digest_size=STANDING_BYTES).digest()


def cursor_at(place: tuple[int, ...], before: Sequence[bytes]) -> Cursor:
    """The cursor of a place. before: what stands before it, by partition; empty: nothing does."""
    if not any(place):
        return Cursor(place, "")
    parts = b"".join(len(part).to_bytes(2) + part for part in before)
    return Cursor(place, blake2b(parts, digest_size=_DIGEST_BYTES).hexdigest())
