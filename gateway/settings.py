"""Settings: environment variables with the prefix GATEWAY_, a .env file, or a TOML file."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from gateway.rules import policy
from gateway.rules.policy import Policies

SQLITE = "sqlite:///"


class InvalidSettings(ValueError):
    """A setting can't be used; the message says which, and what is expected."""


class Settings(BaseSettings):
    """All settings. What the environment says goes before .env, and that before the TOML file."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_", env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    log_url: Annotated[
        str,
        Field(description="the message log: sqlite:///./gateway.db is a file in this folder"),
    ] = "sqlite:///./gateway.db"
    partitions: Annotated[
        int, Field(ge=1, le=1000, description="how many partitions a new log is made with")
    ] = 1
    policy: Annotated[
        Path | None, Field(description="a policy file with other limits than the guidance's")
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="what is told on standard error: this, and what is graver"),
    ] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment, .env, TOML file."""
        return init_settings, env_settings, dotenv_settings, TomlConfigSettingsSource(settings_cls)

    def log_path(self) -> Path:
        """The file of the embedded log. Raises InvalidSettings for another kind of log."""
        if not self.log_url.startswith(SQLITE) or self.log_url == SQLITE:
            raise InvalidSettings(
                "GATEWAY_LOG_URL is not a log that this version has; expected sqlite:///./FILE for one in "
                "this folder, or sqlite:////FOLDER/FILE"
            )
        return Path(self.log_url.removeprefix(SQLITE))

    def policies(self) -> Policies:
        """The policies in force. Raises InvalidSettings where the file can't be used."""
        return read_policies(self.policy)


def read_policies(path: Path | None) -> Policies:
    """The policies of a file, or the guidance's without one. Raises InvalidSettings."""
    if path is None:
        return policy.shipped()
    try:
        return policy.parse(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidSettings(f"the policy file {path} can't be read: {error.strerror}") from None
    except (policy.PolicyError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{path}: {error}") from None


def load(config: Path | None = None) -> Settings:
    """Read the settings, with a TOML file where one is named.

    Raises InvalidSettings, which never shows a value: it could be a secret.
    """
    if config is not None and not config.is_file():
        raise InvalidSettings(f"there is no settings file {config}")

    class WithFile(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    try:
        settings = WithFile()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "_".join(str(part) for part in first["loc"])
        raise InvalidSettings(f"the setting GATEWAY_{name.upper()} is wrong: {first['msg']}") from None
    except ValueError as error:  # the TOML file is none
        raise InvalidSettings(f"the settings file can't be read: {error}") from None
    return settings


def described() -> str:
    """Each setting in a line, for the command line's help."""
    lines = [
        f"GATEWAY_{name.upper()} (now {field.default}): {field.description}"
        if field.default is not None
        else f"GATEWAY_{name.upper()}: {field.description}"
        for name, field in Settings.model_fields.items()
    ]
    return "\n\n".join(lines)
