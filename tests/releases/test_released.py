"""What each release wrote is read by the gateway as it is now; so is what this checkout writes."""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from gateway.backends.kafka.claim import unpack_progress
from gateway.engine.log import INBOUND_TOPICS
from schemas.catalogue import SCHEMAS, Schema, earlier_schemas
from schemas.codec import Unreadable, decode, header_of
from schemas.json import render
from tests.releases.kept import event_ids, gateway, keep, releases, unpacked

RELEASES = {folder.name: folder for folder in releases()}
#: This checkout, kept as a release would be.
NOW = "now"
#: After every deadline of the programme but that at which a referral is forgotten.
END = "2017-01-31T00:00:00Z"


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This checkout's own, as a release would keep it."""
    return keep(NOW, tmp_path_factory.mktemp("kept"))


@pytest.fixture(params=[*RELEASES, NOW])
def release(request: pytest.FixtureRequest, now: Path) -> Path:
    """The folder of a release, or of this checkout."""
    return RELEASES.get(request.param, now)


def kept_schemas(release: Path) -> dict[str, Schema]:
    """By the name of the record."""
    return {file.stem: json.loads(file.read_text("utf-8")) for file in (release / "schemas").iterdir()}


def incompatible(current: Schema, kept: Schema) -> list[str]:
    """Why one of the two can't read what the other wrote, by Apache Avro's own checker; empty: both can."""
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    one, other = parse(json.dumps(current)), parse(json.dumps(kept))
    found = [checker.get_compatibility(one, other), checker.get_compatibility(other, one)]
    return [
        message
        for each in found
        if each.compatibility is not SchemaCompatibilityType.compatible
        for message in each.messages
    ]


def unread(release: Path) -> Iterator[str]:
    """Schemas of the release that the gateway has no copy of: what was written with them can't be read."""
    known = {header_of(schema) for schema in (*SCHEMAS.values(), *earlier_schemas())}
    for name, schema in kept_schemas(release).items():
        if header_of(schema) not in known:
            yield f"copy {release.name}/schemas/{name}.avsc to schemas/earlier/{name}-{release.name}.avsc"


def test_a_schema_of_a_release_can_be_written_by_one_and_read_by_the_other(release: Path) -> None:
    """FULL_TRANSITIVE: whoever upgrades first, gateway or subscriber. No record of a release has gone."""
    for name, kept in kept_schemas(release).items():
        assert incompatible(SCHEMAS[name], kept) == [], name
    assert [*unread(release)] == []


@pytest.mark.parametrize("kept", earlier_schemas(), ids=lambda schema: schema["name"])
def test_an_earlier_schema_can_be_written_by_one_and_read_by_the_other(kept: Schema) -> None:
    assert incompatible(SCHEMAS[kept["name"]], kept) == []


def without_default(fields: list[dict[str, Any]]) -> None:
    fields.append({"name": "more", "type": "string"})


def of_another_type(fields: list[dict[str, Any]]) -> None:
    fields[0]["type"] = "long"


@pytest.mark.parametrize("change", [without_default, of_another_type])
def test_a_change_that_is_not_compatible_is_found(change: Any) -> None:
    kept = deepcopy(SCHEMAS["Wp11"])
    change(kept["fields"])
    assert incompatible(SCHEMAS["Wp11"], kept)


def test_a_schema_that_is_changed_after_a_release_must_be_kept(now: Path, tmp_path: Path) -> None:
    changed = copytree(now, tmp_path / "1.0.0")
    schema = deepcopy(SCHEMAS["Wp11"])
    schema["fields"].append({"name": "more", "type": "string", "default": ""})
    (changed / "schemas" / "Wp11.avsc").write_text(json.dumps(schema), "utf-8")
    assert [*unread(changed)] == ["copy 1.0.0/schemas/Wp11.avsc to schemas/earlier/Wp11-1.0.0.avsc"]


def test_the_bytes_of_a_release_say_what_they_said(release: Path) -> None:
    """Of every record, and what is new has its default."""
    values = json.loads((release / "values.json").read_text("utf-8"))
    assert values.keys() == kept_schemas(release).keys()
    for name, kept in values.items():
        record = decode(bytes.fromhex(kept["bytes"]), {name}, largest=None)
        assert not isinstance(record, Unreadable), (name, record)
        said = render(record)
        assert {field: said[field] for field in kept["json"]} == kept["json"]


def test_the_progress_of_a_release_is_read(release: Path) -> None:
    progress = unpack_progress((release / "progress").read_bytes())
    assert progress.partitions == 2
    assert progress.positions == dict.fromkeys(INBOUND_TOPICS, 7)


def test_the_log_of_a_release_is_gone_on_with(release: Path, tmp_path: Path) -> None:
    """Its events are read, its states decided on, and its read side asked."""
    unpacked(release, tmp_path)
    before = (release / "events.txt").read_text("utf-8").split()
    assert [*event_ids(tmp_path)] == before
    rest = (release / "rest.jsonl").read_bytes()
    (tmp_path / "rest.jsonl").write_bytes(rest)
    gateway(tmp_path, "feed", "--keep-time", "rest.jsonl")
    gateway(tmp_path, "run", "--clock", "log", "--until", END)
    events = [
        json.loads(line) for line in gateway(tmp_path, "tail", "--from-start", "--no-follow").splitlines()
    ]
    ids = [event["value"]["event_id"] for event in events]
    assert ids[: len(before)] == before
    assert len({*ids}) == len(ids)
    answered = {event["value"]["message_id"] for event in events if event["type"] == "Outcome"}
    assert {json.loads(line)["value"]["message_id"] for line in rest.splitlines()} <= answered
    assert not any(event["type"] == "DeadLetter" for event in events)
    listed = [json.loads(line) for line in gateway(tmp_path, "list").splitlines()]
    referred = {event["value"]["po_number"] for event in events if event["type"] == "PrapAction"}
    assert {each["po_number"] for each in listed} == referred
