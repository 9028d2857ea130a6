"""Records as JSON Schema, made from the Avro schemas by which they are read and written."""

from collections.abc import Sequence
from typing import Final

from gateway.api.operation import Object
from gateway.rules.events import OUTBOUND, DeliveryPlan
from gateway.rules.messages import (
    INBOUND,
    PROVIDERS_TOPIC,
    TOPIC_OF,
    AlternativeSessionRequested,
    Referral,
    Wp11,
)
from schemas.catalogue import SCHEMAS, Schema
from schemas.limits import ID_PATTERN, MOST_ITEMS, is_id, is_limited, longest
from schemas.ranges import range_of

#: What a body leaves out, since the path, a header and the token say it.
_FROM_ELSEWHERE: Final = frozenset({"message_id", "po_number", "provider_id"})
_FROM_KEY: Final = frozenset({"message_id"})

#: What may be sent. What is answered may lie a little behind it.
_DAY: Final[Object] = {
    "type": "string",
    "format": "date",
    "pattern": "^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}$",
    "description": "A date from 1900-01-01 to 2999-12-31.",
    "examples": ["2016-03-14"],
}
_INSTANT: Final[Object] = {
    "type": "string",
    "format": "date-time",
    "pattern": "^(19|2[0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,32})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
    "description": "RFC 3339, from 1900 to 2999 in UTC. What is finer than a millisecond is cut off; no leap "
    "second.",
    "examples": ["2016-03-14T09:00:00Z"],
}
#: What a plan must be beyond its Avro schema.
_PLAN: Final[dict[str, Object]] = {
    "formats": {"minItems": 1, "uniqueItems": True},
    "group_size": {"minimum": 1},
}


def components() -> dict[str, Object]:
    """What a body may hold, by the name under which the document refers to it."""
    types = [record.__name__ for record in INBOUND[PROVIDERS_TOPIC]]
    updates = [record.__name__ for record in INBOUND[TOPIC_OF[AlternativeSessionRequested]]]
    plan = _record(SCHEMAS[DeliveryPlan.__name__], without=_FROM_ELSEWHERE | {"contract_package_area"})
    for name, limits in _PLAN.items():
        plan["properties"][name] |= limits
    return {
        "Day": _DAY,
        "Instant": _INSTANT,
        "ProviderRecord": _one_of(
            "What a provider does or records; `type` says which. Its id, the referral and the provider come "
            "from the header Idempotency-Key, the path and the token.",
            types,
        ),
        **{name: _typed(name, _record(SCHEMAS[name], without=_FROM_ELSEWHERE)) for name in types},
        "JobcentreUpdate": _one_of(
            "What a Jobcentre asks or says of a referral; `type` says which. Its id comes from the header "
            "Idempotency-Key.",
            updates,
        ),
        **{name: _typed(name, _record(SCHEMAS[name], without=_FROM_KEY)) for name in updates},
        **{name: _record(SCHEMAS[name], without=_FROM_KEY) for name in (Wp11.__name__, Referral.__name__)},
        "DeliveryPlan": plan,
        **{event.__name__: _record(SCHEMAS[event.__name__]) for event in OUTBOUND.values()},
        "Event": {"anyOf": [{"$ref": _path(event.__name__)} for event in OUTBOUND.values()]},
    }


def _one_of(description: str, types: Sequence[str]) -> Object:
    return {
        "description": description,
        "oneOf": [{"$ref": _path(name)} for name in types],
        "discriminator": {"propertyName": "type", "mapping": {name: _path(name) for name in types}},
    }


def sandbox_components() -> dict[str, Object]:
    """The same for what only a sandbox takes: messages of every topic, whole."""
    found = {
        f"{record.__name__}Message": _message(topic, record.__name__, alone=len(records) == 1)
        for topic, records in INBOUND.items()
        for record in records
    }
    return found | {"SandboxMessage": {"oneOf": [{"$ref": _path(name)} for name in found]}}


def _path(name: str) -> str:
    return f"#/components/schemas/{name}"


def _message(topic: str, name: str, *, alone: bool) -> Object:
    value = _record(SCHEMAS[name])
    return {
        "type": "object",
        "properties": {"topic": {"const": topic}, "type": {"const": name}, "value": value},
        "required": ["topic", "value"] if alone else ["topic", "type", "value"],
        "additionalProperties": False,
    }


def _typed(name: str, record: Object) -> Object:
    """A record that says what it is."""
    record["properties"] = {"type": {"const": name}} | record["properties"]
    record["required"] = ["type", *record["required"]]
    return record


def _record(schema: Schema, without: frozenset[str] = frozenset()) -> Object:
    fields = [field for field in schema["fields"] if field["name"] not in without]
    described = {"description": schema["doc"]} if "doc" in schema else {}
    return {
        "type": "object",
        **described,
        "properties": {field["name"]: _field(schema["name"], field) for field in fields},
        "required": [field["name"] for field in fields if "default" not in field],
        "additionalProperties": False,
    }


def _field(record: str, field: Schema) -> Object:
    found = _value(field["type"])
    if is_limited(record):
        name = field["name"]
        limits: Object = {"maxLength": longest(record, name)}
        if is_id(name):
            limits |= {"minLength": 1, "pattern": ID_PATTERN}
        text = found.get("items", found)
        if "string" in str(text.get("type")) and "enum" not in text:
            text |= limits
        if name in MOST_ITEMS:
            found["maxItems"] = MOST_ITEMS[name]
    if "doc" in field:
        found["description"] = field["doc"]
    if "default" in field:
        found["default"] = field["default"]
    return found


def _value(schema: object) -> Object:
    """What a value of an Avro type is in JSON."""
    match schema:
        case ["null", branch]:
            return _or_null(_value(branch))
        case "string":
            return {"type": "string"}
        case "boolean":
            return {"type": "boolean"}
        case {"logicalType": "date"}:
            return {"$ref": _path("Day")}
        case {"logicalType": "timestamp-millis"}:
            return {"$ref": _path("Instant")}
        case {"type": "enum", "symbols": symbols}:
            return {"type": "string", "enum": symbols}
        case {"type": "array", "items": items}:
            return {"type": "array", "items": _value(items)}
        case dict() as part if part["type"] == "record":
            return _record(part)
    if limits := range_of(schema):
        return {"type": "integer", "minimum": limits[0], "maximum": limits[1]}
    raise NotImplementedError(f"There is no JSON Schema for the Avro type {schema}; add one here.")


def _or_null(schema: Object) -> Object:
    if "$ref" in schema or schema["type"] == "object":
        return {"anyOf": [schema, {"type": "null"}]}
    either: Object = schema | {"type": [schema["type"], "null"]}
    if "enum" in schema:
        either["enum"] = [*schema["enum"], None]
    return either
