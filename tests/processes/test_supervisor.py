"""The supervisor with real processes and real signals: it keeps workers alive, and leaves none behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.running import Json, read_until, spawn, started
from tests.patience import PATIENCE_S, eventually

ROOT = Path(__file__).parents[2]
SUPERVISOR = (sys.executable, "-m", "tests.processes.supervisor_process")


@contextmanager
def supervising(
    folder: Path, *hows: str, patience_s: float = PATIENCE_S, until: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor with one worker for each of these ways to behave."""
    end = "until" if until else "forever"
    with started(str(folder), str(patience_s), end, *hows, cwd=ROOT, command=SUPERVISOR) as process:
        yield process


def ended(process: subprocess.Popen[bytes]) -> tuple[int, list[Json]]:
    """The exit status, and what it logged until then."""
    _, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, [json.loads(line) for line in err.splitlines()]


def lives(folder: Path, number: int) -> set[int]:
    """The process ids of all lives of a worker."""
    return {int(path.name.partition("-")[2]) for path in folder.glob(f"{number}-*")}


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def nobody_left(folder: Path) -> None:
    """All workers that ever were have ended."""
    everybody = {pid for number in range(3) for pid in lives(folder, number)}
    assert everybody
    eventually(lambda: not [pid for pid in everybody if alive(pid)])


def lived(folder: Path, number: int, times: int) -> Callable[[], bool]:
    """So often has that worker been started."""
    return lambda: len(lives(folder, number)) >= times


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_passes_that_on_and_ends_with_0(number: signal.Signals, tmp_path: Path) -> None:
    with supervising(tmp_path, "obey", "obey", "obey") as process:
        for worker in range(3):
            eventually(lived(tmp_path, worker, 1))
        process.send_signal(number)
        status, logged = ended(process)
    assert status == 0
    assert [line["signal"] for line in logged if line["event"] == "supervisor.stopping"] == [number.name]
    assert (logged[-1]["event"], logged[-1]["status"]) == ("supervisor.stopped", 0)
    nobody_left(tmp_path)


def test_a_worker_that_is_killed_is_started_again_and_the_others_go_on(tmp_path: Path) -> None:
    with supervising(tmp_path, "obey", "obey") as process:
        eventually(lived(tmp_path, 0, 1))
        eventually(lived(tmp_path, 1, 1))
        (other,) = lives(tmp_path, 1)
        (victim,) = lives(tmp_path, 0)
        os.kill(victim, signal.SIGKILL)
        logged = read_until(process, "supervisor.worker_died")[-1]
        assert (logged["worker"], logged["status"]) == (0, -signal.SIGKILL)
        eventually(lived(tmp_path, 0, 2))
        assert alive(other)
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0
    nobody_left(tmp_path)


def test_a_worker_that_keeps_dying_is_started_again_ever_more_slowly(tmp_path: Path) -> None:
    with supervising(tmp_path, "ends-1", "obey") as process:
        pauses = [read_until(process, "supervisor.worker_died")[-1]["again_in_s"] for _ in range(4)]
        assert pauses == [0.01, 0.02, 0.04, 0.08]
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0
    nobody_left(tmp_path)


def test_a_worker_that_says_its_settings_are_bad_ends_all(tmp_path: Path) -> None:
    with supervising(tmp_path, "obey", "ends-2") as process:
        status, logged = ended(process)
    assert status == 2
    gave_up = next(line for line in logged if line["event"] == "supervisor.gave_up")
    assert (gave_up["worker"], gave_up["status"]) == (1, 2)
    nobody_left(tmp_path)


def test_a_worker_that_does_not_stop_is_killed_in_the_end_and_that_is_a_failure(tmp_path: Path) -> None:
    with supervising(tmp_path, "linger", patience_s=0.5) as process:
        eventually(lived(tmp_path, 0, 1))
        process.send_signal(signal.SIGTERM)
        status, logged = ended(process)
    assert status == 1
    assert [line["worker"] for line in logged if line["event"] == "supervisor.killed"] == [0]
    nobody_left(tmp_path)


@pytest.mark.parametrize("how", ["obey", "linger"])
def test_workers_end_when_their_supervisor_is_killed(how: str, tmp_path: Path) -> None:
    with supervising(tmp_path, how, how) as process:
        eventually(lived(tmp_path, 0, 1))
        eventually(lived(tmp_path, 1, 1))
        process.kill()
        process.wait()
        nobody_left(tmp_path)


def test_with_until_it_ends_with_0_when_all_have(tmp_path: Path) -> None:
    with supervising(tmp_path, "ends-0", "obey", until=True) as process:
        eventually(lived(tmp_path, 1, 1))
        (last,) = lives(tmp_path, 1)
        os.kill(last, signal.SIGTERM)
        status, logged = ended(process)
    assert status == 0
    assert "supervisor.worker_died" not in {line["event"] for line in logged}
    assert len(lives(tmp_path, 0)) == len(lives(tmp_path, 1)) == 1


def test_with_until_a_worker_that_gives_up_ends_all(tmp_path: Path) -> None:
    """Somebody waits for the end, as with a single process."""
    with supervising(tmp_path, "ends-1", "obey", until=True) as process:
        assert ended(process)[0] == 1
    nobody_left(tmp_path)


def test_with_until_a_worker_that_is_killed_is_started_again(tmp_path: Path) -> None:
    with supervising(tmp_path, "obey", until=True) as process:
        eventually(lived(tmp_path, 0, 1))
        (victim,) = lives(tmp_path, 0)
        os.kill(victim, signal.SIGKILL)
        eventually(lived(tmp_path, 0, 2))
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0


def test_without_until_a_worker_that_ends_by_itself_is_started_again(tmp_path: Path) -> None:
    """Somebody has told it to stop, and not the supervisor."""
    with supervising(tmp_path, "once-0") as process:
        eventually(lived(tmp_path, 0, 2))
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0


def test_the_command_starts_workers_of_itself(tmp_path: Path) -> None:
    """There is no broker, so with --until each of them fails, and its status is the command's."""
    run = spawn(
        *("run", "--workers", "2", "--clock", "log", "--until", "2016-03-21T12:00:00Z"),
        cwd=tmp_path,
        environment={"GATEWAY_LOG_URL": "kafka://127.0.0.1:1"},
    )
    lines = [json.loads(line) for line in run.err.splitlines()]
    assert {line["worker"] for line in lines if line["event"] == "supervisor.worker_started"} == {0, 1}
    gave_up = [line for line in lines if line["event"] == "supervisor.gave_up"]
    assert run.status in {line["status"] for line in gave_up}
    failed = [line for line in lines if line["event"] == "gateway.failed"]
    assert failed[0]["code"] == "LOG_AWAY"
    assert "worker" in failed[0]
    assert failed[-1] == lines[-1]
    assert failed[-1]["code"] == "WORKERS_FAILED"


def test_a_worker_that_has_nothing_left_is_not_started_again_and_the_others_go_on(tmp_path: Path) -> None:
    """As long as there is one: then it ends with 1."""
    with supervising(tmp_path, "ends-3", "obey") as process:
        read_until(process, "supervisor.nothing_left")
        eventually(lived(tmp_path, 1, 1))
        process.send_signal(signal.SIGTERM)
        assert ended(process)[0] == 0
    assert len(lives(tmp_path, 0)) == 1
    with supervising(tmp_path, "ends-3", "ends-3") as process:
        status, logged = ended(process)
    assert status == 1
    assert not [line for line in logged if line["event"] == "supervisor.worker_died"]
    nobody_left(tmp_path)
