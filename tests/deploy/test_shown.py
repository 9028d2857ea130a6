"""What goes wrong is shown, by a real gateway that a real Prometheus with the rules of deploy/ asks.

Each time one thing is taken away or made wrong, and /readyz, a log event, a metric and an alert say which.
"""

import re
import signal
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from gateway.system.clock import wall_clock
from schemas.json import format_instant
from tests.cli.running import json_lines, read_until, referral, spawn, started
from tests.cli.test_clock import DAY_S, Machine
from tests.cli.test_serving import on, ready
from tests.deploy.prometheus import Prometheus, prometheus
from tests.deploy.test_monitoring import asked
from tests.patience import PATIENCE_S, eventually
from tests.ports import free_port, free_ports

#: What a log of its own has not: brokers. And panels of that which seldom is, by what they leave out.
EMPTY = re.compile(r"gateway_brokers_reachable|> 0$")


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
        assert line["why"] == "the clock of this machine leapt"
        assert "see to the clock, then run `gateway clock accept`" in machine.reasons()
        eventually(lambda: found.values("gateway_clock_leapt_seconds > 600"))
        eventually(lambda: found.holds("GatewayClockWrong"))


def test_one_of_two_processes_that_is_gone_is_shown_by_the_other_going_on_alone(tmp_path: Path) -> None:
    """They have logs of their own here: who takes partitions over needs a broker, and no alert of it."""
    ports = free_ports(2)
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    with (
        started("run", cwd=folders[0], environment=on(ports[0])),
        started("run", cwd=folders[1], environment=on(ports[1])) as other,
        prometheus(tmp_path, ports) as found,
    ):
        eventually(lambda: len(found.values("up == 1")) == 2)
        eventually(lambda: not found.holds("GatewayDown"))
        other.send_signal(signal.SIGKILL)
        eventually(lambda: found.holds("GatewayDown"))
        (gone,) = found.values("up == 0")
        assert gone["metric"]["instance"] == f"127.0.0.1:{ports[1]}"
        assert ready(ports[0])["ready"]
