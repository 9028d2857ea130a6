"""The settings of the providers' API: what they are, each by itself.

What they come to together is in gateway/api/callers/.
"""

from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, Field, IPvAnyNetwork, SecretStr
from pydantic_settings import BaseSettings, NoDecode

MOST_PER_S: Final = 1_000_000
MOST_WORKING_DAYS: Final = 20


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class ApiSettings(BaseSettings):
    """Who may call, and how often."""

    jwt_issuer: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Whose tokens callers of the API have: the `iss` of the identity provider, exactly.",
        ),
    ] = None
    jwt_audience: Annotated[
        str | None,
        Field(min_length=1, description="What this gateway is called there: the `aud` of its tokens."),
    ] = None
    jwks_url: Annotated[
        str | None,
        Field(
            min_length=1,
            description="Where the identity provider's keys are, as a JSON Web Key Set (https).",
        ),
    ] = None
    jwks_file: Annotated[
        Path | None, Field(description="A file with those keys, instead; it is read again now and then.")
    ] = None
    webhook_key: Annotated[
        SecretStr | None,
        Field(
            description="What the secrets of webhooks are derived from, 32 characters or more; the same for "
            "all processes of a log. Without it there are no webhooks on Kafka, and an embedded log has one "
            "in a file beside it."
        ),
    ] = None
    webhook_key_file: Annotated[Path | None, Field(description="A file with that key, instead.")] = None
    webhook_origin: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9.-]{1,253}$",
            description="What this gateway is called where it asks whether a webhook takes CloudEvents.",
        ),
    ] = "information-session-gateway"
    rate_per_s: Annotated[
        int,
        Field(
            ge=1,
            le=MOST_PER_S,
            description="How many requests to the API a provider may make, a second, in the long run.",
        ),
    ] = 3000
    rate_burst: Annotated[
        int, Field(ge=1, le=MOST_PER_S, description="How many of them at once, after a pause.")
    ] = 6000
    connections_per_address: Annotated[
        int,
        Field(
            ge=1,
            le=MOST_PER_S,
            description="How many connections one address may have open, unless it is a trusted proxy's.",
        ),
    ] = 200
    trusted_proxies: Annotated[
        tuple[IPvAnyNetwork, ...],
        NoDecode,
        BeforeValidator(_listed),
        Field(
            description="Addresses of proxies in front of the gateway, or networks such as 10.0.0.0/8, with "
            "commas between them.",
        ),
    ] = ()
    prap_enter_within_working_days: Annotated[
        int,
        Field(
            ge=0,
            le=MOST_WORKING_DAYS,
            description="Within how many working days an action is to be entered on PRaP and marked, 0 to "
            f"{MOST_WORKING_DAYS}; later it is overdue. 0: none ever is, where nobody marks them.",
        ),
    ] = 1


_REQUESTS: Final = f"is not a number of requests; expected 1 to {MOST_PER_S}"
#: What is wrong with a value that can't be used, and what is expected. The value is not shown.
EXPECTED: Final = {
    "jwt_issuer": "is not text; expected the identity provider's `iss`",
    "jwt_audience": "is not text; expected the `aud` of this gateway's tokens",
    "jwks_url": "is not text; expected a URL such as https://HOST/jwks.json",
    "jwks_file": "is not the name of a file; expected one with a JSON Web Key Set",
    "webhook_key": "is not text; expected 32 characters or more, such as `openssl rand -hex 32` makes",
    "webhook_key_file": "is not the name of a file; expected one with the key of webhooks",
    "webhook_origin": "is not the name of a host; expected one such as gateway.example",
    "rate_per_s": _REQUESTS,
    "rate_burst": _REQUESTS,
    "connections_per_address": f"is not a number of connections; expected 1 to {MOST_PER_S}",
    "trusted_proxies": "holds what is no address; expected some such as 10.0.0.7,10.1.0.0/16",
    "prap_enter_within_working_days": f"is not a number of days; expected 0 to {MOST_WORKING_DAYS}",
}
