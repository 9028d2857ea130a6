"""Schemas in the form that every generator of clients reads.

Generators differ in what they make of JSON Schema. Those that the tests run all read these forms correctly: a
type beside each enum, no `const`, null as a second type, and one component for each enum, which becomes one
class in a client.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.api.operation import Object

#: Members whose content is no schema.
_VALUES: Final = frozenset(
    {"properties", "enum", "required", "default", "examples", "example", "discriminator"}
)


def plain(schema: Any, enums: Mapping[frozenset[str], str]) -> Any:  # noqa: ANN401 - any part of a schema
    """A schema, or a part of one, in that form. enums: of those that are components, the names by value."""
    if isinstance(schema, list):
        return [plain(part, enums) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "const" in schema:
        schema = {"type": "string"} | _without(schema, "const") | {"enum": [schema["const"]]}
    if schema.get("default", ...) is None:  # which says no more than that the field may be left out
        schema = _without(schema, "default")
    found = {name: part if name in _VALUES else plain(part, enums) for name, part in schema.items()}
    if "properties" in found:
        found["properties"] = {name: plain(part, enums) for name, part in schema["properties"].items()}
    # Enums that are alternatives of each other are one before either of them is looked for.
    if (parts := schema.get("anyOf")) and all("enum" in part for part in parts):
        values = [value for part in parts for value in part["enum"]]
        found = _without(found, "anyOf") | {"enum": values}
    found = _with_null_as_type(found)
    if "enum" in found:
        return _enum(found, enums)
    return found


def _without(schema: Object, *names: str) -> Object:
    return {name: part for name, part in schema.items() if name not in names}


def _with_null_as_type(schema: Object) -> Object:
    """A value or null as one schema with two types; a component or null stays two."""
    match schema.get("anyOf"):
        case [{"type": str() as kind} as value, {"type": "null"}]:
            found: Object = value | _without(schema, "anyOf") | {"type": [kind, "null"]}
            return found | ({"enum": [*found["enum"], None]} if "enum" in found else {})
    return schema


def _enum(schema: Object, enums: Mapping[frozenset[str], str]) -> Object:
    values: Sequence[str | None] = schema["enum"]
    or_null = None in values
    name = enums.get(frozenset(value for value in values if value is not None))
    if name is None:
        return {"type": ["string", "null"] if or_null else "string"} | schema
    refers = {"$ref": f"#/components/schemas/{name}"}
    return _without(schema, "enum", "type") | ({"anyOf": [refers, {"type": "null"}]} if or_null else refers)
