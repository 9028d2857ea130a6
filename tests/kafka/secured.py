"""A broker with a listener for each way to connect, and what is needed to get in."""

import base64
import json
import time
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization

from tests.broker.broker import Broker

USER, PASSWORD = "gateway", "hunter2 = hunter3"
#: With the same password, by SCRAM-SHA-512 only.
OTHER_USER = "somebody"

LISTENERS = {
    "TLS": "SSL",
    "MUTUAL": "SSL",
    "LOGIN": "SASL_SSL",
    "CLEAR": "SASL_PLAINTEXT",
    "TOKEN": "SASL_SSL",
    "SHORT": "SASL_PLAINTEXT",
}
_PLAIN = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
_TOKEN = (
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
    'unsecuredLoginStringClaim_sub="broker";'
)


class Certificates:
    """Files in a folder: two CAs, and certificates with their keys, of which each signed some."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.other_ca = folder / "other-ca.pem"
        self.client = folder / "client.pem"
        self.other_client = folder / "other-client.pem"
        self.server = folder / "server.pem"
        authority, other = trustme.CA(), trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        other.cert_pem.write_to_path(self.other_ca)
        for path, leaf in (
            (self.client, authority.issue_cert("gateway.example")),
            (self.other_client, other.issue_cert("gateway.example")),
            (self.server, authority.issue_cert("127.0.0.1")),
        ):
            # Kafka takes a key as PKCS #8 only.
            key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            path.write_bytes(key + b"".join(pem.bytes() for pem in leaf.cert_chain_pems))


def secured_broker(folder: Path, certificates: Certificates, *, allows_all: bool = True) -> Broker:
    """The broker, not yet started. allows_all: what nobody is allowed by name, everybody may do."""
    return Broker(
        folder,
        listeners=LISTENERS,
        properties={
            "auto.create.topics.enable": "true",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": str(allows_all).lower(),
            "super.users": "User:ANONYMOUS",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(certificates.server),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(certificates.ca),
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.login.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.login.plain.sasl.jaas.config": _PLAIN,
            "listener.name.login.scram-sha-256.sasl.jaas.config": _SCRAM,
            "listener.name.login.scram-sha-512.sasl.jaas.config": _SCRAM,
            "listener.name.clear.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.clear.scram-sha-512.sasl.jaas.config": _SCRAM,
            "listener.name.token.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.token.oauthbearer.sasl.jaas.config": _TOKEN,
            "listener.name.short.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.short.oauthbearer.sasl.jaas.config": _TOKEN,
            # A connection ends with the token that it was made with.
            "listener.name.short.connections.max.reauth.ms": "3600000",
        },
        format_with=[
            *("--add-scram", f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"),
            *("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"),
            *("--add-scram", f"SCRAM-SHA-512=[name={OTHER_USER},password={PASSWORD}]"),
        ],
    )


def token(*, life_s: float = 3600.0) -> str:
    """A token that the broker takes: it doesn't look at signatures here, but at times it does."""
    now = time.time()
    claims = {"sub": USER, "iat": now, "exp": now + life_s}
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def _part(content: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
