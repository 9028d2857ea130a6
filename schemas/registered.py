"""The records on their topics as a schema registry has them, and the schemas that it gives."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from schemas.catalogue import SCHEMAS
from schemas.codec import header_of, learn

_NAMED: Final = frozenset({"record", "error", "enum", "fixed"})


def full_name(record: str) -> str:
    """The full name of a record."""
    return f"{SCHEMAS[record]['namespace']}.{record}"


def header(record: str) -> bytes:
    """What the record's values begin with in single-object encoding."""
    return header_of(SCHEMAS[record])


def text(record: str) -> str:
    """The record's schema as JSON."""
    return json.dumps(SCHEMAS[record], separators=(",", ":"), ensure_ascii=False)


def learn_registered(texts: Sequence[str]) -> bytes:
    """Decode from now on what was written with a schema of a registry; returns what its values begin with.

    texts: the schema as JSON, behind those that it refers to. Raises ValueError where it is no schema.
    """
    try:
        *others, schema = [json.loads(each) for each in texts]
        named = {name: part for other in others for name, part in _named(other, "")}
        return learn(_with(schema, named, ""))
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not an Avro schema ({type(error).__name__})") from None


def _named(schema: Any, namespace: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - whatever JSON has
    """The types with names within a schema, by their full names."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _named(branch, namespace)
    elif isinstance(schema, dict):
        if _has_name(schema):
            name = _full(str(schema.get("name")), schema.get("namespace", namespace))
            namespace = name.rpartition(".")[0]
            yield name, schema | {"name": name}
        for part in ("type", "items", "values"):
            yield from _named(schema.get(part), namespace)
        for field in schema.get("fields", ()):
            yield from _named(field, namespace)


def _with(schema: Any, named: dict[str, Any], namespace: str) -> Any:  # noqa: ANN401 - whatever JSON has
    """The schema with the types of others put in where it names them first. named: loses those."""
    if isinstance(schema, list):
        return [_with(branch, named, namespace) for branch in schema]
    if isinstance(schema, str):
        name = next((each for each in (_full(schema, namespace), schema) if each in named), None)
        return schema if name is None else _with(named.pop(name), named, name.rpartition(".")[0])
    if not isinstance(schema, dict):
        return schema
    if _has_name(schema):
        name = _full(str(schema.get("name")), schema.get("namespace", namespace))
        namespace = name.rpartition(".")[0]
        named.pop(name, None)
        fields = [
            field | {"type": _with(field["type"], named, namespace)} for field in schema.get("fields", ())
        ]
        return schema | ({"fields": fields} if fields else {})
    parts = {
        part: _with(schema[part], named, namespace) for part in ("type", "items", "values") if part in schema
    }
    return schema | parts


def _has_name(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return isinstance(kind, str) and kind in _NAMED


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"
