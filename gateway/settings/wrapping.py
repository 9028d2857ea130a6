"""From the settings to what wraps the keys of a log. What contradicts itself or does nothing is refused."""

from typing import Final

from gateway.engine.log import LogError
from gateway.sealing.wrapping import WrappingKeyFile, WrappingKeys
from gateway.settings.settings import InvalidSettings, Settings, env
from gateway.settings.urls import wrong_with_url

_OF_SERVICE: Final = ("key_service_key_name", "key_service_token_file", "key_service_ca_file")


def wrapping_keys(settings: Settings) -> WrappingKeys | None:
    """What the settings name; None: nothing, so an embedded log has a key in a file beside it.

    Raises InvalidSettings.
    """
    url, key, token_file = (
        settings.key_service_url,
        settings.key_service_key_name,
        settings.key_service_token_file,
    )
    if url is None:
        for name in _OF_SERVICE:
            if name in settings.model_fields_set:
                raise InvalidSettings(
                    f"{env(name)} is for a key service; set GATEWAY_KEY_SERVICE_URL, or remove it"
                )
        return None if settings.wrapping_key_file is None else WrappingKeyFile(settings.wrapping_key_file)
    if settings.wrapping_key_file is not None:
        raise InvalidSettings(
            "GATEWAY_KEY_SERVICE_URL and GATEWAY_WRAPPING_KEY_FILE are both set; remove one of them"
        )
    if wrong := wrong_with_url(
        url,
        place="the URL of a transit engine",
        unencrypted="send keys unencrypted",
        user="name a token in GATEWAY_KEY_SERVICE_TOKEN_FILE instead",
    ):
        raise InvalidSettings(f"GATEWAY_KEY_SERVICE_URL {wrong}")
    if key is None or token_file is None:
        raise InvalidSettings(
            "a key service needs a key and a token; set GATEWAY_KEY_SERVICE_KEY_NAME and "
            "GATEWAY_KEY_SERVICE_TOKEN_FILE"
        )
    from gateway.sealing.key_service import KeyService

    try:
        return KeyService(url, key, token_file, settings.key_service_ca_file)
    except LogError as error:
        raise InvalidSettings(str(error)) from None
