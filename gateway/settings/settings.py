"""Settings: environment variables with the prefix GATEWAY_, a .env file, or a TOML file."""

import glob
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from io import StringIO
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from dotenv.parser import parse_stream
from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gateway.rules import policy
from gateway.rules.calendar import DAY_MS
from gateway.rules.policy import Policies
from gateway.settings import api as api_settings
from gateway.settings import console as console_settings
from gateway.settings import kafka as kafka_settings
from gateway.settings import sealing as sealing_settings
from gateway.settings.api import ApiSettings
from gateway.settings.console import ConsoleSettings
from gateway.settings.kafka import KafkaSettings
from gateway.settings.sealing import SealingSettings
from gateway.system.errors import UsageError

PREFIX: Final = "GATEWAY_"
SQLITE: Final = "sqlite:///"
KAFKA: Final = "kafka://"
#: How many partitions there are where no setting says it.
PARTITIONS_EMBEDDED: Final = 1
PARTITIONS_ON_KAFKA: Final = 12
DOTENV: Final = Path(".env")


class InvalidSettings(UsageError):
    """A setting can't be used; the message says which, and what is expected."""

    code = "BAD_SETTINGS"


class Settings(ApiSettings, ConsoleSettings, KafkaSettings, SealingSettings):
    """All settings. What the environment says goes before .env, and that before the TOML file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=DOTENV,
        env_file_encoding="utf-8-sig",  # some editors put a mark before it
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    log_url: Annotated[
        str,
        Field(
            description="The message log: sqlite:///./FILE is a file in this folder, "
            "sqlite:////FOLDER/FILE one anywhere, kafka://HOST:PORT,HOST:PORT is on those brokers of Apache "
            "Kafka."
        ),
    ] = "sqlite:///./gateway.db"
    log_must_exist: Annotated[
        bool,
        Field(
            description="true: an embedded log that is missing is refused; `topics create` makes one. "
            "Set it for service, so that no new log is made where a volume is not mounted. On Kafka topics "
            "must always exist."
        ),
    ] = False
    partitions: Annotated[
        int | None,
        Field(
            ge=1,
            le=1000,
            description="How many partitions a new log is made with, 1 to 1000; a log keeps its count.",
        ),
    ] = None
    policy: Annotated[
        Path | None,
        Field(description="A policy file (TOML) with other limits than those of the guidance."),
    ] = None
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="Minimum level to log: debug, info, warning or error."),
    ] = "info"
    log_events: Annotated[
        Literal["all", "notable", "none"],
        Field(
            description="What of the decisions to log: notable ones, which change somebody's benefit, fee or "
            "duty, and refusals; all, every message too; or none."
        ),
    ] = "notable"
    otlp_endpoint: Annotated[
        str | None,
        Field(
            pattern=r"^https?://[^@/?#\s]+(/[^@?#\s]*)?$",
            description="The address of an OpenTelemetry collector, such as "
            "http://collector.example:4318, to send traces to by OTLP over HTTP. Set what else it needs, "
            "such as headers, by OpenTelemetry's own variables.",
        ),
    ] = None
    http_host: Annotated[
        str,
        Field(
            min_length=1,
            description="The address of the API, health and metrics; 0.0.0.0 is all of this machine.",
        ),
    ] = "127.0.0.1"
    http_port: Annotated[
        int,
        Field(
            ge=0,
            le=65535,
            description="Their port; 0: no HTTP. With --workers the first worker has this port, the second "
            "the next one, and so on. A run with --until serves only where this is set.",
        ),
    ] = 8080
    clock_leap_s: Annotated[
        int,
        Field(
            ge=60,
            le=86_400,
            description="By how many seconds this machine's clock may leap, or a message be dated ahead, "
            "60 to 86400; beyond, nothing is decided until `gateway clock accept`.",
        ),
    ] = 600
    clock_gap_days: Annotated[
        int,
        Field(
            ge=1,
            le=3_650,
            description="How many days may lie between what was decided last and the clock at a start, 1 to "
            "3650; beyond, the same.",
        ),
    ] = 7
    projection: Annotated[
        Path | None,
        Field(
            description="With a log on Kafka, the file of the read model, from which requests are answered. "
            "Delete it at any time: it is rebuilt from the log. With --workers each worker has its own, "
            "named by its number."
        ),
    ] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment, .env, and last what `load` read from the TOML file."""
        return env_settings, dotenv_settings, init_settings

    @property
    def on_kafka(self) -> bool:
        """Whether the log is on Apache Kafka; else it is an embedded one."""
        return self.log_url.startswith("kafka:")

    @property
    def partition_count(self) -> int:
        """How many partitions a new log is made with."""
        if self.partitions is not None:
            return self.partitions
        return PARTITIONS_ON_KAFKA if self.on_kafka else PARTITIONS_EMBEDDED

    def other_than(self, partitions: int) -> str | None:
        """What is wrong where the log has so many partitions; None: nothing is. A log keeps its count."""
        if self.partitions in {None, partitions}:
            return None
        return (
            f"GATEWAY_PARTITIONS is {self.partitions} and the log {self.log_name} has {partitions}; set it "
            f"to {partitions}, or name a new log"
        )

    @property
    def clock_gap_ms(self) -> int:
        """How far what was decided last and the clock may be apart, in milliseconds."""
        return self.clock_gap_days * DAY_MS

    @property
    def log_name(self) -> str:
        """What people call the log: its file, or its brokers. Raises InvalidSettings."""
        return self.log_url if self.on_kafka else str(self.log_path())

    def log_path(self) -> Path:
        """The file of the embedded log. Raises InvalidSettings where the URL names none."""
        if not self.log_url.startswith(SQLITE) or self.log_url == SQLITE or "\0" in self.log_url:
            raise InvalidSettings(
                "GATEWAY_LOG_URL is not a log that this version has; expected sqlite:///./FILE for one in "
                "this folder, sqlite:////FOLDER/FILE, or kafka://HOST:PORT"
            )
        if useless := sorted(self.model_fields_set & {*KafkaSettings.model_fields, "projection"}):
            raise InvalidSettings(
                f"{env(useless[0])} is for a log on Kafka and GATEWAY_LOG_URL names an embedded one; remove "
                "it, or name brokers such as kafka://HOST:PORT"
            )
        return Path(self.log_url.removeprefix(SQLITE))

    def projection_path(self, worker: int | None = None) -> Path:
        """The file of the read model of a log on Kafka."""
        path = self.projection or Path("gateway.projection")
        return path if worker is None else path.with_name(f"{path.name}.{worker}")

    def projections_here(self) -> Sequence[Path]:
        """The files of read models that are there, of one process or of several workers."""
        path = self.projection_path()
        of_workers = sorted(path.parent.glob(f"{glob.escape(path.name)}.*"))
        found = (path, *(each for each in of_workers if each.name.removeprefix(f"{path.name}.").isdigit()))
        return [each for each in found if each.exists()]

    def policies(self) -> Policies:
        """The policies in force. Raises InvalidSettings where the file can't be used."""
        return read_policies(self.policy)


def read_policies(path: Path | None) -> Policies:
    """The policies of a file, or the guidance's without one. Raises InvalidSettings."""
    if path is None:
        return policy.shipped()
    try:
        return policy.parse(text_of(path, "the policy file"))
    except policy.PolicyError as error:
        why = _lower(error).removeprefix("not a policy file: ")
        raise InvalidSettings(f"the policy file {path} can't be used: {why}; correct it") from None


def load(config: Path | None = None) -> Settings:
    """Read the settings, with a TOML file where one is named.

    Raises InvalidSettings, which never shows a value: it could be a secret.
    """
    in_file = {} if config is None else _read_toml(config)
    for name in unknown():
        if meant := _meant(name):
            raise InvalidSettings(f"there is no setting {PREFIX}{name.upper()}; did you mean {env(meant)}?")
    try:
        return Settings(**in_file)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0])
        raise InvalidSettings(f"{env(name)} {_EXPECTED[name]}") from None


def unknown() -> list[str]:
    """The settings that the environment or .env names and that don't exist: lower case, no prefix.

    They may be somebody else's: Kubernetes gives GATEWAY_PORT to all that runs beside a service `gateway`.
    """
    named = sorted({name.upper() for name in (*os.environ, *_dotenv())})
    ours = (name.removeprefix(PREFIX).lower() for name in named if name.startswith(PREFIX))
    return [name for name in ours if name not in Settings.model_fields]


def described() -> list[tuple[str, str]]:
    """Each setting's environment variable, and in a sentence or two what it says and what it is without.

    Those of the API come behind the others, then those of the console and of encryption, and last Kafka's.
    """
    names = sorted(
        Settings.model_fields,
        key=lambda name: (
            name in KafkaSettings.model_fields,
            name in SealingSettings.model_fields,
            name in ConsoleSettings.model_fields,
            name in ApiSettings.model_fields,
        ),
    )
    return [
        (env(name), f"{Settings.model_fields[name].description} Default: {_default(name)}.") for name in names
    ]


def _default(name: str) -> str:
    default = Settings.model_fields[name].default
    return _DEFAULTS.get(name, "none" if default in {None, ""} else str(default))


#: The defaults that depend on something.
_DEFAULTS: Final = {
    "log_must_exist": "false",
    "partitions": f"{PARTITIONS_EMBEDDED}, and {PARTITIONS_ON_KAFKA} on Kafka",
    "projection": "gateway.projection in this folder",
}
#: What is wrong with a value that can't be used, and what is expected. The value is not shown.
_EXPECTED: Final = {
    **kafka_settings.EXPECTED,
    **api_settings.EXPECTED,
    **console_settings.EXPECTED,
    **sealing_settings.EXPECTED,
    "log_url": "is not text; expected a URL such as sqlite:///./gateway.db",
    "log_must_exist": "is neither true nor false; expected one of them",
    "partitions": "is not a number of partitions; expected 1 to 1000",
    "projection": "is not the name of a file; expected that of one which may be made",
    "clock_leap_s": "is not a number of seconds; expected 60 to 86400",
    "clock_gap_days": "is not a number of days; expected 1 to 3650",
    "policy": "is not the name of a file; expected that of a policy file",
    "log_level": "is not a log level; expected debug, info, warning or error",
    "log_events": "is not a choice of log events; expected all, notable or none",
    "otlp_endpoint": "is not the address of a collector; expected one such as "
    "http://collector.example:4318, with no password in it",
    "http_host": "is not an address; expected one of this machine, such as 127.0.0.1",
    "http_port": "is not a port; expected 1 to 65535, or 0 for no HTTP",
}


def env(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def _meant(name: str) -> str | None:
    """The setting that a name may be a slip of."""
    begun = (known for known in Settings.model_fields if name.startswith(known) or known.startswith(name))
    return next(iter(get_close_matches(name, Settings.model_fields, 1, cutoff=0.7)), None) or next(
        begun, None
    )


def _dotenv() -> Iterable[str]:
    """The names in .env. Raises InvalidSettings where a line is no setting: its library passes over those."""
    if not DOTENV.exists():
        return ()
    seen: set[str] = set()
    for binding in parse_stream(StringIO(text_of(DOTENV, "the settings file"))):
        where = f"line {binding.original.line + _blank_lines(binding.original.string)} of {DOTENV}"
        if binding.error or (binding.key is not None and binding.value is None):
            raise InvalidSettings(f"{where} is no setting; write NAME=VALUE, or begin it with #")
        name = (binding.key or "").upper()
        if name.startswith(PREFIX) and name in seen:
            raise InvalidSettings(f"{where} has {name} again; keep one of them")
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in Settings.model_fields:
            known = _meant(name.removeprefix(PREFIX).lower())
            hint = f"did you mean {env(known)}?" if known else "take it out"
            raise InvalidSettings(f"{where}: there is no setting {name}; {hint}")
        seen.add(name)
    return DotEnvSettingsSource(Settings).env_vars


def _blank_lines(text: str) -> int:
    """How many lines go before the one that says something."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        found = tomllib.loads(text_of(path, "the settings file"))
    except tomllib.TOMLDecodeError as error:
        raise InvalidSettings(f"the settings file {path} is not TOML: {_lower(error)}; correct it") from None
    for name in found:
        if name not in Settings.model_fields:
            known = _meant(name.lower().removeprefix(PREFIX.lower()))
            hint = f"did you mean {known}?" if known else "`gateway run --help` names all there are"
            raise InvalidSettings(f"the settings file {path} has an unknown key {name!r}; {hint}")
    return found


def is_this_machine(host: str) -> bool:
    """Whether a URL's host is this machine, so that nobody listens on the way to it."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def text_of(path: Path, what: str) -> str:
    """What a file holds. what: it, in the error's sentence. Raises InvalidSettings."""
    try:
        return path.read_text("utf-8-sig")  # some editors put a mark before it
    except FileNotFoundError:
        raise InvalidSettings(f"{what} {path} does not exist; name one that does") from None
    except OSError as error:
        raise InvalidSettings(f"{what} {path} can't be read ({error.strerror}); name another one") from None
    except UnicodeDecodeError as error:
        raise InvalidSettings(
            f"{what} {path} is not UTF-8 from its byte {error.start + 1} on; save it as UTF-8"
        ) from None


def _lower(error: Exception) -> str:
    said = str(error)
    return said[:1].lower() + said[1:]
