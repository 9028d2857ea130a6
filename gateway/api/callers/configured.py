"""From the settings to who may call. What contradicts itself or does nothing is refused."""

from typing import Final

import structlog

from gateway.api.callers import development
from gateway.api.callers.authenticating import Authenticator
from gateway.api.callers.keyring import Keyring
from gateway.api.callers.keys import NoKeySet, read_keys
from gateway.api.callers.sources import NotFetched, from_file, from_url, read_file
from gateway.api.security import Refusals
from gateway.settings.settings import InvalidSettings, Settings, env
from gateway.settings.urls import wrong_with_url

_SETTINGS: Final = ("jwt_issuer", "jwt_audience", "jwks_url", "jwks_file")
_NEEDED: Final = "GATEWAY_JWT_ISSUER, GATEWAY_JWT_AUDIENCE and GATEWAY_JWKS_URL"


def has_identity_provider(settings: Settings) -> bool:
    """Whether tokens come from an identity provider."""
    return any(getattr(settings, name) is not None for name in _SETTINGS)


def authenticator(settings: Settings, refusals: Refusals) -> Authenticator | None:
    """What identifies callers; None, which is logged, on Kafka without an identity provider: nobody may call.

    Raises InvalidSettings, or OSError where the development key can't be made or read.
    """
    if has_identity_provider(settings):
        return _by_identity_provider(settings, refusals)
    if settings.on_kafka:
        structlog.get_logger("gateway").warning("api.off", needs=_NEEDED)
        return None
    path = development.key_path(settings.log_path())
    keyring = Keyring(development.from_key(path), known=read_keys(development.key_set(path)))
    return Authenticator(keyring, issuer=development.ISSUER, audience=development.AUDIENCE, refusals=refusals)


def _by_identity_provider(settings: Settings, refusals: Refusals) -> Authenticator:
    issuer, audience = settings.jwt_issuer, settings.jwt_audience
    if issuer is None or audience is None:
        missing = "jwt_issuer" if issuer is None else "jwt_audience"
        raise InvalidSettings(f"tokens of an identity provider need {env(missing)}; set it")
    return Authenticator(_keyring(settings), issuer=issuer, audience=audience, refusals=refusals)


def _keyring(settings: Settings) -> Keyring:
    url, path = settings.jwks_url, settings.jwks_file
    if url is not None and path is not None:
        raise InvalidSettings("GATEWAY_JWKS_URL and GATEWAY_JWKS_FILE are both set; remove one of them")
    if path is not None:
        try:
            return Keyring(from_file(path), known=read_keys(read_file(path)))
        except NotFetched as error:
            raise InvalidSettings(str(error)) from None
        except NoKeySet as error:
            raise InvalidSettings(
                f"GATEWAY_JWKS_FILE can't be used: {error}; write the identity provider's keys to it"
            ) from None
    if url is None:
        raise InvalidSettings(
            "tokens of an identity provider need its keys; set GATEWAY_JWKS_URL, or GATEWAY_JWKS_FILE"
        )
    if wrong := wrong_with_url(
        url, place="where keys can be", unencrypted="let others change the keys on their way"
    ):
        raise InvalidSettings(f"GATEWAY_JWKS_URL {wrong}")
    return Keyring(from_url(url))
