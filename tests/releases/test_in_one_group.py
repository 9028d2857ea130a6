"""The last release and this checkout share a broker's partitions, forth and back, and nothing is lost."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path
from shutil import copytree

import pytest
from packaging.version import Version

from gateway.intake.lines import read_lines
from gateway.sample import programme
from tests.kafka.feeding import make, put
from tests.kafka.gateways import running, share
from tests.kafka.plain_consumer import read
from tests.kafka.test_programme import END, OUTBOUND
from tests.patience import eventually
from tests.releases.kept import ROOT, releases

PARTITIONS = 4
PACKAGES = ("gateway", "schemas", "consumers", "producers")


@pytest.fixture
def last_release(tmp_path: Path) -> Path:
    """The code of the last release; before the first, a copy of this checkout stands for it."""
    code = tmp_path / "release"
    if there := max((folder.name for folder in releases()), key=Version, default=None):
        archive = ["git", "archive", f"v{there}", *PACKAGES]
        packed = subprocess.run(archive, cwd=ROOT, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            tar.extractall(code, filter="data")
    else:
        for package in PACKAGES:
            copytree(ROOT / package, code / package)
    asked = [sys.executable, "-c", "import gateway; print(gateway.__file__)"]
    said = subprocess.run(
        asked, cwd=tmp_path, env={"PYTHONPATH": str(code)}, check=True, capture_output=True, text=True
    )
    assert Path(said.stdout).is_relative_to(code)
    return code


@pytest.mark.slow
def test_two_versions_in_one_group_lose_nothing_forth_and_back(
    last_release: Path, bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Each goes on with what the other has decided: states, positions and deadlines."""
    lines = list(programme(20, seed=5))
    parts = [lines[len(lines) * number // 4 : len(lines) * (number + 1) // 4] for number in range(4)]
    arguments = tmp_path, bootstrap, topic_prefix, "--clock", "log"
    make(bootstrap, topic_prefix, PARTITIONS)
    put(bootstrap, topic_prefix, parts[0])
    with running(*arguments, source=last_release) as old:
        eventually(lambda: share([old], PARTITIONS))
        put(bootstrap, topic_prefix, parts[1])
        with running(*arguments) as new:
            eventually(lambda: share([old, new], PARTITIONS))
            old.terminate()
            assert old.ended() == 0, old.said
            eventually(lambda: share([new], PARTITIONS))
            put(bootstrap, topic_prefix, parts[2])
            with running(*arguments, source=last_release) as back:
                eventually(lambda: share([new, back], PARTITIONS))
                new.terminate()
                assert new.ended() == 0, new.said
                eventually(lambda: share([back], PARTITIONS))
                put(bootstrap, topic_prefix, parts[3])
                back.terminate()
                assert back.ended() == 0, back.said
    with running(*arguments, "--until", END) as last:
        assert last.ended() == 0, last.said
    seen = read(bootstrap, topic_prefix, OUTBOUND)
    assert len({each.value["event_id"] for each in seen}) == len(seen)
    answered = [
        (each.value["po_number"], each.value["message_id"])
        for each in seen
        if each.type == "Outcome" and each.value["status"] != "HELD"
    ]
    sent = [
        (line.message.po_number, line.message.message_id)
        for line in read_lines(lines)
        if line.message is not None
    ]
    assert sorted(answered) == sorted(sent)
