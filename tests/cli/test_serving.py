"""`gateway run` as a process: what it serves, for whom it ends, and how soon."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.cli.conftest import Gateway
from tests.cli.running import Json, json_lines, life, read_until, spawn, started
from tests.patience import PATIENCE_S, eventually
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
IMPATIENT = (sys.executable, "-m", "tests.cli.impatient")


def on(port: int) -> dict[str, str]:
    """The environment that says so."""
    return {"GATEWAY_HTTP_PORT": str(port)}


def ready(port: int) -> Json:
    """What /readyz says."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE_S) as answer:
            body = answer.read()
    except HTTPError as error:
        body = error.read()
    found: Json = json.loads(body)
    return found


def ended(process: subprocess.Popen[bytes]) -> tuple[int, list[Json]]:
    """The exit status, and what it logged until then; the projection may be filled at any moment."""
    _, err = process.communicate(timeout=PATIENCE_S)
    logged = [json.loads(line) for line in err.splitlines()]
    return process.returncode, [line for line in logged if line["event"] != "projection.filled"]


def test_it_serves_on_its_port_until_it_is_stopped(tmp_path: Path) -> None:
    port = free_port()
    with started("run", cwd=tmp_path, environment=on(port)) as run:
        logged = read_until(run, "partition.claimed")
        (line,) = [line for line in logged if line["event"] == "http.started"]
        assert (line["host"], line["port"]) == ("127.0.0.1", port)
        assert line["url"] == f"http://127.0.0.1:{port}"
        assert "sandbox" not in line
        eventually(lambda: ready(port)["partitions"].keys() == {"0"})
        run.send_signal(signal.SIGTERM)
        status, logged = ended(run)
    assert status == 0
    assert [line["event"] for line in logged] == ["gateway.stopping", "gateway.summary", "gateway.stopped"]


@pytest.mark.parametrize(
    ("host", "option", "settings", "exposed"),
    [
        ("0.0.0.0", [], {}, ["an API whose tokens are signed with the development key"]),
        ("::", [], {}, ["an API whose tokens are signed with the development key"]),
        (
            "0.0.0.0",
            ["--sandbox"],
            {},
            ["a sandbox, which takes messages and moves its clock without a token"],
        ),
        ("127.0.0.1", [], {}, []),
        ("localhost", ["--sandbox"], {}, []),
        (
            "0.0.0.0",
            [],
            {
                "GATEWAY_JWT_ISSUER": "https://issuer.example",
                "GATEWAY_JWT_AUDIENCE": "gateway",
                "GATEWAY_JWKS_URL": "http://127.0.0.1:1/jwks.json",
            },
            [],
        ),
    ],
)
def test_what_is_for_trials_and_can_be_reached_by_others_is_warned_of(
    host: str, option: list[str], settings: dict[str, str], exposed: list[str], tmp_path: Path
) -> None:
    environment = on(free_port()) | {"GATEWAY_HTTP_HOST": host} | settings
    with started("run", *option, cwd=tmp_path, environment=environment) as run:
        warned = [line for line in read_until(run, "http.started") if line["event"] == "http.exposed"]
    assert [(line["host"], line["what"]) for line in warned] == [(host, what) for what in exposed]


def test_a_second_gateway_on_the_port_learns_which_setting_to_change(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    port = free_port()
    with started("run", cwd=one, environment=on(port)) as run:
        read_until(run, "http.started")
        second = spawn("run", cwd=other, environment=on(port))
        assert second.status == 1
        assert f"listens on port {port} of 127.0.0.1; set GATEWAY_HTTP_PORT to another" in second.sentence
        assert not [*other.glob("gateway.db*")], "no log is made that nobody uses"
        third = spawn("run", cwd=one, environment=on(port))
        assert third.sentence.startswith("another gateway runs on")


def test_a_run_that_ends_by_itself_serves_only_where_a_port_is_set(tmp_path: Path) -> None:
    """So it may run beside a gateway in service, which has the port that is the default."""
    until = ("run", "--clock", "log", "--until", "2016-03-21T12:00:00Z")
    assert "http.started" not in spawn(*until, cwd=tmp_path, environment={"GATEWAY_HTTP_PORT": ""}).err
    assert "http.started" in spawn(*until, cwd=tmp_path, environment=on(free_port())).err


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("GATEWAY_HTTP_PORT", "65536", "GATEWAY_HTTP_PORT is not a port; expected 1 to 65535, or 0"),
        ("GATEWAY_HTTP_PORT", "tcp://10.0.0.1:80", "GATEWAY_HTTP_PORT is not a port"),
        ("GATEWAY_HTTP_HOST", "nowhere.invalid", "GATEWAY_HTTP_HOST is no address of this machine"),
        ("GATEWAY_HTTP_HOSTS", "::1", "did you mean GATEWAY_HTTP_HOST?"),
    ],
)
def test_an_address_that_cannot_be_served_on_is_bad_input(
    name: str, value: str, expected: str, tmp_path: Path
) -> None:
    ended = spawn(
        "run", cwd=tmp_path, environment=on(free_port()) | {name: value, "GATEWAY_LOG_LEVEL": "error"}
    )
    assert ended.status == 2
    assert expected in ended.sentence


def test_a_worker_logs_its_number_serves_on_a_port_of_its_own_and_ends_with_its_supervisor(
    tmp_path: Path,
) -> None:
    """Its standard input ends when the supervisor is gone, whatever ended it."""
    port = free_port()
    with started("run", "--as-worker", "1", cwd=tmp_path, environment=on(port - 1)) as worker:
        logged = read_until(worker, "partition.claimed")
        assert {line["worker"] for line in logged} == {1}
        eventually(lambda: ready(port)["partitions"].keys() == {"0"})
        status, logged = ended(worker)  # which closes its standard input
    assert status == 0
    assert [line["event"] for line in logged] == ["supervisor.gone", "gateway.summary", "gateway.stopped"]


def test_it_ends_with_0_on_a_signal_although_the_log_is_held_up(gateway: Gateway, tmp_path: Path) -> None:
    """Another process writes and does not come to an end; the step that waits for it is dropped."""
    assert gateway("feed", "--keep-time", "-", stdin=json_lines(life())).status == 0
    log = {"GATEWAY_LOG_URL": f"sqlite:///{tmp_path / 'gateway.db'}", "GATEWAY_LOG_LEVEL": "debug"}
    held = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    with started("run", "--clock", "log", cwd=ROOT, command=IMPATIENT, environment=log) as run:
        read_until(run, "partition.claiming")
        run.send_signal(signal.SIGTERM)
        status, logged = ended(run)
    held.close()
    assert status == 0
    assert [line["event"] for line in logged] == ["gateway.stopping", "gateway.gave_up"]


def test_more_than_one_worker_is_for_a_log_on_kafka(gateway: Gateway) -> None:
    refused = gateway("run", "--workers", "2")
    assert refused.status == 2
    assert refused.sentence == (
        "--workers is for a log on Kafka and GATEWAY_LOG_URL names an embedded one; leave it out"
    )


def test_workers_need_a_port_each(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LOG_URL", "kafka://127.0.0.1:1")
    monkeypatch.setenv("GATEWAY_HTTP_PORT", "65535")
    refused = gateway("run", "--workers", "2")
    assert refused.status == 2
    assert refused.sentence.startswith("GATEWAY_HTTP_PORT with --workers 2 needs the ports up to 65536")


def test_a_log_that_is_gone_is_not_started_as_an_empty_one(tmp_path: Path) -> None:
    """In an empty folder it is made; after that, only on purpose."""
    with started("run", cwd=tmp_path) as run:
        read_until(run, "partition.claimed")
        run.send_signal(signal.SIGTERM)
        assert ended(run)[0] == 0
    (tmp_path / "gateway.db").rename(tmp_path / "elsewhere.db")
    gone = spawn("run", cwd=tmp_path)
    assert gone.status == 1
    assert "make a new log on purpose with `gateway topics create`" in gone.sentence
    assert "gateway.db.keys is there" in spawn("feed", "-", cwd=tmp_path).sentence
    made = spawn("topics", "create", cwd=tmp_path)
    assert (made.status, made.out) == (0, b"the log gateway.db has 1 partition\n")
    with started("run", cwd=tmp_path) as run:
        read_until(run, "partition.claimed")


def test_a_log_that_must_exist_is_made_by_topics_create_alone(tmp_path: Path) -> None:
    must = {"GATEWAY_LOG_MUST_EXIST": "true"}
    for command in (["run"], ["run", "--sandbox"], ["feed", "-"]):
        refused = spawn(*command, cwd=tmp_path, environment=must | on(free_port()))
        assert refused.status == 1
        assert "GATEWAY_LOG_MUST_EXIST is set" in refused.sentence
    assert spawn("topics", "create", cwd=tmp_path, environment=must).status == 0
    with started("run", cwd=tmp_path, environment=must) as run:
        read_until(run, "partition.claimed")


def test_it_shows_its_files_keys_and_partitions_as_metrics(tmp_path: Path) -> None:
    port = free_port()
    with started("run", cwd=tmp_path, environment=on(port)) as run:
        read_until(run, "partition.claimed")
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
            text = answer.read().decode()
    assert "gateway_partitions_configured 1.0" in text
    for named in ('file_bytes{file="log"}', 'disk_free_bytes{file="log"}', "callers_keys_age_seconds"):
        assert re.search(rf"^gateway_{re.escape(named)} \d", text, re.MULTILINE), named
    assert 'gateway_http_requests_total{path="/v1/referrals",status="500"} 0.0' in text
    assert "brokers_reachable" not in text
