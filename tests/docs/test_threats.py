"""What docs/security.md says is shown by a test is the name of one."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`([a-z_/]+/test_[a-z0-9_]+\.py)`")


def test_each_test_that_the_threat_model_names_is_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text("utf-8").partition("## Threats")[2]
    named = set(NAMED.findall(page))
    assert len(named) > 30
    assert {name for name in named if not (ROOT / "tests" / name).is_file()} == set()


def test_each_actor_of_the_threat_model_has_what_answers_an_attempt_or_what_remains() -> None:
    """A row that has neither says nothing."""
    page = (ROOT / "docs" / "security.md").read_text("utf-8").partition("## Threats")[2]
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ") and line.count("|") >= 5]
    rows = [row for row in rows if row[0] not in {"| could try to", "|---"}]
    assert len(rows) > 30
    for row in rows:
        assert row[1] or row[3].strip(" |"), row[0]
