"""Each field of a schema says which class of data it is, and what goes out is held to it."""

import pytest

from gateway.rules.events import OUTBOUND
from gateway.system.telemetry import LOG_EVENTS, OWN_WORDS
from schemas.catalogue import DATA_CLASSES, SCHEMA_OF, SCHEMAS, about_a_person

#: What the contract lets an event say of somebody, by record.
IN_EVENTS = {
    "PrapAction": {"reason"},
    "SanctionNotification": {"reason_given", "session_name", "location"},
    "SessionEvent": {"session_name", "location"},
}


@pytest.mark.parametrize("schema", SCHEMA_OF.values(), ids=lambda schema: str(schema["name"]))
def test_every_field_has_a_class(schema: dict[str, object]) -> None:
    """A new field says `"data_class"`: personal, special category or operational."""
    assert isinstance(schema["fields"], list)
    without = [field["name"] for field in schema["fields"] if field.get("data_class") not in DATA_CLASSES]
    assert without == []


def test_an_event_says_nothing_of_a_person_but_what_its_contract_has() -> None:
    said = {event.__name__: about_a_person(SCHEMAS[event.__name__]) for event in OUTBOUND.values()}
    assert {name: fields for name, fields in said.items() if fields} == IN_EVENTS


def test_no_log_event_has_a_field_about_a_person() -> None:
    """`reason` in a log line is the gateway's own word for what failed."""
    personal = set().union(*(about_a_person(SCHEMAS[name]) for name in SCHEMAS if name != "DeadLetter"))
    assert {"surname", "nino", "explanation"} <= personal
    logged = {field for event in LOG_EVENTS.values() for field in event.fields}
    assert logged & personal - OWN_WORDS == set()
