"""An upload as JSON lines: a provider record a line, with its type, and without provider_id."""

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from io import BytesIO
from typing import Final

from msgspec import MsgspecError

from gateway.intake.csv_rows import LONGEST_ROW
from gateway.intake.lines import why_no_json
from gateway.intake.uploads.uploaded_record import NO_PROVIDER_ID, RECORDS, UNKNOWN, Mistake, UploadedRecord
from schemas.json import InvalidJson, mistakes, parse_as
from schemas.json_objects import decode_json, twice

#: In bytes; the same as for a row of CSV.
LONGEST_LINE: Final = LONGEST_ROW


def read_json_lines(body: bytes) -> Iterator[UploadedRecord | Mistake]:
    """The lines in their order; blank ones are passed over. A mistake alone: the line can't be a record."""
    if body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        yield Mistake(1, "", "is UTF-16; save the file as UTF-8")
        return
    for number, text in enumerate(BytesIO(body.removeprefix(BOM_UTF8)), 1):
        if len(text) > LONGEST_LINE:
            yield Mistake(
                number, "", f"is longer than {LONGEST_LINE // 1024} KiB; expected one record in a line"
            )
        elif text.strip():
            yield _read(number, text)


def _read(number: int, text: bytes) -> UploadedRecord | Mistake:
    try:
        value = decode_json(text)
        if twice(text, value):
            return Mistake(number, "", "has a field twice; give each once")
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        problem = why_no_json(text) or "is not JSON; expected one object in a line"
        return Mistake(number, "", problem)
    if not isinstance(value, dict):
        return Mistake(number, "", "is not a JSON object; expected one record in a line")
    found: list[Mistake] = []
    if "provider_id" in value:
        found.append(Mistake(number, "provider_id", NO_PROVIDER_ID))
    name = value.pop("type", None)
    record = None
    if isinstance(name, str) and name in RECORDS:
        given = {**value, "provider_id": UNKNOWN}
        try:
            record = parse_as(RECORDS[name], given)
        except InvalidJson:
            found += (Mistake(number, each.field, each.problem) for each in mistakes(name, given))
    else:
        found.append(Mistake(number, "type", f"is no type of record; expected one of {', '.join(RECORDS)}"))
    message_id, po_number = (_text(value.get(field)) for field in ("message_id", "po_number"))
    provider_id = _text(value.get("provider_id"))
    return UploadedRecord(number, message_id, po_number, record, tuple(found), provider_id)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
