"""Who asks."""

from dataclasses import dataclass
from typing import Final

#: The scope of operators.
OPERATE: Final = "gateway:operate"


@dataclass(frozen=True, slots=True)
class Caller:
    """What a verified token says of its bearer.

    providers: those it may speak for; a prime contractor has several, an operator perhaps none. subject: whom
    the token was given to; empty where it doesn't say. ends_at: when the token expires, UTC seconds since
    1970.
    """

    providers: frozenset[str]
    scopes: frozenset[str]
    subject: str
    ends_at: float

    @property
    def operates(self) -> bool:
        """Whether it is an operator's."""
        return OPERATE in self.scopes
