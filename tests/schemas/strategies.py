"""Any record, as its Avro schema allows it."""

from typing import Any

from hypothesis import strategies as st
from msgspec import Struct

from schemas.catalogue import CLASSES, RECORDS, SCHEMAS
from schemas.limits import MOST_ITEMS, is_id, is_limited, longest, range_in, wrong_with_id

ANY_RECORD_NAME = sorted(RECORDS)


def records(name: str) -> st.SearchStrategy[Struct]:
    """Records of a name, of all values that its schema and its limits allow."""
    return _values(SCHEMAS[name])


def texts(record: str, field: str) -> st.SearchStrategy[str]:
    """What may stand in a text of a record."""
    if not is_limited(record) or not is_id(field):
        return st.text(st.characters(codec="utf-8"), max_size=min(12, longest(record, field)))
    of_id = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
    return st.text(of_id, min_size=1, max_size=12).filter(lambda text: wrong_with_id(text) is None)


def _values(schema: Any, record: str = "", field: str = "") -> st.SearchStrategy[Any]:
    match schema:
        case [*branches]:
            return st.one_of([_values(branch, record, field) for branch in branches])
        case "null":
            return st.none()
        case "string":
            return texts(record, field)
        case "boolean":
            return st.booleans()
        case "bytes":
            return st.binary(max_size=12)
        case {"type": "enum", "symbols": symbols}:
            return st.sampled_from(symbols)
        case {"type": "array", "items": items}:
            most = min(3, MOST_ITEMS.get(field, 3))
            return st.lists(_values(items, record, field), max_size=most).map(tuple)
        case {"type": "map", "values": values}:
            return st.dictionaries(st.text(st.characters(codec="utf-8")), _values(values), max_size=3)
        case {"type": "record", "name": name, "fields": fields}:
            # A dead letter's code is text on the wire and an enum in the class.
            choices = {each["name"]: _values(each["type"], name, each["name"]) for each in fields}
            if name == "DeadLetter":
                choices["code"] = st.sampled_from(["UNDECODABLE", "FAILED"])
            return st.builds(CLASSES[name], **choices)
    limits = range_in(record, schema)
    assert limits is not None, f"no strategy for {schema}"
    return st.integers(*limits)
