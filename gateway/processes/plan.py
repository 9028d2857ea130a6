"""What is to run: settled in one place before anything is opened."""

from dataclasses import dataclass
from typing import Literal

from gateway.engine.step import SERVING, StepSize
from gateway.rules.policy import Policies
from gateway.settings.settings import InvalidSettings, Settings

Clock = Literal["wall", "log"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one process runs.

    clock: 'log': no time passes but what the messages' timestamps say. until: decide all that is on the log,
    then what is due by this instant (UTC milliseconds), and end; None: go on. worker: the number of this
    process among those of a supervisor, who holds the other end of its standard input. sandbox: on an
    embedded log whose clock the caller moves. today: a new sandbox begins at this machine's time. http: serve
    the API, health and metrics. step: when a step ends.
    """

    settings: Settings
    policies: Policies
    clock: Clock = "wall"
    until: int | None = None
    worker: int | None = None
    sandbox: bool = False
    today: bool = False
    http: bool = True
    step: StepSize = StepSize()  # noqa: RUF009 - it is frozen

    @property
    def on_kafka(self) -> bool:
        """Whether the log is on Apache Kafka; else it is an embedded one."""
        return self.settings.on_kafka

    @property
    def by_wall_clock(self) -> bool:
        """Whether deadlines fall due by this machine's clock."""
        return self.clock == "wall" and not self.sandbox

    @property
    def http_port(self) -> int:
        """The port of this process: each worker has one of its own."""
        return self.settings.http_port + (self.worker or 0)


def plan_of(
    settings: Settings,
    *,
    clock: Clock = "wall",
    until: int | None = None,
    worker: int | None = None,
    sandbox: bool = False,
    today: bool = False,
) -> Plan:
    """The plan of a run. Raises InvalidSettings where what is asked for does not go together."""
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
    # What ends by itself serves nobody, unless the port is set: it may run beside a gateway that has the
    # port.
    http = settings.http_port != 0 and (until is None or "http_port" in settings.model_fields_set)
    # On Kafka there are as many processes as it takes; here callers would wait for a long step.
    step = SERVING if http and not settings.on_kafka else StepSize()
    return Plan(settings, settings.policies(), clock, until, worker, sandbox, today, http, step)
