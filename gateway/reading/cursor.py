"""Where a reader of a provider's instructions stands.

Instructions of different partitions have no common order that would hold for ever, so a place among them is
the next offset for each partition: `17` on a log of one partition, `17.0.4` on a log of three.
"""

from typing import Final

#: Offsets are below 2**63, and a log has at most 1,000 partitions.
_LONGEST: Final = 20 * 1_000
_LARGEST: Final = 2**63 - 1
_DIGITS: Final = 19


class NotACursor(ValueError):
    """A text is no cursor of this log; the message says what is expected."""


def parse_cursor(text: str, partitions: int) -> tuple[int, ...]:
    """The offset, by partition, at which to go on. Raises NotACursor."""
    parts = text.split(".") if len(text) <= _LONGEST else []
    if len(parts) != partitions or not all(map(_is_offset, parts)):
        raise NotACursor("is no cursor; expected `next` of an earlier answer, or nothing for the first page")
    return tuple(map(int, parts))


def _is_offset(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) <= _DIGITS and int(part) <= _LARGEST


def format_cursor(place: tuple[int, ...]) -> str:
    """The text of a place."""
    return ".".join(map(str, place))


def beginning(partitions: int) -> tuple[int, ...]:
    """Before the first instruction."""
    return (0,) * partitions
