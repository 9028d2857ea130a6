"""No secret is shown: not by what holds it, not in a log line, and not where something fails."""

import dataclasses
import io
import json
import resource
import threading
import traceback
from base64 import b64encode
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import get_args

import msgspec
import pytest
import structlog
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from gateway.api.callers.development import development_key
from gateway.api.views import CalendarMade
from gateway.api.webhooks.keys import Secrets, webhook_key
from gateway.api.webhooks.operations import WebhookMade
from gateway.api.webhooks.sending import Sender
from gateway.backends.kafka.schema_registry import RegistryAway
from gateway.backends.kafka.token import NoToken
from gateway.console.browsers import Browser
from gateway.console.signing_in import Provider
from gateway.settings.connecting import connection, schema_registry
from gateway.settings.settings import Settings, load
from gateway.settings.signing_in import SignInSettings, sign_in_settings
from gateway.system import telemetry
from gateway.system.errors import UserError
from tests.cli.conftest import Gateway, gateway
from tests.cli.running import GATEWAY, read_until, started
from tests.ports import free_port

__all__ = ["gateway"]

SECRET = "hunter2-Qz&7/ü-which-is-long-enough"
#: Its beginning, and what Basic would make of it with the user `me`, and without one.
LOOKS = ("hunter2", *(b64encode(f"{user}hunter2".encode()).decode()[:-4] for user in ("", "me:")))
SECRETS = [name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation)]


def shows_it(text: str) -> bool:
    return any(look in text for look in LOOKS)


class Echo(ThreadingHTTPServer):
    """A service that refuses everything and gives back what it was sent. shown: to it, as Authorization."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        super().__init__(("127.0.0.1", 0), _Echoing)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Echoing(BaseHTTPRequestHandler):
    server: Echo

    def do_GET(self) -> None:
        shown = self.headers.get("Authorization", "")
        self.server.shown.append(shown)
        body = str(self.headers).encode() + self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(401, shown)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def used(name: str, echo: Echo, folder: Path) -> Mapping[str, str]:
    """The settings with which a secret is used; whatever it is shown to refuses it, or it is wrong."""
    kafka = {"log_url": f"kafka://127.0.0.1:{free_port()}"}
    by_password = kafka | {"kafka_security": "sasl_plaintext", "kafka_username": "me"}
    registry = kafka | {"schema_registry_url": echo.url}
    leaf = trustme.CA().issue_cert("gateway.example")
    locked = load_pem_private_key(leaf.private_key_pem.bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"another one")
    )
    (folder / "client.pem").write_bytes(locked + b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    return {
        "kafka_key_password": kafka | {"kafka_security": "tls", "kafka_certificate_file": "client.pem"},
        "kafka_password": by_password | {"kafka_sasl_mechanism": "SCRAM-SHA-512"},
        "kafka_token_client_secret": kafka
        | {
            "kafka_security": "sasl_plaintext",
            "kafka_sasl_mechanism": "OAUTHBEARER",
            "kafka_token_url": echo.url,
            "kafka_token_client_id": "me",
        },
        "schema_registry_password": registry | {"schema_registry_username": "me"},
        "schema_registry_token": registry,
        # No port of this machine has such an address, so serving fails.
        "webhook_key": {"http_port": "8080", "http_host": "192.0.2.1"},
        "console_client_secret": {
            "http_port": "8080",
            "http_host": "192.0.2.1",
            "console_issuer": echo.url,
            "console_url": echo.url,
            "console_client_id": "me",
        },
    }[name]


def test_each_setting_with_a_secret_is_kept_as_one() -> None:
    """What is named like a secret is one, and each can be given in a file."""
    named = [name for name in Settings.model_fields if name.endswith(("password", "secret", "token", "_key"))]
    assert sorted(named) == sorted(SECRETS)
    assert [name for name in SECRETS if f"{name}_file" not in Settings.model_fields] == []


@pytest.mark.parametrize("where", ["environment", ".env", "TOML", "file"])
@pytest.mark.parametrize("name", SECRETS)
def test_a_command_that_fails_shows_no_secret(
    name: str, where: str, echo: Echo, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting, value in used(name, echo, tmp_path).items():
        monkeypatch.setenv(f"GATEWAY_{setting.upper()}", value)
    config: list[str] = []
    match where:
        case "environment":
            monkeypatch.setenv(f"GATEWAY_{name.upper()}", SECRET)
        case ".env":
            (tmp_path / ".env").write_text(f"GATEWAY_{name.upper()}='{SECRET}'\n")
        case "TOML":
            (tmp_path / "gateway.toml").write_text(f'{name} = "{SECRET}"\n')
            config = ["--config", "gateway.toml"]
        case "file":
            (tmp_path / "secret").write_text(SECRET)
            monkeypatch.setenv(f"GATEWAY_{name.upper()}_FILE", "secret")
    command = {"k": ["topics", "check"], "s": ["schemas", "check"]}.get(name[0], ["run"])
    for debug in ([], ["--debug"]):
        ended = gateway(*debug, *command, *config)
        assert ended.status != 0
        assert ended.err
        assert not shows_it(ended.err + ended.out.decode())
        assert ("Traceback" in ended.err) == bool(debug)
    if name.startswith("schema_registry"):
        assert any(map(shows_it, echo.shown)), "it was shown to the registry"


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("where", [".env", "TOML"])
def test_a_settings_file_that_is_broken_at_a_secret_shows_none_of_it(
    name: str, where: str, gateway: Gateway, tmp_path: Path
) -> None:
    if where == ".env":
        (tmp_path / ".env").write_text(f"GATEWAY_{name.upper()}='{SECRET}\n")
        ended = gateway("run", "--debug")
    else:
        (tmp_path / "gateway.toml").write_text(f'{name} = ["{SECRET}", 1]\n')
        ended = gateway("run", "--debug", "--config", "gateway.toml")
    assert ended.status == 2
    assert not shows_it(ended.err + ended.out.decode())


def full(folder: Path, echo: Echo, monkeypatch: pytest.MonkeyPatch, *names: str) -> Settings:
    """Settings with these secrets, and what they are used with."""
    monkeypatch.chdir(folder)
    for name in names:
        for setting, value in used(name, echo, folder).items():
            monkeypatch.setenv(f"GATEWAY_{setting.upper()}", value)
        monkeypatch.setenv(f"GATEWAY_{name.upper()}", SECRET)
    return load()


def reached(held: object, seen: set[int]) -> Iterator[object]:
    """An object, and all that can be reached from it by its fields."""
    if id(held) in seen:
        return
    seen.add(id(held))
    yield held
    inner: list[object] = []
    if isinstance(held, dict):
        inner = list(held.values())
    elif isinstance(held, list | tuple | set | frozenset):
        inner = list(held)
    elif isinstance(held, msgspec.Struct):
        inner = [getattr(held, name) for name in held.__struct_fields__]
    elif dataclasses.is_dataclass(held):
        inner = [getattr(held, field.name) for field in dataclasses.fields(held)]
    elif type(held).__module__.startswith("gateway."):
        inner = list(vars(held).values())
    for one in inner:
        yield from reached(one, seen)


def test_nothing_that_holds_a_secret_prints_it(
    echo: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only texts, and collections of them that nobody but their owner has, are the secret itself."""
    with monkeypatch.context() as patched:
        by_password = full(tmp_path, echo, patched, "kafka_password", "schema_registry_password")
    with monkeypatch.context() as patched:
        by_token = full(tmp_path, echo, patched, "kafka_token_client_secret", "schema_registry_token")
    with monkeypatch.context() as patched:
        serving = full(tmp_path, echo, patched, "webhook_key", "console_client_secret")
    signing_in = sign_in_settings(serving)
    assert signing_in is not None
    key = webhook_key(serving)
    assert key is not None
    holders: list[object] = [by_password, by_token, serving, signing_in, Provider(signing_in)]
    holders += [connection(by_password), schema_registry(by_password)]
    holders += [connection(by_token), schema_registry(by_token)]
    holders += [Secrets(key), Sender(Secrets(key), origin="x", local=True)]
    holders += [Browser(0.0, csrf=SECRET, state=SECRET, nonce=SECRET, verifier=SECRET)]
    made: dict[type[msgspec.Struct], str] = {WebhookMade: "secret", CalendarMade: "address"}
    for kind, field in made.items():
        values = dict.fromkeys(kind.__struct_fields__, "x") | {field: SECRET}
        holders.append(kind(**values))
    holding = 0
    for holder in holders:
        for each in reached(holder, set()):
            if isinstance(each, str | bytes) or type(each) in {dict, list, tuple}:
                holding += isinstance(each, str | bytes) and shows_it(str(each))
                continue
            for shown in (repr(each), str(each), f"{each}", repr([each]), json.dumps(each, default=str)):
                assert not shows_it(shown), type(each)
    assert holding > 10, "what is reached holds secrets, or this shows nothing"


async def test_a_client_whose_secret_is_given_back_to_it_keeps_it_to_itself(
    echo: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        settings = full(tmp_path, echo, patched, "kafka_token_client_secret", "schema_registry_password")
    login = connection(settings).login
    registry = schema_registry(settings)
    assert login is not None
    assert registry is not None
    signing_in = SignInSettings(echo.url, echo.url, "me", SECRET, "roles")
    refused: list[BaseException] = []
    try:
        with pytest.raises(NoToken) as no_token:
            await login.tokens.token()  # type: ignore[union-attr]
        with pytest.raises(RegistryAway) as away:
            await registry.schema(1)
    finally:
        await registry.close()
    refused += [no_token.value, away.value]
    with pytest.raises(UserError) as not_signed_in:
        await Provider(signing_in).address(Browser(0.0))
    refused.append(not_signed_in.value)
    assert len(echo.shown) == 3
    assert sum(map(shows_it, echo.shown)) == 2
    for error in refused:
        assert not shows_it("".join(traceback.format_exception(error)))
        assert not shows_it(repr(error))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_what_is_logged_with_a_traceback_has_no_local_variables(stream: type[io.StringIO]) -> None:
    shown = stream()
    telemetry.configure("debug", shown)
    password = SECRET
    try:
        try:
            assert not password
        except AssertionError:
            structlog.get_logger("gateway").exception("gateway.failed", code="X", reason="y", what_to_do="z")
    finally:
        structlog.reset_defaults()
    assert "gateway.failed" in shown.getvalue()
    assert not shows_it(shown.getvalue())


def test_a_process_that_crashes_leaves_no_image_of_its_memory(tmp_path: Path) -> None:
    """Whatever limit it was started with."""
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    command = ("bash", "-c", f'ulimit -c {"unlimited" if most < 0 else most}; exec "$0" "$@"', GATEWAY)
    with started("run", cwd=tmp_path, command=command) as process:
        read_until(process, "gateway.started")
        limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        (core,) = (line.split() for line in limits if line.startswith("Max core file size"))
        assert core[4] == "0"


def test_a_development_key_that_cannot_be_used_shows_nothing_of_itself(
    gateway: Gateway, tmp_path: Path
) -> None:
    assert gateway("topics", "create").status == 0
    path = tmp_path / "gateway.db.key"
    development_key(path)
    begin, *lines, end = path.read_text().splitlines()
    path.write_text("\n".join([begin, *reversed(lines), end]))
    for debug in ([], ["--debug"]):
        ended = gateway(*debug, "token", "--provider", "PRV01")
        assert ended.status == 2
        assert "holds no development key" in ended.err
        assert not any(line in ended.err for line in lines)
