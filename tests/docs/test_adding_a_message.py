"""The worked example of docs/adding-a-message.md, applied to a copy of the gateway, works."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks
from tests.patience import PATIENCE_S

SHOWN = {block.info: block.body for block in blocks(ROOT / "docs" / "adding-a-message.md")}
#: What is copied: all that the product and its tests of kinds read.
COPIED = ("gateway", "schemas", "consumers", "producers", "tests", "docs")

EXPLAIN = """
import json
from gateway.contracts import rules_page as rulebook
from gateway.contracts.openapi.records import components
from gateway.intake.lines import read_lines
from gateway.replay.decisions import replay
from gateway.rules.policy import shipped
from gateway.intake.uploads.template import template_csv
from gateway.rules.words import came
from schemas.catalogue import SCHEMAS
from schemas.json import parse_as
from gateway.rules.messages import SessionMoved
value = SCHEMAS["SessionMoved"]["example"] | {"message_id": "m-1", "provider_id": "PRV01"}
print(came(parse_as(SessionMoved, value)))
print("P14 SessionMoved" in rulebook.render())
print("SessionMoved" in components()["ProviderRecord"]["discriminator"]["mapping"])
print("Leeds Library" in template_csv().decode())
line = {"at": "2016-03-17T09:30:00Z", "topic": "provider.session-records"}
line |= {"type": "SessionMoved", "value": value}
print([event.status for event in replay(read_lines([json.dumps(line).encode()]), shipped())])
"""
LACKING = 'from tests.rules.kinds import lacking; print("\\n".join(lacking("SessionMoved")))'


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The gateway with what the page shows."""
    folder = tmp_path_factory.mktemp("copy")
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "target"))
    (folder / "schemas" / "SessionMoved.avsc").write_text(SHOWN["avsc"], "utf-8")
    rules = folder / "gateway" / "rules"
    change(rules / "messages.py", "JobcentreUpdate = ", f"{SHOWN['python class']}\n\nJobcentreUpdate = ")
    change(
        rules / "messages.py", "    | ExpenseReimbursed\n", "    | ExpenseReimbursed\n    | SessionMoved\n"
    )
    change(rules / "sessions.py", "    SessionChanged,\n)", "    SessionChanged,\n    SessionMoved,\n)")
    change(rules / "sessions.py", "BOOKED: Final", f"{SHOWN['python row']}\nBOOKED: Final")
    change(
        rules / "decide.py",
        "        attendance.REIMBURSED,\n",
        "        attendance.REIMBURSED,\n        sessions.MOVED,\n",
    )
    return folder


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert text.count(old) == 1, f"{file.name} has no single {old!r}"
    file.write_text(text.replace(old, new), "utf-8")


def printed(folder: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_knows_of_a_kind_takes_it_from_the_schema_the_class_and_the_row(copy: Path) -> None:
    assert printed(copy, EXPLAIN).splitlines() == [
        "provider: moves a session to another place",
        "True",
        "True",
        "True",
        "['HELD']",
    ]


def test_the_page_lists_what_the_tests_then_name(copy: Path) -> None:
    assert printed(copy, LACKING) == SHOWN["text lacking"]


def test_without_its_row_the_kind_is_named(copy: Path) -> None:
    decide = copy / "gateway" / "rules" / "decide.py"
    whole = decide.read_text("utf-8")
    change(decide, "        sessions.MOVED,\n", "")
    try:
        with pytest.raises(AssertionError, match=re.escape("LookupError: SessionMoved: no row; write one")):
            printed(copy, "import gateway.rules.decide")
    finally:
        decide.write_text(whole, "utf-8")
