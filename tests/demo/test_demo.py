"""The demo: ends by itself, says what it must, and its numbers are those of the log."""

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import fields

from gateway.demo.__main__ import REFERRALS, SEED
from gateway.demo.counting import Numbers, count
from gateway.demo.picture import svg
from gateway.demo.running import Ran, run
from gateway.demo.stories import stories
from gateway.rules.events import AttendanceEvent, CancellationEvent, Outcome
from gateway.rules.guidance import SAYS
from gateway.rules.messages import Participant, Referral
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


def demo(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    # Settings of whoever runs the tests must not reach it, nor those of a .env file in the folder.
    clean = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
    return subprocess.run(
        [sys.executable, "-m", "gateway.demo", *arguments],
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), "GATEWAY_POLICY": "nowhere.toml"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("demo")
    (folder / ".env").write_text("GATEWAY_LOG_URL=sqlite:///nowhere/gateway.db\n")
    done = demo(cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [path.name for path in folder.iterdir()] == [".env"], "it leaves nothing behind"
    return done.stdout


@pytest.fixture(scope="module")
def ran() -> Ran:
    return asyncio.run(run(REFERRALS, SEED, lambda stage, done, total: None))


@pytest.fixture(scope="module")
def numbers(ran: Ran) -> Numbers:
    return count(ran)


def test_it_is_readable_in_a_file_of_80_columns(shown: str) -> None:
    assert "\x1b" not in shown
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert not [line for line in shown.splitlines() if line != line.rstrip()]


def test_it_says_what_it_is_what_came_what_went_and_what_to_try(shown: str) -> None:
    for heading in (
        "What this is",
        "What came in",
        "What went out",
        "What it amounts to",
        "Refused, and why",
        "1. Joins of their own accord",
        "2. Has to come, and does not",
        "3. Decides to join, too late",
        "Is it always the same?",
        "What to try next",
    ):
        assert f"\n{heading}\n" in shown
    assert "Yes. The engine took" in shown


def test_it_shows_progress_in_a_file_by_stages(shown: str) -> None:
    stages = [line for line in shown.splitlines() if line.startswith("…")]
    assert stages == ["… making a programme", "… putting it on the log", "… deciding", "… replaying it"]


def test_the_numbers_shown_are_those_counted(shown: str, numbers: Numbers) -> None:
    for number, what in (
        (numbers.came_in.total(), "messages, each decided exactly once"),
        (numbers.outcomes["DUPLICATE"], "  duplicates caught"),
        (numbers.cancelled, "  cancelled as 'Did Not Start'"),
        (numbers.attached, "  attached: they joined"),
        (numbers.notified, "failures notified to a decision maker"),
        (numbers.held, "messages came before their referral"),
    ):
        assert f" {number:,} {what}" in shown
    for topic, records in numbers.went_out.items():
        assert re.search(rf"^  {re.escape(topic)} .* {records:,}$", shown, re.MULTILINE)


def test_every_message_has_exactly_one_outcome(ran: Ran, numbers: Numbers) -> None:
    assert numbers.outcomes.total() == len(ran.messages) == numbers.came_in.total()
    assert numbers.outcomes.keys() <= {"APPLIED", "DUPLICATE", "REFUSED"}
    assert numbers.refused.total() == numbers.outcomes["REFUSED"]


def test_every_referral_has_ended_in_one_way(ran: Ran, numbers: Numbers) -> None:
    ended = numbers.attached + numbers.cancelled + numbers.rejected + numbers.joining
    assert ended == numbers.referrals
    first = {
        event.po_number
        for event in ran.events
        if isinstance(event, Outcome) and event.status == "APPLIED" and event.topic == "prap.referrals"
    }
    assert len(first) == numbers.referrals


def test_the_counts_by_topic_are_those_of_the_events(ran: Ran, numbers: Numbers) -> None:
    kinds = Counter(type(event) for event in ran.events)
    assert numbers.went_out["jobcentre.attendance"] == kinds[AttendanceEvent]
    assert numbers.went_out["jobcentre.cancellations"] == kinds[CancellationEvent] == numbers.cancelled
    assert numbers.went_out.total() == len(ran.events)


def test_everything_worth_showing_happens_in_it(numbers: Numbers) -> None:
    assert numbers.outcomes["DUPLICATE"]
    assert 0 < numbers.released < numbers.held
    assert numbers.withdrawn
    assert numbers.notified
    assert len(numbers.refused) > 5


def test_replay_gives_the_same_records(ran: Ran) -> None:
    assert ran.replay_differs is None


def test_the_stories_are_of_the_kind_that_they_say(ran: Ran) -> None:
    joins, fails, late = stories(ran)
    assert any("attach the participant" in line.text for moment in joins.moments for line in moment.then)
    assert any(line.text.startswith("decision maker:") for moment in fails.moments for line in moment.then)
    assert late.moments[-1].then[-1].refusal
    assert late.moments[-2].cause.text == "the time for a WP11 is over"
    assert all(rule in SAYS for story in (joins, fails, late) for rule in story.rules)


def test_a_story_shows_all_that_was_decided_on_its_referral(ran: Ran) -> None:
    for story in stories(ran):
        events = [event for event in ran.events if getattr(event, "po_number", None) == story.po_number]
        shown = sum(len(moment.then) for moment in story.moments)
        applied = sum(isinstance(event, Outcome) and event.status == "APPLIED" for event in events)
        assert shown + applied == len(events)


def test_no_personal_data_is_shown(ran: Ran, shown: str) -> None:
    personal = {
        str(value)
        for _, message in ran.messages
        if isinstance(message, Referral)
        for field in fields(Participant)
        for value in _texts(getattr(message.participant, field.name))
    }
    assert len(personal) > 1_000
    assert not [value for value in personal if value in shown]


def _texts(value: object) -> list[str]:
    # Two letters of a language stand in any text, and a day of birth is shown nowhere as its number.
    if isinstance(value, str):
        return [value] if len(value) > 3 else []
    return [part for part in value if len(part) > 3] if isinstance(value, tuple) else []


def test_the_commands_to_try_work_in_order(shown: str, tmp_path: Path) -> None:
    commands = re.findall(r"^  \.venv/bin/(gateway .+)$", shown, re.MULTILINE)
    assert len(commands) == 5
    binaries = Path(sys.executable).parent
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    printed = ""
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", f"{binaries}/{command}"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        printed = done.stdout
    assert commands[-1].rpartition(" ")[2] in printed


def test_a_programme_of_one_referral_is_shown_too(tmp_path: Path) -> None:
    done = demo("--referrals", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "What to try next" in done.stdout


def test_the_picture_in_the_readme_is_current(ran: Ran, numbers: Numbers) -> None:
    committed = (ROOT / "docs" / "demo.svg").read_text("utf-8")
    assert committed == svg(numbers, stories(ran)), (
        "make it anew: .venv/bin/python -m gateway.demo --picture docs/demo.svg"
    )
