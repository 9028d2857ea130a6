"""What the gateway needs beside its partitions: room for its files, callers' keys, the brokers.

`/readyz` and the metrics say how these stand.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from gateway.api.callers.keyring import Keyring
from gateway.engine.log import LogError

#: With less room than this on a file's disk, /readyz warns.
LITTLE_ROOM: Final = 1024**3
#: How often it is looked whether something has changed.
LOOK_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Stored:
    """A file of the gateway, with what SQLite keeps beside it. bytes: its size. room: on its disk, for it."""

    name: str
    bytes: int
    room: int


@dataclass(slots=True)
class Surroundings:
    """What the gateway needs.

    files: by what is in them. keyring: None where no API is served. brokers: why none can be reached; '': one
    can; None: not known yet, or there are none.
    """

    files: Mapping[str, Path] = field(default_factory=dict)
    keyring: Keyring | None = None
    brokers: str | None = None
    little_room: int = LITTLE_ROOM
    _filling: set[str] = field(default_factory=set)

    def stored(self) -> Iterator[Stored]:
        """The files that there are."""
        for name, path in self.files.items():
            with suppress(OSError):
                disk = os.statvfs(path.parent)
                yield Stored(name, _size(path), disk.f_bavail * disk.f_frsize)

    def warnings(self) -> list[str]:
        """What does not stop the gateway, but will, in words."""
        found = [
            f"the disk of the {each.name} has {each.room / 1024**2:,.0f} MiB left; make room"
            for each in self.stored()
            if each.room < self.little_room
        ]
        keys = self.keyring
        if keys is not None and keys.trouble is not None:
            until = "those of before go on working for six hours" if keys.keys else "every caller gets 503"
            found.append(f"the keys of callers' tokens can't be fetched, {until}: {keys.trouble}")
        return found

    async def watch(self, reach: Callable[[], Awaitable[None]] | None, again_s: float = LOOK_S) -> None:
        """Look now and then, and log what has changed, until cancelled.

        reach: raises LogError where no broker can be reached; None: there are none.
        """
        while True:
            self._log_little_room()
            if reach is not None:
                self.brokers = await _why_away(reach)
            await asyncio.sleep(again_s)

    def _log_little_room(self) -> None:
        say = structlog.get_logger("gateway")
        for each in self.stored():
            little = each.room < self.little_room
            if little and each.name not in self._filling:
                say.warning("disk.filling", file=each.name, room_mib=each.room // 1024**2)
            (self._filling.add if little else self._filling.discard)(each.name)


async def _why_away(reach: Callable[[], Awaitable[None]]) -> str:
    try:
        await reach()
    except LogError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - what surprises here must not end the looking
        return f"looking for the brokers failed ({type(error).__name__})"
    return ""


def _size(path: Path) -> int:
    size = 0
    for each in (path, path.with_name(f"{path.name}-wal")):
        with suppress(FileNotFoundError):
            size += each.stat().st_size
    return size
