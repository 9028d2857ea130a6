"""How the brokers are reached: their addresses, encryption, who this is, and how long they are waited for."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypedDict

from aiokafka.abc import AbstractTokenProvider

from gateway.engine.log import LogError

CLIENT_ID: Final = "information-session-gateway"

PasswordMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class PasswordLogin:
    """Who this is, by a user's name and password."""

    mechanism: PasswordMechanism
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """Who this is, by a bearer token (OAUTHBEARER). tokens: asked for one whenever a connection is made."""

    tokens: AbstractTokenProvider = field(repr=False)


class ConnectionArguments(TypedDict):
    """What aiokafka's consumer, producer and admin client all take, by their names for it."""

    bootstrap_servers: list[str]
    client_id: str
    security_protocol: str
    ssl_context: ssl.SSLContext | None
    sasl_mechanism: str
    sasl_plain_username: str | None
    sasl_plain_password: str | None
    sasl_oauth_token_provider: AbstractTokenProvider | None


@dataclass(frozen=True, slots=True)
class BrokerConnection:
    """A way to the brokers. It holds no connection open: each client makes its own.

    servers: "host:port" of some of the brokers, an IPv6 address in brackets; they name the others.
    tls: what to encrypt with; None: nothing is encrypted.
    login: who this is; None: nobody in particular, or whom the certificate names.
    answer_s: how long a broker has to answer a request. start_s: how long starting a producer may take, which
    waits for a predecessor's transaction to be ended.
    """

    servers: tuple[str, ...]
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    login: PasswordLogin | TokenLogin | None = None
    client_id: str = CLIENT_ID
    answer_s: float = 10.0
    start_s: float = 30.0

    @property
    def security_protocol(self) -> str:
        """Kafka's name for the kind of connection."""
        encrypted = "SSL" if self.tls else "PLAINTEXT"
        return f"SASL_{encrypted}" if self.login else encrypted

    def arguments(self) -> ConnectionArguments:
        """Keyword arguments for AIOKafkaConsumer, AIOKafkaProducer and AIOKafkaAdminClient.

        They hold the password in plain text: hand them on, and show them to nobody.
        """
        by_password = self.login if isinstance(self.login, PasswordLogin) else None
        by_token = self.login if isinstance(self.login, TokenLogin) else None
        return {
            "bootstrap_servers": list(self.servers),
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "ssl_context": self.tls,
            "sasl_mechanism": (
                by_password.mechanism if by_password else "OAUTHBEARER" if by_token else "PLAIN"
            ),
            "sasl_plain_username": by_password.username if by_password else None,
            "sasl_plain_password": by_password.password if by_password else None,
            "sasl_oauth_token_provider": by_token.tokens if by_token else None,
        }


def tls(
    ca_file: Path | None = None,
    certificate_file: Path | None = None,
    key_file: Path | None = None,
    key_password: str | None = None,
) -> ssl.SSLContext:
    """Encryption that checks the brokers' certificates and names.

    ca_file: who may have signed them (PEM); None: whom this machine trusts. certificate_file, key_file: this
    client's own (PEM), where the brokers ask for one; the key may be in the certificate's file.
    Raises LogError where a file can't be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise LogError(f"the CA file {ca_file} {_why(error, 'certificates')}") from None
    if certificate_file is None:
        return context
    try:
        # A password that is asked for and was not given must not be asked of whoever sits at the terminal.
        context.load_cert_chain(certificate_file, key_file, key_password or "")
    except OSError as error:
        files = f"{certificate_file}" if key_file is None else f"{certificate_file} with the key {key_file}"
        raise LogError(f"the certificate {files} {_why(error, 'a certificate and its key')}") from None
    return context


def _why(error: OSError, holds: str) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "can't be used, because the key belongs to another certificate; name the one that fits"
        return f"can't be used; it must hold {holds} as PEM, and an encrypted key needs its password"
    return f"can't be read ({(error.strerror or type(error).__name__).lower()}); name a file that can"
