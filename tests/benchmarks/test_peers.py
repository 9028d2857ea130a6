"""The comparison with peers still runs, and writes what it says that it writes."""

import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.peers.contenders import CONTENDERS
from benchmarks.peers.report import BEGIN, END, put_between_markers

_ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_all_peers_decide_a_small_programme_and_the_page_and_its_chart_are_written(
    java: None, tmp_path: Path
) -> None:
    page = Path(shutil.copy(_ROOT / "docs" / "performance.md", tmp_path))
    before = page.read_text("utf-8")
    # Inside of `make test` this is no part of it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "bench-peers", f"ARGS=--smoke --docs {tmp_path}"],
        cwd=_ROOT,
        env=environment | {"PYTHONPATH": str(_ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    section = page.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    for who in CONTENDERS:
        assert f"\n| {who.name}" in section
    assert page.read_text("utf-8").partition(END)[2] == before.partition(END)[2]
    chart = ET.fromstring((tmp_path / "performance.svg").read_text("utf-8"))
    said = [text.text or "" for text in chart.iter("{http://www.w3.org/2000/svg}text")]
    assert {who.name for who in CONTENDERS} <= set(said)


def test_a_section_replaces_the_one_before_and_nothing_else() -> None:
    page = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    once = put_between_markers(page, "new")
    assert once == f"above\n{BEGIN}\n\nnew\n{END}\nbelow\n"
    assert put_between_markers(once, "newer") == f"above\n{BEGIN}\n\nnewer\n{END}\nbelow\n"


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="no markers"):
        put_between_markers("a page", "new")
