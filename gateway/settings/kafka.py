"""The settings that a Kafka log has and the embedded one has not: what they are, each by itself.

What they come to together is in gateway/connecting.py.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings

Security = Literal["plaintext", "tls", "sasl_plaintext", "sasl_tls"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


def _security(value: object) -> object:
    """Kafka's own names (SSL for tls) are as good, in capitals or not."""
    return value.lower().replace("ssl", "tls") if isinstance(value, str) else value


def _mechanism(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class KafkaSettings(BaseSettings):
    """Without a Kafka log none of them may be set."""

    topic_prefix: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9._-]*$",
            max_length=200,
            description="Put before the name of every topic, such as test. with its dot.",
        ),
    ] = ""
    replication: Annotated[
        int | None,
        Field(
            ge=1,
            le=100,
            description="On how many brokers `topics create` puts each partition, 1 to 100; without it, on "
            "as many as the brokers' own setting says.",
        ),
    ] = None
    grace_s: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description="How far the clocks of brokers and gateways may differ, in seconds, 0 to 3600: a "
            "deadline is decided this long after its time, and dated by it.",
        ),
    ] = 60
    session_timeout_s: Annotated[
        float,
        Field(
            ge=1,
            le=1800,
            description="After how many seconds without a sign of life a process's partitions go to others, "
            "1 to 1800; brokers accept 6 or more, unless configured otherwise.",
        ),
    ] = 10
    kafka_security: Annotated[
        Security,
        BeforeValidator(_security),
        Field(
            description="How to connect: plaintext, tls, sasl_plaintext (login without encryption) or "
            "sasl_tls (both); Kafka's names are taken too."
        ),
    ] = "plaintext"
    kafka_ca_file: Annotated[
        Path | None,
        Field(
            description="With tls: who may have signed the brokers' certificates (PEM); without it, whom "
            "this machine trusts."
        ),
    ] = None
    kafka_certificate_file: Annotated[
        Path | None,
        Field(description="With tls: this gateway's own certificate (PEM), where brokers ask for one."),
    ] = None
    kafka_key_file: Annotated[
        Path | None,
        Field(description="The certificate's key (PEM), where it is not in the certificate's file."),
    ] = None
    kafka_key_password: Annotated[
        SecretStr | None, Field(description="The key's password, where it has one.")
    ] = None
    kafka_key_password_file: Annotated[
        Path | None, Field(description="A file with the key's password, instead.")
    ] = None
    kafka_sasl_mechanism: Annotated[
        Mechanism | None,
        BeforeValidator(_mechanism),
        Field(description="With sasl: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER."),
    ] = None
    kafka_username: Annotated[
        str | None, Field(min_length=1, description="For PLAIN and SCRAM: the user.")
    ] = None
    kafka_password: Annotated[
        SecretStr | None, Field(description="For PLAIN and SCRAM: the user's password.")
    ] = None
    kafka_password_file: Annotated[
        Path | None, Field(description="A file with the user's password, instead.")
    ] = None
    kafka_token_file: Annotated[
        Path | None,
        Field(
            description="For OAUTHBEARER: a file with the token, read anew for each connection; another "
            "program renews it."
        ),
    ] = None
    kafka_token_url: Annotated[
        str | None,
        Field(
            description="For OAUTHBEARER, instead: the OAuth 2.0 endpoint (https) that gives tokens for "
            "client credentials."
        ),
    ] = None
    kafka_token_client_id: Annotated[
        str | None, Field(min_length=1, description="The client id for that endpoint.")
    ] = None
    kafka_token_client_secret: Annotated[
        SecretStr | None, Field(description="The client's secret for that endpoint.")
    ] = None
    kafka_token_client_secret_file: Annotated[
        Path | None, Field(description="A file with the client's secret, instead.")
    ] = None
    kafka_token_scope: Annotated[
        str | None, Field(min_length=1, description="The scope to ask that endpoint for, where it wants one.")
    ] = None
    schema_registry_url: Annotated[
        str | None,
        Field(
            min_length=1,
            description="A schema registry with Confluent's API, by what stands before /subjects: values go "
            "out in Confluent's wire format, and both formats are read. Without it they are in Avro's "
            "single-object encoding.",
        ),
    ] = None
    schema_registry_username: Annotated[
        str | None, Field(min_length=1, description="The user of the schema registry, where it asks for one.")
    ] = None
    schema_registry_password: Annotated[SecretStr | None, Field(description="That user's password.")] = None
    schema_registry_password_file: Annotated[
        Path | None, Field(description="A file with that user's password, instead.")
    ] = None
    schema_registry_token: Annotated[
        SecretStr | None, Field(description="A bearer token for the schema registry, instead of a user.")
    ] = None
    schema_registry_token_file: Annotated[
        Path | None, Field(description="A file with that token, instead.")
    ] = None
    schema_registry_ca_file: Annotated[
        Path | None,
        Field(
            description="Who may have signed the schema registry's certificate (PEM); without it, whom this "
            "machine trusts."
        ),
    ] = None


_FILE: Final = "is not the name of a file; expected one"
_TEXT: Final = "is not text; expected"
#: What is wrong with a value that can't be used, and what is expected. The value is not shown.
EXPECTED: Final = {
    "topic_prefix": "can't begin a topic's name; expected at most 200 letters, digits, dots, _ and -",
    "replication": "is not a number of brokers; expected 1 to 100",
    "grace_s": "is not a number of seconds; expected 0 to 3600",
    "session_timeout_s": "is not a number of seconds; expected 1 to 1800",
    "kafka_security": "is not a kind of connection; expected plaintext, tls, sasl_plaintext or sasl_tls",
    "kafka_ca_file": f"{_FILE} with CA certificates",
    "kafka_certificate_file": f"{_FILE} with a certificate",
    "kafka_key_file": f"{_FILE} with a key",
    "kafka_key_password": f"{_TEXT} the key's password",
    "kafka_key_password_file": f"{_FILE} with the key's password",
    "kafka_sasl_mechanism": "is not known here; expected PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
    "kafka_username": f"{_TEXT} a user's name",
    "kafka_password": f"{_TEXT} the user's password",
    "kafka_password_file": f"{_FILE} with the user's password",
    "kafka_token_file": f"{_FILE} with a token",
    "kafka_token_url": f"{_TEXT} a URL such as https://HOST/token",
    "kafka_token_client_id": f"{_TEXT} a client id",
    "kafka_token_client_secret": f"{_TEXT} the client's secret",
    "kafka_token_client_secret_file": f"{_FILE} with the client's secret",
    "kafka_token_scope": f"{_TEXT} a scope",
    "schema_registry_url": f"{_TEXT} a URL such as https://HOST:8081",
    "schema_registry_username": f"{_TEXT} a user's name",
    "schema_registry_password": f"{_TEXT} the user's password",
    "schema_registry_password_file": f"{_FILE} with the user's password",
    "schema_registry_token": f"{_TEXT} a token",
    "schema_registry_token_file": f"{_FILE} with a token",
    "schema_registry_ca_file": f"{_FILE} with CA certificates",
}
