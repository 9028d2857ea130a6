"""What was asked of a sandbox, and what it answered: the examples of the document."""

from collections.abc import Iterable
from importlib.resources import files
from typing import Any, Final

from msgspec import Struct, json

FILE: Final = "examples.json"


class Example(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request, and its answer. content_type: of what was sent, answer_type: of what came."""

    operation: str
    name: str
    summary: str
    path: str
    headers: dict[str, str] = {}
    content_type: str | None = None
    body: Any = None
    status: int
    answer_headers: dict[str, str] = {}
    answer_type: str | None = None
    answer: Any = None


def examples() -> list[Example]:
    """All of them, in the order in which they were asked."""
    return json.decode(files(__package__).joinpath(FILE).read_bytes(), type=list[Example])


def bodies(shown: Iterable[Example]) -> dict[str, object]:
    """Those of a request's body that was taken, and is a text."""
    return _named((each, each.body) for each in shown if each.status < 300 and each.body is not None)


def values(shown: Iterable[Example], status: int, kind: str) -> dict[str, object]:
    """Those of an answer of a status and a media type."""
    return _named((each, each.answer) for each in shown if (each.status, each.answer_type) == (status, kind))


def _named(found: Iterable[tuple[Example, object]]) -> dict[str, object]:
    named = {each.name: {"summary": each.summary, "value": value} for each, value in found}
    return {"examples": named} if named else {}
