"""The programs that check what is in deploy/. `python -m tests.deploy.tools` says which are missing."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
#: By its name, the package of Debian that has it.
TOOLS: Final = {"promtool": "prometheus", "systemd-analyze": "systemd"}


def checked(tool: str, *arguments: str | Path, stdin: str = "") -> None:
    """Run a tool that must find nothing wrong. It is left out where it is missing, but not with CI set."""
    if (found := shutil.which(tool)) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing(tool))
    done = subprocess.run(
        [found, *arguments], cwd=ROOT, input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def missing(tool: str) -> str:
    """What to do where a tool is missing."""
    return f"{tool} is missing; on Debian, the package {TOOLS[tool]} has it."


if __name__ == "__main__":
    for tool in TOOLS:
        if shutil.which(tool) is None:
            print(f"Left out: tests of deploy/ by {tool}. {missing(tool)}")
