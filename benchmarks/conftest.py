"""What the benchmarks share: a folder on this disk, the commands, programmes, and what the report says."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import pytest

from benchmarks.processes import Commands
from benchmarks.programmes import SCALE, Programme, write_programme

#: Where a log is written: beside the code, because /tmp may be in memory, where to be durable costs nothing.
_DISK = Path(__file__).parent.parent / ".benchmarks"
#: Of the last minute, before anything was measured: the hook below is called when all has been.
_LOAD_AT_START = os.getloadavg()[0]


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder on the disk that has the code."""
    _DISK.mkdir(exist_ok=True)
    with TemporaryDirectory(dir=_DISK, prefix="work-") as path:
        yield Path(path)


@pytest.fixture
def commands(folder: Path) -> Commands:
    """`gateway`, with a log in the folder that is not there yet."""
    return Commands(folder)


@pytest.fixture
def programme_of(folder: Path) -> Callable[[int], Programme]:
    """Writes a sample programme of so many referrals in the folder."""
    return lambda referrals: write_programme(folder, referrals)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Print progress for whoever waits."""

    def show(progress: str) -> None:
        with capsys.disabled():
            print(f"  {progress}", flush=True)

    return show


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """What else decides how fast it is; `benchmarks.figures` writes it down."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    machine_info["gateway"] = {
        "scale": SCALE,
        "cores": cores or 1,
        "load": round(_LOAD_AT_START, 2),
        "sqlite": sqlite3.sqlite_version,
        "sync_ms": round(_sync_s() * 1_000, 3),
    }


def _sync_s() -> float:
    """Seconds until a page that was appended to a file is durable."""
    _DISK.mkdir(exist_ok=True)
    taken = []
    with TemporaryDirectory(dir=_DISK, prefix="work-") as path, (Path(path) / "page").open("wb") as file:
        for _ in range(50):
            started = perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            taken.append(perf_counter() - started)
    return median(taken)
