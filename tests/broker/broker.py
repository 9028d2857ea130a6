"""One node of Apache Kafka, which tests may start, stop, kill, pause and start again."""

import base64
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.broker.jars import CACHE, NoBroker, jars
from tests.ports import free_ports

_KEEPER = Path(__file__).with_name("keeper.py")
_START_S = 120.0
_STOP_S = 120.0

#: What differs from Kafka's defaults: one node, and a quick start on a small machine.
_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    # The default of 9 s is also how long a broker that was killed is not let in again.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    # A test of a member that dies need not wait for 6 s, the least by default.
    "group.min.session.timeout.ms": "1000",
    "offsets.topic.num.partitions": "5",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "5",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "log.cleaner.dedupe.buffer.size": "8388608",
    # Tests date records long ago: after five minutes, the default, those older than a topic keeps would go.
    "log.retention.check.interval.ms": "86400000",
}
_JVM = [
    *("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"),
    "-Dorg.slf4j.simpleLogger.logFile=System.out",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
]


class Broker:
    """A broker with its data, its log (server.log) and its ports in a folder of its own.

    Whoever makes a Broker of the same folder, in whatever process, has the same broker. It runs until it is
    stopped or killed, or until nobody has it any more: a process that is killed leaves nothing running.

    folder: made where it does not exist.
    properties: lines for server.properties, on top of those above or in their place.
    listeners: further listeners, name to protocol ("SASL_SSL"), each on a port of its own.
    advertised: host:port that clients of a listener are sent to, where that is not the listener's own.
    format_with: further arguments of `StorageTool format`, such as --add-scram.
    outlives: it runs until it is stopped, also when nobody has it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        properties: Mapping[str, str] | None = None,
        listeners: Mapping[str, str] | None = None,
        advertised: Mapping[str, str] | None = None,
        format_with: Sequence[str] = (),
        outlives: bool = False,
    ) -> None:
        self._folder = folder.resolve()
        self._properties = properties or {}
        self._protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **(listeners or {})}
        self._advertised = advertised or {}
        self._format_with = format_with
        self._ports: dict[str, int] = {}
        self._cluster_id = ""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._use: IO[str] | None = None
        if not outlives:
            self._use = (self._folder / "users.lock").open("w")
            fcntl.flock(self._use, fcntl.LOCK_SH)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Have it no longer. The last one to do so ends it, with all its data."""
        if self._use is not None:
            self._use.close()

    @property
    def bootstrap(self) -> str:
        """host:port of the plain listener; known once it was started, and the same ever after."""
        return self.address("PLAINTEXT")

    def address(self, listener: str) -> str:
        """host:port of a listener."""
        return f"127.0.0.1:{self._ports[listener]}"

    @property
    def running(self) -> bool:
        """Whether its process is there, be it paused or not yet ready."""
        with (self._folder / "running.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @property
    def pid(self) -> int:
        """The process that runs, or ran last."""
        return int((self._folder / "pid").read_text())

    def start(self) -> None:
        """Start it where it does not run, on the ports and the data that it had, and wait until it answers.

        Raises: NoBroker when it doesn't, with the end of its log.
        """
        with (self._folder / "starting.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._settle()
            if not self.running:
                self._launch()
            self._until(self._answers, _START_S)

    def stop(self) -> None:
        """End it in good order (SIGTERM)."""
        self._signal(signal.SIGTERM)
        self._until(lambda: not self.running, _STOP_S)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._signal(signal.SIGKILL)
        self._until(lambda: not self.running, _STOP_S)

    def pause(self) -> None:
        """Let it do nothing, with its connections open (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            os.kill(self.pid, number)

    def _settle(self) -> None:
        """Read which ports and which cluster this is, or choose them."""
        kept = self._folder / "node.json"
        if not kept.exists():
            ports = dict(zip(self._protocols, free_ports(len(self._protocols)), strict=True))
            # A UUID whose base64 does not begin with a dash, which would look like an option.
            cluster_id = base64.urlsafe_b64encode(b"t" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
            kept.write_text(json.dumps({"ports": ports, "cluster_id": cluster_id}))
        node = json.loads(kept.read_text())
        self._ports, self._cluster_id = node["ports"], node["cluster_id"]

    def _launch(self) -> None:
        data, temporary = self._folder / "data", self._folder / "data" / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        settings = self._folder / "server.properties"
        settings.write_text("".join(f"{name}={value}\n" for name, value in self._settings(data).items()))
        # Compression libraries unpack themselves there, and leave that behind when they are killed.
        own = [self._classes(), f"-Djava.io.tmpdir={temporary}"]
        java = ["java", *_JVM, *own, "-cp", f"{jars()}/*"]
        if not (data / "log" / "meta.properties").exists():
            self._format([*java, "kafka.tools.StorageTool", "format", "--config", str(settings)])
        users = "users.lock" if self._use is not None else ""
        with (self._folder / "running.lock").open("w") as running:
            fcntl.flock(running, fcntl.LOCK_EX)
            lock = running.fileno()
            subprocess.run(
                [
                    *(sys.executable, "-I", "-S", str(_KEEPER), str(self._folder), str(lock), users),
                    *(*java, "kafka.Kafka", str(settings)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(lock,),
                start_new_session=True,
                check=True,
            )

    def _classes(self) -> str:
        """Where Java finds the classes as they were loaded before, which halves the work of a start."""
        archive = jars() / "classes.jsa"
        with (CACHE / "classes.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not archive.exists():
                with _ArchivesItsClasses(CACHE / "archiving") as once:
                    once.start()
                    once.stop()
        return f"-XX:SharedArchiveFile={archive}"

    def _settings(self, data: Path) -> dict[str, str]:
        return {
            **_PROPERTIES,
            "controller.quorum.voters": f"1@{self.address('CONTROLLER')}",
            "listeners": ",".join(f"{name}://{self.address(name)}" for name in self._protocols),
            "advertised.listeners": ",".join(
                f"{name}://{self._advertised.get(name) or self.address(name)}"
                for name in self._protocols
                if name != "CONTROLLER"
            ),
            "listener.security.protocol.map": ",".join(":".join(pair) for pair in self._protocols.items()),
            "log.dirs": str(data / "log"),
            **self._properties,
        }

    def _format(self, command: list[str]) -> None:
        done = subprocess.run(
            [*command, "--cluster-id", self._cluster_id, *self._format_with],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_START_S,
            check=False,
        )
        if done.returncode != 0:
            raise NoBroker(f"Apache Kafka did not take its settings:\n{done.stdout}{done.stderr}")

    def _answers(self) -> bool:
        if not self.running:
            raise NoBroker(f"Apache Kafka ended while it started:\n{self._last_lines()}")
        client = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            found = client.list_topics(timeout=1)
        except KafkaException:
            return False
        # Another broker could have taken the port meanwhile. And one that is not yet let in again by its
        # controller names no brokers, and so no leader of any partition.
        return bool(found.brokers) and found.cluster_id == self._cluster_id

    def _until(self, holds: Callable[[], bool], within_s: float) -> None:
        give_up_at = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > give_up_at:
                raise NoBroker(f"Apache Kafka took more than {within_s:.0f} s:\n{self._last_lines()}")
            time.sleep(0.02)

    def _last_lines(self) -> str:
        return "\n".join((self._folder / "server.log").read_text(errors="replace").splitlines()[-30:])


class _ArchivesItsClasses(Broker):
    """One that is started and stopped only so that those after it start sooner."""

    def stop(self) -> None:
        """End it in good order, which writes the archive."""
        super().stop()
        self._written().rename(jars() / "classes.jsa")

    def _classes(self) -> str:
        return f"-XX:ArchiveClassesAtExit={self._written()}"

    def _written(self) -> Path:
        return jars() / "classes.part"
