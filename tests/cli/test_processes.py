"""The command as a process: pipes, signals, terminals, memory, and the same bytes in any environment."""

import os
import pty
import select
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest

from tests.cli.conftest import Gateway
from tests.cli.running import (
    GATEWAY,
    clean_environment,
    json_lines,
    life,
    referral,
    spawn,
    started,
)
from tests.patience import PATIENCE_S


def in_terminal(*arguments: str, cwd: Path, until: Callable[[bytes], bool] = lambda _: False) -> str:
    """What a command shows on a terminal that is its standard error; interrupted when `until` holds."""
    mine, its = pty.openpty()
    environment = clean_environment() | {"TERM": "xterm-256color"}
    with subprocess.Popen(
        [GATEWAY, *arguments], cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=its
    ) as process:
        os.close(its)
        shown, deadline, interrupted = b"", monotonic() + PATIENCE_S, False
        while monotonic() < deadline:
            if not select.select([mine], [], [], PATIENCE_S)[0]:
                break
            try:
                part = os.read(mine, 65536)
            except OSError:  # the other end has been closed
                break
            shown += part
            if not interrupted and until(shown):
                process.send_signal(signal.SIGINT)
                interrupted = True
        process.kill() if process.poll() is None and monotonic() >= deadline else process.wait(PATIENCE_S)
    os.close(mine)
    return shown.decode()


@pytest.mark.parametrize("command", [["replay"], ["feed", "-"]], ids=" ".join)
def test_input_that_is_to_be_typed_is_asked_for(command: list[str], gateway: Gateway, tmp_path: Path) -> None:
    line = json_lines([referral()])
    mine, its = pty.openpty()
    os.write(mine, line + b"\x04")
    typed = subprocess.run(
        [GATEWAY, *command],
        cwd=tmp_path,
        env=clean_environment(),
        stdin=its,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    os.close(its)
    os.close(mine)
    for left in tmp_path.iterdir():
        left.unlink()
    given = gateway(*command, stdin=line)
    asked = "reading JSON lines from the terminal; Ctrl-D ends them\n"
    assert typed.stderr.decode() == asked + given.err
    assert (typed.returncode, typed.stdout) == (given.status, given.out)


@pytest.fixture
def decided(gateway: Gateway, tmp_path: Path) -> Path:
    """A folder with a log in which some messages have been decided."""
    assert gateway("feed", "--keep-time", "-", stdin=json_lines(life())).status == 0
    assert gateway("run", "--clock", "log", "--until", "2016-03-21T12:00:00Z").status == 0
    return tmp_path


def test_the_same_input_gives_the_same_bytes_in_any_environment(gateway: Gateway, tmp_path: Path) -> None:
    given = gateway("sample", "--referrals", "30", "--seed", "5").out
    expected = gateway("replay", "--until", "2018-01-01T00:00:00Z", stdin=given)
    assert expected.status == 0
    assert len(expected.lines) > 300
    for environment in (
        {"PYTHONHASHSEED": "0", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "4294967295", "TZ": "America/St_Johns", "LC_ALL": "POSIX", "PYTHONUTF8": "0"},
        {"PYTHONHASHSEED": "1", "TZ": "Europe/London", "LC_ALL": "C.utf8", "PYTHONIOENCODING": "latin-1"},
    ):
        arguments = ("replay", "--until", "2018-01-01T00:00:00Z")
        assert spawn(*arguments, cwd=tmp_path, stdin=given, environment=environment) == expected
    sample = spawn("sample", "--referrals", "30", "--seed", "5", cwd=tmp_path, environment={"LC_ALL": "C"})
    assert sample.out == given


@pytest.mark.parametrize("command", ["replay given.jsonl", "replay given.jsonl --summary"])
def test_whoever_stops_reading_hears_no_complaint(command: str, gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "given.jsonl").write_bytes(gateway("sample", "--referrals", "100").out)
    ended = subprocess.run(
        f"{GATEWAY} {command} | head -n 1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.stderr == b""
    assert ended.stdout.count(b"\n") == 1


def test_output_that_cannot_be_written_is_a_failure(decided: Path) -> None:
    for command in ("tail --from-start --no-follow", "explain PO1"):
        with Path("/dev/full").open("wb") as full:
            ended = subprocess.run(
                [GATEWAY, *command.split()],
                cwd=decided,
                stdout=full,
                stderr=subprocess.PIPE,
                timeout=PATIENCE_S,
                check=False,
            )
        assert ended.returncode == 1
        assert ended.stderr == b"gateway: no space left on device; correct it and try again\n"


def test_a_process_without_standard_streams_works(tmp_path: Path) -> None:
    for closed in ("<&-", "<&- >&- 2>&-"):
        command = f"{GATEWAY} replay {closed}"
        ended = subprocess.run(
            command, shell=True, cwd=tmp_path, capture_output=True, timeout=PATIENCE_S, check=False
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_tail_follows_what_comes_until_it_is_stopped(
    number: signal.Signals, gateway: Gateway, tmp_path: Path
) -> None:
    assert gateway("topics", "create").status == 0
    with started("tail", "gateway.outcomes", "--from-start", cwd=tmp_path) as tail:
        assert tail.stdout is not None
        for place in (1, 2):
            at = f"2016-03-14T09:00:0{place}Z"
            line = referral(at, f"PO{place}")
            assert gateway("feed", "--keep-time", "-", stdin=json_lines([line])).status == 0
            assert gateway("run", "--clock", "log", "--until", at).status == 0
            assert f'"key":"PO{place}"'.encode() in tail.stdout.readline()
        tail.send_signal(number)
        out, err = tail.communicate(timeout=PATIENCE_S)
        assert (tail.returncode, out, err) == (0, b"", b"")


def _write(descriptor: int, given: bytes) -> None:
    with suppress(BrokenPipeError):  # the reader was stopped meanwhile
        os.write(descriptor, given)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_replay_can_be_interrupted_and_has_written_what_it_decided(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    with started("replay", cwd=tmp_path) as replay:
        assert replay.stdin is not None
        assert replay.stdout is not None
        # More than the command takes at a time, so that it has begun to write and waits for more.
        given = json_lines(referral(po_number=f"PO{n}") for n in range(1_000))
        writing = threading.Thread(target=_write, args=[replay.stdin.fileno(), given])
        writing.start()
        first = replay.stdout.readline()
        replay.send_signal(number)
        rest = replay.stdout.read()
        assert replay.wait(PATIENCE_S) == status
        assert replay.stderr is not None
        assert replay.stderr.read() == b""
        writing.join()
    assert (first + rest).endswith(b"}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_stops_on_a_signal_and_lets_no_other_on_its_log_meanwhile(
    number: signal.Signals, gateway: Gateway, tmp_path: Path
) -> None:
    with started("run", cwd=tmp_path) as run:
        assert run.stderr is not None
        while b"partition.claimed" not in (line := run.stderr.readline()):
            assert line, "the gateway ended"
        second = gateway("run")
        assert second.status == 1
        assert second.sentence.startswith("another gateway runs on the log gateway.db; stop it first")
        run.send_signal(number)
        _, err = run.communicate(timeout=PATIENCE_S)
        assert run.returncode == 0
        assert f'"signal":"{number.name}","event":"gateway.stopping"'.encode() in err
        assert b'"event":"gateway.stopped"' in err


def test_on_a_terminal_logs_are_coloured_and_elsewhere_json(gateway: Gateway, tmp_path: Path) -> None:
    shown = in_terminal("run", cwd=tmp_path, until=lambda text: b"partition.claimed" in text)
    assert "\x1b[" in shown
    assert "gateway.stopped" in shown
    assert "{" not in shown
    ended = gateway("run", "--clock", "log", "--until", "2016-03-21T12:00:00Z")
    assert "\x1b" not in ended.err
    for line in ended.err.splitlines():
        assert line.startswith("{")


def test_progress_is_shown_on_a_terminal_only(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "given.jsonl").write_bytes(gateway("sample", "--referrals", "300").out)
    assert "replaying" in in_terminal("replay", "given.jsonl", cwd=tmp_path)
    assert "checking" in in_terminal("feed", "given.jsonl", cwd=tmp_path)
    assert gateway("replay", "given.jsonl", "--summary").err == ""


def test_feed_needs_no_more_memory_for_more_lines(tmp_path: Path) -> None:
    def peak_kib(lines: int) -> int:
        with (tmp_path / "given.jsonl").open("wb") as file:
            line = json_lines([referral(po_number="PO_NUMBER")])
            for number in range(lines):
                file.write(line.replace(b"PO_NUMBER", b"PO%d" % number))
        process = subprocess.Popen(
            [GATEWAY, "feed", "given.jsonl"], cwd=tmp_path, env=clean_environment(), stderr=subprocess.PIPE
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.stderr is not None
        with process.stderr as err:
            assert err.read().decode() == f"{lines:,} messages put on the log gateway.db\n"
        return usage.ru_maxrss

    few = peak_kib(1_000)
    # 100,000 lines are 45 MB as they are, and several times that as messages.
    assert peak_kib(100_000) < few + 40 * 1024
