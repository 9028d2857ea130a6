"""What may be asked for together: all of a plan that a supervisor has to know before it starts workers."""

from typing import Literal

from gateway.settings.settings import InvalidSettings, Settings

Clock = Literal["wall", "log"]


def refuse_contradictions(
    settings: Settings, *, clock: Clock, until: int | None, worker: int | None, sandbox: bool, today: bool
) -> None:
    """Raises InvalidSettings where what is asked for does not go together. See Plan."""
    if until is not None and clock != "log" and not sandbox:
        raise InvalidSettings("--until needs --clock log; name both")
    if today and not sandbox:
        raise InvalidSettings("--today is for a sandbox; name --sandbox, too, or leave it out")
    if sandbox and (clock == "log" or until is not None or worker is not None):
        raise InvalidSettings(
            "a sandbox has one process and a clock of its own; name nothing but --sandbox, and --today"
        )
    if sandbox and settings.on_kafka:
        raise InvalidSettings(
            "a sandbox has an embedded log and GATEWAY_LOG_URL names brokers; name a file such as "
            "sqlite:///./sandbox.db, or leave out --sandbox"
        )
    if sandbox and not settings.http_port:
        raise InvalidSettings("a sandbox is asked over HTTP and GATEWAY_HTTP_PORT is 0; set it to a port")
