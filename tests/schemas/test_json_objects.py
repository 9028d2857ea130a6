"""A field that is given twice is found, however a text writes it."""

import pytest
from msgspec import json

from schemas.json_objects import twice


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":"x","b":2,"a":"x"}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":{"b":1,"b":2}}',
        b'[{"a":[{"b":1,"b":2}]}]',
        b'{"a":{"b":"x"},"a":1}',
        b'{"":1,"":2}',
    ],
)
def test_a_field_that_is_given_twice_is_found(body: bytes) -> None:
    assert twice(body, json.decode(body))


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"null",
        b'"a"',
        b'{"a":1,"b":"x"}',
        b'{"a":{"a":{"a":"a"}}}',
        b'{"a":[{"b":"x"},{"b":"x"}]}',
        b'{"a":"\\"a\\":1","b":"\\""}',
        b'{"a":"\\u0022","A":null}',
    ],
)
def test_one_that_is_given_once_is_not(body: bytes) -> None:
    assert not twice(body, json.decode(body))


def test_where_nobody_can_tell_it_is_said() -> None:
    """json reads as deeply as the stack allows, and what is refused for that is never taken for once."""
    body = b'{"a":"\\"","b":' + b"[" * 2_000 + b"]" * 2_000 + b"}"
    with pytest.raises(RecursionError):
        twice(body, {"a": '"', "b": []})
