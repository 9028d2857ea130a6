"""What is to run: settled in one place before anything is opened."""

from dataclasses import dataclass

from gateway.engine.step import SERVING, StepSize
from gateway.processes.options import Clock, refuse_contradictions
from gateway.rules.policy import Policies
from gateway.settings.settings import Settings


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
    refuse_contradictions(settings, clock=clock, until=until, worker=worker, sandbox=sandbox, today=today)
    # What ends by itself serves nobody, unless the port is set: it may run beside a gateway that has the
    # port.
    http = settings.http_port != 0 and (until is None or "http_port" in settings.model_fields_set)
    # On Kafka there are as many processes as it takes; here callers would wait for a long step.
    step = SERVING if http and not settings.on_kafka else StepSize()
    return Plan(settings, settings.policies(), clock, until, worker, sandbox, today, http, step)
