"""What the settings for Kafka come to together: a connection, or a sentence that says what to change."""

import ssl
from pathlib import Path

import pytest
import trustme

from gateway.backends.kafka.connection import PasswordLogin, TokenLogin
from gateway.backends.kafka.token import ClientCredentials, TokenFile
from gateway.settings import settings
from gateway.settings.connecting import connection, schema_registry
from gateway.settings.settings import InvalidSettings

SECRET = "hunter2"

PLAIN = {
    "LOG_URL": "kafka://broker:9092",
    "KAFKA_SECURITY": "sasl_plaintext",
    "KAFKA_SASL_MECHANISM": "PLAIN",
    "KAFKA_USERNAME": "gateway",
    "KAFKA_PASSWORD": SECRET,
}
TOKEN = {
    "LOG_URL": "kafka://broker:9092",
    "KAFKA_SECURITY": "sasl_tls",
    "KAFKA_SASL_MECHANISM": "oauthbearer",
}
ENDPOINT = TOKEN | {
    "KAFKA_TOKEN_URL": "https://id.example/token",
    "KAFKA_TOKEN_CLIENT_ID": "gateway",
    "KAFKA_TOKEN_CLIENT_SECRET": SECRET,
}
REGISTRY = {"SCHEMA_REGISTRY_URL": "https://registry.example:8081"}
REGISTRY_LOGIN = REGISTRY | {"SCHEMA_REGISTRY_USERNAME": "me", "SCHEMA_REGISTRY_PASSWORD": SECRET}
TLS = {"LOG_URL": "kafka://broker:9092", "KAFKA_SECURITY": "tls"}


class Environment:
    """The environment's settings of the gateway, and no others."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, given: dict[str, str]) -> None:
        for name, value in given.items():
            self._monkeypatch.setenv(f"GATEWAY_{name}", value)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.chdir(tmp_path)
    return Environment(monkeypatch)


def connected() -> None:
    found = settings.load()
    connection(found)
    schema_registry(found)


def refusal() -> str:
    with pytest.raises(InvalidSettings) as refused:
        connected()
    assert SECRET not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ("one:9092", ("one:9092",)),
        ("one:9092,two.example.org:9093", ("one:9092", "two.example.org:9093")),
        ("127.0.0.1:1,[::1]:65535", ("127.0.0.1:1", "[::1]:65535")),
        ("kafka_1:9092", ("kafka_1:9092",)),
    ],
)
def test_a_kafka_log_names_its_brokers(
    servers: str, expected: tuple[str, ...], environment: Environment
) -> None:
    environment({"LOG_URL": f"kafka://{servers}"})
    assert connection(settings.load()).servers == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("kafka://", "names no broker; expected kafka://HOST:PORT,HOST:PORT"),
        ("kafka:one:9092", "names no broker"),
        ("kafka://one", "broker 1 has no port"),
        ("kafka://one:9092,two:", "broker 2 has no port"),
        ("kafka://one:9092,", "broker 2 is not HOST:PORT"),
        ("kafka://one:9092, two:9092", "broker 2 is not HOST:PORT"),
        ("kafka://:9092", "broker 1 is not HOST:PORT"),
        ("kafka://one:kafka", "broker 1 is not HOST:PORT"),
        ("kafka://one:0", "broker 1 has a port that can't be; expected 1 to 65535"),
        ("kafka://one:65536", "broker 1 has a port that can't be"),
        (f"kafka://one:{'9' * 5000}", "broker 1 has a port that can't be"),
        ("kafka://::1:9092", "broker 1 is an IPv6 address without brackets; expected kafka://[ADDRESS]:PORT"),
        ("kafka://2001:db8::1", "broker 1 is an IPv6 address without brackets"),
        ("kafka://[::1]", "broker 1 has no port"),
        ("kafka://[one]:9092", "broker 1 has brackets and no IPv6 address in them"),
        (f"kafka://me:{SECRET}@one:9092", "holds a user; name it in GATEWAY_KAFKA_USERNAME"),
        ("kafka://one:9092/topic", "has something behind the brokers"),
        ("kafka://one:9092?x=1", "has something behind the brokers"),
    ],
)
def test_each_mistake_in_the_brokers_is_reported(url: str, expected: str, environment: Environment) -> None:
    environment({"LOG_URL": url})
    assert "GATEWAY_LOG_URL" in (sentence := refusal())
    assert expected in sentence
    assert len(sentence) < 200


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        # encryption
        (
            {"KAFKA_CA_FILE": "ca.pem"},
            "GATEWAY_KAFKA_CA_FILE is for an encrypted connection; set GATEWAY_KAFKA_SECURITY to tls",
        ),
        (PLAIN | {"KAFKA_CA_FILE": "ca.pem"}, "set GATEWAY_KAFKA_SECURITY to sasl_tls"),
        (TLS | {"KAFKA_KEY_FILE": "key.pem"}, "GATEWAY_KAFKA_KEY_FILE needs GATEWAY_KAFKA_CERTIFICATE_FILE"),
        (TLS | {"KAFKA_KEY_PASSWORD": SECRET}, "GATEWAY_KAFKA_KEY_PASSWORD needs"),
        (TLS | {"KAFKA_CA_FILE": "nowhere"}, "the CA file nowhere can't be read (no such file or directory)"),
        (TLS | {"KAFKA_CA_FILE": "text"}, "the CA file text can't be used; it must hold certificates as PEM"),
        (TLS | {"KAFKA_CERTIFICATE_FILE": "nowhere"}, "the certificate nowhere can't be read"),
        (
            TLS | {"KAFKA_CERTIFICATE_FILE": "text", "KAFKA_KEY_FILE": "text"},
            "the certificate text with the key text can't be used; it must hold a certificate and its key",
        ),
        # login
        (
            {"KAFKA_USERNAME": "me"},
            "is for a connection with a login; set GATEWAY_KAFKA_SECURITY to sasl_plaintext",
        ),
        (TLS | {"KAFKA_PASSWORD": SECRET}, "set GATEWAY_KAFKA_SECURITY to sasl_tls"),
        (TLS | {"KAFKA_TOKEN_SCOPE": "kafka"}, "GATEWAY_KAFKA_TOKEN_SCOPE is for a connection with a login"),
        (
            {"KAFKA_SECURITY": "sasl_tls"},
            "GATEWAY_KAFKA_SECURITY is sasl_tls and there is no GATEWAY_KAFKA_SASL_MECHANISM",
        ),
        (PLAIN | {"KAFKA_USERNAME": ""}, "PLAIN needs a user and a password"),
        (
            PLAIN | {"KAFKA_SASL_MECHANISM": "scram-sha-512", "KAFKA_PASSWORD": ""},
            "SCRAM-SHA-512 needs a user and a password",
        ),
        (
            PLAIN | {"KAFKA_TOKEN_FILE": "token"},
            "GATEWAY_KAFKA_TOKEN_FILE is for OAUTHBEARER and GATEWAY_KAFKA_SASL_MECHANISM is PLAIN",
        ),
        # secrets in files
        (
            PLAIN | {"KAFKA_PASSWORD_FILE": "text"},
            "GATEWAY_KAFKA_PASSWORD and GATEWAY_KAFKA_PASSWORD_FILE are both set; remove one of them",
        ),
        (
            PLAIN | {"KAFKA_PASSWORD": "", "KAFKA_PASSWORD_FILE": "nowhere"},
            "the file of GATEWAY_KAFKA_PASSWORD_FILE, nowhere does not exist",
        ),
        (
            PLAIN | {"KAFKA_PASSWORD": "", "KAFKA_PASSWORD_FILE": "empty"},
            "the file of GATEWAY_KAFKA_PASSWORD_FILE, empty is empty; write the secret to it",
        ),
        # tokens
        (TOKEN, "OAUTHBEARER needs a token"),
        (TOKEN | {"KAFKA_USERNAME": "me"}, "GATEWAY_KAFKA_USERNAME is not for OAUTHBEARER"),
        (ENDPOINT | {"KAFKA_TOKEN_FILE": "token"}, "GATEWAY_KAFKA_TOKEN_URL is for a token endpoint"),
        (TOKEN | {"KAFKA_TOKEN_CLIENT_ID": "me"}, "OAUTHBEARER needs a token; set GATEWAY_KAFKA_TOKEN_FILE"),
        (ENDPOINT | {"KAFKA_TOKEN_CLIENT_ID": ""}, "GATEWAY_KAFKA_TOKEN_URL needs a client"),
        (ENDPOINT | {"KAFKA_TOKEN_CLIENT_SECRET": ""}, "GATEWAY_KAFKA_TOKEN_URL needs a client"),
        (ENDPOINT | {"KAFKA_TOKEN_URL": "http://id.example/token"}, "would send the client's secret unencr"),
        (ENDPOINT | {"KAFKA_TOKEN_URL": "http://[::2]/token"}, "would send the client's secret unencrypted"),
        (ENDPOINT | {"KAFKA_TOKEN_URL": f"https://me:{SECRET}@id.example/"}, "holds a user"),
        (ENDPOINT | {"KAFKA_TOKEN_URL": "ftp://id.example/"}, "is not the URL of an endpoint"),
        (ENDPOINT | {"KAFKA_TOKEN_URL": "https:///token"}, "is not the URL of an endpoint"),
        (ENDPOINT | {"KAFKA_TOKEN_URL": "https://id.example:port/"}, "is not a URL"),
        (ENDPOINT | {"KAFKA_TOKEN_URL": "https://[::1/"}, "is not a URL"),
        # the schema registry
        (
            {"SCHEMA_REGISTRY_USERNAME": "me"},
            "GATEWAY_SCHEMA_REGISTRY_USERNAME is for a schema",
        ),
        (REGISTRY | {"SCHEMA_REGISTRY_USERNAME": "me"}, "a schema registry's user needs a password"),
        (REGISTRY | {"SCHEMA_REGISTRY_PASSWORD": SECRET}, "a schema registry's user needs a password"),
        (
            REGISTRY
            | {
                "SCHEMA_REGISTRY_USERNAME": "me",
                "SCHEMA_REGISTRY_PASSWORD": SECRET,
                "SCHEMA_REGISTRY_TOKEN": "t",
            },
            "GATEWAY_SCHEMA_REGISTRY_USERNAME and GATEWAY_SCHEMA_REGISTRY_TOKEN are both set",
        ),
        (
            {"SCHEMA_REGISTRY_URL": "http://registry.example", "SCHEMA_REGISTRY_TOKEN": SECRET},
            "would send the password or token unencrypted",
        ),
        (
            {"SCHEMA_REGISTRY_URL": f"https://me:{SECRET}@registry.example"},
            "holds a user; set GATEWAY_SCHEMA",
        ),
        ({"SCHEMA_REGISTRY_URL": "registry.example"}, "is not the URL of a registry; expected https://"),
        (
            {"SCHEMA_REGISTRY_URL": "http://registry.example", "SCHEMA_REGISTRY_CA_FILE": "text"},
            "GATEWAY_SCHEMA_REGISTRY_CA_FILE is for an encrypted connection",
        ),
        (REGISTRY | {"SCHEMA_REGISTRY_CA_FILE": "text"}, "the CA file text can't be used"),
    ],
)
def test_what_contradicts_itself_or_does_nothing_is_refused(
    given: dict[str, str], expected: str, environment: Environment
) -> None:
    Path("text").write_text("milk, eggs\n")
    Path("empty").write_text("\n")
    environment({"LOG_URL": "kafka://broker:9092"} | given)
    assert expected in refusal()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOPIC_PREFIX", "a b"),
        ("TOPIC_PREFIX", "test/"),
        ("TOPIC_PREFIX", "test.\n"),
        ("TOPIC_PREFIX", "x" * 201),
        ("REPLICATION", "0"),
        ("GRACE_S", "-1"),
        ("GRACE_S", "nan"),
        ("GRACE_S", "3601"),
        ("SESSION_TIMEOUT_S", "0"),
        ("KAFKA_SECURITY", "kerberos"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_by_its_setting(
    name: str, value: str, environment: Environment
) -> None:
    environment({"LOG_URL": "kafka://broker:9092", name: value})
    with pytest.raises(InvalidSettings, match=f"^GATEWAY_{name} .*; expected "):
        settings.load()


@pytest.mark.parametrize("name", ["TOPIC_PREFIX", "REPLICATION", "GRACE_S", "KAFKA_USERNAME"])
def test_a_setting_for_kafka_is_refused_on_an_embedded_log(name: str, environment: Environment) -> None:
    environment({name: "1"})
    with pytest.raises(InvalidSettings, match=f"^GATEWAY_{name} is for a log on Kafka .*; remove it"):
        settings.load().log_path()


@pytest.mark.parametrize(
    ("said", "protocol"),
    [("", "PLAINTEXT"), ("plaintext", "PLAINTEXT"), ("TLS", "SSL"), ("SSL", "SSL"), ("ssl", "SSL")],
)
def test_the_kind_of_connection_has_kafkas_names_too(
    said: str, protocol: str, environment: Environment
) -> None:
    environment({"LOG_URL": "kafka://broker:9092", "KAFKA_SECURITY": said})
    assert connection(settings.load()).arguments()["security_protocol"] == protocol


@pytest.mark.parametrize("said", ["SASL_SSL", "sasl_tls"])
def test_a_login_by_password_is_what_aiokafka_takes(said: str, environment: Environment) -> None:
    environment(PLAIN | {"KAFKA_SECURITY": said, "KAFKA_SASL_MECHANISM": "scram-sha-256"})
    made = connection(settings.load())
    arguments = made.arguments()
    assert arguments["security_protocol"] == "SASL_SSL"
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-256"
    assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == ("gateway", SECRET)
    assert made.tls is not None
    assert made.tls.check_hostname
    assert made.tls.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_password_is_read_from_a_file_without_its_line_end(ending: str, environment: Environment) -> None:
    Path("password").write_bytes(f" {SECRET} {ending}".encode())
    environment(PLAIN | {"KAFKA_PASSWORD": "", "KAFKA_PASSWORD_FILE": "password"})
    login = connection(settings.load()).login
    assert isinstance(login, PasswordLogin)
    assert login.password == f" {SECRET} "


def test_tokens_come_from_a_file_or_from_an_endpoint(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(TOKEN | {"KAFKA_TOKEN_FILE": "token"})
    from_file = connection(settings.load())
    assert isinstance(from_file.login, TokenLogin)
    assert isinstance(from_file.login.tokens, TokenFile)
    assert from_file.arguments()["sasl_mechanism"] == "OAUTHBEARER"
    monkeypatch.delenv("GATEWAY_KAFKA_TOKEN_FILE")
    environment(ENDPOINT | {"KAFKA_TOKEN_URL": "http://localhost:8080/token"})
    from_endpoint = connection(settings.load())
    assert isinstance(from_endpoint.login, TokenLogin)
    assert isinstance(from_endpoint.login.tokens, ClientCredentials)


def test_no_secret_is_shown_by_what_holds_it(environment: Environment) -> None:
    environment(PLAIN)
    found = settings.load()
    made = connection(found)
    assert SECRET not in repr(found) + str(found) + repr(made) + str(made)


@pytest.fixture
def encrypted_key(tmp_path: Path) -> Path:
    """The folder of a certificate (client.pem) and of its key (key.pem), encrypted with the secret."""
    from cryptography.hazmat.primitives import serialization

    issued = trustme.CA().issue_cert("gateway.example")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(SECRET.encode()),
        )
    )
    issued.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    return tmp_path


def test_a_key_is_opened_with_its_password_and_nobody_is_asked_for_it(
    environment: Environment, encrypted_key: Path
) -> None:
    own = TLS | {"KAFKA_CERTIFICATE_FILE": "client.pem", "KAFKA_KEY_FILE": "key.pem"}
    environment(own)
    assert "an encrypted key needs its password" in refusal()
    environment({"KAFKA_KEY_PASSWORD": "wrong"})
    assert "an encrypted key needs its password" in refusal()
    environment({"KAFKA_KEY_PASSWORD": SECRET})
    assert connection(settings.load()).arguments()["security_protocol"] == "SSL"


def test_a_key_that_belongs_to_another_certificate_is_reported(
    environment: Environment, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.issue_cert("one").cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    authority.issue_cert("two").private_key_pem.write_to_path(tmp_path / "key.pem")
    environment(TLS | {"KAFKA_CERTIFICATE_FILE": "client.pem", "KAFKA_KEY_FILE": "key.pem"})
    assert "the key belongs to another certificate" in refusal()


def test_a_schema_registry_is_connected_to_with_a_secret_from_a_file(environment: Environment) -> None:
    Path("secret").write_text(f"{SECRET}\n")
    environment({"LOG_URL": "kafka://broker:9092"} | REGISTRY | {"SCHEMA_REGISTRY_TOKEN_FILE": "secret"})
    assert schema_registry(settings.load()) is not None


def test_without_a_secret_a_schema_registry_may_be_asked_unencrypted(environment: Environment) -> None:
    environment({"LOG_URL": "kafka://broker:9092", "SCHEMA_REGISTRY_URL": "http://registry.example:8081"})
    assert schema_registry(settings.load()) is not None


def test_without_a_url_there_is_no_schema_registry(environment: Environment) -> None:
    environment({"LOG_URL": "kafka://broker:9092"})
    assert schema_registry(settings.load()) is None
