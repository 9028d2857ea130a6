"""What of the records a schema registry is to know, and what puts them into Confluent's wire format."""

from typing import Final

from gateway.backends.kafka.framing import Framing, Subject
from gateway.rules.messages import INBOUND
from gateway.settings.connecting import schema_registry
from gateway.settings.settings import Settings
from producers import RECORDS
from producers.cloud_event import header_named
from schemas import registered

#: The records that the gateway puts on topics for others, and those that it reads.
WRITTEN: Final = tuple((topic, name) for topic, names in RECORDS.items() for name in sorted(names))
READ: Final = tuple((topic, record.__name__) for topic, records in INBOUND.items() for record in records)


def subject(topic: str, record: str) -> Subject:
    """A record on a topic."""
    return Subject(topic, registered.full_name(record), registered.header(record), registered.text(record))


def framing(settings: Settings) -> Framing | None:
    """What puts values into the wire format; None: no registry is set. Raises InvalidSettings."""
    registry = schema_registry(settings)
    if registry is None:
        return None
    return Framing(
        registry,
        settings.topic_prefix,
        [subject(*each) for each in WRITTEN],
        registered.learn_registered,
        header_named,
    )
