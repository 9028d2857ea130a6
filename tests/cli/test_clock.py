"""`gateway run` on a machine whose clock is wrong, and `gateway clock accept`."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.cli.running import Json, clean_environment, json_lines, read_until, referral, spawn, started
from tests.intake.prap.downloads import csv_of, order
from tests.patience import PATIENCE_S, eventually
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
OTHER_CLOCK = (sys.executable, "-m", "tests.cli.other_clock")
DAY_S: Final = 86_400


class Machine:
    """Where a gateway runs, by a clock that can be set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.clock = folder / "clock"
        self.environment = {
            "GATEWAY_LOG_URL": f"sqlite:///{folder / 'gateway.db'}",
            "GATEWAY_HTTP_PORT": str(self.port),
            "GATEWAY_TEST_CLOCK": str(self.clock),
        }

    def set_clock(self, by_s: float) -> None:
        """Set it wrong, by so many seconds; whole at once, as somebody may look."""
        written = self.clock.with_suffix(".new")
        written.write_text(str(by_s))
        written.rename(self.clock)

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        """A gateway on it."""
        with started("run", cwd=ROOT, command=OTHER_CLOCK, environment=self.environment) as run:
            yield run

    def command(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Another command on it."""
        environment = clean_environment() | self.environment
        return subprocess.run(
            [*OTHER_CLOCK, *arguments],
            cwd=ROOT,
            env=environment,
            input=stdin,
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def ask(self, path: str, request: Request | None = None) -> tuple[int, bytes]:
        """The status and the body of an answer; 0: nobody answers."""
        asked = request or Request(f"http://127.0.0.1:{self.port}{path}")
        try:
            with urlopen(asked, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def ready(self) -> bool:
        """Whether /readyz says so."""
        return self.ask("/readyz")[0] == 200

    def reasons(self) -> str:
        """Why it is not ready."""
        body: Json = json.loads(self.ask("/readyz")[1] or b"{}")
        return "; ".join(body.get("reasons", []))

    def gauge(self, name: str) -> float:
        """What /metrics says of it."""
        lines = self.ask("/metrics")[1].decode().splitlines()
        return next(float(line.removeprefix(name)) for line in lines if line.startswith(f"{name} "))

    def put_plan(self) -> tuple[int, str | None]:
        """Send something: the status, and the code of a problem."""
        token = self.command("token", "--provider", "PRV01").stdout.decode().strip()
        request = Request(
            f"http://127.0.0.1:{self.port}/v1/delivery-plans/CPA01",
            json.dumps({"plan": "All of it."}).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            method="PUT",
        )
        status, body = self.ask("", request)
        return status, json.loads(body).get("code")

    def outcomes(self) -> list[str]:
        """What was decided of messages, in order."""
        tail = spawn("tail", "--from-start", "--no-follow", "gateway.outcomes", cwd=self.folder)
        return [line["value"]["message_id"] for line in tail.lines]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_when_the_clock_leaps_nothing_is_decided_or_taken_until_it_is_accepted(machine: Machine) -> None:
    with machine.running() as run:
        eventually(machine.ready)
        machine.set_clock(40 * DAY_S)
        read_until(run, "clock.leapt")
        assert "the clock of this machine leapt (+3,456,00" in machine.reasons()
        assert machine.put_plan() == (503, "CLOCK_LEAPT")
        assert machine.gauge("gateway_clock_leapt_seconds") == pytest.approx(40 * DAY_S, abs=1)
        assert machine.ask("/livez")[0] == 200
        fed = spawn("feed", "-", cwd=machine.folder, stdin=json_lines([referral()]))
        assert fed.status == 0, fed.err

        accepted_elsewhere = spawn("clock", "accept", cwd=machine.folder)
        assert accepted_elsewhere.out.startswith(b"accepted: it is 20")
        assert machine.outcomes() == []
        assert not machine.ready()

        machine.set_clock(0)
        assert machine.command("clock", "accept").returncode == 0
        read_until(run, "clock.accepted")
        eventually(machine.ready)
        eventually(lambda: machine.outcomes() == ["PO1-1"])
        assert machine.put_plan() == (400, "INVALID_PLAN"), "it is looked at again"
        assert machine.gauge("gateway_clock_ahead_seconds") >= 0


def test_a_start_far_from_what_was_decided_last_wants_the_clock_accepted(machine: Machine) -> None:
    """One that was accepted stays so when the gateway starts again."""
    with machine.running() as run:
        eventually(machine.ready)
        assert machine.command("feed", "-", stdin=json_lines([referral()])).returncode == 0
        eventually(machine.outcomes)
        run.terminate()
        assert run.wait(PATIENCE_S) == 0
    machine.set_clock(8 * DAY_S)
    with machine.running() as run:
        read_until(run, "clock.leapt")
        assert "is far from what was decided last (+691,2" in machine.reasons()
        assert machine.put_plan() == (503, "CLOCK_LEAPT")
        assert machine.command("clock", "accept").returncode == 0
        eventually(machine.ready)
    with machine.running():
        eventually(machine.ready)


def test_feed_puts_nothing_by_a_clock_far_from_what_was_decided_last(machine: Machine) -> None:
    """A download neither. What has times of its own is put, and so is all when the clock is accepted."""
    with machine.running() as run:
        eventually(machine.ready)
        assert machine.command("feed", "-", stdin=json_lines([referral()])).returncode == 0
        eventually(machine.outcomes)
        run.terminate()
        assert run.wait(PATIENCE_S) == 0
    download = machine.folder / "prap.csv"
    download.write_bytes(csv_of(order("PO1001")))
    for what, by_s in (str(download), -8 * DAY_S), ("-", 8 * DAY_S):
        machine.set_clock(by_s)
        refused = machine.command("feed", what, stdin=json_lines([referral()]))
        assert refused.returncode == 1
        said = refused.stderr.decode()
        assert "the clock of this machine is far from what was decided last (" in said
        assert "; see to the clock, then run `gateway clock accept`" in said
    dated = json_lines([referral(datetime.now(UTC).isoformat(timespec="seconds"))])
    assert machine.command("feed", "--keep-time", "-", stdin=dated).returncode == 0
    assert machine.command("clock", "accept").returncode == 0
    assert machine.command("feed", "-", stdin=json_lines([referral()])).returncode == 0


def test_told_to_stop_while_it_waits_for_its_clock_it_ends(machine: Machine) -> None:
    with machine.running() as run:
        eventually(machine.ready)
        machine.set_clock(-DAY_S)
        read_until(run, "clock.leapt")
        run.terminate()
        assert run.wait(PATIENCE_S) == 0


def test_there_is_no_clock_to_accept_without_a_log(tmp_path: Path) -> None:
    assert "there is no log gateway.db yet" in spawn("clock", "accept", cwd=tmp_path).sentence


def test_a_sample_of_today_runs_by_the_wall_clock(machine: Machine) -> None:
    """Fed with the time of its messages; one of 2016 does not."""
    sample = machine.command("sample", "--referrals", "40", "--until", "today").stdout
    assert machine.command("feed", "--keep-time", "-", stdin=sample).returncode == 0
    with machine.running():
        eventually(machine.ready)
        eventually(lambda: len(machine.outcomes()) >= sample.count(b"\n"))


@pytest.mark.parametrize("at", ["2016-03-14T09:00:00Z", "2199-01-01T09:00:00Z"])
def test_a_log_with_another_time_does_not(at: str, machine: Machine) -> None:
    line = json_lines([referral(at, referred_on=at[:10])])
    assert machine.command("feed", "--keep-time", "-", stdin=line).returncode == 0
    refused = machine.command("run")
    assert refused.returncode == 2
    assert b"the log was fed with --keep-time, so its time is not the wall clock's" in refused.stderr
