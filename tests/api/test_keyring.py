"""Keys are fetched while nobody waits, go when they are withdrawn, and stay when nothing comes."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.api.callers.keyring import ASKED_FOR_APART_S, ASKED_FOR_AT_ONCE, KEPT_S, Keyring
from gateway.api.callers.keys import LARGEST_SET, MOST_KEYS, read_keys
from gateway.api.callers.sources import NotFetched, from_file, from_url
from gateway.system import telemetry
from tests.api.tokens import (
    Clock,
    Endpoint,
    Served,
    ec_key,
    ed_key,
    endpoint,
    jwk,
    key_set,
    served,
    token,
    usual_keys,
)

OTHER = ec_key(number=1)
BOTH = key_set(jwk(ec_key(), "ec"), jwk(OTHER, "other"))


@pytest.fixture(autouse=True)
def logged() -> Iterator[io.StringIO]:
    """What is logged, as JSON."""
    stream = io.StringIO()
    telemetry.configure("info", stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture
async def provider() -> AsyncIterator[Endpoint]:
    async with endpoint() as made:
        yield made


@pytest.fixture
def passed() -> Clock:
    """The clock of the keyring; that of the tokens stands still."""
    return Clock(0)


@pytest.fixture
async def api(provider: Endpoint, passed: Clock) -> AsyncIterator[Served]:
    """An API that has fetched its keys once, and fetches them again only when it is asked for."""
    keyring = Keyring(from_url(provider.url), now_s=passed)
    async with served(keyring) as made:
        await keyring.newest()
        passed.at += ASKED_FOR_APART_S
        provider.asked = 0
        yield made


def said(logged: io.StringIO, event: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, logged.getvalue().splitlines()) if line["event"] == event]


async def test_rotations_one_after_the_other_are_each_fetched_at_once(
    api: Served, provider: Endpoint
) -> None:
    """Also where the new key has the id of the old one."""
    for number, kid in enumerate(("other", "third", "ec", "ec"), start=1):
        key = ec_key(number=number)
        provider.document = key_set(jwk(key, kid))
        assert (await api.bearing(token(key, kid))).status == 200
        assert provider.asked == number


@pytest.mark.parametrize(
    "kid", ["other", "ec", None, "rsa"], ids=["unknown", "known", "none", "of another kind"]
)
async def test_tokens_that_no_key_has_signed_make_a_few_fetches_and_then_one_now_and_then(
    kid: str | None, api: Served, provider: Endpoint, passed: Clock
) -> None:
    for _ in range(20):
        assert (await api.bearing(token(OTHER, kid))).status == 401
    assert provider.asked == ASKED_FOR_AT_ONCE
    passed.at += ASKED_FOR_APART_S
    for _ in range(20):
        assert (await api.bearing(token(OTHER, kid))).status == 401
    assert provider.asked == ASKED_FOR_AT_ONCE + 1
    # So much later, at the most, a new key is found.
    provider.document = BOTH
    passed.at += ASKED_FOR_APART_S
    assert (await api.bearing(token(OTHER, "other"))).status == 200


async def test_many_callers_with_unknown_keys_wait_for_one_fetch(api: Served, provider: Endpoint) -> None:
    provider.document = BOTH
    answers = await asyncio.gather(*(api.bearing(token(OTHER, "other")) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert provider.asked == 1


async def test_a_caller_with_a_known_key_does_not_wait_for_a_fetch(api: Served, provider: Endpoint) -> None:
    provider.speaks.clear()
    provider.document = BOTH
    waiting = asyncio.create_task(api.bearing(token(OTHER, "other")))
    await provider.was_asked(1)
    assert (await api.bearing(token())).status == 200
    assert not waiting.done()
    provider.speaks.set()
    assert (await waiting).status == 200


async def test_a_token_whose_algorithm_is_not_taken_makes_no_fetch(api: Served, provider: Endpoint) -> None:
    for number in range(5):
        await api.bearing(f"eyJhbGciOiJub25lIiwia2lkIjoieCJ9.e{number}A.")
    assert provider.asked == 0


async def test_a_token_without_an_id_makes_a_fetch_where_no_key_fits(api: Served, provider: Endpoint) -> None:
    provider.document = key_set(jwk(OTHER, "other"))
    assert (await api.bearing(token(ed_key(), None, "EdDSA"))).status == 200
    assert (await api.bearing(token(kid="other"))).code == "TOKEN_SIGNATURE"
    assert (await api.bearing(token(ed_key(), None, "EdDSA"))).code == "TOKEN_KEY_UNKNOWN"
    provider.document = usual_keys()
    assert (await api.bearing(token(ed_key(), None, "EdDSA"))).status == 200


async def test_keys_are_refreshed_by_themselves_and_a_withdrawn_one_goes(provider: Endpoint) -> None:
    """What was verified by it goes with it."""
    provider.document = BOTH
    keyring = Keyring(from_url(provider.url), refreshed_after_s=0.01)
    async with served(keyring) as api:
        good = token(OTHER, "other")
        assert (await api.bearing(good)).status == 200
        provider.document = key_set(jwk(ec_key(), "ec"))
        await provider.was_asked(provider.asked + 3)
        assert (await api.bearing(good)).code == "TOKEN_KEY_UNKNOWN"
        assert (await api.bearing(token())).status == 200


async def test_a_key_that_was_replaced_under_its_id_goes(provider: Endpoint) -> None:
    keyring = Keyring(from_url(provider.url), refreshed_after_s=0.01)
    async with served(keyring) as api:
        good = token()
        assert (await api.bearing(good)).status == 200
        provider.document = key_set(jwk(OTHER, "ec"))
        await provider.was_asked(provider.asked + 3)
        assert (await api.bearing(good)).code == "TOKEN_SIGNATURE"
        assert (await api.bearing(token(OTHER))).status == 200


async def test_a_set_that_says_that_there_are_no_keys_any_more_is_believed(
    api: Served, provider: Endpoint
) -> None:
    provider.document = key_set()
    assert (await api.bearing(token(kid="makes-a-fetch"))).code == "TOKEN_KEY_UNKNOWN"
    assert (await api.bearing(token())).code == "TOKEN_KEY_UNKNOWN"


async def test_the_same_keys_again_are_no_change(
    api: Served, provider: Endpoint, logged: io.StringIO
) -> None:
    assert (await api.bearing(token())).status == 200
    await api.bearing(token(kid="makes-a-fetch"))
    assert provider.asked == 1
    assert len(api.authenticator._verified) == 1
    assert [(line["keys"], line["left_out"]) for line in said(logged, "keys.changed")] == [(3, 0)]


GARBAGE: Mapping[str, Mapping[str, Any]] = {
    "away": {"status": 503},
    "an error": {"status": 500, "body": usual_keys()},
    "nothing": {"body": b""},
    "not found": {"status": 404, "text": "no"},
    "a page": {"text": "<html>Featherstonehaugh</html>", "content_type": "text/html"},
    "not UTF-8": {"body": b"\xff"},
    "a list": {"text": "[]"},
    "no keys": {"text": "{}"},
    "keys that are none": {"text": '{"keys": {}}'},
    "keys that are text": {"text": '{"keys": "x"}'},
    "endless": {"text": "[" * 100_000},
    "closed too often": {"text": '{"keys": []}}}'},
    "endless within": {"text": '{"keys": [' + "[" * 100_000},
    "too large": {"body": usual_keys() + b" " * LARGEST_SET},
    "too many": {"body": key_set(*[jwk(OTHER, f"k{n}") for n in range(MOST_KEYS + 1)])},
    "elsewhere": {"status": 302, "headers": {"Location": "/keys"}},
    "moved": {"status": 301, "headers": {"Location": "https://other.example/keys"}},
    "compressed": {"body": b"\x1f\x8b\x08\x00", "headers": {"Content-Encoding": "gzip"}},
    "partial": {"status": 206, "body": usual_keys()},
}


@pytest.mark.parametrize("answer", [pytest.param(each, id=name) for name, each in GARBAGE.items()])
async def test_what_is_no_set_of_keys_changes_nothing(
    answer: Mapping[str, Any], api: Served, provider: Endpoint, logged: io.StringIO
) -> None:
    provider.answer = answer
    assert (await api.bearing(token(OTHER, "other"))).code == "TOKEN_KEY_UNKNOWN"
    assert (await api.bearing(token())).status == 200
    assert provider.asked == 1, "a redirection is not followed"
    (line,) = said(logged, "keys.not_fetched")
    assert line["usable"] is True
    assert line["error"].split()[0] in {"GATEWAY_JWKS_URL", "what"}
    assert "Featherstonehaugh" not in logged.getvalue()


async def test_an_endpoint_that_says_nothing_is_left_after_a_while(
    provider: Endpoint, logged: io.StringIO
) -> None:
    keyring = Keyring(from_url(provider.url, timeout_s=0.05), known=read_keys(usual_keys()))
    provider.speaks.clear()
    async with served(keyring) as api:
        assert (await api.bearing(token(OTHER, "other"))).code == "TOKEN_KEY_UNKNOWN"
    errors = {line["error"] for line in said(logged, "keys.not_fetched")}
    assert errors == {"GATEWAY_JWKS_URL can't be reached (TimeoutError); check it"}


async def test_keys_that_cannot_be_fetched_any_more_work_for_a_time_and_no_longer(
    api: Served, provider: Endpoint, passed: Clock
) -> None:
    provider.answer = {"status": 503}
    good = token()
    passed.at = KEPT_S - 1
    assert (await api.bearing(good)).status == 200
    passed.at = KEPT_S
    answer = await api.bearing(good)
    assert (answer.status, answer.code) == (503, "TOKEN_KEYS_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0
    provider.answer = None
    passed.at += ASKED_FOR_APART_S
    assert (await api.bearing(good)).status == 200


async def test_without_any_keys_callers_are_asked_to_try_again_until_there_are_some(
    logged: io.StringIO,
) -> None:
    async with endpoint() as provider:
        provider.answer = {"status": 503}
        passed = Clock(0)
        async with served(Keyring(from_url(provider.url), now_s=passed)) as api:
            assert (await api.bearing(token())).code == "TOKEN_KEYS_UNAVAILABLE"
            provider.answer = None
            passed.at += ASKED_FOR_APART_S
            assert (await api.bearing(token())).status == 200
            assert api.refused == ["keys_unavailable"]
    assert said(logged, "keys.not_fetched")[0]["usable"] is False


async def test_a_request_before_the_first_keys_have_come_waits_for_them(provider: Endpoint) -> None:
    provider.speaks.clear()
    async with served(Keyring(from_url(provider.url))) as api:
        waiting = [asyncio.create_task(api.bearing(token())) for _ in range(5)]
        await provider.was_asked(1)
        provider.speaks.set()
        assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}
        assert provider.asked == 1


async def test_an_endpoint_that_nobody_serves_is_tried_again_by_itself() -> None:
    async with endpoint() as provider:
        provider.answer = {"status": 503}
        keyring = Keyring(from_url(provider.url), refreshed_after_s=0.01, tried_again_after_s=(0.01, 0.01))
        async with served(keyring) as api:
            await provider.was_asked(3)
            provider.answer = None
            # The answer to the one before the last was good, and has been read.
            await provider.was_asked(provider.asked + 3)
            assert (await api.bearing(token())).status == 200


async def test_a_source_that_surprises_harms_nobody(logged: io.StringIO) -> None:
    async def fetch() -> bytes:
        raise ZeroDivisionError("Featherstonehaugh")

    async with served(Keyring(fetch, known=read_keys(usual_keys()))) as api:
        assert (await api.bearing(token(kid="x"))).code == "TOKEN_KEY_UNKNOWN"
        assert (await api.bearing(token())).status == 200
    assert said(logged, "keys.not_fetched")[0]["error"] == "ZeroDivisionError"
    assert "Featherstonehaugh" not in logged.getvalue()


async def test_keys_in_a_file_are_read_again(tmp_path: Path, logged: io.StringIO) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(usual_keys())
    passed = Clock(0)
    keyring = Keyring(from_file(path), known=read_keys(path.read_bytes()), now_s=passed)
    async with served(keyring) as api:
        assert (await api.bearing(token())).status == 200
        path.write_bytes(BOTH)
        assert (await api.bearing(token(OTHER, "other"))).status == 200
        path.unlink()
        passed.at += ASKED_FOR_APART_S
        assert (await api.bearing(token(OTHER, "third"))).code == "TOKEN_KEY_UNKNOWN"
        assert (await api.bearing(token(OTHER, "other"))).status == 200
    assert "GATEWAY_JWKS_FILE can't be read (no such file or directory)" in logged.getvalue()
    assert str(tmp_path) not in logged.getvalue()


async def test_a_file_of_keys_that_every_user_can_write_says_nothing_of_who_may_call(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(BOTH)
    path.chmod(0o606)
    with pytest.raises(NotFetched, match="GATEWAY_JWKS_FILE can be written by every user of this machine"):
        await from_file(path)()


def test_tasks_end_with_the_block() -> None:
    async def work() -> None:
        async with endpoint() as provider:
            provider.speaks.clear()
            async with Keyring(from_url(provider.url)):
                await provider.was_asked(1)
                assert own_tasks()
            assert not own_tasks()

    def own_tasks() -> list[str]:
        return [str(task) for task in asyncio.all_tasks() if "Keyring." in str(task.get_coro())]

    asyncio.run(work(), debug=True)
