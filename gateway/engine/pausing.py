"""That somebody paused a partition: what is kept of it, on gateway.control and gateway.audit or in tables."""

from datetime import UTC, datetime
from typing import Final, Literal

from msgspec import Struct, json

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Pause(Struct, frozen=True):
    """Why, by whom and since when a partition is paused. `at`: UTC milliseconds."""

    reason: str
    by: str
    at: int


class Act(Struct, frozen=True, omit_defaults=True):
    """That somebody paused a partition, or let it go on, as it is kept. `at`: an instant, in words."""

    act: Literal["PAUSE", "RESUME"]
    partition: int
    by: str
    at: str
    reason: str | None = None


def key_of(partition: int) -> bytes:
    """The key of a partition's pause."""
    return f"pause/{partition}".encode()


def partition_of(key: bytes | None) -> int | None:
    """The partition that a key of `key_of` is about; None: it is another key."""
    name, _, number = (key or b"").partition(b"/")
    return int(number) if name == b"pause" and number.isdigit() else None


def paused(partition: int, pause: Pause) -> bytes:
    """A pause as it is kept."""
    return json.encode(Act("PAUSE", partition, pause.by, instant(pause.at), pause.reason))


def resumed(partition: int, by: str, at: int) -> bytes:
    """The end of a pause as it is kept. at: UTC milliseconds."""
    return json.encode(Act("RESUME", partition, by, instant(at)))


def pause_of(value: bytes) -> Pause:
    """The pause that was kept as this."""
    act = json.decode(value, type=Act)
    at = (datetime.fromisoformat(act.at) - _EPOCH).total_seconds()
    return Pause(act.reason or "", act.by, round(at * 1_000))


def instant(at: int) -> str:
    """An instant as people read it: 2026-11-30T18:30:00.000Z. at: UTC milliseconds."""
    return datetime.fromtimestamp(at / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
