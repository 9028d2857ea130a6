"""From the settings to where operators sign in. What contradicts itself or does nothing is refused."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from gateway.settings.secrets import secret_of
from gateway.settings.settings import InvalidSettings, Settings, env
from gateway.settings.urls import wrong_with_url

_NEEDED: Final = ("console_issuer", "console_url", "console_client_id")
_ALL: Final = (*_NEEDED, "console_client_secret", "console_client_secret_file", "console_claim")


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """An OpenID Connect provider, and what this gateway is there. url: what browsers call it."""

    issuer: str
    url: str
    client_id: str
    client_secret: str | None = field(repr=False)
    claim: str

    @property
    def secure(self) -> bool:
        """Whether browsers come by https."""
        return self.url.startswith("https:")


def sign_in_settings(settings: Settings) -> SignInSettings | None:
    """Where operators sign in; None: no provider is named. Raises InvalidSettings, which shows no value."""
    if not settings.model_fields_set.intersection(_ALL):
        return None
    for name in _NEEDED:
        if getattr(settings, name) is None:
            raise InvalidSettings(f"signing in to the console needs {env(name)}; set it")
    issuer, url, client_id = settings.console_issuer, settings.console_url, settings.console_client_id
    assert issuer is not None
    assert url is not None
    assert client_id is not None
    place, unencrypted = "the address of a web site", "let others sign in on the way"
    if wrong := wrong_with_url(issuer, place=place, unencrypted=unencrypted):
        raise InvalidSettings(f"GATEWAY_CONSOLE_ISSUER {wrong}")
    if wrong := wrong_with_url(url, place=place, unencrypted=unencrypted):
        raise InvalidSettings(f"GATEWAY_CONSOLE_URL {wrong}")
    parts = urlsplit(url)
    if parts.path not in {"", "/"} or parts.query:
        raise InvalidSettings("GATEWAY_CONSOLE_URL has a path; expected https://HOST")
    secret = secret_of(settings, "console_client_secret")
    return SignInSettings(issuer, url.rstrip("/"), client_id, secret, settings.console_claim)
