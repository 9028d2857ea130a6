"""The topics as an AsyncAPI 3.0 document, made from the schemas that the gateway reads and writes by.

Source: AsyncAPI 3.0.0; Kafka bindings 0.5.0; CloudEvents 1.0.2, Kafka protocol binding.
"""

from typing import Any, Final

from gateway.contracts.message_examples import message_examples
from gateway.engine.log import DELIVERY_PLANS
from gateway.rules.events import OUTBOUND, DeadLetter, DeliveryPlan
from gateway.rules.messages import INBOUND
from gateway.system.version import gateway_version
from producers.cloud_event import SOURCE
from producers.read_back import ALL_OUTBOUND_TOPICS, DEAD_LETTERS
from schemas.catalogue import SCHEMAS, data_classes

FILE: Final = "asyncapi.json"

Object = dict[str, Any]

_KAFKA: Final = "0.5.0"
_AVRO: Final = "application/vnd.apache.avro;version=1.9.0"
_CONTENT_TYPE: Final = "application/avro"

_DESCRIPTION: Final = (
    "Messages about referrals to an information session come in; what was decided on them goes out. Values "
    "are in Avro's single-object encoding: the bytes C3 01, the CRC-64-AVRO fingerprint of its schema "
    "(8 bytes, little endian), the body. With a schema registry, outbound values are in Confluent's wire "
    "format instead, and inbound ones may be. A record's key is the po_number in UTF-8, a delivery plan's "
    "the provider_id."
)
_TOPICS: Final = {
    "prap.referrals": "Revisions of purchase orders, from PRaP.",
    "jobcentre.wp11": "WP11 forms: the participant joins the Work Programme.",
    "jobcentre.updates": "What the Jobcentre changes about a referral, or asks for.",
    "provider.session-records": "What providers do and record.",
    "jobcentre.sessions": "Sessions booked, changed and cancelled, for the Jobcentre's diary.",
    "jobcentre.attendance": "Who came, for the Jobcentre.",
    "jobcentre.cancellations": "Referrals that ended without a start.",
    "jobcentre.sanction-notifications": "Failures of mandatory participants, for a decision maker.",
    "jobcentre.notices": "What else the Jobcentre has to know or to do.",
    "prap.actions": "What is to be entered on PRaP.",
    "provider.instructions": "What a provider is to do next.",
    "gateway.breaches": "Time limits missed, and those that were met after all.",
    "gateway.outcomes": "What came of each message: one outcome each, and HELD before it where it waited.",
    "gateway.dead-letters": "What could not be decoded, byte for byte, and why.",
    "jobcentre.delivery-plans": "How providers plan to deliver the sessions: the last plan of each is kept.",
}


def document() -> Object:
    """The AsyncAPI document."""
    records = {topic: [record.__name__ for record in INBOUND[topic]] for topic in INBOUND}
    records |= {topic: [event.__name__] for topic, event in OUTBOUND.items()}
    records[DEAD_LETTERS] = [DeadLetter.__name__]
    records[DELIVERY_PLANS] = [DeliveryPlan.__name__]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Information session gateway",
            "version": gateway_version(),
            "description": _DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "servers": {"kafka": _SERVER},
        "defaultContentType": _CONTENT_TYPE,
        "channels": {_id(topic): _channel(topic, names) for topic, names in records.items()},
        "operations": {
            **{f"read.{_id(topic)}": _operation("receive", topic, records[topic]) for topic in INBOUND},
            **{
                f"write.{_id(topic)}": _operation("send", topic, records[topic])
                for topic in ALL_OUTBOUND_TOPICS
            },
        },
        "components": {
            "messages": {name: _message(name, topic) for topic, names in records.items() for name in names},
            "schemas": {"TraceHeaders": _TRACE_HEADERS, "CloudEventHeaders": _CLOUD_EVENT_HEADERS},
        },
    }


def _id(topic: str) -> str:
    """A topic as an id that AsyncAPI takes within a reference."""
    return topic.replace(".", "-")


def _channel(topic: str, names: list[str]) -> Object:
    return {
        "address": topic,
        "description": _TOPICS[topic],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {
            "kafka": {
                "topic": topic,
                "topicConfiguration": {
                    "cleanup.policy": ["compact" if topic == DELIVERY_PLANS else "delete"]
                },
                "bindingVersion": _KAFKA,
            }
        },
    }


def _operation(action: str, topic: str, names: list[str]) -> Object:
    channel = f"#/channels/{_id(topic)}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": _TOPICS[topic],
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in names],
    }


def _message(name: str, topic: str) -> Object:
    schema = SCHEMAS[name]
    headers = "TraceHeaders" if topic in INBOUND else "CloudEventHeaders"
    key: Object = {"type": "string", "description": "The po_number."}
    if topic == DEAD_LETTERS:
        key = {"description": "The key of what could not be decoded, as it came; there may be none."}
    if topic == DELIVERY_PLANS:
        key = {"type": "string", "description": "The provider_id."}
    examples: list[Object] = []
    if (example := message_examples().get(name)) is not None:
        key = key | {"examples": [example.key]}
        shown = {"headers": example.headers} if example.headers else {}
        examples = [{"name": name, **shown, "payload": example.payload}]
    return {
        "name": name,
        "title": name,
        "summary": schema.get("doc", _TOPICS[topic]),
        "contentType": _CONTENT_TYPE,
        "headers": {"$ref": f"#/components/schemas/{headers}"},
        "payload": {"schemaFormat": _AVRO, "schema": schema},
        "bindings": {"kafka": {"key": key, "bindingVersion": _KAFKA}},
        "x-data-class": data_classes(schema),
        **({"examples": examples} if examples else {}),
    }


#: Whoever runs the gateway says where its brokers are.
_SERVER: Final[Object] = {
    "host": "{host}:{port}",
    "protocol": "kafka",
    "title": "The brokers",
    "description": "Any broker of the cluster that GATEWAY_LOG_URL names. Whether connections are encrypted, "
    "and how clients sign in, is settled there. Where GATEWAY_TOPIC_PREFIX is set, it stands before each "
    "topic's name. Read with isolation.level=read_committed.",
    "variables": {
        "host": {"default": "localhost", "description": "The broker's name or address."},
        "port": {"default": "9092", "description": "Its port."},
    },
}
_TRACEPARENT: Final[Object] = {
    "type": "string",
    "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    "description": "W3C Trace Context. An event continues the trace of the message that caused it.",
}
_TRACE_HEADERS: Final[Object] = {
    "type": "object",
    "description": "No header is needed.",
    "properties": {"traceparent": _TRACEPARENT},
}
_CLOUD_EVENT_HEADERS: Final[Object] = {
    "type": "object",
    "description": "CloudEvents 1.0, binary content mode on Kafka.",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_dataschema", "content-type"],
    "properties": {
        "ce_specversion": {"type": "string", "const": "1.0"},
        "ce_id": {"type": "string", "description": "The event_id, or a plan's message_id."},
        "ce_source": {"type": "string", "const": SOURCE},
        "ce_type": {"type": "string", "description": "The name of the record."},
        "ce_dataschema": {
            "type": "string",
            "format": "uri",
            "description": "The name of the record, and the CRC-64-AVRO fingerprint of its schema.",
        },
        "ce_time": {
            "type": "string",
            "format": "date-time",
            "description": "decided_at; a plan has none.",
        },
        "ce_subject": {"type": "string", "description": "The key; a dead letter has none."},
        "content-type": {"type": "string", "const": _CONTENT_TYPE},
        "traceparent": _TRACEPARENT,
    },
}
