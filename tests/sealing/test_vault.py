"""What is sealed can be opened by who has its key, in its place, and by nobody once the key is destroyed."""

import os
import sqlite3
import stat
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import pytest

from gateway.engine.log import LogBusy, LogError
from gateway.sealing.key_store import KeyStore
from gateway.sealing.vault import Vault
from gateway.sealing.wrapping import WrappingKeyFile
from tests.sealing.transit import Transit


def vault(folder: Path, *, keys: str = "keys", wrapping: str = "wrapping", at_hand: int = 65_536) -> Vault:
    """What a process has that begins."""
    store = KeyStore(folder / keys)
    store.make()
    return Vault(store, WrappingKeyFile(folder / wrapping, make=True), at_hand=at_hand)


def test_what_was_sealed_is_opened_by_whoever_has_both_files(tmp_path: Path) -> None:
    """Also after a restart, and where fewer keys are at hand than are used."""
    sealing = vault(tmp_path)
    keys = sealing.new_keys(100)
    sealed = [sealing.seal(key, "state", f"PO{place}", b"%d" % place) for place, key in enumerate(keys)]
    assert len(set(sealed)) == len(set(keys)) == 100
    for opening in (sealing, vault(tmp_path, at_hand=3)):
        for place, value in enumerate(sealed):
            assert opening.open("state", f"PO{place}", value) == b"%d" % place
        rows = [(f"PO{place}", value) for place, value in enumerate(sealed)]
        assert opening.open_all("state", rows) == [b"%d" % place for place in range(100)]


def test_it_is_opened_in_its_own_place_only(tmp_path: Path) -> None:
    """A value that somebody moved to another referral, or changed, is no value, and not a forgotten one."""
    sealing = vault(tmp_path)
    one, other = sealing.new_keys(2)
    sealed = sealing.seal(one, "state", "PO1", b"somebody")
    sealing.seal(other, "state", "PO2", b"somebody else")
    of_the_other = sealed[:1] + other.to_bytes(8, "big") + sealed[9:]
    for purpose, name, value in (
        ("state", "PO2", sealed),
        ("inbound", "PO1", sealed),
        ("state", "PO1", of_the_other),
        ("state", "PO1", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        ("state", "PO1", b"\x02" + sealed[1:]),
        ("state", "PO1", sealed[:12]),
        ("state", "PO1", b"somebody"),
        ("state", "PO1", b""),
    ):
        with pytest.raises(LogError, match="not what was sealed there; restore the log"):
            sealing.open(purpose, name, value)  # type: ignore[arg-type]
    assert sealing.open("state", "PO1", sealed) == b"somebody"


def test_what_was_sealed_with_a_destroyed_key_is_forgotten_and_not_lost(tmp_path: Path) -> None:
    sealing = vault(tmp_path)
    gone, kept = sealing.new_keys(2)
    sealed = {key: sealing.seal(key, "state", "PO1", b"somebody") for key in (gone, kept)}
    sealing.destroy([gone])
    for opening in (sealing, vault(tmp_path)):
        assert opening.open("state", "PO1", sealed[gone]) is None
        assert opening.open_all("state", [("PO1", each) for each in sealed.values()]) == [None, b"somebody"]
        assert opening.alive([gone, kept]) == {kept}
        assert (opening.readable(sealed[gone]), opening.readable(sealed[kept])) == (False, True)
        with pytest.raises(LogError):
            opening.seal(gone, "state", "PO1", b"somebody")


def test_of_a_destroyed_key_nothing_is_left_in_any_file(tmp_path: Path) -> None:
    """Not even wrapped: not in a free page, and not in a journal."""
    sealing = vault(tmp_path)
    keys = sealing.new_keys(500)
    with closing(sqlite3.connect(tmp_path / "keys")) as db:
        wrapped = dict(db.execute("SELECT id, wrapped FROM key"))
    gone = keys[::2]
    sealing.destroy(gone)
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not any(wrapped[key] in left for key in gone)
    assert all(wrapped[key] in left for key in keys[1::2]), "the search finds what is there"


def test_a_key_is_durable_before_anything_is_sealed_with_it(tmp_path: Path) -> None:
    sealing = vault(tmp_path)
    (key,) = sealing.new_keys(1)
    (tmp_path / "copy").write_bytes((tmp_path / "keys").read_bytes())  # as a power cut would leave it
    sealed = sealing.seal(key, "state", "PO1", b"somebody")
    assert vault(tmp_path, keys="copy").open("state", "PO1", sealed) == b"somebody"


def test_two_processes_have_keys_of_their_own(tmp_path: Path) -> None:
    """And each opens what the other has sealed."""
    one, other = vault(tmp_path), vault(tmp_path)
    keys = [*one.new_keys(70), *other.new_keys(70)]
    assert len(set(keys)) == 140
    sealed = one.seal(keys[0], "state", "PO1", b"somebody")
    assert other.open("state", "PO1", sealed) == b"somebody"


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    vault(tmp_path).new_keys(1)
    for name in ("keys", "wrapping"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    (tmp_path / "wrapping").chmod(0o666)
    with pytest.raises(LogError, match="can be written by every user"):
        vault(tmp_path).unlock()


def test_the_wrong_wrapping_key_is_refused_and_so_is_a_lost_one(tmp_path: Path) -> None:
    vault(tmp_path).unlock()
    wrapping = tmp_path / "wrapping"
    right = wrapping.read_bytes()
    wrapping.write_bytes(b64encode(os.urandom(32)) + b"\n")
    with pytest.raises(LogError, match=r"none of the wrapping keys .* is the one .* put that one back"):
        vault(tmp_path).unlock()
    for text, why in (
        (b"", "is empty; write one to it with `openssl rand -base64 32`"),
        (b"hello\n", r"line 1 of the wrapping keys .* is none"),
        (right + b64encode(b"short"), r"line 2 of the wrapping keys .* is none"),
    ):
        wrapping.write_bytes(text)
        with pytest.raises(LogError, match=why):
            vault(tmp_path).unlock()
    wrapping.unlink()
    with pytest.raises(LogError, match=r"there is no wrapping key .* put it back"):
        vault(tmp_path).unlock()
    assert not wrapping.exists(), "another one would not help"
    wrapping.write_bytes(b64encode(os.urandom(32)) + b"\n" + right)
    vault(tmp_path).unlock()


def test_keys_that_are_older_than_what_was_sealed_are_refused(tmp_path: Path) -> None:
    sealing = vault(tmp_path)
    sealing.new_keys(64)
    older = (tmp_path / "keys").read_bytes()
    (key,) = sealing.new_keys(1)
    sealed = sealing.seal(key, "state", "PO1", b"somebody")
    (tmp_path / "keys").write_bytes(older)
    with pytest.raises(LogError, match=r"are older than the log: .* put the newest copy"):
        vault(tmp_path).open("state", "PO1", sealed)


def test_no_key_is_made_in_a_file_that_was_removed_or_replaced(tmp_path: Path) -> None:
    """It would be gone with it, and what is sealed with it for ever unreadable."""
    sealing, keys = vault(tmp_path), tmp_path / "keys"
    sealing.unlock()
    keys.rename(tmp_path / "moved")
    for _ in range(2):
        with pytest.raises(LogError, match="were removed or replaced while they were in use"):
            sealing.new_keys(1)
        keys.write_bytes((tmp_path / "moved").read_bytes())
    (tmp_path / "moved").rename(keys)
    assert sealing.new_keys(1)


def test_a_file_that_is_no_key_store_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "keys")) as db:
        db.execute("CREATE TABLE letters (text TEXT)")
        db.commit()
    with pytest.raises(LogError, match="is no key store of a gateway"):
        vault(tmp_path)
    (tmp_path / "keys").write_bytes(b"hello" * 1_000)
    with pytest.raises(LogError, match=r"can't be used .SQLITE_NOTADB."):
        vault(tmp_path)
    with pytest.raises(LogError, match=r"there are no keys .* put them back"):
        KeyStore(tmp_path / "none").open()


def test_what_wraps_is_asked_once_and_not_at_once_again_where_it_is_away(tmp_path: Path) -> None:
    """Whoever waits for it waits in the log's thread."""
    now_s = 0.0
    store = KeyStore(tmp_path / "keys")
    store.make()
    transit = Transit(tmp_path)
    transit.instead = 503, b"{}"
    sealing = Vault(store, transit.client(), now_s=lambda: now_s)
    answered = transit.answered
    for _ in range(5):
        with pytest.raises(LogBusy, match="the key service answers 503"):
            sealing.new_keys(1)
    assert transit.answered == answered + 1
    transit.instead = None
    with pytest.raises(LogBusy, match="the key service answers 503"):
        sealing.new_keys(1)
    now_s += 1
    assert sealing.new_keys(1)
    transit.stop()
