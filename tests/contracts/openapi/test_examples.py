"""The document's examples are what a sandbox answers, and what the document says it answers."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from gateway.contracts.openapi import document, operations
from gateway.contracts.openapi.document import CODES_MEMBER, PROBLEM
from gateway.contracts.openapi.examples import FILE, Example, examples
from gateway.rules.messages import INBOUND, PROVIDERS_TOPIC
from tests.contracts.openapi.recording import recorded, rendered
from tests.sandbox_process import Sandbox

ROOT = Path(__file__).parents[3]
DOCUMENT = document(sandbox=True)
OPERATIONS = {operation.id: operation for operation in operations(sandbox=True)}


def assert_valid(value: object, schema: dict[str, Any]) -> None:
    """By a schema of the document."""
    whole = schema | {"components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(value)


def test_they_are_what_a_new_sandbox_answers(here: Sandbox) -> None:
    """Where they aren't any more: make docs."""
    assert rendered(recorded(here)) == (ROOT / "gateway/contracts/openapi" / FILE).read_bytes()


@pytest.mark.parametrize("example", examples(), ids=lambda example: f"{example.operation}-{example.name}")
def test_one_is_as_the_document_says(example: Example) -> None:
    operation = OPERATIONS[example.operation]
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]
    answer = described["responses"][str(example.status)]
    if example.answer is not None:
        assert_valid(example.answer, answer["content"][example.answer_type]["schema"])
    if example.answer_type == PROBLEM:
        assert example.answer["code"] in answer[CODES_MEMBER]
    headers = {
        name: each for name, each in answer["headers"].items() if name != "Request-Id"
    }  # never the same
    assert {name for name, each in headers.items() if each["required"]} <= {*example.answer_headers}
    assert {*example.answer_headers} <= {*headers}
    if example.body is not None and example.status < 300:
        assert_valid(example.body, described["requestBody"]["content"][example.content_type]["schema"])


def test_every_operation_that_answers_in_json_has_one() -> None:
    without = OPERATIONS.keys() - {example.operation for example in examples()}
    # The first two are long, and the third is the document.
    assert without == {"getMetrics", "getSandbox", "getOpenApi"}


def test_every_record_of_a_provider_has_one_that_was_taken() -> None:
    taken = [each for each in examples() if each.operation == "postRecord" and each.status < 300]
    assert {each.body["type"] for each in taken} == {record.__name__ for record in INBOUND[PROVIDERS_TOPIC]}
