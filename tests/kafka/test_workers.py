"""`gateway run --workers 2` on a real broker: both are ready, one is killed, all are told to stop."""

import json
import os
import signal
import time
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.cli.running import Json, read_until, spawn, started
from tests.patience import PATIENCE_S
from tests.ports import two_ports_in_a_row

PARTITIONS = 4


def ready(port: int) -> Json:
    """What /readyz says; nothing is ready where nobody answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE_S) as answer:
            body = answer.read()
    except HTTPError as error:
        body = error.read()
    except (URLError, ConnectionError):
        return {"ready": False, "partitions": {}}
    found: Json = json.loads(body)
    return found


def shared_out(port: int) -> list[set[str]]:
    """What each worker owns, as soon as both are ready and together own everything, each once."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        both = [ready(port), ready(port + 1)]
        owned = [{p for p, each in one["partitions"].items() if each["owned"]} for one in both]
        if all(one["ready"] for one in both) and sorted([*owned[0], *owned[1]]) == ["0", "1", "2", "3"]:
            return owned
        assert time.monotonic() < deadline_s, both
        time.sleep(0.05)


def test_workers_share_the_partitions_and_one_that_is_killed_comes_back(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    port = two_ports_in_a_row()
    settings = {
        "GATEWAY_LOG_URL": f"kafka://{bootstrap}",
        "GATEWAY_TOPIC_PREFIX": topic_prefix,
        "GATEWAY_PARTITIONS": str(PARTITIONS),
        "GATEWAY_SESSION_TIMEOUT_S": "6",
        "GATEWAY_HTTP_PORT": str(port),
    }
    assert spawn("topics", "create", cwd=tmp_path, environment=settings).status == 0
    with started(
        "run", "--workers", "2", cwd=tmp_path, environment=settings, patience_s=4 * PATIENCE_S
    ) as run:
        pids: dict[int, int] = {}
        while len(pids) < 2:
            line = read_until(run, "supervisor.worker_started")[-1]
            pids[line["worker"]] = line["pid"]
        assert all(shared_out(port)), "each has some"
        os.kill(pids[0], signal.SIGKILL)
        died = read_until(run, "supervisor.worker_died")[-1]
        assert (died["worker"], died["status"]) == (0, -signal.SIGKILL)
        pids[0] = read_until(run, "supervisor.worker_started")[-1]["pid"]
        shared_out(port)
        run.send_signal(signal.SIGTERM)
        _, err = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0
    logged = [json.loads(line) for line in err.splitlines()]
    # None took so long that it was killed, or ended by itself in the middle of something.
    assert not {"supervisor.killed", "gateway.gave_up"} & {line["event"] for line in logged}
    assert {line["worker"] for line in logged if line["event"] == "gateway.stopped"} == {0, 1}
    assert not [pid for pid in pids.values() if Path(f"/proc/{pid}").exists()]
