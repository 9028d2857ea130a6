"""Standard error that nobody reads holds nothing up: neither decisions, nor health, nor the end."""

import signal
import subprocess
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cli.running import GATEWAY, clean_environment, json_lines, referral, spawn
from tests.patience import PATIENCE_S, eventually
from tests.ports import free_port
from tests.system.full_pipe import full_pipe


def alive(port: int) -> bool:
    """Whether the gateway answers that it is."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/livez", timeout=PATIENCE_S) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def outcomes(folder: Path) -> list[str]:
    """The statuses of what was decided."""
    ended = spawn("tail", "--from-start", "--no-follow", "gateway.outcomes", cwd=folder)
    assert ended.status == 0, ended.err
    return [line["value"]["status"] for line in ended.lines]


def test_a_gateway_whose_log_nobody_reads_decides_answers_and_ends(tmp_path: Path) -> None:
    port = free_port()
    environment = clean_environment() | {"GATEWAY_HTTP_PORT": str(port), "GATEWAY_LOG_LEVEL": "debug"}
    with full_pipe() as (_, writer):
        run = subprocess.Popen([GATEWAY, "run"], cwd=tmp_path, env=environment, stderr=writer)
        try:
            eventually(lambda: alive(port))
            fed = spawn("feed", "-", cwd=tmp_path, stdin=json_lines([referral()]))
            assert fed.status == 0, fed.err
            eventually(lambda: outcomes(tmp_path))
            run.send_signal(signal.SIGTERM)
            assert run.wait(PATIENCE_S) == 0
        finally:
            run.kill()
            run.wait()


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_a_command_that_fails_ends_although_nobody_reads_why(debug: list[str], tmp_path: Path) -> None:
    with full_pipe() as (_, writer):
        failing = subprocess.Popen(
            [GATEWAY, "tail", *debug], cwd=tmp_path, env=clean_environment(), stderr=writer
        )
        try:
            assert failing.wait(PATIENCE_S) == 1
        finally:
            failing.kill()
            failing.wait()
