"""How many records this process has taken in and put out in the last minute."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.engine.observer import Observer
from gateway.engine.step import Decided

WINDOW_S: Final = 60.0


class Flow(Observer):
    """Counts by step. now_s: a clock that doesn't go back, in seconds."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._steps: deque[tuple[float, int, int]] = deque()
        self._taken = 0
        self._put = 0

    def committed(self, decided: Decided, seconds: float) -> None:
        """Count a step."""
        step = self._now_s(), decided.taken, len(decided.commit.outputs)
        self._steps.append(step)
        self._taken += step[1]
        self._put += step[2]
        self._drop()

    def last_minute(self) -> tuple[int, int]:
        """How many records were taken in, and how many were put out."""
        self._drop()
        return self._taken, self._put

    def _drop(self) -> None:
        begin_s = self._now_s() - WINDOW_S
        while self._steps and self._steps[0][0] < begin_s:
            _, taken, put = self._steps.popleft()
            self._taken -= taken
            self._put -= put
