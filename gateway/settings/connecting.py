"""From the settings to a connection to the brokers. What contradicts itself or does nothing is refused."""

import re
from collections.abc import Iterable
from ipaddress import IPv6Address
from typing import Final

from gateway.backends.kafka.connection import BrokerConnection, PasswordLogin, TokenLogin, tls
from gateway.backends.kafka.schema_registry import BasicLogin, BearerLogin, SchemaRegistry
from gateway.backends.kafka.token import ClientCredentials, TokenFile
from gateway.engine.log import LogError
from gateway.settings.secrets import secret_of
from gateway.settings.settings import KAFKA, InvalidSettings, Settings, env
from gateway.settings.urls import wrong_with_url

_LIKE: Final = "expected kafka://HOST:PORT,HOST:PORT"
_SERVER: Final = re.compile(r"(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9._-]*)|\[[^\[\]]*\]):(?P<port>[0-9]+)")

_KEY: Final = ("kafka_key_file", "kafka_key_password", "kafka_key_password_file")
_TLS: Final = ("kafka_ca_file", "kafka_certificate_file", *_KEY)
_BY_PASSWORD: Final = ("kafka_username", "kafka_password", "kafka_password_file")
_BY_ENDPOINT: Final = (
    "kafka_token_client_id",
    "kafka_token_client_secret",
    "kafka_token_client_secret_file",
    "kafka_token_scope",
)
_REGISTRY: Final = (
    "schema_registry_username",
    "schema_registry_password",
    "schema_registry_password_file",
    "schema_registry_token",
    "schema_registry_token_file",
    "schema_registry_ca_file",
)
_BY_TOKEN: Final = ("kafka_token_file", "kafka_token_url", *_BY_ENDPOINT)


def connection(settings: Settings) -> BrokerConnection:
    """The connection that the settings describe. Raises InvalidSettings, which never shows a value."""
    servers = _servers(settings.log_url)
    encrypted = settings.kafka_security in {"tls", "sasl_tls"}
    if not encrypted:
        other = "sasl_tls" if settings.kafka_security == "sasl_plaintext" else "tls"
        _refuse(settings, _TLS, f"is for an encrypted connection; set GATEWAY_KAFKA_SECURITY to {other}")
    if settings.kafka_certificate_file is None:
        _refuse(settings, _KEY, "needs GATEWAY_KAFKA_CERTIFICATE_FILE; name the certificate too")
    if settings.kafka_security in {"plaintext", "tls"}:
        other = "sasl_tls" if encrypted else "sasl_plaintext"
        _refuse(
            settings,
            ("kafka_sasl_mechanism", *_BY_PASSWORD, *_BY_TOKEN),
            f"is for a connection with a login; set GATEWAY_KAFKA_SECURITY to {other}",
        )
        login = None
    else:
        login = _login(settings)
    try:
        context = (
            tls(
                settings.kafka_ca_file,
                settings.kafka_certificate_file,
                settings.kafka_key_file,
                secret_of(settings, "kafka_key_password"),
            )
            if encrypted
            else None
        )
    except LogError as error:
        raise InvalidSettings(str(error)) from None
    return BrokerConnection(servers, context, login)


def _servers(url: str) -> tuple[str, ...]:
    named = url.removeprefix(KAFKA)
    if not url.startswith(KAFKA) or not named:
        raise InvalidSettings(f"GATEWAY_LOG_URL names no broker; {_LIKE}")
    if "@" in named:
        raise InvalidSettings(
            "GATEWAY_LOG_URL holds a user; name it in GATEWAY_KAFKA_USERNAME instead, and the password in "
            "GATEWAY_KAFKA_PASSWORD_FILE"
        )
    if re.search(r"[/?#]", named):
        raise InvalidSettings(f"GATEWAY_LOG_URL has something behind the brokers; {_LIKE}")
    servers = tuple(named.split(","))
    for number, server in enumerate(servers, 1):
        if wrong := _wrong_with(server):
            raise InvalidSettings(f"in GATEWAY_LOG_URL, broker {number} {wrong}")
    return servers


def _wrong_with(server: str) -> str:
    if _is_ipv6(server) or _is_ipv6(server.rpartition(":")[0]):
        return "is an IPv6 address without brackets; expected kafka://[ADDRESS]:PORT"
    found = _SERVER.fullmatch(server)
    if found is None:
        without_port = _SERVER.fullmatch(f"{server.removesuffix(':')}:1")
        return f"has no port; {_LIKE}" if without_port else f"is not HOST:PORT; {_LIKE}"
    if found["host"].startswith("[") and not _is_ipv6(found["host"][1:-1]):
        return "has brackets and no IPv6 address in them; expected kafka://[ADDRESS]:PORT"
    if not 1 <= int(found["port"][:6]) <= 65535:
        return "has a port that can't be; expected 1 to 65535"
    return ""


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _login(settings: Settings) -> PasswordLogin | TokenLogin:
    mechanism = settings.kafka_sasl_mechanism
    if mechanism is None:
        raise InvalidSettings(
            f"GATEWAY_KAFKA_SECURITY is {settings.kafka_security} and there is no "
            "GATEWAY_KAFKA_SASL_MECHANISM; set it to PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
        )
    if mechanism == "OAUTHBEARER":
        _refuse(settings, _BY_PASSWORD, "is not for OAUTHBEARER; remove it")
        return TokenLogin(_tokens(settings))
    _refuse(
        settings, _BY_TOKEN, f"is for OAUTHBEARER and GATEWAY_KAFKA_SASL_MECHANISM is {mechanism}; remove it"
    )
    password = secret_of(settings, "kafka_password")
    if settings.kafka_username is None or password is None:
        raise InvalidSettings(
            f"{mechanism} needs a user and a password; set GATEWAY_KAFKA_USERNAME and "
            "GATEWAY_KAFKA_PASSWORD_FILE"
        )
    return PasswordLogin(mechanism, settings.kafka_username, password)


def _tokens(settings: Settings) -> TokenFile | ClientCredentials:
    url = settings.kafka_token_url
    if settings.kafka_token_file is not None:
        _refuse(
            settings,
            ("kafka_token_url", *_BY_ENDPOINT),
            "is for a token endpoint and GATEWAY_KAFKA_TOKEN_FILE names a file; remove one of them",
        )
        return TokenFile(settings.kafka_token_file)
    if url is None:
        raise InvalidSettings(
            "OAUTHBEARER needs a token; set GATEWAY_KAFKA_TOKEN_FILE, or GATEWAY_KAFKA_TOKEN_URL"
        )
    if wrong := wrong_with_url(
        url,
        place="the URL of an endpoint",
        unencrypted="send the client's secret unencrypted",
        user="set GATEWAY_KAFKA_TOKEN_CLIENT_ID instead",
    ):
        raise InvalidSettings(f"GATEWAY_KAFKA_TOKEN_URL {wrong}")
    secret = secret_of(settings, "kafka_token_client_secret")
    if settings.kafka_token_client_id is None or secret is None:
        raise InvalidSettings(
            "GATEWAY_KAFKA_TOKEN_URL needs a client; set GATEWAY_KAFKA_TOKEN_CLIENT_ID and "
            "GATEWAY_KAFKA_TOKEN_CLIENT_SECRET_FILE"
        )
    return ClientCredentials(url, settings.kafka_token_client_id, secret, settings.kafka_token_scope)


def schema_registry(settings: Settings) -> SchemaRegistry | None:
    """The schema registry that the settings describe; None: none. Raises InvalidSettings."""
    url = settings.schema_registry_url
    if url is None:
        _refuse(
            settings, _REGISTRY, "is for a schema registry; set GATEWAY_SCHEMA_REGISTRY_URL, or remove it"
        )
        return None
    login = _registry_login(settings)
    if wrong := wrong_with_url(
        url,
        place="the URL of a registry",
        unencrypted=None if login is None else "send the password or token unencrypted",
        user="set GATEWAY_SCHEMA_REGISTRY_USERNAME instead",
    ):
        raise InvalidSettings(f"GATEWAY_SCHEMA_REGISTRY_URL {wrong}")
    context = None
    if settings.schema_registry_ca_file is not None:
        if not url.startswith("https:"):
            raise InvalidSettings(
                "GATEWAY_SCHEMA_REGISTRY_CA_FILE is for an encrypted connection; begin "
                "GATEWAY_SCHEMA_REGISTRY_URL with https"
            )
        try:
            context = tls(settings.schema_registry_ca_file)
        except LogError as error:
            raise InvalidSettings(str(error)) from None
    return SchemaRegistry(url, login=login, tls=context)


def _registry_login(settings: Settings) -> BasicLogin | BearerLogin | None:
    username = settings.schema_registry_username
    password = secret_of(settings, "schema_registry_password")
    token = secret_of(settings, "schema_registry_token")
    if (username is None) != (password is None):
        raise InvalidSettings(
            "a schema registry's user needs a password, and a password a user; set "
            "GATEWAY_SCHEMA_REGISTRY_USERNAME and GATEWAY_SCHEMA_REGISTRY_PASSWORD_FILE"
        )
    if username is not None and password is not None:
        if token is not None:
            raise InvalidSettings(
                "GATEWAY_SCHEMA_REGISTRY_USERNAME and GATEWAY_SCHEMA_REGISTRY_TOKEN are both set; remove one "
                "of them"
            )
        return BasicLogin(username, password)
    return None if token is None else BearerLogin(token)


def _refuse(settings: Settings, names: Iterable[str], why: str) -> None:
    for name in names:
        if name in settings.model_fields_set:
            raise InvalidSettings(f"{env(name)} {why}")
