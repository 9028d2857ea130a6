"""The OpenAPI document is right by OpenAPI's rules, and by what the gateway serves and refuses."""

import ast
import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

import jsonschema_rs
import pytest
from aiohttp import web
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from gateway.api.operation import Operation
from gateway.api.security import RoleReason, TokenReason
from gateway.contracts.openapi import document, operations
from gateway.contracts.openapi.codes import CODES
from gateway.contracts.openapi.document import CODES_MEMBER
from gateway.contracts.openapi.fields import MEANS
from gateway.contracts.openapi.records import SHOWN
from gateway.processes import serving
from gateway.processes.plan import Plan
from gateway.reading.tables import LogTables
from gateway.rules.events import ADVISORY_WORDS, OUTBOUND, Advisory, OutcomeStatus
from gateway.rules.messages import INBOUND, PROVIDERS_TOPIC
from gateway.rules.policy import shipped
from gateway.rules.referral import Status
from gateway.sandbox.beginning import open_sandbox
from gateway.settings.settings import Settings
from schemas.catalogue import SCHEMA_OF, SCHEMAS, about_a_person
from tests.ports import free_port
from tests.sandbox_process import Sandbox

ROOT = Path(__file__).parents[3]
#: Of answers to what no operation is.
OF_NO_OPERATION = {(404, "NOT_FOUND"), (405, "METHOD_NOT_ALLOWED")}
#: Whose code is the status's own name.
BY_STATUS = {
    (400, "BAD_REQUEST"),
    (417, "EXPECTATION_FAILED"),
    (429, "TOO_MANY_REQUESTS"),
    (500, "INTERNAL_SERVER_ERROR"),
    *OF_NO_OPERATION,
}

Json = dict[str, Any]


def as_read(*, sandbox: bool = True) -> Json:
    """The document as it comes out of its JSON."""
    found: Json = json.loads(json.dumps(document(sandbox=sandbox)))
    return found


def references(thing: object) -> Iterator[str]:
    """All that it refers to within itself."""
    if isinstance(thing, dict):
        for key, part in thing.items():
            if key == "$ref":
                yield part
            else:
                yield from references(part)
    elif isinstance(thing, list):
        for part in thing:
            yield from references(part)


#: Fields of answers that have the name of a field about a person, and are another thing.
NAMESAKES = {("CalendarMade", "address"), ("UploadOutcomes", "pending")}


@pytest.mark.parametrize("sandbox", [True, False])
def test_each_field_of_a_record_has_the_class_of_its_schema(sandbox: bool) -> None:
    components = as_read(sandbox=sandbox)["components"]["schemas"]
    by_name = {schema["name"]: schema for schema in SCHEMA_OF.values()}
    described = {name: by_name.get(name.removesuffix("Value")) for name in components}
    checked = 0
    for name, schema in described.items():
        if schema is None or "properties" not in components[name]:
            continue
        classes = {field["name"]: field["data_class"] for field in schema["fields"]} | {"type": None}
        for field, property_ in components[name]["properties"].items():
            assert property_.get("x-data-class") == classes[field], (name, field)
            checked += 1
    assert checked > 200


def test_each_field_of_an_answer_that_comes_from_a_record_has_its_class() -> None:
    """Whatever has the name of a field about a person is one, or is named above."""
    components = as_read(sandbox=False)["components"]["schemas"]
    personal = set[str]().union(*(about_a_person(SCHEMAS[name]) for name in SCHEMAS if name != "DeadLetter"))
    found = {
        (name, field): property_.get("x-data-class")
        for name, schema in components.items()
        for field, property_ in schema.get("properties", {}).items()
        if field in personal and name not in SCHEMAS
    }
    assert {at for at, kind in found.items() if kind in {None, "operational"}} == NAMESAKES
    assert found["ParticipantView", "nino"] == found["ReferralView", "participant"] == "personal"
    assert found["SessionView", "reason_given"] == "special category"
    for name, records in SHOWN.items():
        mine = {field["name"] for record in records for field in SCHEMA_OF[record]["fields"]}
        shown = components[name]["properties"]
        assert {each for each in shown if "x-data-class" in shown[each]} == mine & shown.keys(), name


@pytest.mark.parametrize("sandbox", [True, False])
def test_it_is_openapi_3_1(sandbox: bool) -> None:
    described = as_read(sandbox=sandbox)
    assert described["openapi"].startswith("3.1.")
    assert [*OPENAPI_31_VALIDATOR.iter_errors(described)] == []
    for schema in described["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})


@pytest.mark.parametrize("sandbox", [True, False])
def test_what_it_refers_to_is_there_and_what_is_there_is_referred_to(sandbox: bool) -> None:
    described = as_read(sandbox=sandbox)
    there = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "headers")
        for name in described["components"][kind]
    }
    assert set(references(described)) == there


def parts(thing: object) -> Iterator[Json]:
    """All objects within it."""
    if isinstance(thing, dict):
        yield thing
    for part in thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list) else ():
        yield from parts(part)


def test_its_schemas_are_in_the_form_that_every_generator_reads() -> None:
    for part in parts(as_read()["components"]["schemas"]):
        assert not part.keys() & {"const", "uniqueItems"}
        assert "default" not in part or part["default"] is not None
        if isinstance(part.get("enum"), list):
            assert part["type"] == (["string", "null"] if None in part["enum"] else "string")
        # A component or null; what is no component has null as a second type.
        if isinstance(part.get("anyOf"), list):
            assert [*part["anyOf"][0]] == ["$ref"]
            assert part["anyOf"][1:] == [{"type": "null"}]


def test_a_list_of_values_is_one_component_wherever_it_stands() -> None:
    schemas = as_read()["components"]["schemas"]
    named = {frozenset(each["enum"]): name for name, each in schemas.items() if "enum" in each}
    assert named[frozenset(get_args(Status))] == "ReferralStatus"
    assert named[frozenset({*get_args(OutcomeStatus), "PENDING"})] == "MessageStatus"
    inline = [
        part["enum"]
        for name, each in schemas.items()
        if "enum" not in each
        for part in parts(each)
        if isinstance(part.get("enum"), list)
    ]
    assert not {frozenset(values) for values in inline} & named.keys()


def test_every_instant_and_day_has_its_format() -> None:
    for part in parts(as_read()["components"]["schemas"]):
        for name, field in part["properties"].items() if "enum" not in part and "properties" in part else ():
            kinds = {"_at": "date-time", "_on": "date"}
            if isinstance(field, dict) and name[-3:] in kinds:
                assert field["format"] == kinds[name[-3:]], name


def test_a_discriminator_names_each_of_the_alternatives() -> None:
    schemas = as_read()["components"]["schemas"]
    for name, records in {
        "ProviderRecord": INBOUND[PROVIDERS_TOPIC],
        "HistoryEntry": OUTBOUND.values(),
    }.items():
        described = schemas[name]
        assert {*described["discriminator"]["mapping"]} == {record.__name__ for record in records}
        for value, component in described["discriminator"]["mapping"].items():
            assert {"$ref": component} in described["oneOf"]
            alternative = schemas[component.rpartition("/")[2]]
            assert alternative["properties"]["type"] == {"type": "string", "enum": [value]}
            assert "type" in alternative["required"]


def test_a_number_that_no_rule_takes_is_below_the_minimum() -> None:
    schemas = as_read()["components"]["schemas"]
    assert schemas["SessionBooked"]["properties"]["duration_minutes"]["minimum"] == 1
    assert schemas["ExpenseReimbursed"]["properties"]["amount_pence"]["minimum"] == 1
    assert schemas["SessionList"]["properties"]["booked"]["minimum"] == 0


def test_each_advisory_has_a_sentence() -> None:
    advisory = as_read()["components"]["schemas"]["Advisory"]
    assert {*advisory["enum"]} == {*get_args(Advisory)}
    for name in advisory["enum"]:
        assert f"- `{name}`: {ADVISORY_WORDS[name]}." in advisory["description"]


def test_each_field_is_described() -> None:
    schemas = as_read()["components"]["schemas"]
    fields = [each for schema in schemas.values() for each in schema.get("properties", {}).items()]
    assert [name for name, part in fields if "$ref" not in part and not part.get("description")] == []
    written = {part.get("description") for _, part in fields}
    assert [name for name, means in MEANS.items() if means not in written] == []


def test_a_problem_is_one_class_with_its_codes_beside_it() -> None:
    """A client that knew only the codes of today could not read one of tomorrow."""
    for operation in operations(sandbox=True):
        described = as_read()["paths"][operation.path][operation.method.lower()]["responses"]
        for status, codes in operation.codes.items():
            answer = described[str(status)]
            schema = answer["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ProblemDetails"}
            assert answer[CODES_MEMBER] == [*codes]
            assert all(f"`{code}`" in answer["description"] for code in codes)


def test_operations_and_their_parameters_have_names_of_their_own() -> None:
    listed = operations(sandbox=True)
    assert len({each.id for each in listed}) == len(listed)
    assert len({(each.method, each.path) for each in listed}) == len(listed)
    for each in listed:
        in_path = {part.name for part in each.parameters if part.where == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", each.path))


def test_a_link_leads_to_an_operation_and_a_parameter_of_it() -> None:
    by_id = {each.id: each for each in operations(sandbox=True)}
    for each in by_id.values():
        for other, parameter, _ in each.links.values():
            assert parameter in {part.name for part in by_id[other].parameters}


def test_only_a_sandbox_has_a_sandbox_in_it() -> None:
    assert [path for path in document(sandbox=False)["paths"] if "sandbox" in path] == []
    assert [path for path in document(sandbox=True)["paths"] if "sandbox" in path]
    assert "SandboxMessage" not in document(sandbox=False)["components"]["schemas"]


def raised() -> Iterator[tuple[int, str]]:
    """The status and the code of each Problem that the code raises by name."""
    statuses = {"BAD_REQUEST": 400, "FORBIDDEN": 403, "NOT_FOUND": 404, "CONFLICT": 409} | {
        "GONE": 410,
        "REQUEST_TIMEOUT": 408,
        "REQUEST_ENTITY_TOO_LARGE": 413,
        "UNSUPPORTED_MEDIA_TYPE": 415,
        "UNPROCESSABLE_ENTITY": 422,
        "TOO_MANY_REQUESTS": 429,
        "SERVICE_UNAVAILABLE": 503,
    }
    for file in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name("invalid"), args=[ast.Constant(str(code)), *_]):
                    yield 400, code
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Problem"):
                continue
            status = getattr(node.args[0], "attr", None) if node.args else None
            codes = [each.value for each in node.keywords if each.arg == "code"]
            for code in codes:
                for part in ast.walk(code):
                    if (
                        isinstance(part, ast.Constant)
                        and isinstance(part.value, str)
                        and part.value.isupper()
                    ):
                        assert status in statuses, f"{file}:{node.lineno}"
                        yield statuses[status], part.value


def test_its_codes_are_those_of_the_code() -> None:
    """One that is raised and not listed, or the other way round, would be a promise that isn't kept."""
    tokens = {
        (503 if it == "keys_unavailable" else 401, f"TOKEN_{it.upper()}") for it in get_args(TokenReason)
    }
    roles = {(403, it.upper()) for it in get_args(RoleReason)}
    listed = {(status, code) for status, codes in CODES.items() for code in codes}
    assert {*raised()} | tokens | roles | BY_STATUS == listed


def test_every_code_is_that_of_an_operation_and_explained_in_the_table() -> None:
    listed = {(status, code) for status, codes in CODES.items() for code in codes}
    of_operations = {
        (status, code)
        for each in operations(sandbox=True)
        for status, codes in each.codes.items()
        for code in codes
    }
    assert listed - of_operations == OF_NO_OPERATION
    table = as_read()["components"]["schemas"]["ProblemDetails"]["description"]
    for status, code in of_operations:
        assert f"| {status} | `{code}` |" in table


#: Pages for people, and what they load.
PAGES = ("/console", "/problems", "/reference", "/pages.css")


async def test_it_has_every_route_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[web.Application] = []

    @asynccontextmanager
    async def not_serving(
        app: web.Application, *_: object, sandbox: bool, **__: object
    ) -> AsyncIterator[None]:
        assert sandbox
        seen.append(app)
        yield

    monkeypatch.setattr(serving, "serving", not_serving)
    settings = Settings(log_url=f"sqlite:///{tmp_path / 'g.db'}", http_port=free_port())
    log = await open_sandbox(settings.log_path(), 1, LogTables())
    try:
        async with serving.served(Plan(settings, shipped(), sandbox=True), log, asyncio.Event()):
            pass
    finally:
        await log.close()
    (app,) = seen
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"  # aiohttp's own, with every GET
        if route.resource.canonical != "/" and not route.resource.canonical.startswith(PAGES)
    }
    assert routes == {(each.method, each.path) for each in operations(sandbox=True)}


#: Health and metrics pass over parameters: monitoring may add some.
ASKED_EXACTLY = [each for each in operations(sandbox=True) if each.tag != "operation"]


@pytest.mark.parametrize("operation", ASKED_EXACTLY, ids=lambda each: each.id)
def test_its_parameters_of_the_query_are_those_that_are_read(operation: Operation, here: Sandbox) -> None:
    """The gateway tells which there are to whoever gives another one."""
    path = operation.path.replace("{po}", "UC-MANDATORY").replace("{id}", "x")
    answered = here.ask(operation.method, f"{path}?nothing_of_the_kind=1")
    problem = json.loads(answered.body)
    assert problem["code"] == "UNKNOWN_PARAMETER"
    named = problem["detail"].partition("It takes ")[2].rstrip(".").split(", ")
    assert set(named) - {"none"} == {part.name for part in operation.parameters if part.where == "query"}


def test_it_is_served_to_anybody_compressed_and_once(here: Sandbox) -> None:
    plain = here.ask("GET", "/v1/openapi.json", Authorization="")
    assert (plain.status, plain.type) == (200, "application/json")
    assert json.loads(plain.body) == as_read()
    packed = here.ask("GET", "/v1/openapi.json", Authorization="", Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    etag = plain.headers["ETag"]
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        again = here.ask("GET", "/v1/openapi.json", If_None_Match=known)
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
    assert here.ask("GET", "/v1/openapi.json", If_None_Match='"other"').status == 200
