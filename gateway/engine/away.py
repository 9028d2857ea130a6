"""Whether the log is away: said once when it goes and once when it is back, whatever many partitions see."""

import time
from collections.abc import Callable

import structlog

from gateway.engine.log import LogBusy, LogError, LogFailed


def is_away(error: Exception) -> bool:
    """Whether it is the log that does not answer, and not one thing that goes wrong."""
    busy = isinstance(error, LogBusy) and not isinstance(error, LogFailed)
    return busy or isinstance(error, TimeoutError | ConnectionError)


class Away:
    """From whom the log is away. clock: in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of: set[object] = set()
        self._since_s = 0.0
        self._say = structlog.get_logger("gateway.engine")

    def began(self, who: object, error: Exception) -> None:
        """It is away from somebody: a partition, or all of the gateway."""
        if not self._of:
            # Only the text of the log's own errors: another's may quote a message.
            said = str(error) if isinstance(error, LogError) else type(error).__name__
            self._since_s = self._clock()
            self._say.warning("log.away", error=said)
        self._of.add(who)

    def ended(self, who: object) -> None:
        """It is there for somebody, or whoever it was away from has ended."""
        if who in self._of:
            self._of.remove(who)
            if not self._of:
                self._say.info("log.back", after_s=round(self._clock() - self._since_s, 1))
