"""`gateway partitions pause` and `resume`, beside a gateway that runs and without one."""

import json
import signal
from pathlib import Path
from urllib.request import urlopen

from tests.cli.conftest import Gateway
from tests.cli.running import json_lines, read_until, referral, spawn, started
from tests.cli.test_serving import on, ready
from tests.patience import PATIENCE_S, eventually
from tests.ports import free_port

REASON = "PRV07 sends rubbish"


def gauges(port: int, name: str) -> dict[str, float]:
    """By partition, the values of a metric."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
        lines = answer.read().decode().splitlines()
    found = (
        line.removeprefix(f'{name}{{partition="').split('"} ') for line in lines if line.startswith(name)
    )
    return {number: float(value) for number, value in found}


def test_a_paused_partition_decides_nothing_until_it_is_resumed_also_after_a_restart(tmp_path: Path) -> None:
    """It is shown as such, and the process is ready all the same, since the other partition goes on."""
    spawn("topics", "create", cwd=tmp_path, environment={"GATEWAY_PARTITIONS": "2"})
    port = free_port()
    with started("run", cwd=tmp_path, environment=on(port)) as run:
        read_until(run, "http.started")
        eventually(lambda: ready(port)["ready"])
        assert gauges(port, "gateway_partition_paused_timestamp_seconds") == {"0": 0, "1": 0}
        done = spawn("partitions", "pause", "0", "--reason", REASON, cwd=tmp_path)
        assert done.out == b"partition 0 is paused; `gateway partitions resume 0` lets it go on\n"
        (*_, line) = read_until(run, "partition.paused")
        assert (line["level"], line["partition"], line["reason"]) == ("warning", 0, REASON)
        # PO-1 belongs on partition 0 of two, PO-2 on partition 1.
        orders = [referral(po_number="PO-1"), referral(po_number="PO-2")]
        assert spawn("feed", "-", cwd=tmp_path, stdin=json_lines(orders)).status == 0
        read_until(run, "referral.received")
        run.send_signal(signal.SIGTERM)
        assert run.wait(PATIENCE_S) == 0
    with started("run", cwd=tmp_path, environment=on(port)) as run:
        read_until(run, "http.started")
        eventually(lambda: ready(port)["partitions"].get("1", {}).get("owned"))
        said = ready(port)
        assert said["ready"]
        assert said["reasons"] == []
        assert [REASON in warning for warning in said["warnings"]] == [True]
        assert said["partitions"]["0"]["paused"]
        assert not said["partitions"]["0"]["owned"]
        assert not said["partitions"]["1"]["paused"]
        assert gauges(port, "gateway_partition_paused_timestamp_seconds")["0"] > 1_700_000_000
        assert gauges(port, "gateway_partition_ready") == {"0": 0, "1": 1}
        assert decided(tmp_path) == ["PO-2-1"]
        assert spawn("partitions", "resume", "0", cwd=tmp_path).out == b"partition 0 goes on\n"
        read_until(run, "referral.received")
        eventually(lambda: ready(port)["warnings"] == [])
        assert decided(tmp_path) == ["PO-2-1", "PO-1-1"]
        run.send_signal(signal.SIGTERM)
        assert run.wait(PATIENCE_S) == 0


def decided(folder: Path) -> list[str]:
    """The messages that were decided, in order."""
    told = spawn("tail", "--from-start", "--no-follow", "gateway.outcomes", cwd=folder)
    return [json.loads(line)["value"]["message_id"] for line in told.out.splitlines()]


def test_a_pause_that_can_not_be_is_refused_with_what_to_do(gateway: Gateway) -> None:
    assert gateway("topics", "create").status == 0
    pause = ("partitions", "pause", "0", "--reason")
    for arguments, status, said in (
        ((*pause, " "), 2, "--reason says nothing; say why the partition is paused"),
        (("partitions", "pause", "7", "--reason", "x"), 1, "there is no partition 7; see /readyz for those"),
        (("partitions", "resume", "7"), 1, "there is no partition 7; see /readyz for those"),
        (("partitions", "resume", "0"), 2, "partition 0 is not paused"),
    ):
        ended = gateway(*arguments)
        assert ended.status == status
        assert said in ended.sentence
    assert gateway(*pause, "a drill").status == 0
    again = gateway(*pause, "another")
    assert (again.status, again.sentence) == (
        2,
        "partition 0 is paused already; /readyz says since when and why",
    )
    until = gateway("run", "--clock", "log", "--until", "2016-04-05T00:00:00Z")
    assert until.status == 1
    assert "partition 0 is paused since" in until.sentence
    assert "`gateway partitions resume 0` lets it go on" in until.sentence
