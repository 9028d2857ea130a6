"""Who may call the providers' API: bearer tokens (JWT), the keys that sign them, and what is refused."""

from gateway.api.callers.authenticating import Authenticator
from gateway.api.callers.configured import authenticator, has_identity_provider
from gateway.api.callers.verifying import (
    ENTER_ON_PRAP,
    OPERATE,
    PERSONAL_DATA,
    SEND_AS_JOBCENTRE,
    SEND_AS_PRAP,
    SUBSCRIBE_AS_JOBCENTRE,
    Caller,
    TokenRefused,
)
from gateway.api.security import Refusals

__all__ = [
    "ENTER_ON_PRAP",
    "OPERATE",
    "PERSONAL_DATA",
    "SEND_AS_JOBCENTRE",
    "SEND_AS_PRAP",
    "SUBSCRIBE_AS_JOBCENTRE",
    "Authenticator",
    "Caller",
    "Refusals",
    "TokenRefused",
    "authenticator",
    "has_identity_provider",
]
