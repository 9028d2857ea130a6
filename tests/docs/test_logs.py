"""Each command of docs/logs.md that asks the log has an answer."""

import subprocess
from pathlib import Path

from tests.docs.pages import ROOT, blocks
from tests.docs.test_blocks import environment
from tests.patience import PATIENCE_S


def test_every_question_to_the_log_has_an_answer(tmp_path: Path) -> None:
    for block in blocks(ROOT / "docs" / "logs.md"):
        done = subprocess.run(
            ["sh", "-e", "-c", block.body],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        assert done.stderr == "" or "messages put on the log" in done.stderr, block.where
        asks = " gateway.log" in block.body and "2> gateway.log" not in block.body and " > " not in block.body
        assert done.stdout or not asks, f"{block.where}: no answer"
    logged, again, whole = (
        (tmp_path / f"{name}.log").read_text("utf-8").splitlines() for name in ("gateway", "again", "whole")
    )
    assert again
    assert len(whole) == sum('"event_id"' in line for line in logged), "all lines were there before"
