"""Records as JSON Schema, made from the Avro schemas by which they are read and written."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, get_args

from msgspec import Struct, json

from gateway.api.operation import Object
from gateway.api.views import HistoryEntry
from gateway.rules.events import (
    ADVISORY_WORDS,
    FOR_JOBCENTRES,
    OUTBOUND,
    Advisory,
    DeliveryPlan,
    Instruction,
    Outcome,
    OutcomeStatus,
    PrapAction,
)
from gateway.rules.messages import (
    INBOUND,
    PROVIDERS_TOPIC,
    TOPIC_OF,
    AlternativeSessionRequested,
    AttendanceRecorded,
    ExpenseReimbursed,
    Participant,
    Referral,
    SessionBooked,
    SessionCancelled,
    Wp11,
)
from gateway.rules.referral import Status
from schemas.catalogue import SCHEMA_OF, SCHEMAS, Schema
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
_CLOCK_MOVE: Final[Object] = {
    "type": "object",
    "properties": {"at": _INSTANT},
    "required": ["at"],
    "additionalProperties": False,
}
#: What a plan must be beyond its Avro schema.
_PLAN: Final[dict[str, Object]] = {
    "formats": {"minItems": 1},
    "group_size": {"minimum": 1},
}
#: By field, from which number on the rules take it.
LEAST: Final = {"duration_minutes": 1, "amount_pence": 1, "attempt": 1}
_MOST_INT32: Final = 2**31 - 1
#: The member that says which class of data a field is: its schema's `data_class`.
DATA_CLASS: Final = "x-data-class"
#: By answer, the records whose fields it shows under their own names.
SHOWN: Final[Mapping[str, tuple[type[Struct], ...]]] = {
    "Summary": (Referral,),
    "ReferralView": (Referral,),
    "ParticipantView": (Participant,),
    "SessionView": (SessionBooked, SessionCancelled, AttendanceRecorded),
    "SessionOfDay": (SessionBooked,),
    "BookingView": (SessionBooked, AttendanceRecorded),
    "ExpenseView": (ExpenseReimbursed,),
    "DeliveryPlanView": (DeliveryPlan,),
    "InstructionView": (Instruction,),
    "OutcomeView": (Outcome,),
    "PrapActionView": (PrapAction,),
}


def components() -> dict[str, Object]:
    """What a body may hold, by the name under which the document refers to it."""
    types = [record.__name__ for record in INBOUND[PROVIDERS_TOPIC]]
    updates = [record.__name__ for record in INBOUND[TOPIC_OF[AlternativeSessionRequested]]]
    others = Wp11.__name__, Referral.__name__
    plan = _record(SCHEMAS[DeliveryPlan.__name__], without=_FROM_ELSEWHERE | {"contract_package_area"})
    for name, limits in _PLAN.items():
        plan["properties"][name] |= limits
    return {
        "ProviderRecord": {
            "description": "What a provider does or records; `type` says which. Its id, the referral and the "
            "provider come from the header Idempotency-Key, the path and the token.",
            **_one_of({name: name for name in types}),
        },
        **{name: _typed(name, _record(SCHEMAS[name], without=_FROM_ELSEWHERE)) for name in types},
        "JobcentreUpdate": {
            "description": "What a Jobcentre asks or says of a referral; `type` says which. Its id comes "
            "from the header Idempotency-Key.",
            **_one_of({name: name for name in updates}),
        },
        **{name: _typed(name, _record(SCHEMAS[name], without=_FROM_KEY)) for name in updates},
        **{name: _record(SCHEMAS[name], without=_FROM_KEY) for name in others},
        **{part["name"]: _record(part) for name in others for part in _parts(SCHEMAS[name])},
        "DeliveryPlan": plan,
        **{event.__name__: _record(SCHEMAS[event.__name__]) for event in OUTBOUND.values()},
        **{
            f"{OUTBOUND[topic].__name__}CloudEvent": _cloud_event(OUTBOUND[topic].__name__)
            for topic in FOR_JOBCENTRES
        },
        "CloudEvent": {
            "description": "An event for a Jobcentre (CloudEvents 1.0); `type` says which record `data` is.",
            **_one_of(
                {name: f"{name}CloudEvent" for name in (OUTBOUND[topic].__name__ for topic in FOR_JOBCENTRES)}
            ),
        },
        **{f"{event.__name__}Entry": _entry(event.__name__) for event in OUTBOUND.values()},
        "HistoryEntry": {
            "description": "What was decided on the referral; `type` says which record `event` is.",
            **_one_of({event.__name__: f"{event.__name__}Entry" for event in OUTBOUND.values()}),
        },
    }


def with_classes(name: str, answer: Object) -> Object:
    """An answer's schema, in which each field that comes from a record's schema has its class of data."""
    classes = {
        field["name"]: field["data_class"]
        for record in reversed(SHOWN.get(name, ()))
        for field in SCHEMA_OF[record]["fields"]
    }
    if "properties" not in answer:
        return answer
    properties = {
        field: schema | ({DATA_CLASS: classes[field]} if field in classes else {})
        for field, schema in answer["properties"].items()
    }
    return answer | {"properties": properties}


def enums() -> dict[str, Object]:
    """The lists of values, by the name under which the document refers to them."""
    found = {name: {"type": "string", "enum": symbols} for name, symbols in _symbols(SCHEMAS)}
    says = "\n".join(f"- `{name}`: {words}." for name, words in ADVISORY_WORDS.items())
    return found | {
        "ReferralStatus": {"type": "string", "enum": [*get_args(Status)]},
        "MessageStatus": {"type": "string", "enum": [*get_args(OutcomeStatus), "PENDING"]},
        "Advisory": {
            "type": "string",
            "description": f"What to show to a person, though the record counts:\n\n{says}",
            "enum": [*get_args(Advisory)],
        },
    }


def _symbols(schema: Any) -> Iterator[tuple[str, list[str]]]:  # noqa: ANN401 - any part of an Avro schema
    """The enums within Avro schemas, by name."""
    parts: Iterable[Any] = ()
    if isinstance(schema, Mapping):
        if schema.get("type") == "enum":
            yield schema["name"].rpartition(".")[2], schema["symbols"]
        parts = schema.values()
    elif isinstance(schema, list):
        parts = schema
    for part in parts:
        yield from _symbols(part)


def _one_of(named: Mapping[str, str]) -> Object:
    """One of several components. named: by the value of `type` the component's name."""
    return {
        "oneOf": [{"$ref": _path(component)} for component in named.values()],
        "discriminator": {
            "propertyName": "type",
            "mapping": {value: _path(component) for value, component in named.items()},
        },
    }


def _entry(name: str) -> Object:
    """An event in a history, as HistoryEntry has it."""
    _, found = json.schema_components([HistoryEntry], ref_template=_path("{name}"))
    entry: Object = found["HistoryEntry"]
    return {
        "type": "object",
        "properties": entry["properties"] | {"type": {"const": name}, "event": {"$ref": _path(name)}},
        "required": entry["required"],
    }


def _cloud_event(name: str) -> Object:
    """An event for a Jobcentre, as CloudEvent has it."""
    text = {"type": "string"}
    properties: Object = {
        "specversion": {"const": "1.0"},
        "id": text | {"description": "The same whenever it is sent; `event_id` of the record."},
        "source": text | {"format": "uri-reference"},
        "type": {"const": name},
        "subject": text | {"description": "The purchase order's number."},
        "time": _INSTANT | {"description": "When it was decided."},
        "dataschema": text
        | {"format": "uri", "description": "The record, and the fingerprint of its schema."},
        "datacontenttype": {"const": "application/json"},
        "cursor": text | {"description": "The place behind it, to go on from."},
        "data": {"$ref": _path(name)},
    }
    return {"type": "object", "properties": properties, "required": [*properties]}


def sandbox_components() -> dict[str, Object]:
    """The same for what only a sandbox takes: an instant, and messages of every topic, whole."""
    messages = {
        f"{record.__name__}Message": _message(topic, record.__name__, alone=len(records) == 1)
        for topic, records in INBOUND.items()
        for record in records
    }
    names = [record.__name__ for records in INBOUND.values() for record in records]
    # Without a discriminator: `type` may be left out where a topic has one record.
    return {
        **messages,
        **{f"{name}Value": _record(SCHEMAS[name]) for name in names},
        **{part["name"]: _record(part) for name in names for part in _parts(SCHEMAS[name])},
        "ClockMove": _CLOCK_MOVE,
        "SandboxMessage": {"oneOf": [{"$ref": _path(name)} for name in messages]},
    }


def _path(name: str) -> str:
    return f"#/components/schemas/{name}"


def _message(topic: str, name: str, *, alone: bool) -> Object:
    value = {"$ref": _path(f"{name}Value")}
    return {
        "type": "object",
        "properties": {"topic": {"const": topic}, "type": {"const": name}, "value": value},
        "required": ["topic", "value"] if alone else ["topic", "type", "value"],
        "additionalProperties": False,
    }


def _parts(schema: Schema) -> Iterator[Schema]:
    """The records within a record."""
    for field in schema["fields"]:
        kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
        yield from (kind for kind in kinds if isinstance(kind, dict) and kind["type"] == "record")


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
        # What comes in has no other fields; what is answered may have more one day.
        **({"additionalProperties": False} if is_limited(schema["name"]) else {}),
    }


def _field(record: str, field: Schema) -> Object:
    found = _value(field["type"]) | {DATA_CLASS: field["data_class"]}
    if is_limited(record):
        name = field["name"]
        limits: Object = {"maxLength": longest(record, name)}
        if is_id(name):
            limits |= {"minLength": 1, "pattern": ID_PATTERN}
        text = found.get("items", found)
        if "string" in str(text.get("type")) and not {"enum", "format"} & text.keys():
            text |= limits
        if name in MOST_ITEMS:
            found["maxItems"] = MOST_ITEMS[name]
    if field["name"] in LEAST:
        found["minimum"] = LEAST[field["name"]]
    described = [field["doc"]] if "doc" in field else [found["description"]] if "description" in found else []
    # Not as `default`: some generators make a field that has one a field that must be given.
    if field.get("default") is not None and field["default"] != []:
        default = field["default"]
        described.append(
            f"Left out: `{default if isinstance(default, str) else json.encode(default).decode()}`."
        )
    if described:
        found["description"] = " ".join(described)
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
            return {**_DAY}
        case {"logicalType": "timestamp-millis"}:
            return {**_INSTANT}
        case {"type": "enum", "symbols": symbols}:
            return {"type": "string", "enum": symbols}
        case {"type": "array", "items": items}:
            return {"type": "array", "items": _value(items)}
        case dict() as part if part["type"] == "record":
            return {"$ref": _path(part["name"])}
    if limits := range_of(schema):
        size = "int32" if limits[1] <= _MOST_INT32 else "int64"
        return {"type": "integer", "format": size, "minimum": limits[0], "maximum": limits[1]}
    raise NotImplementedError(f"There is no JSON Schema for the Avro type {schema}; add one here.")


def _or_null(schema: Object) -> Object:
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    either: Object = schema | {"type": [schema["type"], "null"]}
    if "enum" in schema:
        either["enum"] = [*schema["enum"], None]
    return either
