"""What the tests of the providers' API share: a sandbox in this process, with its log read at the end."""

import io
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from gateway.sandbox.refusals import refusals
from gateway.sandbox.scenes import groups
from gateway.system import telemetry
from schemas.json import parse
from tests.api.running import Client, Process, Sandbox, process, sandbox
from tests.cli.running import Json
from tests.personal import MARK, texts_about


def _of_the_sandboxs_own() -> set[str]:
    """What its ready-made messages say about people, by the classes in the schemas."""
    scenes = [*groups(), *(refusal.scene for refusal in refusals())]
    arrivals = [arrival for scene in scenes for arrival in scene.arrivals]
    ids = {"message_id": "M", "po_number": "PO"}
    return {text for each in arrivals for text in texts_about(parse(each.name, each.value | ids))}


#: What the tests put into fields about a person, and what the sandbox's own participants have there, but for
#: what is a word or a code of its own (Test, Participant, en).
_OWN = [re.escape(text) for text in sorted(_of_the_sandboxs_own()) if not text.isalpha()]
PERSONAL = re.compile("|".join([MARK, *_OWN]))


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines."""
    stream = io.StringIO()
    telemetry.configure("debug", stream)
    yield stream
    structlog.reset_defaults()


def lines(logged: io.StringIO, event: str) -> list[Json]:
    """Those of one event."""
    return [line for line in map(json.loads, logged.getvalue().splitlines()) if line["event"] == event]


def no_bug(said: str) -> None:
    """No line tells of an error, and none of a person."""
    assert [line for line in map(json.loads, said.splitlines()) if line["level"] == "error"] == []
    assert PERSONAL.search(said) is None


def nothing_amiss(said: str) -> None:
    """No line tells of an error or of something that had to be tried again, and none of a person."""
    no_bug(said)
    assert not re.search(r'"(library.complained|projection.dropped|partition.dropped)"', said), said


@pytest.fixture
async def served(tmp_path: Path, logged: io.StringIO) -> AsyncIterator[Sandbox]:
    """A sandbox in this process."""
    async with sandbox(tmp_path / "gateway.db") as made:
        yield made
    nothing_amiss(logged.getvalue())


@pytest.fixture
def provider(served: Sandbox) -> Client:
    """PRV01, whose the ready-made referrals are."""
    return served.client()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A sandbox that is a process of its own, for all tests of a file."""
    with process(tmp_path_factory.mktemp("running")) as made:
        yield made
        made.terminate()
        assert made.ended() == 0
        nothing_amiss(made.said)
