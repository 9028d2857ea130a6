"""What ends `run` is an event where standard error is a log, and a sentence for a person elsewhere."""

import json
import socket
from pathlib import Path

import pytest

from tests.cli.conftest import Gateway
from tests.cli.running import spawn

RUN = ("run", "--clock", "log", "--until", "2016-04-05T00:00:00Z")


def failed(err: str) -> dict[str, str]:
    """The last line, when all are JSON."""
    last: dict[str, str]
    *_, last = (json.loads(line) for line in err.splitlines())
    assert last["event"] == "gateway.failed"
    assert last["level"] == "error"
    assert last["reason"]
    assert last["what_to_do"]
    return last


@pytest.mark.parametrize(
    ("arguments", "settings", "status", "code"),
    [
        (("run", "--nonsense"), {}, 2, "BAD_USAGE"),
        (("run", "--workers", "0"), {}, 2, "BAD_USAGE"),
        (("run", "--until", "2016-04-05T00:00:00Z"), {}, 2, "BAD_SETTINGS"),
        (("--debug", *RUN), {"GATEWAY_PARTITIONS": "many"}, 2, "BAD_SETTINGS"),
        (("run", "--workers", "2"), {}, 2, "BAD_SETTINGS"),
        (RUN, {"GATEWAY_LOG_URL": "sqlite:///./nowhere/gateway.db"}, 1, "LOG_UNUSABLE"),
        (RUN, {"GATEWAY_LOG_URL": "kafka://127.0.0.1:1"}, 1, "LOG_AWAY"),
    ],
)
def test_the_last_line_of_a_run_that_can_not_go_on_says_why_and_what_to_do(
    arguments: tuple[str, ...], settings: dict[str, str], status: int, code: str, tmp_path: Path
) -> None:
    ended = spawn(*arguments, cwd=tmp_path, environment=settings)
    assert ended.status == status
    last = failed(ended.err)
    assert last["code"] == code
    assert ("trace" in last) is ("--debug" in arguments)


def test_a_port_that_is_taken_has_a_code_of_its_own(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = spawn("run", cwd=tmp_path, environment={"GATEWAY_HTTP_PORT": str(port)})
    assert ended.status == 1
    assert failed(ended.err)["code"] == "PORT_IN_USE"


def test_what_nobody_expected_is_an_event_without_its_text(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Featherstonehaugh")

    monkeypatch.setattr("gateway.processes.plan.plan_of", fail)
    ended = gateway("run")
    assert ended.status == 1
    assert failed(ended.err)["code"] == "UNEXPECTED"
    assert "Featherstonehaugh" not in ended.err


def test_other_commands_end_with_a_sentence(gateway: Gateway) -> None:
    assert gateway("tail").err.startswith("gateway: there is no log")
