"""Any record, as its Avro schema allows it."""

from typing import Any

from hypothesis import strategies as st
from msgspec import Struct

from schemas.catalogue import CLASSES, RECORDS, SCHEMAS
from schemas.ranges import range_of

ANY_RECORD_NAME = sorted(RECORDS)


def records(name: str) -> st.SearchStrategy[Struct]:
    """Records of a name, of all values that its schema allows."""
    return _values(SCHEMAS[name])


def _values(schema: Any) -> st.SearchStrategy[Any]:
    match schema:
        case [*branches]:
            return st.one_of([_values(branch) for branch in branches])
        case "null":
            return st.none()
        case "string":
            return st.text(st.characters(codec="utf-8"), max_size=12)
        case "boolean":
            return st.booleans()
        case "bytes":
            return st.binary(max_size=12)
        case {"type": "enum", "symbols": symbols}:
            return st.sampled_from(symbols)
        case {"type": "array", "items": items}:
            return st.lists(_values(items), max_size=3).map(tuple)
        case {"type": "map", "values": values}:
            return st.dictionaries(_values("string"), _values(values), max_size=3)
        case {"type": "record", "name": name, "fields": fields}:
            # A dead letter's code is text on the wire and an enum in the class.
            choices = {field["name"]: _values(field["type"]) for field in fields}
            if name == "DeadLetter":
                choices["code"] = st.sampled_from(["UNDECODABLE", "FAILED"])
            return st.builds(CLASSES[name], **choices)
    limits = range_of(schema)
    assert limits is not None, f"no strategy for {schema}"
    return st.integers(*limits)
