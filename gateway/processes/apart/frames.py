"""What the two processes tell each other, and how an error gets from one to the other."""

import pickle
import traceback
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from gateway.api.counts import Counts
from gateway.engine.step import Standing
from gateway.reading.filling import Filled

#: How many names one frame has at the most, and about how many characters they have. A record of the log may
#: have one of a mebibyte.
NAMES: Final = 1_000
CHARACTERS: Final = 1024 * 1024


class Begin(Struct, frozen=True, tag=True):
    """The log is there: open it, and the projection, and fill that."""


class Decide(Struct, frozen=True, tag=True):
    """The log is fit to be decided on: begin."""


class Arrived(Struct, frozen=True, tag=True):
    """Something was put on the log. plans: delivery plans are among it."""

    plans: bool


class Damaged(Struct, frozen=True, tag=True):
    """The projection could not be read, when it had been made anew so many times."""

    made_anew: int


class Stop(Struct, frozen=True, tag=True):
    """Finish the step, and decide no more."""


class Close(Struct, frozen=True, tag=True):
    """Nobody asks any more: let go of everything, and end."""


#: To the process that decides. Where there are none any more, the other one is gone.
ToDeciders = Begin | Decide | Arrived | Damaged | Stop | Close


class Begun(Struct, frozen=True, tag=True):
    """The projection's file is there. It may be read from now on."""


class Projected(Struct, frozen=True):
    """How the projection stands: see Followed, and Viewed."""

    filled: bool
    made_anew: int
    behind: int | None
    trouble: str | None
    partitions: int | None


class How(Struct, frozen=True, tag=True):
    """How things stand: see Deciders. Told when it has changed, and as a sign of life."""

    assigned: frozenset[int] | None
    waiting_for: str
    troubles: dict[int, str]
    standings: dict[int, Standing]
    decided: int
    projection: Projected


class Counted(Struct, frozen=True, tag=True):
    """What has been done since it was last told."""

    counts: Counts


class News(Struct, frozen=True, tag=True):
    """What has been taken into the projection, which a view knows by now. See Filled."""

    po_numbers: list[str]
    providers: list[str]
    messages: list[tuple[str, str]]


class Ended(Struct, frozen=True, tag=True):
    """The last step is on the log. decided: how many messages and deadlines were decided in all."""

    decided: int


class Failed(Struct, frozen=True, tag=True):
    """It can't go on. error: why, packed."""

    error: bytes


#: From the process that decides.
FromDeciders = Begun | How | Counted | News | Ended | Failed


def news_of(filled: Filled) -> Iterator[News]:
    """It in parts, so that no frame is too large."""
    part: tuple[list[Any], ...] = ([], [], [])
    count = size = 0
    for place, names in enumerate((filled.po_numbers, filled.providers, filled.messages)):
        for name in names:
            part[place].append(name)
            count += 1
            size += len(name) if isinstance(name, str) else sum(map(len, name))
            if count >= NAMES or size >= CHARACTERS:
                yield News(*part)
                part = ([], [], [])
                count = size = 0
    if count:
        yield News(*part)


def failed(error: Exception) -> Failed:
    """An error on its way, with where it was raised."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)
    except Exception:  # noqa: BLE001 - some can't be made again from what they keep
        plain = RuntimeError(type(error).__name__)
        plain.add_note(error.__notes__[-1])
        packed = pickle.dumps(plain)
    return Failed(packed)


def error_of(frame: Failed) -> Exception:
    """The error, made again. It comes from a process that this one has forked, so it is what it seems."""
    error = pickle.loads(frame.error)
    return error if isinstance(error, Exception) else RuntimeError(type(error).__name__)
