"""Secrets, each from its setting or from a file."""

from pydantic import SecretStr

from gateway.settings.settings import InvalidSettings, Settings, env, text_of


def secret_of(settings: Settings, name: str) -> str | None:
    """A secret, from its setting or from the file that the setting with _FILE behind it names."""
    given: SecretStr | None = getattr(settings, name)
    path = getattr(settings, f"{name}_file")
    if path is None:
        return None if given is None else given.get_secret_value()
    if given is not None:
        raise InvalidSettings(f"{env(name)} and {env(name)}_FILE are both set; remove one of them")
    text = text_of(path, f"the file of {env(name)}_FILE,").removesuffix("\n").removesuffix("\r")
    if not text:
        raise InvalidSettings(f"the file of {env(name)}_FILE, {path} is empty; write the secret to it")
    return text
