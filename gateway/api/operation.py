"""What can be asked, stated once, beside what answers it: an operation makes its route and its OpenAPI."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Literal

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from gateway.api.problems import Problem
from gateway.api.security import TOKEN_SAYS
from gateway.rules.decide import CHECKS, UNKNOWN_DETAIL, UNKNOWN_REFERRAL
from gateway.rules.messages import INBOUND
from schemas.json import nearest

Object = dict[str, Any]
Tag = Literal[
    "referrals",
    "messages",
    "instructions",
    "sessions",
    "delivery plans",
    "jobcentres",
    "prap",
    "webhooks",
    "document",
    "operation",
    "sandbox",
]
#: Whose token an operation asks for.
Who = Literal["provider", "jobcentre", "prap", "anybody"]
#: What an answer holds: one of the classes in JSON, or by media type such a class or a JSON Schema.
Content = type[Struct] | Mapping[str, type[Struct] | Object]
#: By status, the codes of problem details.
Codes = Mapping[int, tuple[str, ...]]

JSON: Final = "application/json"
CSV: Final = "text/csv"
TEXT: Final[Object] = {"type": "string"}
FILE: Final[Object] = {"type": "string", "format": "binary"}
#: Of a cursor, whatever it stands for.
CURSOR_SCHEMA: Final[Object] = {"type": "string", "minLength": 1, "maxLength": 1_000}


def _has_query(request: web.Request) -> bool:
    """Whether there may be a query; to see that there is none takes less time than to read none."""
    return "?" in request.raw_path


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation. schema: what it may be."""

    where: Literal["path", "query", "header"]
    name: str
    about: str
    schema: Object
    required: bool = False
    example: str | None = None

    def text_of(self, request: web.Request) -> str | None:
        """What the query says. A parameter without a value is as if it was left out, as forms write it."""
        return (request.query.get(self.name) or None) if _has_query(request) else None

    def number_of(self, request: web.Request) -> int:
        """The number that a request says, of one made by `whole_number`. Raises Problem."""
        text = self.text_of(request)
        if text is None:
            return int(self.schema["default"])
        least, most = self.schema["minimum"], self.schema["maximum"]
        if text.isascii() and text.isdecimal() and len(text) <= 6 and least <= int(text) <= most:
            return int(text)
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"{self.name} is not a number from {least} to {most}.",
            code="BAD_PARAMETER",
            field=self.name,
        )


def in_path(name: str, about: str, example: str, **limits: object) -> Parameter:
    """A parameter of the path. limits: further ones of JSON Schema."""
    return Parameter("path", name, about, TEXT | {"minLength": 1} | limits, required=True, example=example)


def whole_number(name: str, about: str, *, least: int, most: int, default: int) -> Parameter:
    """A number in the query."""
    limits = {"minimum": least, "maximum": most, "default": default}
    return Parameter("query", name, about, {"type": "integer"} | limits)


def header(description: str, *, always: bool = True, schema: Object = TEXT) -> Object:
    """A header of an answer. always: whether every one has it."""
    return {"description": description, "required": always, "schema": schema}


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
    and where its path's parameter is in that answer. files: problems may also come as CSV. who: may ask it.
    """

    id: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    tag: Tag
    summary: str
    about: str = ""
    parameters: tuple[Parameter, ...] = ()
    takes: Mapping[str, str | Object] = field(default_factory=dict)
    answers: Mapping[int, Answer]
    problems: Codes = field(default_factory=dict)
    links: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    files: bool = False
    who: Who = "provider"

    def route(self, handler: Handler) -> web.RouteDef:
        """Where it is asked, and what answers: to requests without parameters that it doesn't have."""
        # With a pattern of its own: aiohttp's leaves out braces, and an id may have them.
        path = re.sub(r"\{(\w+)\}", r"{\1:[^/]+}", self.path)
        known = [each.name for each in self.parameters if each.where == "query"]

        async def checked(request: web.Request) -> web.StreamResponse:
            if _has_query(request):
                _refuse_unknown_parameters(request, known)
            return await handler(request)

        # Monitoring may add parameters, and they are passed over.
        return web.route(self.method, path, handler if self.tag == "operation" else checked)

    @property
    def secured(self) -> bool:
        """Whether it asks for a token."""
        return self.path.startswith("/v1/") and self.tag != "document"

    @property
    def codes(self) -> dict[int, tuple[str, ...]]:
        """By status, all codes that it may have."""
        all_of_them = [
            self.problems,
            _OF_CALLERS | {403: ("NO_RIGHTS", *_OF_PARTIES[self.who])} if self.secured else {},
            _OF_ALL,
            {} if self.tag == "operation" else _OF_ALL_BUT_HEALTH,
            _OF_BODIES if self.takes else {},
            _OF_JSON if JSON in self.takes else {},
        ]
        found: dict[int, set[str]] = {}
        for each in all_of_them:
            for status, codes in each.items():
                found.setdefault(status, set()).update(codes)
        return {status: tuple(sorted(found[status])) for status in sorted(found)}


_OF_ALL: Final[Codes] = {
    400: ("BAD_REQUEST",),
    417: ("EXPECTATION_FAILED",),
    500: ("INTERNAL_SERVER_ERROR",),
}
#: Health is answered when there are too many connections, and passes over parameters.
_OF_ALL_BUT_HEALTH: Final[Codes] = {
    400: ("UNKNOWN_PARAMETER", "BAD_PARAMETER"),
    503: ("TOO_MANY_CONNECTIONS",),
}
_OF_CALLERS: Final[dict[int, tuple[str, ...]]] = {
    401: tuple(f"TOKEN_{reason.upper()}" for reason in TOKEN_SAYS if reason != "keys_unavailable"),
    429: ("TOO_MANY_REQUESTS",),
    503: ("STARTING", "PROJECTION_UNREADABLE", "TOKEN_KEYS_UNAVAILABLE"),
}
_OF_PARTIES: Final[Mapping[Who, tuple[str, ...]]] = {
    "provider": ("NOT_A_PROVIDER", "ANOTHER_PROVIDER"),
    "jobcentre": ("NOT_A_JOBCENTRE",),
    "prap": ("NOT_PRAP",),
    "anybody": ("NOT_A_PROVIDER", "ANOTHER_PROVIDER"),  # where the query names a provider
}
_OF_BODIES: Final[Codes] = {
    400: ("UNREADABLE_BODY",),
    408: ("TOO_SLOW",),
    413: ("TOO_LARGE",),
    415: ("UNKNOWN_ENCODING",),
}
_OF_JSON: Final[Codes] = {400: ("NOT_JSON",), 415: ("JSON_NEEDED",)}


#: What doesn't look like a parameter's name may be content that has slipped.
_A_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")


def _refuse_unknown_parameters(request: web.Request, known: Collection[str]) -> None:
    """Raises Problem for a parameter that there is not, which would else be passed over in silence."""
    unknown = next((name for name in request.query if name not in known), None)
    if unknown is not None:  # a name may be empty
        named = unknown if _A_NAME.fullmatch(unknown) else None
        near = None if named is None else nearest(named, known)
        what_to_do = f"write {near}" if near else "leave it out"
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"There is a parameter that this path does not have; {what_to_do}. "
            f"It takes {', '.join(known) or 'none'}.",
            code="UNKNOWN_PARAMETER",
            field=named,
        )
    if len(request.query) != len(set(request.query)):
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            "A parameter is given twice; give it once.",
            code="BAD_PARAMETER",
            field=next(name for name in known if len(request.query.getall(name, ())) > 1),
        )


def refusals(topics: Iterable[str]) -> dict[str, str]:
    """By code, the sentence with which a message of these topics is refused."""
    found = {UNKNOWN_REFERRAL: UNKNOWN_DETAIL}
    for topic in topics:
        for record in INBOUND[topic]:
            found |= {check.code: check.detail or "" for check in CHECKS[record] if check.code}
    return dict(sorted(found.items()))
