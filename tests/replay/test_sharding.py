"""A replay by several processes: the same bytes as by one, the same errors, and no process left behind."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest

from gateway.intake.lines import Line, read_lines
from gateway.replay.decisions import BEHIND_ALL_DUE, Place
from gateway.replay.printing import to_output
from gateway.replay.sharding import PART_BYTES, Work, sharded, shards_for
from gateway.rules.policy import shipped
from gateway.sample import programme as sampled
from gateway.system.errors import UserError
from schemas.json import parse_instant
from tests.cli.running import clean_environment, json_lines, referral
from tests.oracle.programmes import programme
from tests.patience import PATIENCE_S, eventually

#: Behind the 400 days after which the last referral of the sample is forgotten.
LATE = parse_instant("2019-01-01T00:00:00Z")
#: The command on three processes, however many processors there are.
SHARDED = """
import gateway.replay.sharding
from gateway.cli.main import main
gateway.replay.sharding.shards_for = lambda _: 3
main()
"""


def outputs(lines: Iterable[bytes], work: Work, shards: int, part_bytes: int = PART_BYTES) -> Iterator[bytes]:
    """What comes of a file with these lines."""
    with TemporaryFile() as file:
        file.writelines(lines)
        file.seek(0)
        with closing(sharded(file, work, shards, lambda _: None, part_bytes)) as decided:
            yield from decided


def replayed(
    lines: Iterable[bytes], shards: int, until: int | None = None, part_bytes: int = PART_BYTES
) -> tuple[bytes, str | None]:
    """What a replay by so many processes prints, and the error with which it ends."""
    work = partial(to_output, policies=shipped(), until=until)
    printed: list[bytes] = []
    try:
        if shards > 1:
            printed.extend(outputs(lines, work, shards, part_bytes))
        else:
            printed.extend(output for _, output in work(read_lines(lines)))
    except UserError as error:
        return b"".join(printed), f"{type(error).__name__}: {error}"
    return b"".join(printed), None


def sample(referrals: int) -> list[bytes]:
    return b"".join(sampled(referrals, 3)).splitlines(keepends=True)


@pytest.mark.parametrize("until", [None, LATE])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_any_number_of_processes_prints_what_one_prints(count: int, until: int | None) -> None:
    lines = sample(1_500)
    assert replayed(lines, count, until) == replayed(lines, 1, until)


@pytest.mark.parametrize("seed", range(40))
def test_so_do_programmes_of_many_deadlines_at_one_instant(seed: int) -> None:
    """All days are near each other, so deadlines of different purchase orders fall due together."""
    lines = [json.dumps(line).encode() + b"\n" for line in programme(seed, 8, None)]
    assert len(lines) > 10
    alone = replayed(lines, 1, LATE)
    assert alone[0]
    assert replayed(lines, 3, LATE, part_bytes=1) == alone


def test_what_falls_due_between_two_lines_of_another_shard_comes_between_them() -> None:
    """At the very places at which a single process decides it: ticks move the time of all."""
    referrals = [referral(po_number=f"PO{number}") for number in range(40)]
    ticks = [{"at": f"2016-0{month}-20T00:00:00Z", "tick": True} for month in (4, 5, 6)]
    at = "2016-06-20T00:00:00Z"
    late = [referral(at, f"PO9{number}", referred_on="2016-06-19") for number in range(40)]
    lines = json_lines([*referrals, *ticks, *late]).splitlines(keepends=True)
    alone = replayed(lines, 1)
    for part_bytes in (1, 1_000, 10_000):
        assert replayed(lines, 4, part_bytes=part_bytes) == alone


WRONG = {
    "no JSON": b"{\n",
    "an unknown field": b'{"at":"2030-01-01T00:00:00Z","colour":1}\n',
    "at going back": json_lines([referral("1999-01-01T00:00:00Z")]),
    "a wrong value": json_lines([referral("2030-01-01T00:00:00Z", po_revision="one")]),
    "no text for a number": json_lines([referral("2030-01-01T00:00:00Z")]).replace(b'"PO1"', b"5"),
    "no object for a value": b'{"at":"2030-01-01T00:00:00Z","topic":"prap.referrals","value":5}\n',
    "a topic that there is not": b'{"at":"2030-01-01T00:00:00Z","topic":"x","value":{"po_number":"PO1"}}\n',
    "too long": b'{"at":"' + b"2" * 5_000_000 + b'"}\n',
    "wrong in shape and in time": b'{"at":"1999-01-01T00:00:00Z","colour":1,"value":{"po_number":"A0"}}\n',
    "wrong in its type and in time": b'{"at":"9999-01-01T00:00:00Z","type":1,"value":{"po_number":"A1"}}\n',
    "half a surrogate": json_lines([referral()]).replace(b'"PO1"', b'"\\ud800"'),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("place", [1, 700, 2_047, 2_048, 4_100])
def test_a_wrong_line_ends_it_where_one_process_would_end(wrong: bytes, place: int) -> None:
    """All that was decided before it has been printed, and nothing behind it."""
    lines = sample(1_000)
    lines = [*lines[:place], wrong, *lines[place:]]
    printed, error = replayed(lines, 3)
    assert (printed, error) == replayed(lines, 1)
    assert error is not None
    assert error.startswith(f"InvalidLine: line {place + 1}: ")
    assert printed


def test_of_two_wrong_lines_of_different_shards_the_first_is_reported() -> None:
    good = [referral(po_number=f"PO{number}") for number in range(40)]
    wrong = [referral(po_number=f"PO{number}", po_revision="one") for number in range(40, 60)]
    lines = json_lines([*good, *wrong]).splitlines(keepends=True)
    for count in (2, 3, 5):
        assert replayed(lines, count) == replayed(lines, 1)


def test_an_end_before_the_last_line_is_reported_when_all_has_been_printed() -> None:
    lines = sample(1_000)
    printed, error = replayed(lines, 3, parse_instant("2000-01-01T00:00:00Z"))
    assert error is not None
    assert error.startswith("UsageError: --until is before the last line")
    assert printed == replayed(lines, 1)[0]


def test_whose_line_it_is_can_not_be_said_twice() -> None:
    """At a glance one po_number of it is seen; every shard has to refuse it, as one process does."""
    twice = json.dumps(referral(po_number="PO1")).replace('"po_number"', '"po_number": "PO2", "po_number"', 1)
    lines = [json_lines([referral(po_number=f"PO{number}")]) for number in range(30)]
    printed, error = replayed([*lines, twice.encode() + b"\n"], 3)
    assert error == "InvalidLine: line 31: value has a field twice; give each once"
    assert printed.count(b'"APPLIED"') == 30
    assert (printed, error) == replayed([*lines, twice.encode() + b"\n"], 1)


def test_several_processes_decide_a_large_file_where_there_are_processors(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    for size, expected in ((0, 1), (1024 * 1024 - 1, 1), (1024 * 1024, 4)):
        file.write_bytes(b" " * size)
        with file.open("rb") as stream:
            assert shards_for(stream, processors=4) == expected
    with file.open("rb") as stream:
        assert shards_for(stream, processors=64) == 8
        assert shards_for(stream, processors=1) == 1


def test_what_comes_from_another_program_is_decided_as_it_comes() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb"):
        assert shards_for(stream, processors=4) == 1


def test_a_file_is_read_from_its_position_to_the_end_it_had_at_the_beginning(tmp_path: Path) -> None:
    """Whatever is written to it meanwhile, and although another file takes its name."""
    file = tmp_path / "lines"
    lines = sample(300)
    file.write_bytes(b"not a message\n" + b"".join(lines))
    work = partial(to_output, policies=shipped(), until=None)
    with file.open("rb") as stream, file.open("ab") as growing:
        stream.readline()
        with closing(sharded(stream, work, 2, lambda _: None)) as decided:
            first = next(decided)
            growing.write(b"{\n")
            growing.flush()
            file.unlink()
            assert b"".join([first, *decided]) == replayed(lines, 1)[0]


class Odd(Exception):
    """Something that nobody expects."""


def fails(lines: Iterator[Line]) -> Iterator[tuple[Place, bytes]]:
    for line in lines:
        if line.number == 3_000 and line.message is not None:
            raise Odd("a bug")
        yield (line.number, BEHIND_ALL_DUE), b"x"


def test_what_nobody_expects_is_raised_here_and_says_where_it_was() -> None:
    with pytest.raises(Odd, match="a bug") as raised:
        list(outputs(sample(1_500), fails, 2))
    (note,) = raised.value.__notes__
    assert "in fails" in note


def dies(lines: Iterator[Line]) -> Iterator[tuple[Place, bytes]]:
    for line in lines:
        if line.number == 3_000 and line.message is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        yield (line.number, BEHIND_ALL_DUE), b"x"


def test_a_process_that_is_killed_ends_the_replay_with_an_error_message() -> None:
    with pytest.raises(UserError, match="died; check its memory and try again"):
        list(outputs(sample(1_500), dies, 2))


def pours(lines: Iterator[Line]) -> Iterator[tuple[Place, bytes]]:
    for line in lines:
        yield (line.number, BEHIND_ALL_DUE), b"x" * 10_000


def sleeps(pid: int) -> bool:
    """Whether a process waits: here, for its reader."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_so_does_one_that_is_killed_while_it_sends() -> None:
    """A full pipe holds a process up, so that it has no more than a part waiting."""
    printed = outputs(sample(1_500), pours, 2)
    assert next(printed)
    for process in multiprocessing.active_children():
        assert process.pid is not None
        eventually(partial(sleeps, process.pid))
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(UserError, match="died"):
        list(printed)


def test_what_falls_due_at_once_is_sent_in_parts() -> None:
    referrals = json_lines(referral(po_number=f"PO{number}") for number in range(300))
    lines = [*referrals.splitlines(keepends=True), b'{"at":"2016-06-20T00:00:00Z","tick":true}\n']
    assert replayed(lines, 2, LATE, part_bytes=100) == replayed(lines, 1, LATE)


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command on three processes in the middle of a file: nobody reads on what it prints."""
    file = tmp_path / "sample.jsonl"
    file.write_bytes(b"".join(sample(1_500)))
    process = subprocess.Popen(
        [sys.executable, "-c", SHARDED, "replay", str(file)],
        cwd=tmp_path,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process:
        try:
            assert process.stdout.readline()
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def at_work_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The processes of its session, without itself."""
    found = subprocess.run(
        ["ps", "-o", "pid=,stat=", "--sid", str(process.pid)], capture_output=True, text=True, check=False
    )
    states: list[Any] = [line.split() for line in found.stdout.splitlines()]
    return [int(pid) for pid, state in states if int(pid) != process.pid and not state.startswith("Z")]


#: It gets a signal at the moment at which it forks.
SIGNAL_WHILE_FORKING = """
import os
from multiprocessing import context
fork = context.ForkProcess.start
def start(process):
    os.kill(os.getpid(), int(os.environ["SIGNAL"]))
    fork(process)
context.ForkProcess.start = start
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_forks_stops_it(number: signal.Signals, tmp_path: Path) -> None:
    file = tmp_path / "sample.jsonl"
    file.write_bytes(b"".join(sample(300)))
    ended = subprocess.run(
        [sys.executable, "-c", SIGNAL_WHILE_FORKING + SHARDED, "replay", str(file)],
        cwd=tmp_path,
        env=clean_environment() | {"SIGNAL": str(int(number))},
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + number, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_with_all_its_processes_and_without_a_word(
    at_work: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    """A terminal sends SIGINT to all of them, and systemd SIGTERM."""
    assert len(at_work_of(at_work)) == 3
    os.killpg(at_work.pid, number)
    _, said = at_work.communicate(timeout=PATIENCE_S)
    assert (at_work.returncode, said) == (128 + number, b"")
    eventually(lambda: not at_work_of(at_work))


def test_when_it_is_killed_its_processes_end_by_themselves(at_work: subprocess.Popen[bytes]) -> None:
    assert len(at_work_of(at_work)) == 3
    at_work.kill()
    eventually(lambda: not at_work_of(at_work))


def test_when_its_reader_goes_all_of_it_ends(at_work: subprocess.Popen[bytes]) -> None:
    assert at_work.stdout is not None
    at_work.stdout.close()
    assert at_work.wait(PATIENCE_S) == 1
    assert at_work.stderr is not None
    assert at_work.stderr.read() == b""
    eventually(lambda: not at_work_of(at_work))
