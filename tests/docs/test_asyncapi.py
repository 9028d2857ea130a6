"""The AsyncAPI document is right by AsyncAPI's rules, and by what the gateway does."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastavro import parse_schema, schemaless_writer
from msgspec import json

import consumers
from gateway.contracts.asyncapi import document
from gateway.contracts.files import write_docs
from gateway.engine.log import DELIVERY_PLANS
from gateway.intake.lines import read_lines
from gateway.processes.wiring import WIRING
from gateway.replay.decisions import replay
from gateway.rules.events import OUTBOUND
from gateway.rules.messages import INBOUND
from gateway.rules.policy import shipped
from gateway.sample import programme
from schemas.catalogue import SCHEMAS

#: The fields that AsyncAPI 3.0.0 allows in each object, the required ones marked by '!'.
_FIELDS = {
    "document": "asyncapi! id info! servers defaultContentType channels operations components",
    "server": "host! protocol! protocolVersion pathname description title summary variables security tags "
    "externalDocs bindings",
    "info": "title! version! description termsOfService contact license tags externalDocs",
    "channel": "address messages title summary description servers parameters tags externalDocs bindings",
    "operation": "action! channel! title summary description security tags externalDocs bindings traits "
    "messages reply",
    "message": "headers payload correlationId contentType name title summary description tags externalDocs "
    "bindings examples traits",
}


def right(thing: dict[str, Any], kind: str) -> None:
    words = _FIELDS[kind].split()
    assert {name for name in thing if not name.startswith("x-")} <= {word.rstrip("!") for word in words}
    assert thing.keys() >= {word.rstrip("!") for word in words if word.endswith("!")}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path, _ = write_docs(tmp_path_factory.mktemp("docs") / "made" / "anew")
    read: dict[str, Any] = json.decode(path.read_bytes())
    return read


def references(thing: object) -> Iterator[str]:
    if isinstance(thing, dict):
        for key, part in thing.items():
            if key == "$ref":
                yield part
            else:
                yield from references(part)
    elif isinstance(thing, list):
        for part in thing:
            yield from references(part)


def resolve(described: dict[str, Any], reference: str) -> dict[str, Any]:
    found: Any = described
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
        while isinstance(found, dict) and found.keys() == {"$ref"}:
            found = resolve(described, found["$ref"])
    assert isinstance(found, dict)
    return found


def test_each_object_has_the_fields_that_asyncapi_gives_it(described: dict[str, Any]) -> None:
    assert described["asyncapi"] == "3.0.0"
    right(described, "document")
    right(described["info"], "info")
    for server in described["servers"].values():
        right(server, "server")
        assert set(re.findall(r"{(\w+)}", server["host"])) == server["variables"].keys()
    for channel in described["channels"].values():
        right(channel, "channel")
    for operation in described["operations"].values():
        right(operation, "operation")
        assert operation["action"] in {"send", "receive"}
    for message in described["components"]["messages"].values():
        right(message, "message")
        assert message["payload"].keys() == {"schemaFormat", "schema"}


def test_ids_are_such_as_asyncapi_allows(described: dict[str, Any]) -> None:
    for part in ("messages", "schemas"):
        assert all(re.fullmatch(r"[\w.\-]+", name) for name in described["components"][part])
    assert not [name for name in (*described["channels"], *described["operations"]) if "/" in name]


def test_every_reference_leads_somewhere(described: dict[str, Any]) -> None:
    found = list(references(described))
    assert found
    for reference in found:
        assert resolve(described, reference)


def test_an_operation_names_messages_of_its_own_channel(described: dict[str, Any]) -> None:
    for operation in described["operations"].values():
        channel = operation["channel"]["$ref"]
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_the_gateway_receives_inbound_topics_and_sends_outbound_ones(described: dict[str, Any]) -> None:
    def topics(action: str) -> set[str]:
        return {
            resolve(described, operation["channel"]["$ref"])["address"]
            for operation in described["operations"].values()
            if operation["action"] == action
        }

    assert topics("receive") == consumers.READERS.keys()
    assert topics("send") == {*OUTBOUND, "gateway.dead-letters", DELIVERY_PLANS}


def test_the_messages_of_a_channel_are_the_records_of_its_topic(described: dict[str, Any]) -> None:
    channels = {channel["address"]: channel for channel in described["channels"].values()}
    for topic, records in INBOUND.items():
        assert list(channels[topic]["messages"]) == [record.__name__ for record in records]


def test_a_message_says_the_class_of_data_of_each_field_as_its_schema_does(described: dict[str, Any]) -> None:
    for name, message in described["components"]["messages"].items():
        fields = {field["name"]: field["data_class"] for field in SCHEMAS[name]["fields"]}
        said = message["x-data-class"]
        assert {field: said[field] for field in said if "." not in field} == fields
    referral = described["components"]["messages"]["Referral"]["x-data-class"]
    assert (referral["participant.nino"], referral["po_number"]) == ("personal", "operational")


def test_payloads_are_the_schemas_in_use(described: dict[str, Any]) -> None:
    for name, message in described["components"]["messages"].items():
        assert message["payload"]["schema"] == SCHEMAS[name]
        assert parse_schema(message["payload"]["schema"])


def test_examples_are_records_as_avro_takes_them_with_their_key_and_headers(
    described: dict[str, Any],
) -> None:
    """Of all that a programme has in it."""
    messages = described["components"]["messages"]
    headers = described["components"]["schemas"]["CloudEventHeaders"]
    assert {name for name in messages if "examples" not in messages[name]} == {"DeadLetter", "DeliveryPlan"}
    for name, message in messages.items():
        for example in message.get("examples", ()):
            schemaless_writer(
                BytesIO(), parse_schema(SCHEMAS[name]), example["payload"], strict_allow_default=True
            )
            assert message["bindings"]["kafka"]["key"]["examples"] == [example["payload"]["po_number"]]
            if shown := example.get("headers"):
                assert {*headers["required"]} <= shown.keys() <= headers["properties"].keys()
                assert (shown["ce_type"], shown["ce_id"]) == (name, example["payload"]["event_id"])


def test_outbound_records_have_the_headers_described(described: dict[str, Any]) -> None:
    headers = described["components"]["schemas"]["CloudEventHeaders"]
    events = list(replay(read_lines(programme(20, 1)), shipped()))
    assert events
    for event in events:
        draft = WIRING.draft(event, "00-" + "1" * 32 + "-" + "2" * 16 + "-01")
        sent = {name: (value or b"").decode() for name, value in draft.headers}
        assert headers["properties"].keys() == sent.keys()
        for name, schema in headers["properties"].items():
            assert schema.get("const", sent[name]) == sent[name]
            assert re.search(schema.get("pattern", ""), sent[name])


@pytest.mark.parametrize("name", sorted(event.__name__ for event in OUTBOUND.values()))
def test_code_made_from_an_outbound_payload_is_readable(described: dict[str, Any], name: str) -> None:
    """Each field has a doc, and each enum a name; what has no default is required by Avro itself."""
    record = described["components"]["messages"][name]["payload"]["schema"]
    for field in record["fields"]:
        assert field["doc"].endswith("."), field["name"]
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        for kind in kinds:
            if isinstance(kind, dict) and kind["type"] == "enum":
                assert re.fullmatch(r"[A-Z]\w+", kind["name"]), field["name"]
        assert ("default" in field) == ("null" in kinds or field["name"] == "advisories"), field["name"]


def test_the_same_code_gives_the_same_bytes(tmp_path: Path) -> None:
    one, other = write_docs(tmp_path / "one"), write_docs(tmp_path / "other")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]
    assert document() == document()
