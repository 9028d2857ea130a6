"""The HTTP API as an OpenAPI 3.1 document, put together from the operations that stand beside their handlers.

Source: OpenAPI Specification 3.1.1.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct, json

from gateway.api import (
    calendars,
    events,
    exports,
    health,
    instructions,
    jobcentres,
    outcomes,
    plans,
    prap,
    prap_actions,
    records,
    referrals,
    sessions,
    upload_outcomes,
    uploads,
    views,
    worklist,
)
from gateway.api.answering import APPLIED, PREFER
from gateway.api.operation import CSV, JSON, TEXT, Answer, Object, Operation, Parameter, header, refusals
from gateway.api.request_id import REQUEST_ID
from gateway.api.responses import ETAG, IF_NONE_MATCH
from gateway.api.v1 import OPENAPI
from gateway.api.webhooks import operations as webhooks
from gateway.contracts.openapi.codes import CODES
from gateway.contracts.openapi.examples import Example, bodies, examples, values
from gateway.contracts.openapi.fields import describe
from gateway.contracts.openapi.plain import plain
from gateway.contracts.openapi.records import components, enums, sandbox_components, with_classes
from gateway.rules.messages import INBOUND
from gateway.sandbox import routes as sandboxes
from gateway.system.version import gateway_version

FILE: Final = "openapi.json"
PROBLEM: Final = "application/problem+json"

GET_OPENAPI: Final = Operation(
    id="getOpenApi",
    method="GET",
    path=OPENAPI,
    tag="document",
    summary="This document",
    parameters=(IF_NONE_MATCH,),
    answers={
        200: Answer("OpenAPI 3.1.", {JSON: {"type": "object"}}, ETAG),
        304: Answer("It is still what you have.", None, ETAG),
    },
)
_OF_ALL: Final = (
    referrals.LIST_REFERRALS,
    referrals.GET_REFERRAL,
    referrals.LIST_HISTORY,
    referrals.LIST_SESSIONS,
    records.POST_RECORD,
    records.GET_MESSAGE,
    uploads.POST_UPLOAD,
    uploads.GET_TEMPLATE,
    upload_outcomes.GET_UPLOAD,
    instructions.LIST_INSTRUCTIONS,
    outcomes.LIST_OUTCOMES,
    exports.GET_EXPORT,
    worklist.GET_WORKLIST,
    sessions.LIST_DAY,
    sessions.GET_SESSION,
    calendars.MAKE_CALENDAR,
    calendars.LIST_CALENDARS,
    calendars.REVOKE_CALENDAR,
    calendars.READ_CALENDAR,
    plans.PUT_PLAN,
    plans.LIST_PLANS,
    jobcentres.POST_WP11,
    jobcentres.POST_UPDATE,
    events.LIST_EVENTS,
    prap.POST_REFERRAL,
    prap.POST_DOWNLOAD,
    prap_actions.LIST_ACTIONS,
    prap_actions.MARK_ACTION,
    prap_actions.UNMARK_ACTION,
    *webhooks.OPERATIONS,
    GET_OPENAPI,
    health.GET_LIVENESS,
    health.GET_READINESS,
    health.GET_METRICS,
)
_OF_SANDBOXES: Final = (
    sandboxes.GET_SANDBOX,
    sandboxes.GET_CLOCK,
    sandboxes.MOVE_CLOCK,
    sandboxes.POST_MESSAGE,
    sandboxes.GET_MESSAGE,
)

_DESCRIPTION: Final = """\
Jobcentre Plus refers participants to a provider; the provider reports what happens to them, and gets what to
do next. A record is put on the gateway's log, decided once, and its outcome can be asked for.

Instants are RFC 3339 in UTC, dates ISO 8601. A parameter of the query without a value is as if it was left
out. Every error is problem details (RFC 9457) with a `code` that stays: decide by it. The schema
ProblemDetails lists all codes, and so does `/problems`. A referral of another provider is answered as one
that there isn't.
"""
_TAGS: Final = {
    "referrals": "Who was referred to you.",
    "messages": "What you did and recorded, and what came of it.",
    "instructions": "What you are to do next.",
    "sessions": "Who was booked, and who came.",
    "delivery plans": "How you plan to deliver the sessions.",
    "jobcentres": "What a Jobcentre sends, and what it is to know.",
    "prap": "What comes from PRaP.",
    "webhooks": "Instructions, outcomes and events, delivered to a URL of yours.",
    "document": "This document.",
    "operation": "For those who run the gateway. No token is asked for.",
    "sandbox": "Only with `gateway run --sandbox`, where nothing is real. No token is asked for.",
}
#: By the values of each list of values that is a component, its name.
_ENUM_NAMED: Final = {frozenset(each["enum"]): name for name, each in enums().items()}
#: Beside a problem's schema, the codes that it may have.
CODES_MEMBER: Final = "x-codes"
_RETRY_AFTER: Final = {
    "Retry-After": header("After how many seconds to try again.", schema={"type": "integer", "minimum": 1})
}
_PROBLEM_HEADERS: Final[Mapping[int, Object]] = {
    401: {"WWW-Authenticate": header("Bearer, and what is wrong with the token (RFC 6750).")},
    # Not where it is the request that names a provider of somebody else.
    403: {"WWW-Authenticate": header("Bearer, where the token lacks a right (RFC 6750).", always=False)},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
#: Every answer has it.
_REQUEST_ID: Final[Object] = {REQUEST_ID: {"$ref": "#/components/headers/RequestId"}}
_ABOUT: Final = {
    400: "Something in the request is wrong.",
    401: "There is no token, or none that is taken.",
    403: "The token doesn't give the right.",
    404: "There is no such thing, or it is another's.",
    408: "The body has not come in time.",
    409: "It can't be done as things stand.",
    410: "What the cursor stands for is there no more.",
    413: "The body is too large.",
    415: "The body is of another media type, or packed in another form.",
    417: "The header Expect asks for what there is not.",
    422: "It was read, and refused.",
    429: "There are too many requests.",
    500: "A bug of the gateway.",
    503: "Not at the moment.",
}


def operations(*, sandbox: bool) -> tuple[Operation, ...]:
    """All that can be asked of a gateway. sandbox: of one that is a sandbox."""
    return (*_OF_ALL, *(_OF_SANDBOXES if sandbox else ()))


def document(*, sandbox: bool) -> Object:
    """The OpenAPI document. sandbox: with what only a sandbox has."""
    listed = operations(sandbox=sandbox)
    shown = examples()
    tags = {operation.tag for operation in listed}
    paths: dict[str, Object] = {}
    for operation in listed:
        own = [example for example in shown if example.operation == operation.id]
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, own)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Information session gateway",
            "version": gateway_version(),
            "description": _DESCRIPTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": about} for name, about in _TAGS.items() if name in tags],
        "paths": paths,
        "components": {
            "schemas": _schemas(sandbox=sandbox),
            "headers": {
                "RequestId": header(
                    "The request's id, `trace_id` in the gateway's log: the trace-id of the request's "
                    "`traceparent`, or a new one.",
                    schema={"type": "string", "pattern": "^[0-9a-f]{32}$"},
                )
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of the identity provider with the claim `provider_id`; for a "
                    "Jobcentre and for PRaP, with what their operations name. In a sandbox, what `gateway "
                    "token` prints with `--provider PRV01`, with `--jobcentre JCP-LEEDS --scope "
                    "jobcentre:send --scope jobcentre:subscribe`, or with `--scope prap:send --scope "
                    "prap:actions`.",
                }
            },
        },
    }


def _schemas(*, sandbox: bool) -> Object:
    answers = [content for each in operations(sandbox=sandbox) for content in _classes(each)]
    _, found = json.schema_components(
        [*answers, views.ProblemDetails], ref_template="#/components/schemas/{name}"
    )
    # The class leaves the event open; the components name the record that each entry holds.
    found.pop("HistoryEntry")
    record = found["MessagePage"]["properties"]["record"]
    record["anyOf"] = [_path("ProviderRecord"), {"type": "null"}]
    records = components() | (sandbox_components() if sandbox else {})
    if both := found.keys() & (records.keys() | enums().keys()):
        raise NotImplementedError(f"A record and an answer have one name ({min(both)}); rename the answer.")
    # Not in the description of the whole, which generators copy into each of their files.
    found["ProblemDetails"]["description"] += "\n" + _table_of_codes(operations(sandbox=sandbox))
    answered = {name: with_classes(name, schema) for name, schema in found.items()}
    described = {name: plain(schema, _ENUM_NAMED) for name, schema in (answered | records).items()}
    referred = json.encode(described).decode()
    used = {name: each for name, each in enums().items() if f'"{_path(name)["$ref"]}"' in referred}
    describe(described)
    return dict(sorted((described | used).items()))


def _classes(operation: Operation) -> list[Any]:
    contents = [content for each in operation.answers.values() for content in _contents(each).values()]
    return [content for content in contents if isinstance(content, type)]


def _contents(answer: Answer) -> Mapping[str, type[Struct] | Object]:
    """What an answer may hold, by media type."""
    if answer.content is None:
        return {}
    return {JSON: answer.content} if isinstance(answer.content, type) else answer.content


def _operation(operation: Operation, shown: list[Example]) -> Object:
    found: Object = {"operationId": operation.id, "tags": [operation.tag], "summary": operation.summary}
    if operation.about:
        found["description"] = operation.about
    if operation.parameters:
        found["parameters"] = [_parameter(each) for each in operation.parameters]
    if operation.takes:
        found["requestBody"] = {"required": True, "content": _takes(operation, shown)}
    statuses = {status: _answer(operation, status, each, shown) for status, each in operation.answers.items()}
    statuses |= {
        status: _problem(operation, status, codes, shown) for status, codes in operation.codes.items()
    }
    found["responses"] = {str(status): statuses[status] for status in sorted(statuses)}
    found["security"] = [{"token": []}] if operation.secured else []
    return found


def _parameter(parameter: Parameter) -> Object:
    found: Object = {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.about,
        "schema": plain(parameter.schema, _ENUM_NAMED),
    }
    if parameter.where == "query":
        found["allowEmptyValue"] = True  # which is as if it was left out
    if parameter.required:
        found["required"] = True
    if parameter.example is not None:
        found["example"] = parameter.example
    return found


def _takes(operation: Operation, shown: list[Example]) -> Object:
    return {
        kind: {"schema": _path(content) if isinstance(content, str) else content}
        | bodies(example for example in shown if example.content_type == kind)
        for kind, content in operation.takes.items()
    }


def _answer(operation: Operation, status: int, answer: Answer, shown: list[Example]) -> Object:
    found: Object = {"description": answer.about, "headers": {**_REQUEST_ID, **answer.headers}}
    if contents := _contents(answer):
        found["content"] = {
            kind: {"schema": _path(content.__name__) if isinstance(content, type) else content}
            | values(shown, status, kind)
            for kind, content in contents.items()
        }
    if operation.links and status < 300:
        found["links"] = {
            name: {"operationId": other, "parameters": {parameter: expression}}
            for name, (other, parameter, expression) in operation.links.items()
        }
    return found


def _problem(operation: Operation, status: int, codes: tuple[str, ...], shown: list[Example]) -> Object:
    # One class of problems in a client, which can read a later code; those of today stand beside it.
    listed = ", ".join(f"`{code}`" for code in codes)
    found: Object = {"description": f"{_ABOUT[status]} Codes: {listed}.", CODES_MEMBER: [*codes]}
    headers = _PROBLEM_HEADERS.get(status, {})
    if status == 422 and operation.files:  # a file only where one was asked for
        headers = {"Content-Disposition": header("The file's name.", always=False)}
    elif status == 422 and PREFER in operation.parameters:
        headers = APPLIED
    found["headers"] = {**_REQUEST_ID, **headers}
    found["content"] = {PROBLEM: {"schema": _path("ProblemDetails")} | values(shown, status, PROBLEM)}
    if operation.files and status == 422:
        found["content"][CSV] = {"schema": TEXT} | values(shown, status, CSV)
    return found


def _path(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


def _table_of_codes(listed: Iterable[Operation]) -> str:
    used = {(status, code) for each in listed for status, codes in each.codes.items() for code in codes}
    sentences = refusals(INBOUND)
    lines = ["\n| status | code | what to do |", "|---|---|---|"]
    for status in sorted(CODES):
        lines += [
            f"| {status} | `{code}` | {to_do} |"
            for code, to_do in CODES[status].items()
            if (status, code) in used
        ]
        if status == 422:
            lines += [
                f"| 422 | `{code}` | {says} |" for code, says in sentences.items() if (422, code) in used
            ]
    return "\n".join(lines) + "\n"
