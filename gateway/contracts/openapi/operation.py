"""An operation: what it takes, and every answer that it gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from msgspec import Struct

from gateway.api import views
from gateway.contracts.openapi import parameters as given
from gateway.contracts.openapi.codes import CODES
from gateway.contracts.openapi.parameters import Object

Tag = Literal[
    "referrals", "messages", "instructions", "sessions", "delivery plans", "document", "operation", "sandbox"
]
#: What an answer holds: one of the classes in JSON, or by media type such a class or a JSON Schema.
Content = type[Struct] | Mapping[str, type[Struct] | Object]
Codes = Mapping[int, tuple[str, ...]]

TEXT: Final[Object] = {"type": "string"}
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no problem. headers: those that it has."""

    about: str
    content: Content | None = None
    headers: Mapping[str, Object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What can be asked.

    takes: by media type the name of a component, or a JSON Schema. problems: by status the codes that it may
    have beside those of every operation of its kind. links: by name the operation that an answer leads to,
    and where its path's parameter is in that answer. files: problems may also come as CSV.
    """

    id: str
    method: str
    path: str
    tag: Tag
    summary: str
    about: str = ""
    parameters: tuple[Object, ...] = ()
    takes: Mapping[str, str | Object] = field(default_factory=dict)
    answers: Mapping[int, Answer]
    problems: Codes = field(default_factory=dict)
    links: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    files: bool = False

    @property
    def secured(self) -> bool:
        """Whether it asks for a token."""
        return self.path.startswith("/v1/") and self.tag != "document"

    @property
    def codes(self) -> dict[int, tuple[str, ...]]:
        """By status, all codes that it may have."""
        own = (
            self.problems,
            _OF_PROVIDERS if self.secured else {},
            {} if self.tag == "operation" else _OF_ALL,
        )
        found: dict[int, set[str]] = (
            {400: {"UNREADABLE_BODY"}, 408: {"TOO_SLOW"}, 415: {"UNKNOWN_ENCODING"}} if self.takes else {}
        )
        for each in own:
            for status, codes in each.items():
                found.setdefault(status, set()).update(codes)
        return {status: tuple(sorted(found[status])) for status in sorted(found)}


_OF_ALL: Final[Codes] = {
    400: ("UNKNOWN_PARAMETER", "BAD_PARAMETER", "BAD_REQUEST"),
    417: ("EXPECTATION_FAILED",),
    500: ("INTERNAL_SERVER_ERROR",),
}
_OF_PROVIDERS: Final[Codes] = {
    401: tuple(CODES[401]),
    403: ("NO_RIGHTS", "NOT_A_PROVIDER", "ANOTHER_PROVIDER"),
    429: ("TOO_MANY_REQUESTS",),
    503: ("STARTING", "PROJECTION_UNREADABLE", "TOKEN_KEYS_UNAVAILABLE"),
}
BODY: Final[Codes] = {413: ("TOO_LARGE",), 415: ("NOT_JSON",)}
TO_MESSAGE: Final = {
    "outcome": ("getMessage", "id", "$response.body#/message_id"),
    "referral": ("getReferral", "po", "$response.body#/po_number"),
}
DECIDED: Final = Answer("Decided: APPLIED, or DUPLICATE.", views.MessageView, given.APPLIED)
TAKEN: Final = Answer(
    "It is on the log and will be decided, whatever happens to the gateway; HELD: it waits for its referral.",
    views.MessageView,
    given.LOCATION | given.APPLIED,
)
