"""Rounds of a benchmark, each between two calibrations, and the figures that come of them."""

import gc
from collections.abc import Callable
from itertools import pairwise
from time import perf_counter
from typing import Generic, Literal, TypeVar

from msgspec import Struct, to_builtins
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.calibration import calibrate

R = TypeVar("R")

#: What a figure is, and so what a faster machine does to it: more, less, or nothing.
Kind = Literal["rate", "time", "size", "ratio"]
Section = Literal["The rules alone", "Replay", "The embedded log", "Memory", "Records"]


class Figure(Struct, frozen=True):
    """One row of the figures of record.

    values: one a round. unit: of a value, such as messages/s. aim: in words, where there is one.
    calibrations_s: how long the fixed work took around each round, in seconds; without them none is shown.
    """

    what: str
    kind: Kind
    unit: str
    values: list[float]
    aim: str = ""
    calibrations_s: list[float] = []


class Rounds(Generic[R]):
    """What the rounds of a benchmark gave, and how long each took. One item a round in all lists."""

    def __init__(self) -> None:
        self.results: list[R] = []
        self.seconds: list[float] = []
        self.calibrations_s: list[float] = []

    def figure(self, what: str, kind: Kind, unit: str, values: list[float], aim: str = "") -> Figure:
        """A figure with the calibrations of these rounds."""
        return Figure(what, kind, unit, values, aim, self.calibrations_s)


def measure(benchmark: BenchmarkFixture, work: Callable[[], R], *, rounds: int) -> Rounds[R]:
    """Do the work in rounds. What it measures itself, it returns."""
    measured: Rounds[R] = Rounds()
    calibrations: list[float] = []

    def before() -> None:
        gc.collect()
        calibrations.append(calibrate())

    def work_once() -> None:
        started = perf_counter()
        result = work()
        measured.seconds.append(perf_counter() - started)
        measured.results.append(result)

    # pytest-benchmark says that it is typed, and has functions that are not.
    benchmark.pedantic(work_once, setup=before, rounds=rounds)  # type: ignore[no-untyped-call]
    calibrations.append(calibrate())
    measured.calibrations_s = [(before_s + after_s) / 2 for before_s, after_s in pairwise(calibrations)]
    return measured


def keep(benchmark: BenchmarkFixture, section: Section, *figures: Figure) -> None:
    """Put figures in the benchmark's JSON, from where `benchmarks.figures` takes them."""
    benchmark.extra_info |= {"section": section, "figures": to_builtins(figures)}
