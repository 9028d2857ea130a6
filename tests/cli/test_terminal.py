"""What a person reads on a terminal has nothing in it that the terminal would act on."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.system.terminal import for_terminal, printable
from tests.cli.conftest import Gateway
from tests.cli.running import json_lines, referral
from tests.patience import PATIENCE_S

UNSAFE = "\x9b31m\x7f\u202e\u2028\u2066"
PO_NUMBER = "PO1\u202e\u2028é"
LINES = json_lines([referral("2016-03-14T09:00:00Z")]).replace(b'"PO1"', f'"{PO_NUMBER}"'.encode())


def on_a_terminal(*arguments: str, given: bytes = b"") -> bytes:
    """What a command writes to a terminal."""
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "gateway", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=child) as running:
        os.close(child)
        assert running.stdin is not None
        running.stdin.write(given)
        running.stdin.close()
        said = b""
        try:
            while part := os.read(parent, 65_536):
                said += part
        except OSError:
            pass  # Linux says so at the end of a terminal
        running.wait(PATIENCE_S)
    os.close(parent)
    return said.replace(b"\r\n", b"\n")


def test_replay_and_tail_escape_on_a_terminal_and_say_the_same(gateway: Gateway) -> None:
    plain = gateway("replay", stdin=LINES).out
    assert PO_NUMBER in plain.decode()
    assert on_a_terminal("replay", given=LINES) == plain.replace("\u202e\u2028".encode(), b"\\u202e\\u2028")
    gateway("feed", "-", "--keep-time", stdin=LINES)
    gateway("run", "--clock", "log", "--until", "2016-03-14T12:00:00Z")
    tailed = on_a_terminal("tail", "gateway.outcomes", "--from-start", "--no-follow")
    assert b"PO1\\u202e\\u2028\xc3\xa9" in tailed


@pytest.mark.parametrize("command", ["feed", "replay"])
def test_a_files_name_is_escaped_in_an_error(command: str, gateway: Gateway) -> None:
    ended = gateway(command, "no\x1b[31m\u202e\u009bfile")
    assert ended.status == 2
    assert ended.sentence.startswith(r"no\x1b[31m\u202e\x9bfile can't be read")


def test_a_downloads_name_is_escaped_where_it_is_named(gateway: Gateway) -> None:
    Path("or\x1bders.csv").write_bytes(b"po_number\n")
    assert gateway("feed", "or\x1bders.csv").sentence.startswith(r"or\x1bders.csv: the row")


def test_what_is_printed_as_it_is_stays_and_the_rest_is_escaped() -> None:
    assert printable("Ł é 会 ’") == "Ł é 会 ’"
    assert printable(f"é{UNSAFE}\ud800") == r"é\x9b31m\x7f\u202e\u2028\u2066\ud800"
    assert (
        for_terminal(f'"é{UNSAFE}"\n'.encode())
        == rb'"\xc3\xa9'.decode("unicode_escape").encode("latin-1")
        + rb'\u009b31m\u007f\u202e\u2028\u2066"'
        + b"\n"
    )


def test_output_that_can_not_be_written_ends_a_command_with_1() -> None:
    """As `gateway replay >&-` does."""
    command = ["sh", "-c", f"'{sys.executable}' -m gateway replay >&-"]
    ended = subprocess.run(command, input=LINES, capture_output=True, timeout=PATIENCE_S, check=False)
    assert ended.returncode == 1
    assert ended.stderr == b"gateway: standard output is closed; open it, or redirect it to a file\n"


def test_the_command_alone_shows_its_help(gateway: Gateway) -> None:
    alone = gateway()
    assert b"Usage: gateway" in alone.out
    assert alone.err == ""


def test_timestamps_of_an_embedded_log_are_said_to_do_nothing(gateway: Gateway) -> None:
    made = gateway("topics", "create", "--timestamps", "create")
    assert (made.status, made.err) == (
        0,
        "gateway: --timestamps does nothing here: an embedded log takes both kinds\n",
    )
