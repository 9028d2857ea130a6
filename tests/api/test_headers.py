"""Headers are read by their grammars, not by what they happen to have in them."""

import gzip
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gateway.api.answering import LONGEST_WAIT_S, wait_s_of
from gateway.api.headers import best_of, takes_gzip
from tests.api.running import Client, Sandbox, sandbox
from tests.api.streams import stream

JSON, EVENTS = "application/json", "text/event-stream"


def request(header: str, *values: str) -> web.Request:
    return make_mocked_request("GET", "/", [(header, value) for value in values])


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        ((), JSON),
        (("",), JSON),
        (("*/*",), JSON),
        (("text/event-stream",), EVENTS),
        (("TEXT/EVENT-STREAM",), EVENTS),
        (("text/event-stream;charset=utf-8",), EVENTS),
        (("text/*",), EVENTS),
        (("application/json, text/event-stream",), JSON),
        (("text/event-stream, application/json",), JSON),
        (("text/event-stream", "application/json"), JSON),
        (("text/event-stream, application/json;q=0.9",), EVENTS),
        (("text/event-stream;q=0.1, application/json;q=0.05",), EVENTS),
        (("text/event-stream;q=0, */*;q=0.1",), JSON),
        (("*/*;q=0.5, text/event-stream",), EVENTS),
        (("text/event-stream ; Q=0.2 ,, application/json\t;q=0.3",), JSON),
        (('text/plain;a="text/event-stream, text/event-stream"',), JSON),
        (("text/event-streams",), JSON),
        (("text/html",), JSON),
        (("text/event-stream;q=2",), JSON),
        (("text/event-stream;q=",), JSON),
        (('"',), JSON),
        ((";,=;q",), JSON),
        (("text/event-stream," * 4_000,), JSON),
    ],
)
def test_accept_is_read_with_its_weights(accept: tuple[str, ...], best: str) -> None:
    assert best_of(request("Accept", *accept), (JSON, EVENTS)) == best


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ((), False),
        (("",), False),
        (("gzip",), True),
        (("GZIP",), True),
        (("x-gzip",), True),
        (("br, gzip;q=0.1",), True),
        (("*",), True),
        (("br", "gzip"), True),
        (("gzip;q=0",), False),
        (("gzip;q=0.000",), False),
        (("gzip ; q=0, *",), False),
        (("*;q=0",), False),
        (("identity",), False),
        (("identity, gzip;q=0.5",), False),
        (('br;a="gzip, gzip"',), False),
        (("gzips",), False),
    ],
)
def test_accept_encoding_is_read_with_its_weights(given: tuple[str, ...], taken: bool) -> None:
    assert takes_gzip(request("Accept-Encoding", *given)) is taken


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [
        ((), 0),
        (("wait=5",), 5),
        (("WAIT = 5",), 5),
        (('wait="5"',), 5),
        (("return=minimal, wait=5",), 5),
        (("return=minimal", "wait=5"), 5),
        (("wait=5; a=b",), 5),
        (("wait=5, wait=7",), 5),
        (("wait=99999",), LONGEST_WAIT_S),
        (('foo="a, wait=5, b"',), 0),
        (('foo="a\\", wait=5, b"',), 0),
        (("foo; wait=5",), 0),
        (("foo wait=5",), 0),
        (("waits=5",), 0),
        (("wait",), 0),
        (("wait=",), 0),
        (("wait=-1",), 0),
        (("wait=5.5",), 0),
        (("wait=٥",), 0),
        (("wait=5s",), 0),
        (("wait=" + "9" * 5_000,), 0),
        (('"' * 8_000 + "wait=5",), 0),
    ],
)
def test_prefer_is_read_by_rfc_7240(prefer: tuple[str, ...], wait_s: int) -> None:
    assert wait_s_of(request("Prefer", *prefer)) == wait_s


async def test_a_not_modified_varies_as_the_answer_does_and_names_the_same_version(
    provider: Client,
) -> None:
    """The tag is weak: the bytes of a compressed answer are others."""
    path = "/v1/referrals/UC-MANDATORY"
    plain = await provider.get(path, Accept_Encoding="identity")
    packed = await provider.get(path, Accept_Encoding="gzip")
    assert plain.headers["ETag"] == packed.headers["ETag"]
    assert plain.headers["ETag"].startswith('W/"')
    etag = plain.headers["ETag"]
    for known in (etag, etag.removeprefix("W/"), f'"other,", {etag}', "*"):
        same = await provider.get(path, If_None_Match=known)
        assert (same.status, same.body) == (304, b"")
        for name in ("ETag", "Vary", "Cache-Control"):
            assert same.headers[name] == plain.headers[name]
    for other in ('"other"', "", f'"x{etag[3:]}', etag[3:-1], '"' * 2_000):
        assert (await provider.get(path, If_None_Match=other)).status == 200


async def test_an_answer_that_depends_on_accept_varies_by_it(provider: Client) -> None:
    answer = await provider.get("/v1/instructions", Accept="application/json, text/event-stream")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.headers["Vary"] == "Accept, Accept-Encoding"


async def test_an_empty_last_event_id_is_none(served: Sandbox, provider: Client) -> None:
    async with stream(provider, Last_Event_ID="") as events:
        first = await events.events(1)
    (known,) = (await provider.get("/v1/instructions?limit=1")).json["instructions"]
    assert first == [known]


async def test_a_file_of_mistakes_comes_to_who_would_rather_have_one(tmp_path: Path) -> None:
    async with sandbox(tmp_path / "gateway.db") as served:
        provider = served.client()
        for accept, media_type in (
            ("text/csv", "text/csv; charset=utf-8"),
            ("application/json;q=0.5, Text/CSV", "text/csv; charset=utf-8"),
            ("application/json, text/csv;q=0.5", "application/problem+json"),
            ("text/csv;q=0", "application/problem+json"),
            ("text/csv-schema", "application/problem+json"),
        ):
            answer = await provider.ask(
                "POST",
                "/v1/uploads",
                gzip.compress(b"{}"),
                Content_Type="application/jsonl",
                Content_Encoding="gzip",
                Accept=accept,
            )
            assert (answer.status, answer.headers["Content-Type"]) == (422, media_type), accept
