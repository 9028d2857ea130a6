"""The parameters that operations share, with their limits, and the headers of answers."""

from typing import Any, Final

from gateway.api import instructions, referrals
from gateway.api.callers.verifying import LONGEST_PROVIDER_ID
from gateway.api.desk import LONGEST_ID
from gateway.rules.messages import PRAP_ID

Object = dict[str, Any]


def _parameter(where: str, name: str, description: str, schema: Object, **other: object) -> Object:
    empty = {"allowEmptyValue": True} if where == "query" else {}  # which is as if it was left out
    return {"name": name, "in": where, "description": description, "schema": schema} | empty | other


def _in_path(name: str, description: str, example: str) -> Object:
    schema = {"type": "string", "minLength": 1}
    return _parameter("path", name, description, schema, required=True, example=example)


def _number(least: int, most: int, default: int) -> Object:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


_CURSOR: Final[Object] = {"type": "string", "minLength": 1, "maxLength": 1_000}
_KEY: Final = (
    "The record's id, chosen by you. Sent again with the same body, the answer is the same and nothing "
    "happens twice; with another body it is refused."
)
#: Visible characters of ASCII without a quotation mark; two such marks may stand around them. Dots alone
#: would be lost from a path, and some ids are for messages that a provider does not send.
_KEY_SCHEMA: Final[Object] = {
    "type": "string",
    "pattern": rf'^(?!"?(\.{{1,2}}"?$|{PRAP_ID}))("[!#-~]{{1,{LONGEST_ID}}}"|[!#-~]{{1,{LONGEST_ID}}})$',
}


PO: Final = _in_path("po", "The purchase order's number.", "UC-MANDATORY")
MESSAGE: Final = _in_path("id", "The message's id: the Idempotency-Key that it came with.", "prv-1")
SANDBOX_MESSAGE: Final = _in_path("id", "The message_id that it came with.", "jcp-1")
SESSION: Final = _in_path("id", "The session's id.", "S1")
PROVIDER: Final = _parameter(
    "query",
    "provider_id",
    "Where the token stands for several providers, the one that this is for; otherwise it is left out.",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_PROVIDER_ID},
)
STATUS: Final = _parameter(
    "query", "status", "Only those of this status.", {"type": "string", "enum": [*referrals.STATUSES]}
)
CURSOR: Final = _parameter("query", "cursor", "`next` of the page before.", _CURSOR)
LIMIT: Final = _parameter(
    "query", "limit", "How many at the most.", _number(1, referrals.LARGEST_PAGE, referrals.PAGE)
)
AFTER: Final = _parameter(
    "query", "after", "`next` of an earlier answer; without it, from the first on.", _CURSOR
)
WAIT: Final = _parameter(
    "query",
    "wait",
    "For how many seconds to wait where there is nothing yet.",
    _number(0, instructions.LONGEST_WAIT_S, 0),
)
INSTRUCTION_LIMIT: Final = _parameter(
    "query", "limit", "How many at the most.", _number(1, instructions.LARGEST_PAGE, instructions.PAGE)
)
KEY: Final = _parameter("header", "Idempotency-Key", _KEY, _KEY_SCHEMA, required=True)
PLAN_KEY: Final = _parameter(
    "header", "Idempotency-Key", "The plan's id, chosen by you; without it, one is made.", _KEY_SCHEMA
)
PREFER: Final = _parameter(
    "header",
    "Prefer",
    "`wait=5`: wait up to so many seconds, 30 at the most, for what comes of it (RFC 7240).",
    {"type": "string", "examples": ["wait=5"]},
)
IF_NONE_MATCH: Final = _parameter(
    "header", "If-None-Match", "The ETag that you have: 304 where it is still the same.", {"type": "string"}
)
LAST_EVENT_ID: Final = _parameter(
    "header",
    "Last-Event-ID",
    "In a stream, and only there, in place of `after`: the id of the last event that you had.",
    {"type": "string"},
)


def _header(description: str, *, always: bool = True, schema: Object | None = None) -> Object:
    return {"description": description, "required": always, "schema": schema or {"type": "string"}}


ETAG: Final = {"ETag": _header("Names this version; see If-None-Match.")}
LOCATION: Final = {"Location": _header("Where its outcome will be.")}
APPLIED: Final = {"Preference-Applied": _header("For how long was waited at the most.", always=False)}
DISPOSITION: Final = {"Content-Disposition": _header("The file's name.")}
#: Of mistakes, which come as a file only where one was asked for.
DISPOSITION_OR_NONE: Final = {"Content-Disposition": _header("The file's name.", always=False)}
RETRY_AFTER: Final = {
    "Retry-After": _header("After how many seconds to try again.", schema={"type": "integer", "minimum": 1})
}
CHALLENGE: Final = {"WWW-Authenticate": _header("Bearer, and what is wrong with the token (RFC 6750).")}
#: Not where it is the request that names a provider of somebody else.
CHALLENGE_OR_NONE: Final = {
    "WWW-Authenticate": _header("Bearer, where the token lacks a right (RFC 6750).", always=False)
}
