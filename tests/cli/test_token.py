"""`gateway token`: for trying the API on the embedded log, and for nothing else."""

import io
import json
import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
import structlog

from gateway.api.callers import Refusals, authenticator, development
from gateway.api.callers.keys import read_keys
from gateway.settings.settings import InvalidSettings, Settings, load
from gateway.system import telemetry
from tests.api.tokens import AUDIENCE, ISSUER, NOW_S, served, usual_keys
from tests.cli.conftest import Gateway
from tests.cli.running import GATEWAY, clean_environment
from tests.patience import PATIENCE_S

KEY = Path("gateway.db.key")
#: A log's own files.
LOG = {"gateway.db", "gateway.db.keys", "gateway.db.keys-journal", "gateway.db.wrapping-key"}


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Settings]:
    """The settings of an environment with these."""
    monkeypatch.chdir(tmp_path)

    def loaded(**settings: str) -> Settings:
        for name, value in settings.items():
            monkeypatch.setenv(f"GATEWAY_{name.upper()}", value)
        return load()

    return loaded


def a_log(gateway: Gateway) -> None:
    """A new one here."""
    assert gateway("topics", "create").status == 0


def ignored(_: str) -> None:
    pass


def claims_of(printed: bytes) -> dict[str, object]:
    """What a printed token says, after its signature has been checked."""
    text = printed.decode().strip()
    keys = read_keys(development.key_set(KEY))
    ((_, key),) = keys.by_use.items()
    found: dict[str, object] = jwt.decode(
        text, key, algorithms=["ES256"], audience=development.AUDIENCE, issuer=development.ISSUER
    )
    assert jwt.get_unverified_header(text)["kid"] in keys.kids
    return found


def test_a_token_is_printed_and_nothing_else(gateway: Gateway) -> None:
    a_log(gateway)
    ended = gateway("token", "--provider", "PRV01")
    assert (ended.status, ended.err) == (0, "")
    said = claims_of(ended.out)
    assert (said["provider_id"], said["scope"]) == ("PRV01", "")
    assert isinstance(said["exp"], int)
    assert 43_100 < said["exp"] - time.time() <= 43_200


def test_a_token_comes_before_the_first_start_too_and_says_that_its_log_is_new(gateway: Gateway) -> None:
    """Most often it is the wrong folder."""
    ended = gateway("token", "--provider", "PRV01")
    assert ended.status == 0
    assert claims_of(ended.out)["provider_id"] == "PRV01"
    assert ended.sentence.startswith("there was no log gateway.db, so a new one was made; ")
    decided = gateway("run", "--clock", "log", "--until", "2016-03-14T09:00:00Z")
    assert decided.status == 0, decided.err


def test_where_a_log_is_gone_there_is_no_token(gateway: Gateway) -> None:
    """The key that is there says that there was one; another in its place would hide that."""
    gateway("token", "--provider", "PRV01")
    for path in Path().glob("gateway.db*"):
        if path.suffix != ".key":
            path.unlink()
    ended = gateway("token", "--provider", "PRV01")
    assert (ended.status, ended.out) == (1, b"")
    assert ended.sentence.startswith("there is no log gateway.db any more")
    assert [path.name for path in Path().iterdir()] == ["gateway.db.key"]


def test_a_token_may_be_for_several_providers_and_for_operators(gateway: Gateway) -> None:
    a_log(gateway)
    options = "--provider B --provider A --scope gateway:operate --valid-for 30m".split()
    said = claims_of(gateway("token", *options).out)
    assert (said["provider_id"], said["scope"]) == (["A", "B"], "gateway:operate")
    assert "provider_id" not in claims_of(gateway("token", "--scope", "gateway:operate").out)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "the token is for nobody; name --provider, or --scope gateway:operate"),
        ("--provider=", "--provider is no id; expected 1 to 100 characters"),
        (f"--provider={'x' * 101}", "--provider is no id"),
        ("--provider=\x1b[2J", "--provider is no id"),
        ("--provider=A --scope=", "there is no such --scope; expected gateway:operate"),
        ("--provider=A --scope=ä", "there is no such --scope; expected gateway:operate"),
        *(
            (f"--provider=A --valid-for={text}", "--valid-for is not a time")
            for text in ("0s", "366d", "x", "1")
        ),
        (" ".join(f"--provider={n}" for n in range(101)), "at most 100 ids"),
        (" ".join(f"--provider={n:0100}" for n in range(60)), "the token would be too large"),
    ],
)
def test_what_no_token_can_be_made_of_is_reported(arguments: str, expected: str, gateway: Gateway) -> None:
    a_log(gateway)
    ended = gateway("token", *arguments.split(" ") if arguments else ())
    assert (ended.status, ended.out) == (2, b"")
    assert expected in ended.sentence


def test_a_token_may_be_for_a_jobcentre_and_for_prap(gateway: Gateway) -> None:
    a_log(gateway)
    made = gateway("token", "--jobcentre", "JCP-LEEDS", "--scope", "jobcentre:send")
    claims = claims_of(made.out)
    assert (claims["jobcentre_id"], claims["scope"]) == ("JCP-LEEDS", "jobcentre:send")
    assert "provider_id" not in claims
    of_two = ("--jobcentre", "JCP-YORK", "--jobcentre", "JCP-LEEDS", "--scope", "jobcentre:send")
    both = claims_of(gateway("token", *of_two).out)
    assert both["jobcentre_id"] == ["JCP-LEEDS", "JCP-YORK"]
    # Keys are those of a subject, so whoever speaks for others is another one.
    prap = claims_of(gateway("token", "--scope", "prap:send").out)
    assert len({str(each["sub"]) for each in (claims, both, prap)}) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scope", "jobcentre:send"],
        ["--scope", "jobcentre:subscribe"],
        ["--jobcentre", "JCP-LEEDS", "--scope", "prap:send"],
    ],
    ids=["no Jobcentre to send", "no Jobcentre to subscribe", "no scope of one"],
)
def test_a_jobcentres_token_names_it_and_its_scope(arguments: list[str], gateway: Gateway) -> None:
    made = gateway("token", *arguments)
    assert (made.status, made.out) == (2, b"")
    assert "name --jobcentre, and --scope jobcentre:send or jobcentre:subscribe" in made.sentence


def test_with_a_log_on_kafka_there_is_no_key(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LOG_URL", "kafka://one:9092")
    ended = gateway("token", "--provider", "PRV01")
    assert (ended.status, ended.out) == (2, b"")
    assert ended.sentence == "with a log on Kafka tokens come from the identity provider; ask it for one"
    assert list(Path().iterdir()) == []


def test_with_an_identity_provider_there_is_no_key(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_JWT_ISSUER", ISSUER)
    ended = gateway("token", "--provider", "PRV01")
    assert (ended.status, ended.out) == (2, b"")
    assert "tokens come from the identity provider" in ended.sentence
    assert list(Path().iterdir()) == []


def test_the_key_is_for_the_user_alone_and_stays(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    a_log(gateway)
    before = os.umask(0)
    try:
        assert gateway("token", "--provider", "PRV01").status == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(KEY.stat().st_mode) == 0o600
    content = KEY.read_bytes()
    assert gateway("token", "--provider", "PRV01").status == 0
    assert KEY.read_bytes() == content
    assert {path.name for path in Path().iterdir()} == {KEY.name, *LOG}


def test_a_key_that_cannot_be_used_is_reported(gateway: Gateway) -> None:
    a_log(gateway)
    KEY.write_bytes(b"shopping list")
    KEY.chmod(0o600)
    ended = gateway("token", "--provider", "PRV01")
    assert ended.status == 2
    assert ended.sentence == "gateway.db.key holds no development key; delete it, and a new one is made"
    KEY.unlink()
    assert gateway("token", "--provider", "PRV01").status == 0
    KEY.chmod(0o604)
    assert "run chmod 600 on it" in gateway("token", "--provider", "PRV01").sentence
    KEY.chmod(0o602)
    assert "can be written by every user" in gateway("token", "--provider", "PRV01").sentence
    KEY.unlink()
    KEY.mkdir()
    ended = gateway("token", "--provider", "PRV01")
    assert (ended.status, ended.sentence) == (1, "gateway.db.key: is a directory; correct it and try again")


def test_processes_that_begin_at_once_get_the_same_key(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").touch()
    running = [
        subprocess.Popen(
            [GATEWAY, "token", "--provider", "PRV01"],
            cwd=tmp_path,
            env=clean_environment(),
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    printed = [each.communicate(timeout=PATIENCE_S)[0].decode() for each in running]
    assert len({jwt.get_unverified_header(each.strip())["kid"] for each in printed}) == 1
    assert {path.name for path in tmp_path.iterdir()} == {KEY.name, *LOG}


async def test_an_embedded_log_takes_tokens_of_its_key_and_of_one_made_anew(
    configured: Callable[..., Settings],
) -> None:
    found = authenticator(configured(), Refusals(ignored))
    assert found is not None

    def made() -> str:
        return development.token(KEY, providers=["PRV01"], scopes=[], valid_for_s=60, now_s=NOW_S)

    async with served(found.keyring, development.ISSUER, development.AUDIENCE) as api:
        assert (await api.bearing(made())).status == 200
        KEY.unlink()
        assert (await api.bearing(made())).status == 200


async def test_with_an_identity_provider_the_development_key_is_not_taken(
    configured: Callable[..., Settings],
) -> None:
    own = development.token(KEY, providers=["PRV01"], scopes=[], valid_for_s=60, now_s=NOW_S)
    Path("keys.json").write_bytes(usual_keys())
    settings = configured(jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwks_file="keys.json")
    found = authenticator(settings, Refusals(ignored))
    assert found is not None
    async with served(found.keyring) as api:
        assert (await api.bearing(own)).code == "TOKEN_KEY_UNKNOWN"


def test_on_kafka_without_an_identity_provider_nobody_may_call(
    configured: Callable[..., Settings],
) -> None:
    written = io.StringIO()
    telemetry.configure("info", written)
    assert authenticator(configured(log_url="kafka://one:9092"), Refusals(ignored)) is None
    structlog.reset_defaults()
    (line,) = map(json.loads, written.getvalue().splitlines())
    assert line["event"] == "api.off"
    assert "GATEWAY_JWKS_URL" in line["needs"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"jwt_issuer": "x"}, "tokens of an identity provider need GATEWAY_JWT_AUDIENCE; set it"),
        ({"jwks_url": "https://x"}, "tokens of an identity provider need GATEWAY_JWT_ISSUER; set it"),
        ({"jwt_issuer": "x", "jwt_audience": "y"}, "set GATEWAY_JWKS_URL, or GATEWAY_JWKS_FILE"),
        ({"jwks_url": "https://x", "jwks_file": "y"}, "are both set; remove one of them"),
        ({"jwks_url": "http://issuer.example/keys"}, "would let others change the keys on their way"),
        ({"jwks_url": "http://127.0.0.1.example/keys"}, "would let others change the keys"),
        ({"jwks_url": "https://me:hunter2@x/keys"}, "holds a user; expected https://HOST/PATH"),
        ({"jwks_url": "ftp://x/keys"}, "is not where keys can be"),
        ({"jwks_url": "issuer.example"}, "is not where keys can be"),
        ({"jwks_url": "https://[x"}, "is not a URL"),
        ({"jwks_file": "nowhere.json"}, "GATEWAY_JWKS_FILE can't be read (no such file or directory)"),
        ({"jwks_file": "."}, "GATEWAY_JWKS_FILE can't be read (is a directory)"),
        ({"jwks_file": "/dev/null"}, "GATEWAY_JWKS_FILE can't be used: it is no JSON Web Key Set"),
    ],
)
def test_settings_of_an_identity_provider_that_contradict_each_other_are_reported(
    settings: dict[str, str], expected: str, configured: Callable[..., Settings]
) -> None:
    if ("jwks_url" in settings and "GATEWAY_JWT_ISSUER" not in expected) or "jwks_file" in settings:
        settings = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE} | settings
    with pytest.raises(InvalidSettings) as refused:
        authenticator(configured(**settings), Refusals(ignored))
    assert expected in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/keys", "http://localhost/keys", "http://[::1]/keys"])
def test_keys_may_come_unencrypted_from_this_machine(url: str, configured: Callable[..., Settings]) -> None:
    settings = configured(jwt_issuer=ISSUER, jwt_audience=AUDIENCE, jwks_url=url)
    assert authenticator(settings, Refusals(ignored)) is not None


@pytest.mark.parametrize("name", ["GATEWAY_RATE_PER_S", "GATEWAY_RATE_BURST"])
@pytest.mark.parametrize("value", ["0", "many", "1000001"])
def test_a_rate_that_cannot_be_is_reported(
    name: str, value: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert gateway("run").sentence == f"{name} is not a number of requests; expected 1 to 1000000"
