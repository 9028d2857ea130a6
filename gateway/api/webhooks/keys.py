"""The secrets of webhooks: derived from one key and the webhook's id, so that none is kept anywhere.

Source: Standard Webhooks, "Signature scheme".
"""

import hmac
from base64 import b64encode
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.api.callers.development import development_key
from gateway.settings.secrets import secret_of
from gateway.settings.settings import InvalidSettings, Settings

SHORTEST_KEY: Final = 32
_PREFIX: Final = "whsec_"


def webhook_key(settings: Settings) -> bytes | None:
    """The key of this deployment; None, on Kafka without one: there are no webhooks.

    On an embedded log without a setting it is in a file beside the log, made where there is none. Raises
    InvalidSettings, or OSError where that file can't be made or read.
    """
    given = secret_of(settings, "webhook_key")
    if given is not None:
        if len(given) < SHORTEST_KEY:
            raise InvalidSettings(
                f"GATEWAY_WEBHOOK_KEY has less than {SHORTEST_KEY} characters; make one with "
                "`openssl rand -hex 32`"
            )
        return given.encode()
    if settings.on_kafka:
        return None
    log = settings.log_path()
    key = development_key(log.with_name(f"{log.name}.webhooks.key"))
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class Secrets:
    """Gives the secret of a webhook, and signs with it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def shown(self, webhook_id: str) -> str:
        """The secret as its receiver gets it."""
        return f"{_PREFIX}{b64encode(self._of(webhook_id)).decode()}"

    def signature(self, webhook_id: str, message_id: str, at_s: int, body: bytes) -> str:
        """The header webhook-signature of a delivery. at_s: when it is sent, seconds since 1970."""
        signed = b"%b.%d.%b" % (message_id.encode(), at_s, body)
        return f"v1,{b64encode(hmac.digest(self._of(webhook_id), signed, sha256)).decode()}"

    def _of(self, webhook_id: str) -> bytes:
        return hmac.digest(self._key, b"information-session-gateway webhook " + webhook_id.encode(), sha256)
