"""What the documentation shows is what happens.

A block fenced as `sh` is run: all of a page in order, in one empty folder. A block fenced as `json prints` or
`text prints` is what the `sh` block above it writes to standard output. A block fenced as `json` holds lines
that the gateway takes or gives. A block fenced as `csv` or `jsonl` is an upload, and `csv mistakes` what is
said of it: test_uploads.py reads them. Blocks fenced as `sh sandbox` and `text sandbox` are read by
test_integrate.py, `avsc`, `python` and `text lacking` by test_adding_a_message.py, and `java` by
test_decoder.py. What can't be run in a
test is fenced as `console` and named below.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import json as msgspec_json

from gateway.intake.lines import read_lines
from gateway.replay.event_lines import TOPIC_OF_EVENT
from schemas.json import parse_as
from tests.docs.pages import PAGES, ROOT, Block, blocks, page_id
from tests.patience import PATIENCE_S

#: What a console block may hold, by how a line begins, and why it is not run here.
NOT_RUN = {
    "make ": "sets up the project or runs all of its tests, this one among them",
    "docker ": "needs Docker; tests/deploy/test_compose.py and test_image.py check the files",
    "export GATEWAY_TEST_BOOTSTRAP=": "starts a broker; tests/kafka/test_broker.py does so",
    "mkdir -p sandbox && cd sandbox": "the test has a folder of its own",
    "export PATH=": "the test has the commands on the path already",
    "gateway run": "runs until it is stopped",
    "gateway schemas": "needs a schema registry; tests/kafka/test_schema_registry.py runs it on one",
    "gateway topics": "on Kafka, as shown there; tests/cli/test_topics_on_kafka.py runs it on a broker",
    "gateway migrate": "needs brokers; tests/kafka/test_migrate.py runs the page's commands on one",
    "gateway partitions accept-loss": "needs lost records; tests/kafka/test_lost.py runs it on some",
    "gateway projection": "needs brokers; tests/cli/test_commands_on_kafka.py runs it on one",
    "kafka-configs.sh": "needs brokers, and Kafka's own tools",
    "gateway tail": "runs until it is stopped",
    "gateway dead-letters show": "needs a dead letter; tests/cli/test_dead_letters.py shows one",
    "gateway dead-letters replay": "needs one, too; tests/cli/test_dead_letters.py does it",
    "gateway dead-letters discard": "needs one, too; tests/cli/test_dead_letters.py does it",
    "sudo ": "changes the machine; tests/deploy/test_manifests.py checks the unit",
    "kubectl ": "needs a cluster; tests/deploy/test_manifests.py checks the file",
    "curl --silent http://localhost:8080/readyz": "asks a running gateway; tests/cli/test_serving.py does so",
    "systemctl ": "changes the machine",
    "journalctl ": "reads the machine's journal",
    "kill ": "stops a process",
    "df ": "looks at the machine",
    "pip ": "installs",
    ".venv/bin/pip ": "installs",
    "git ": "works on a checkout",
}
#: What every fence may be; anything else would be shown and held by nothing.
KINDS = {
    *("sh", "console", "json", "json prints", "text prints", "text", "toml", "ini"),
    *("csv", "csv mistakes", "jsonl"),
    *("sh sandbox", "text sandbox"),
    "java",
    *("avsc", "python class", "python row", "text lacking", "python verify", "ts verify"),
    "powershell",  # not run: it needs PowerShell, and the page says so
}


@pytest.fixture(params=[page for page in PAGES if any(b.info == "sh" for b in blocks(page))], ids=page_id)
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    binaries = Path(sys.executable).parent
    return {**clean, "PATH": f"{binaries}{os.pathsep}{clean['PATH']}", "COLUMNS": "80"}


def test_every_sh_block_of_a_page_runs_and_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    printed: str | None = None
    for block in blocks(page):
        if block.info.endswith(" prints"):
            assert printed is not None, f"{block.where}: no sh block above it"
            assert printed == block.body, f"{block.where}: the block above prints something else"
            continue
        if block.info != "sh":
            continue
        done = subprocess.run(
            ["sh", "-e", "-c", block.body],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{block.where}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        printed = done.stdout


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_block_is_of_a_kind_that_is_held(page: Path) -> None:
    assert not [block.where for block in blocks(page) if block.info not in KINDS]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_what_is_not_run_has_a_reason(page: Path) -> None:
    for block in blocks(page):
        if block.info != "console":
            continue
        for line in block.body.splitlines():
            command = line.removeprefix("$ ").strip()
            assert not command or command.startswith(("#", *NOT_RUN)), (
                f"{block.where}: {command!r} could be run: fence it as sh, or say in NOT_RUN why not"
            )


def test_the_tests_that_run_instead_what_is_not_run_here_are_there() -> None:
    named = re.findall(r"tests/[\w/.]+\.py", " ".join(NOT_RUN.values()))
    assert len(named) > 5
    assert not [name for name in named if not (ROOT / name).is_file()]


def lines_in(block: Block) -> list[bytes]:
    return [line.encode() for line in block.body.splitlines()]


@pytest.mark.parametrize(
    "block",
    [block for page in PAGES for block in blocks(page) if block.info.split(" ")[0] == "json"],
    ids=lambda block: block.where,
)
def test_every_json_block_holds_lines_that_the_gateway_takes_or_gives(block: Block) -> None:
    given = [line for line in lines_in(block) if b'"key":' in line]
    taken = [line for line in lines_in(block) if b'"key":' not in line]
    assert [line.message for line in read_lines(taken)] or given
    records = {topic: event for event, topic in TOPIC_OF_EVENT.items()}
    for line in given:
        shown = msgspec_json.decode(line)
        assert parse_as(records[shown["topic"]], shown["value"])


def test_the_pages_show_every_inbound_record() -> None:
    from gateway.rules.messages import RECORD_NAMED

    shown = {
        type(line.message).__name__
        for block in blocks(ROOT / "docs" / "topics.md")
        if block.info == "json" and b'"key":' not in block.body.encode()
        for line in read_lines(lines_in(block))
    }
    missing = RECORD_NAMED.keys() - shown
    assert not missing, f"docs/topics.md shows no {', '.join(sorted(missing))}; add a line of each"
