"""What a decision costs is as it was when it was last looked at."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

RECORDED = Path(__file__).with_name("recorded.json")
#: By how much a count may differ from what was recorded: a share of it, and how often it is looked whether
#: more has arrived. A busy machine reads more at once, and less often.
TOLERANCE, LOOKS = 0.05, 0.05
RECORD = "python -m tests.cost.counting > tests/cost/recorded.json"


def test_what_a_message_takes_is_what_was_recorded() -> None:
    """Calls, statements and rows are counted, since seconds differ from machine to machine.

    More than was recorded is a cost to see and to think of, less is one that may not come back unseen.
    """
    recorded: dict[str, Any] = json.decode(RECORDED.read_bytes())
    done = subprocess.run([sys.executable, "-m", "tests.cost.counting"], capture_output=True, check=True)
    counted: dict[str, Any] = json.decode(done.stdout)
    if counted["python"] != recorded["python"]:
        pytest.skip(f"calls were counted with Python {recorded['python']}, and each version has its own")
    before, now = recorded["a message"], counted["a message"]
    changed = {
        name: f"{before.get(name, 0)} -> {now.get(name, 0)}"
        for name in sorted(before.keys() | now.keys())
        if abs(now.get(name, 0) - before.get(name, 0)) > TOLERANCE * before.get(name, 0)
    }
    assert not changed, f"a message takes another number of them; if it has to, run `{RECORD}`"
