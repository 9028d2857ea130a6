"""What one log hands over to another: all that it has, a partition number of the other log at a time."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Protocol

from msgspec import Struct

from gateway.engine.log import Draft, LogError
from gateway.engine.pausing import Pause


class CannotMove(LogError):
    """A log can't be moved; the message says what to do."""

    code: ClassVar[str] = "CANNOT_MOVE"


class Whole(Struct, frozen=True):
    """What belongs to no purchase order.

    control: values by key, of gateway.control. pauses: by partition number of the new log. clock: the time
    that was accepted last, UTC milliseconds; None: none was.
    """

    control: Mapping[str, bytes]
    pauses: Mapping[int, Pause]
    clock: int | None


class Part(Protocol):
    """What belongs on one partition number of the new log. Each is read once, records in order.

    decided_to: the latest instant at which something was decided; None: nothing was.
    """

    decided_to: int | None

    def inbound(self, *, decided: bool) -> Iterator[Draft]:
        """The messages that are decided, or those that are not, with the times at which they arrived."""

    def outbound(self) -> Iterator[Draft]:
        """What has come out."""

    def states(self) -> Iterator[tuple[str, bytes | None]]:
        """Packed states by po_number; None: it was forgotten."""


class Leaving(Protocol):
    """A log that is handed over. Nobody decides on it meanwhile, and none of its dead letters waits.

    identity: of what is in it at the moment: it is another one as soon as somebody goes on with it.
    """

    identity: str

    def counts(self) -> Mapping[str, int]:
        """How many records of each topic, and STATES and the keys of gateway.control, there are."""

    def part(self, partition: int) -> Part:
        """What belongs on a partition number of the new log."""

    def whole(self) -> Whole:
        """What belongs to no purchase order."""


#: Beside the topics, what is counted.
STATES = "states of purchase orders"
