"""A file that others own or can write is none to decide by."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.system.ownership import exposed

NOBODY = 65_534


def belonging_to_another(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests is another than whose the file is."""
    if os.geteuid() == 0:
        os.chown(path, NOBODY, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY)


def writable_by_all(path: Path, _: pytest.MonkeyPatch) -> None:
    path.chmod(0o602)


def writable_by_another_group(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.chmod(0o620)
    if os.geteuid() == 0:
        os.chown(path, -1, NOBODY)
    monkeypatch.setattr(os, "getegid", lambda: NOBODY - 1)
    monkeypatch.setattr(os, "getgroups", list)


Change = Callable[[Path, pytest.MonkeyPatch], None]
changed = pytest.mark.parametrize(
    ("change", "words"),
    [
        (belonging_to_another, "belongs to another user of this machine"),
        (writable_by_all, "can be written by every user of this machine; run chmod o-w on it"),
        (writable_by_another_group, "can be written by a group that this user is not in"),
    ],
)


@changed
@pytest.mark.parametrize("end", ["", "-wal"])
def test_what_others_own_or_can_write_is_named(
    end: str, change: Change, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, changed = tmp_path / "log", tmp_path / f"log{end}"
    path.touch(0o600)
    changed.touch(0o600)
    change(changed, monkeypatch)
    said = exposed(path, ("-wal",))
    assert said is not None
    assert words in said


def test_what_is_beside_the_file_that_a_link_leads_to_counts(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "log").symlink_to(tmp_path / "elsewhere" / "real")
    (tmp_path / "elsewhere" / "real").touch(0o600)
    assert exposed(tmp_path / "log", ("-wal",)) is None
    (tmp_path / "elsewhere" / "real-wal").touch()
    (tmp_path / "elsewhere" / "real-wal").chmod(0o606)
    assert "real-wal can be written by every user" in str(exposed(tmp_path / "log", ("-wal",)))


def test_a_file_of_this_user_and_one_that_is_not_there_are_in_order(tmp_path: Path) -> None:
    """One that a group of this user can write, too: on Kubernetes, fsGroup makes it so."""
    path = tmp_path / "log"
    assert exposed(path, ("-wal",)) is None
    for mode in (0o600, 0o660, 0o644):
        path.touch()
        path.chmod(mode)
        assert exposed(path, ("-wal",)) is None


def test_links_in_a_circle_are_left_to_whoever_opens_them(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert exposed(tmp_path / "a") is None
