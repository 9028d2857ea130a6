"""`gateway backup`: a whole copy of the log as it is at one moment, while it is written to."""

import shutil
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from gateway.sample import programme
from tests.cli.conftest import Gateway
from tests.cli.running import json_lines, read_until, referral, spawn, started

END = "2018-06-01T00:00:00Z"
PARTS = 6


def parts() -> list[bytes]:
    """A programme, in parts that are fed one after the other."""
    lines = list(programme(60, seed=7))
    size = -(-len(lines) // PARTS)
    return [b"".join(lines[start : start + size]) for start in range(0, len(lines), size)]


def fed(copy: Path) -> int:
    """How many lines were on the log when it was copied; its pages are as they should be."""
    db = sqlite3.connect(copy)
    try:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(db.execute("SELECT count(*) FROM inbound").fetchone()[0])
    finally:
        db.close()


def test_a_copy_made_while_the_gateway_runs_is_whole_and_goes_on_as_the_log_would(tmp_path: Path) -> None:
    running, restored = tmp_path / "running", tmp_path / "restored"
    running.mkdir()
    restored.mkdir()
    whole = parts()

    def feed_all() -> None:
        for part in whole:
            assert spawn("feed", "--keep-time", "-", cwd=running, stdin=part).status == 0

    copies: list[Path] = []
    with started("run", "--clock", "log", cwd=running) as process:
        read_until(process, "partition.claimed")
        feeding = threading.Thread(target=feed_all)
        feeding.start()
        while feeding.is_alive() or not copies:
            copies.append(tmp_path / f"copy-{len(copies)}.db")
            done = spawn("backup", str(copies[-1]), cwd=running)
            assert done.status == 0, done.err
        feeding.join()
    ends = [sum(len(part.splitlines()) for part in whole[:count]) for count in range(PARTS + 1)]
    found = [fed(copy) for copy in copies]
    assert found == sorted(found)
    assert set(found) <= set(ends)
    # The first copy, with what came after it, comes to what all of it comes to.
    copies[0].rename(restored / "gateway.db")
    for end in ("keys", "wrapping-key"):
        shutil.copy(running / f"gateway.db.{end}", restored)
    for part in whole[ends.index(found[0]) :]:
        assert spawn("feed", "--keep-time", "-", cwd=restored, stdin=part).status == 0
    assert spawn("run", "--clock", "log", "--until", END, cwd=restored).status == 0
    decided = spawn("tail", "--from-start", "--no-follow", cwd=restored)
    replayed = spawn("replay", "--until", END, "-", cwd=tmp_path, stdin=b"".join(whole))
    assert sorted(decided.out.splitlines()) == sorted(replayed.out.splitlines())


def test_a_copy_is_one_file_that_only_its_owner_can_read(gateway: Gateway, tmp_path: Path) -> None:
    gateway("feed", "-", stdin=json_lines([referral()]))
    before = {*tmp_path.iterdir()}
    done = gateway("backup", "copy.db")
    assert done.status == 0
    assert done.err.startswith("copy.db is a copy of the log, of ")
    assert {*tmp_path.iterdir()} - before == {tmp_path / "copy.db"}
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600


def test_what_is_there_is_never_overwritten(gateway: Gateway, tmp_path: Path) -> None:
    gateway("feed", "-", stdin=json_lines([referral()]))
    (tmp_path / "copy.db").write_bytes(b"an older one")
    done = gateway("backup", "copy.db")
    assert (done.status, done.sentence) == (2, "copy.db is there already; name a new file for the backup")
    assert (tmp_path / "copy.db").read_bytes() == b"an older one"


def test_a_folder_that_is_missing_is_named(gateway: Gateway) -> None:
    gateway("feed", "-", stdin=json_lines([referral()]))
    done = gateway("backup", "nowhere/copy.db")
    assert done.status == 2
    assert done.sentence == "there is no folder nowhere; make it first, or name another file"


def test_there_must_be_a_log(gateway: Gateway, tmp_path: Path) -> None:
    done = gateway("backup", "copy.db")
    assert done.status == 1
    assert done.sentence.startswith("there is no log ")
    assert not (tmp_path / "gateway.db").exists()


def test_a_log_on_kafka_is_not_copied(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_LOG_URL", "kafka://localhost:9092")
    done = gateway("backup", "copy.db")
    assert done.status == 2
    assert done.sentence.startswith("the log is on Kafka: ")
