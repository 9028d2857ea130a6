"""The pages agree with the code, with each other, and with what may stand in them."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from gateway.contracts import events_page
from gateway.contracts import rules_page as rulebook
from gateway.intake.lines import read_lines
from gateway.replay.decisions import replay
from gateway.rules import guidance
from gateway.rules.events import FOR_JOBCENTRES, OUTBOUND, DeadLetter, DeliveryPlan
from gateway.rules.messages import INBOUND
from gateway.rules.policy import shipped
from gateway.sample import programme
from tests.docs.pages import PAGES, ROOT, anchors, links, page_id

#: A path of one machine, or the address of a registry or an index.
_PRIVATE = re.compile(
    r"/(?:work|home|root|Users|mnt)/|/tmp/\w|[A-Z]:\\|localhost:(?!8080)\d|127\.0\.0\.1:(?!8080)\d|pypi\.org|/simple/?\b"
    r"|registry\.npmjs|artifactory|nexus|index-url|https?://(?!www\.w3\.org|spdx\.org|localhost:8080|[\w.-]+\.example\b)",
    re.IGNORECASE,
)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page_id(page)}: {target} does not exist"
        assert not anchor or anchor in anchors(file), f"{page_id(page)}: {target} is not a heading"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_no_page_names_a_machine_or_a_registry(page: Path) -> None:
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        assert not _PRIVATE.search(line), f"{page_id(page)}:{number}: {line}"


def test_every_file_that_the_architecture_names_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"[\w/]+/\w+\.py\b", page))
    assert len(named) > 10
    assert not {
        name for name in named if not ((ROOT / name).is_file() or (ROOT / "gateway" / name).is_file())
    }


def test_a_transaction_of_the_log_is_committed_only_where_the_architecture_says() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    (answer,) = re.findall(r"\*Where is a transaction committed\?\*(.*?)\n- ", page, re.DOTALL)
    commits = re.compile(r"yield \w+\n +db\.execute\(\"COMMIT\"\)|await \w+\.commit_transaction\(\)")
    committing = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "gateway").rglob("*.py")
        if commits.search(file.read_text("utf-8"))
    }
    assert set(re.findall(r"`(gateway/[^`]+\.py)`", answer)) == committing


def test_the_rules_page_is_current() -> None:
    page = (ROOT / "docs" / "rules.md").read_text("utf-8")
    assert page == rulebook.render(), (
        "make it anew: .venv/bin/python -m gateway.contracts.rules_page > docs/rules.md"
    )


def test_the_events_page_is_current() -> None:
    assert (ROOT / "docs" / "events.md").read_text("utf-8") == events_page.render(), (
        "make it anew: .venv/bin/python -m gateway.contracts.events_page > docs/events.md"
    )


@pytest.mark.parametrize("told", events_page.TOLD, ids=lambda told: told.event.__name__)
def test_the_events_page_says_what_to_do_about_every_kind(told: events_page.Told) -> None:
    kinds = get_args(get_type_hints(told.event)[told.field])
    if kinds:  # the reason of a cancellation is a text, and always the same
        assert [each.name for each in told.kinds] == [each for each in kinds if each != "OTHER"]


def test_the_events_page_has_all_events_for_jobcentres_and_cites_what_decisions_cite() -> None:
    assert {events_page.OUTBOUND_TOPIC[each.event] for each in events_page.TOLD} == {
        *FOR_JOBCENTRES,
        "prap.actions",
    }
    cited = defaultdict(set)
    for event in replay(read_lines(programme(800, 3)), shipped()):
        cited[type(event)].add(event.rule)
    for each in events_page.TOLD:
        assert {kind.rule for kind in each.kinds} <= cited[each.event]


def test_the_rules_page_names_all_guidance_that_a_decision_cites() -> None:
    lines = read_lines(programme(800, 3))
    cited = {event.rule for event in replay(lines, shipped()) if event.rule}
    tables = rulebook.render().partition("## Guidance")[2]
    assert cited
    assert not {rule for rule in cited if f"| {rule} | {guidance.SAYS[rule]}" not in tables}


def test_the_page_about_topics_names_all_topics_and_records() -> None:
    page = (ROOT / "docs" / "topics.md").read_text("utf-8")
    for topic, records in INBOUND.items():
        names = ", ".join(record.__name__ for record in records)
        assert f"| `{topic}` | in | {names} |" in page
    more = {("gateway.dead-letters", DeadLetter), ("jobcentre.delivery-plans", DeliveryPlan)}
    for topic, event in OUTBOUND.items() | more:
        assert f"| `{topic}` | out | {event.__name__} |" in page


def test_every_dependency_has_its_reason() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project, groups = pyproject["project"], pyproject["dependency-groups"]
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    named = set(re.findall(r"^\| ([a-z0-9-]+) \|", page, re.MULTILINE)) - {"package"}
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"] + groups["build"]
    assert named == {re.split(r"[\[>=<~ ]", requirement)[0] for requirement in wanted}


def test_the_picture_loads_nothing_and_is_small() -> None:
    picture = (ROOT / "docs" / "demo.svg").read_text("utf-8")
    assert not re.search(r"url\((?!#)|https?://(?!www\.w3\.org)|<script|<image", picture)
    assert len(picture) < 60_000


def test_the_readme_links_to_every_page() -> None:
    page = (ROOT / "README.md").read_text("utf-8")
    paths = [file.relative_to(ROOT) for file in PAGES if file != ROOT / "README.md"]
    assert not [path for path in paths if f"({path})" not in page]
