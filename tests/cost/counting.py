"""Counts what deciding a fixed programme on an embedded log takes: `python -m tests.cost.counting`.

It is a process of its own, so that nothing has filled a cache before. Printed, as JSON, is what a message
takes: how often functions of each room are called, how many statements the file is given, and how many rows
they change.
"""

import asyncio
import os
import sqlite3
import sys
import threading
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType
from typing import Any, Final

from msgspec import json

from gateway.backends.embedded.log import open_embedded
from gateway.intake.feed import feed
from gateway.processes.plan import plan_of
from gateway.processes.start import run
from gateway.reading.tables import LogTables
from gateway.sample import programme
from gateway.settings.settings import Settings
from gateway.system import telemetry
from schemas.json import parse_instant

REFERRALS: Final = 200
#: After the last deadline of the programme.
UNTIL: Final = parse_instant("2030-01-01T00:00:00Z")
#: What is done less often than this isn't done for each message.
_LEAST: Final = 0.05
_REPOSITORY: Final = Path(__file__).parents[2]


class _Counted(sqlite3.Connection):
    """Counts statements, and rows changed by the time that it is closed."""

    statements = 0
    rows = 0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.set_trace_callback(self._traced)

    def _traced(self, _: str) -> None:
        _Counted.statements += 1

    def close(self) -> None:
        _Counted.rows += self.total_changes
        super().close()


class _Calls:
    """Counts calls of the product's functions, by room, in all threads that begin from now on."""

    def __init__(self) -> None:
        self.by_room: Counter[str] = Counter()
        self._rooms: dict[CodeType, str | None] = {}

    def __enter__(self) -> "_Calls":
        threading.setprofile(self._happened)
        sys.setprofile(self._happened)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _happened(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call":
            return
        code = frame.f_code
        if code not in self._rooms:
            self._rooms[code] = _room(code)
        if (room := self._rooms[code]) is not None:
            self.by_room[room] += 1


def _room(code: CodeType) -> str | None:
    path = Path(code.co_filename)
    if not path.is_relative_to(_REPOSITORY):
        return None
    first, *rest = path.relative_to(_REPOSITORY).parts
    if first == "gateway":
        return f"gateway/{rest[0]}"
    return first if first in ("schemas", "consumers", "producers") else None


def main() -> None:
    """Print what it takes."""
    for name in [each for each in os.environ if each.startswith("GATEWAY_")]:
        del os.environ[name]
    telemetry.configure("info")
    with TemporaryDirectory() as name:
        os.chdir(name)  # no .env counts
        lines = [*programme(REFERRALS, 0)]
        asyncio.run(_feed(lines))
        sqlite3.connect = _counted  # type: ignore[assignment]
        with _Calls() as calls:
            decided = asyncio.run(run(plan_of(Settings(), clock="log", until=UNTIL)))
    took = {f"calls of {room}": count / len(lines) for room, count in sorted(calls.by_room.items())}
    took["statements"] = _Counted.statements / len(lines)
    took["rows"] = _Counted.rows / len(lines)
    took["decisions"] = decided / len(lines)
    counted: dict[str, object] = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    counted |= {"a message": {name: round(each, 2) for name, each in took.items() if each >= _LEAST}}
    sys.stdout.buffer.write(json.format(json.encode(counted), indent=2) + b"\n")


_connect = sqlite3.connect


def _counted(*given: Any, **named: Any) -> sqlite3.Connection:
    return _connect(*given, factory=_Counted, **named)


async def _feed(lines: list[bytes]) -> None:
    log = await open_embedded(Path("gateway.db"), clock="log", tables=LogTables())
    try:
        await feed(log, lines, keep_time=True, checked=lambda: None)
    finally:
        await log.close()


if __name__ == "__main__":
    main()
