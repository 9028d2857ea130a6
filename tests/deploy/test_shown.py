"""What goes wrong is shown, by a real gateway that a real Prometheus with the rules of deploy/ asks.

Each time one thing is taken away or made wrong, and /readyz, a log event, a metric and an alert say which.
"""

import json
import re
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from gateway.system.clock import wall_clock
from schemas.json import format_instant
from tests.cli.running import GATEWAY, json_lines, read_until, referral, spawn, started
from tests.cli.test_clock import DAY_S, Machine
from tests.cli.test_serving import on, ready
from tests.deploy.prometheus import Prometheus, prometheus
from tests.deploy.test_monitoring import asked
from tests.kafka.feeding import make
from tests.kafka.gateways import running, share
from tests.patience import PATIENCE_S, eventually
from tests.ports import free_port, free_ports

#: What a log of its own has not: brokers. And panels of that which seldom is, by what they leave out.
EMPTY = re.compile(r"gateway_brokers_reachable|> 0$")

#: The messages keep the times that they are put with.
BY_LOG = ("--clock", "log")
#: As soon as brokers allow, a process that is gone is taken for gone.
SOON = {"session_timeout_s": "6"}


def test_the_dashboard_and_the_alerts_get_what_they_ask_for_of_a_gateway_that_is_well(tmp_path: Path) -> None:
    """Every panel has something to show, no rule is wrong, and no alert is about to fire."""
    port = free_port()
    with started("run", cwd=tmp_path, environment=on(port)) as run, prometheus(tmp_path, [port]) as found:
        read_until(run, "http.started")
        now = format_instant(wall_clock())
        fed = spawn("feed", "-", cwd=tmp_path, stdin=json_lines([referral(now, referred_on=now[:10])]))
        assert fed.status == 0, fed.err
        for expression in asked():
            if not EMPTY.search(expression):
                eventually(lambda expression=expression: found.values(expression))  # type: ignore[misc]
            found.values(expression)
        eventually(lambda: all(rule["health"] == "ok" for rule in found.rules().values()))
        # How much room a disk has is the machine's affair.
        eventually(lambda: about_to_fire(found) <= {"GatewayLittleRoom", "GatewayRoomRunsOut"})


def about_to_fire(found: Prometheus) -> set[str]:
    """The alerts that fire, or will where it stays so."""
    return {name for name, rule in found.rules().items() if rule["state"] != "inactive"}


def test_brokers_that_are_away_are_shown(tmp_path: Path) -> None:
    port, nowhere = free_ports(2)
    kafka = {"GATEWAY_LOG_URL": f"kafka://127.0.0.1:{nowhere}"}
    with (
        started("run", cwd=tmp_path, environment=on(port) | kafka) as run,
        prometheus(tmp_path, [port]) as found,
    ):
        (*_, line) = read_until(run, "log.away")
        why = f"the broker 127.0.0.1:{nowhere} can't be reached (connection refused); see that it runs"
        assert why in line["error"]
        eventually(lambda: any(why in reason for reason in ready(port)["reasons"]))
        eventually(lambda: found.values("gateway_brokers_reachable == 0"))
        eventually(lambda: found.holds("GatewayBrokersUnreachable"))
        eventually(lambda: found.holds("GatewayLogUnknown"))


def test_keys_of_callers_that_can_not_be_fetched_are_shown(tmp_path: Path) -> None:
    """And who decides goes on meanwhile."""
    port, nowhere = free_ports(2)
    provider = {
        "GATEWAY_JWT_ISSUER": "https://issuer.example",
        "GATEWAY_JWT_AUDIENCE": "gateway",
        "GATEWAY_JWKS_URL": f"http://127.0.0.1:{nowhere}/jwks.json",
    }
    with (
        started("run", cwd=tmp_path, environment=on(port) | provider) as run,
        prometheus(tmp_path, [port]) as found,
    ):
        logged = read_until(run, "keys.not_fetched")
        assert (logged[-1]["level"], logged[-1]["usable"]) == ("warning", 0)
        assert "GATEWAY_JWKS_URL can't be reached (" in logged[-1]["error"]
        assert "this machine reaches GATEWAY_JWKS_URL" in logged[-1]["what_to_do"]
        read_until(run, "http.started")
        eventually(lambda: ready(port)["ready"])
        (warning,) = ready(port)["warnings"]
        assert "the keys of callers' tokens can't be fetched, every caller gets 503" in warning
        eventually(lambda: found.values('gateway_callers_refused_total{reason="keys_unavailable"} == 0'))
        token = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.e30.AAAA"
        request = Request(
            f"http://127.0.0.1:{port}/v1/referrals", headers={"Authorization": f"Bearer {token}"}
        )
        with pytest.raises(HTTPError, match="503"):
            urlopen(request, timeout=PATIENCE_S)
        eventually(lambda: found.holds("GatewayKeysUnavailable"))


def test_a_clock_that_is_wrong_is_shown(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    with machine.running() as run, prometheus(tmp_path, [machine.port]) as found:
        eventually(machine.ready)
        machine.set_clock(40 * DAY_S)
        (*_, line) = read_until(run, "clock.leapt")
        assert (line["level"], line["why"]) == ("error", "the clock of this machine leapt")
        assert line["what_to_do"].endswith("then run `gateway clock accept`.")
        assert "see to the clock, then run `gateway clock accept`" in machine.reasons()
        eventually(lambda: found.values("gateway_clock_leapt_seconds > 600"))
        eventually(lambda: found.holds("GatewayClockWrong"))


def test_a_disk_without_room_is_shown(tmp_path: Path) -> None:
    """First that little room is left; then, when there is none, why nothing can be taken."""
    port = free_port()
    script = 'mount -t tmpfs -o size=8m none "$0" && cd "$0" && exec "$1" run'
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ("unshare", "-rm", "sh", "-c", script, str(disk), GATEWAY)
    with (
        started(cwd=tmp_path, command=command, environment=on(port)) as run,
        prometheus(tmp_path, [port]) as found,
    ):
        (*_, line) = read_until(run, "disk.filling")
        assert line["file"] == "log"
        assert line["room_mib"] < 8
        assert line["what_to_do"] == "Make room on that disk."
        read_until(run, "partition.claimed")
        assert "the disk of the log has 7 MiB left; make room" in ready(port)["warnings"]
        eventually(lambda: found.values('gateway_disk_free_bytes{file="log"} < 8 * 1024 * 1024'))
        eventually(lambda: found.holds("GatewayLittleRoom"))
        # The disk is mounted for that process only.
        inside = Path(f"/proc/{run.pid}/root{disk}")
        with (inside / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
            while True:
                ballast.write(bytes(4096))
        token = spawn("token", "--provider", "PRV01", cwd=inside).out.decode().strip()
        plan = {"formats": ["GROUP"], "group_size": 10, "timings": "Tuesdays", "effective_from": "2016-04-05"}
        request = Request(
            f"http://127.0.0.1:{port}/v1/delivery-plans/CPA01",
            json.dumps(plan).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            method="PUT",
        )
        with pytest.raises(HTTPError, match="503"):
            urlopen(request, timeout=PATIENCE_S)
        (*_, line) = read_until(run, "http.not_put")
        assert line["reason"].startswith("the disk is full, so nothing more can be written to the log")
        assert "the disk of the log has 0 MiB left; make room" in ready(port)["warnings"]


def test_one_of_two_processes_that_is_gone_is_shown_by_the_other_taking_over(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    ports = free_ports(2)
    make(bootstrap, topic_prefix, 2)
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    with (
        running(folders[0], bootstrap, topic_prefix, *BY_LOG, http_port=str(ports[0]), **SOON) as one,
        running(folders[1], bootstrap, topic_prefix, *BY_LOG, http_port=str(ports[1]), **SOON) as other,
        prometheus(tmp_path, ports) as found,
    ):
        eventually(lambda: share([one, other], 2))
        eventually(lambda: len(found.values("gateway_partitions_owned == 1")) == 2)
        eventually(lambda: not found.holds("GatewayDown"))
        other.kill()
        eventually(lambda: found.holds("GatewayDown"))
        (gone,) = found.values("up == 0")
        assert gone["metric"]["instance"] == f"127.0.0.1:{ports[1]}"
        # Until its session ends, its partition is nobody's.
        eventually(lambda: found.holds("GatewayPartitionsUnassigned"))
        eventually(lambda: one.assigned() == {0, 1})
        eventually(lambda: set(one.claims()) == {0, 1})
        eventually(lambda: not found.holds("GatewayPartitionsUnassigned"))
        eventually(lambda: ready(ports[0])["ready"])
