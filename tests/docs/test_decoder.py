"""The decoder in Java that the page for subscribers shows reads what the one in Python beside it reads."""

import re
import shutil
import subprocess
from pathlib import Path

from tests.contracts.generators.tools import fetched_jars
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "subscribe.md"


def test_the_decoder_in_java_reads_the_value_of_the_one_in_python(tmp_path: Path) -> None:
    jars = fetched_jars(ROOT / "examples" / "java" / "pom.xml", "subscriber")
    (shown,) = (block.body for block in blocks(PAGE) if block.info == "java")
    (tmp_path / "Decode.java").write_text(shown, "utf-8")
    shutil.copy(ROOT / "schemas" / "CancellationEvent.avsc", tmp_path)
    (value,) = re.findall(r"^python decode.py (\w+)", PAGE.read_text("utf-8"), re.MULTILINE)
    done = subprocess.run(
        ["java", "-cp", f"{jars}/*", "Decode.java", value],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"reason": "Did Not Start"' in done.stdout
