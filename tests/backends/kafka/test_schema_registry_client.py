"""What is said to a schema registry, and what its answers come to."""

import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from gateway.backends.kafka.connection import tls
from gateway.backends.kafka.schema_registry import (
    LARGEST_ANSWER,
    BasicLogin,
    BearerLogin,
    NotCompatible,
    NotRegistered,
    RegistryAway,
    SchemaRegistry,
)

SECRET = "hunter2"


class Answers:
    """A registry that gives the answers it is told to, by path."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[str | None] = []
        self.given: dict[str, web.Response] = {}

    async def handle(self, request: web.Request) -> web.Response:
        self.heard.append(request.headers.get("Authorization"))
        given = self.given[request.path]
        return web.Response(status=given.status, body=given.body, headers=given.headers)


async def served(answers: Answers, context: ssl.SSLContext | None = None) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answers.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    answers.url = f"{'https' if context else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    return runner


@pytest.fixture
async def answers() -> AsyncIterator[Answers]:
    made = Answers()
    runner = await served(made)
    yield made
    await runner.cleanup()


@pytest.mark.parametrize(
    ("login", "said"),
    [
        (None, None),
        (BasicLogin("gätewäy", SECRET), f"Basic {b64encode(f'gätewäy:{SECRET}'.encode()).decode()}"),
        (BearerLogin(SECRET), f"Bearer {SECRET}"),
    ],
)
async def test_it_says_who_it_is(
    login: BasicLogin | BearerLogin | None, said: str | None, answers: Answers
) -> None:
    answers.given["/schemas/ids/7"] = web.json_response({"schema": '"string"'})
    registry = SchemaRegistry(answers.url, login=login)
    assert await registry.schema(7) == ['"string"']
    assert answers.heard == [said]
    assert SECRET not in repr(login)
    await registry.close()


async def test_a_schema_comes_behind_those_that_it_refers_to(answers: Answers) -> None:
    answers.given |= {
        "/schemas/ids/7": web.json_response(
            {"schema": "C", "references": [{"name": "B", "subject": "b/b", "version": 2}]}
        ),
        "/subjects/b/b/versions/2": web.json_response(
            {"schema": "B", "references": [{"name": "A", "subject": "a", "version": 1}]}
        ),
        "/subjects/a/versions/1": web.json_response({"schema": "A"}),
    }
    registry = SchemaRegistry(answers.url)
    assert await registry.schema(7) == ["A", "B", "C"]
    await registry.close()


async def test_a_schema_that_refers_to_itself_or_is_not_avro_is_none(answers: Answers) -> None:
    answers.given |= {
        "/schemas/ids/7": web.json_response({"schema": "message A {}", "schemaType": "PROTOBUF"}),
        "/schemas/ids/8": web.json_response(
            {"schema": "A", "references": [{"name": "A", "subject": "a", "version": 1}]}
        ),
        "/subjects/a/versions/1": web.json_response(
            {"schema": "A", "references": [{"name": "A", "subject": "a", "version": 1}]}
        ),
    }
    registry = SchemaRegistry(answers.url)
    for schema_id in (7, 8):
        with pytest.raises(NotRegistered):
            await registry.schema(schema_id)
    await registry.close()


async def test_only_its_own_word_says_that_a_schema_is_not_there(answers: Answers) -> None:
    """A 404 of a proxy, or of a wrong path, must not make dead letters."""
    answers.given["/schemas/ids/7"] = web.json_response({"error_code": 40403}, status=404)
    answers.given["/schemas/ids/8"] = web.Response(status=404, text="no such page")
    registry = SchemaRegistry(answers.url)
    with pytest.raises(NotRegistered):
        await registry.schema(7)
    with pytest.raises(RegistryAway, match="answers with status 404 and not as one with Confluent's API"):
        await registry.schema(8)
    await registry.close()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (web.Response(status=401), "refuses this login; correct GATEWAY_SCHEMA_REGISTRY_USERNAME"),
        (web.Response(status=403), "refuses this login"),
        (web.Response(status=500, text=SECRET), "answers with status 500"),
        (web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), "answers with status 302"),
        (web.Response(text="<html>"), "answers with status 200 and not as one"),
        (web.Response(body=b"[" * (LARGEST_ANSWER + 1)), "answers with status 200 and not as one"),
    ],
)
async def test_whatever_else_it_answers_is_an_outage_that_says_what_to_do(
    answer: web.Response, said: str, answers: Answers
) -> None:
    answers.given["/subjects/a"] = answer
    registry = SchemaRegistry(answers.url, login=BearerLogin(SECRET))
    with pytest.raises(RegistryAway, match=said) as refused:
        await registry.id_of("a", "{}")
    assert SECRET not in str(refused.value)
    await registry.close()


async def test_a_schema_that_is_not_taken_says_where_to_look(answers: Answers) -> None:
    answers.given["/subjects/a/versions"] = web.json_response({"error_code": 409}, status=409)
    registry = SchemaRegistry(answers.url)
    with pytest.raises(NotCompatible, match="does not take the schema of a; see `gateway schemas check`"):
        await registry.register("a", "{}")
    await registry.close()


async def test_its_certificate_is_checked(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(serving)
    for name, ca in (("ca.pem", authority), ("other.pem", other)):
        ca.cert_pem.write_to_path(tmp_path / name)
    answers = Answers()
    answers.given["/schemas/ids/7"] = web.json_response({"schema": "A"})
    runner = await served(answers, serving)
    trusted = SchemaRegistry(answers.url, tls=tls(tmp_path / "ca.pem"))
    assert await trusted.schema(7) == ["A"]
    await trusted.close()
    for distrusted in (
        SchemaRegistry(answers.url, tls=tls(tmp_path / "other.pem")),
        SchemaRegistry(answers.url),
    ):
        with pytest.raises(
            RegistryAway, match="is not trusted; name its CA in GATEWAY_SCHEMA_REGISTRY_CA_FILE"
        ):
            await distrusted.schema(7)
        await distrusted.close()
    await runner.cleanup()
