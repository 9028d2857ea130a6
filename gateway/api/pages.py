"""Lists by pages: the cursor of one says where the next one begins, and of which history of the log it is."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar

from msgspec import MsgspecError, msgpack

from gateway.api.operation import CURSOR_SCHEMA, Parameter
from gateway.api.problems import Problem
from gateway.reading.view import Stamp, View

Place = TypeVar("Place", bound=tuple[Any, ...])
T = TypeVar("T")

CURSOR: Final = Parameter("query", "cursor", "`next` of the page before.", CURSOR_SCHEMA)
_LONGEST: Final = 1_000
#: What SQLite takes for a number.
_LARGEST: Final = 2**62


class Pages(Generic[Place]):
    """The cursors of a list. decoder: of a place in it, and a stamp."""

    def __init__(self, decoder: msgpack.Decoder[tuple[Place, Stamp]]) -> None:
        self._decode = decoder.decode

    def parse(self, cursor: str | None) -> tuple[Place, Stamp] | None:
        """Where a page begins; None: at the beginning. Raises Problem."""
        if cursor is None:
            return None
        try:
            if len(cursor) > _LONGEST:
                raise ValueError
            place, stamp = self._decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            for each in (*place, stamp.end):
                if isinstance(each, str):
                    each.encode()
                elif abs(each) >= _LARGEST:
                    raise ValueError
        except (ValueError, MsgspecError):
            raise Problem(
                HTTPStatus.BAD_REQUEST,
                "This is no cursor; give `next` of an earlier answer, or leave it out for the first page.",
                code="BAD_CURSOR",
                field="cursor",
            ) from None
        return place, stamp

    def next(self, place: Place, stamp: Stamp) -> str:
        """The cursor of what is behind a place."""
        return urlsafe_b64encode(msgpack.encode((place, stamp))).decode().rstrip("=")


def of_this_history(view: View, begin: tuple[Any, Stamp] | None, question: Callable[[View], T]) -> T:
    """The answer to a question about a page. Raises Problem where its cursor is of another history."""
    if begin is not None and not view.is_of_this_history(begin[1]):
        raise another_history("cursor")
    return question(view)


def another_history(field: str) -> Problem:
    """What to raise for a cursor that has no place in this history of the log."""
    return Problem(
        HTTPStatus.GONE,
        "This cursor is from before the log was restored from a backup, moved or made anew; begin again "
        "without one, and pass over what you have already: an event_id stays the same.",
        code="CURSOR_OF_ANOTHER_HISTORY",
        field=field,
    )
