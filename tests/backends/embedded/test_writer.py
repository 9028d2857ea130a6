"""The process that writes what `gateway run` has decided: what becomes of it, and of what it was given."""

import os
import signal
import subprocess
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import force_setattr, replace

from gateway.backends.embedded.writer import handed_over, taken_over
from gateway.engine.log import CannotDraft, Commit
from gateway.rules.events import Outcome
from tests.cli.running import GATEWAY, Ended, clean_environment, read_until, spawn, started
from tests.engine.plain_wiring import event_draft
from tests.patience import PATIENCE_S, eventually
from tests.schemas.examples import EXAMPLES

END = "2018-06-01T00:00:00Z"
OUTCOME = cast(Outcome, EXAMPLES["Outcome"])


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def fed(folder: Path, referrals: int) -> None:
    """Put a sample programme on a log in a folder."""
    sample = spawn("sample", "--referrals", str(referrals), "--seed", "1", cwd=folder)
    (folder / "sample.jsonl").write_bytes(sample.out)
    assert spawn("feed", "sample.jsonl", "--keep-time", cwd=folder).status == 0


def check_the_output(folder: Path) -> None:
    """All is decided, once, as replay decides it."""
    assert spawn("run", "--clock", "log", "--until", END, cwd=folder).status == 0
    came = spawn("tail", "--from-start", "--no-follow", cwd=folder).out.splitlines()
    wanted = spawn("replay", "sample.jsonl", "--until", END, cwd=folder).out.splitlines()
    assert sorted(came) == sorted(wanted)


def test_where_the_writer_is_killed_the_gateway_ends_and_nothing_is_lost(tmp_path: Path) -> None:
    """In the middle of its work; it says what to do, and started again it goes on."""
    fed(tmp_path, 2_000)
    environment = {"GATEWAY_LOG_LEVEL": "debug"}
    with started("run", "--clock", "log", "--until", END, cwd=tmp_path, environment=environment) as process:
        read_until(process, "step.committed")
        (writer,) = children(process.pid)
        os.kill(writer, signal.SIGKILL)
        _, said = process.communicate(timeout=PATIENCE_S)
    last = Ended(process.returncode, b"", said.decode().splitlines(keepends=True)[-1])
    assert last.status == 1
    assert last.sentence == (
        "the process that writes to the log gateway.db was stopped; see to memory, and start again"
    )
    check_the_output(tmp_path)


def test_where_the_gateway_is_killed_its_writer_ends(tmp_path: Path) -> None:
    with started("run", cwd=tmp_path) as process:
        read_until(process, "partition.claimed")
        (writer,) = children(process.pid)
        process.kill()
        process.wait(PATIENCE_S)
        eventually(lambda: not is_alive(writer))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """As a terminal sends it, and a service manager: the writer has to write what is decided first."""
    fed(tmp_path, 2_000)
    process = subprocess.Popen(
        [GATEWAY, "run", "--clock", "log"],
        cwd=tmp_path,
        env=clean_environment() | {"GATEWAY_LOG_LEVEL": "debug"},
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        read_until(process, "step.committed")
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert b"gateway.stopped" in said
    check_the_output(tmp_path)


def test_an_event_that_is_none_is_found_before_anything_is_written() -> None:
    """Of one whose fields can't be packed or are not what they should be no record can be made."""
    for name, value in (("status", "NO_STATUS"), ("message_id", "\ud800")):
        broken = replace(OUTCOME)
        force_setattr(broken, name, value)
        with pytest.raises(CannotDraft):
            taken_over(handed_over(0, 1, Commit([(broken, None)], {}, {}, 0)), event_draft)


def test_a_step_is_taken_over_as_it_was_handed_over() -> None:
    record = event_draft(OUTCOME, "trace")
    step = Commit([(OUTCOME, None), record, (OUTCOME, "trace")], {"PO1": b"1", "PO2": None}, {"a": 3}, -5)
    partition, epoch, taken = taken_over(handed_over(7, 9, step), event_draft)
    assert (partition, epoch) == (7, 9)
    assert (taken.outputs, taken.states, taken.positions) == (step.outputs, step.states, step.positions)
    assert (taken.decided_to, taken.records()) == (-5, [event_draft(OUTCOME, None), record, record])
