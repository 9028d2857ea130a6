"""What schemathesis needs beyond the API's document: values near those of a sandbox, and short waits.

It loads this file by SCHEMATHESIS_HOOKS.
"""

import itertools
import json
import re
from typing import Any

import schemathesis
from hypothesis import strategies as st

from gateway.api.operation import Operation
from gateway.api.prap import ZIPS
from gateway.contracts.openapi import operations
from gateway.contracts.openapi.records import LEAST
from gateway.intake.uploads.template import template_csv
from gateway.sandbox import PROVIDER
from gateway.sandbox.refusals import SESSION
from tests.contracts.openapi.known import PURCHASE_ORDERS
from tests.intake.prap.downloads import order, zipped

_numbers = itertools.count()
_WAIT = re.compile(r"wait\s*=\s*\"?(\d+)")
#: The clock is not fuzzed beyond this: all referrals would be over, and forgotten.
_LATEST = "2016-03-31T00:00:00Z"

_days = st.sampled_from([f"2016-0{month}-{day:02}" for month in (2, 3, 4) for day in range(1, 30)])
_far_days = st.sampled_from(["0001-01-01", "1969-12-31", "2016-02-29", "2030-01-01", "9999-12-31"])
_times = st.sampled_from(["00:00:00Z", "09:00:00Z", "09:00:00+00:00", "10:30:59.999Z", "23:59:59.1Z"])
_any_day = st.one_of(_days, _days, _far_days)
_ids = st.integers(0, 10**9).map("k-{}".format)
_pos = st.sampled_from([*PURCHASE_ORDERS, *PURCHASE_ORDERS, "PO-NONE"])

schemathesis.openapi.format("date", _any_day)
schemathesis.openapi.format("date-time", st.builds("{}T{}".format, _any_day, _times))


_instants = st.builds("{}T{}".format, _any_day, _times)
_texts = st.text(st.characters(codec="utf-8", exclude_characters='"'), min_size=1, max_size=10)
_sessions = st.sampled_from([SESSION, "S2"])
#: For some records of an upload what they must have.
_FIELDS: dict[str, dict[str, st.SearchStrategy[str]]] = {
    "ReferralAccepted": {"accepted_at": _instants},
    "ReferralRejected": {"reason": _texts, "rejected_at": _instants},
    "GroupObjection": {"raised_at": _instants},
    "CannotAttend": {"session_id": _sessions, "reason": _texts, "given_at": _instants},
    "SessionCancelled": {"session_id": _sessions, "reason": _texts, "cancelled_at": _instants},
    "NotificationConfirmed": {"session_id": _sessions, "notified_at": _instants},
}


@st.composite
def _line(draw: st.DrawFn) -> dict[str, str]:
    """A record of an upload, now and then with a field of another."""
    record = draw(st.sampled_from([*_FIELDS]))
    found = {"message_id": draw(_ids), "po_number": draw(_pos), "type": record}
    found |= draw(st.fixed_dictionaries(_FIELDS[record]))
    if draw(st.integers(0, 9)) == 0:
        found |= draw(st.fixed_dictionaries(_FIELDS[draw(st.sampled_from([*_FIELDS]))]))
    return found


def _csv(lines: list[dict[str, str]]) -> bytes:
    names = [*dict.fromkeys(name for line in lines for name in line)]
    rows = [names, *([line.get(name, "") for name in names] for line in lines)]
    return "\r\n".join(",".join(f'"{cell}"' for cell in row) for row in rows).encode("utf-8", "replace")


def _json_lines(lines: list[dict[str, str]]) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in lines)


_lines = st.lists(_line(), min_size=1, max_size=5)
_noise = st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode))
_as_csv = st.one_of(_lines.map(_csv), st.just(template_csv()), _noise)
_as_json_lines = st.one_of(_lines.map(_json_lines), _noise)
schemathesis.openapi.media_type("text/csv", _as_csv)
schemathesis.openapi.media_type("application/octet-stream", st.one_of(_as_csv, _as_json_lines))
for kind in ("application/jsonl", "application/x-ndjson", "application/x-jsonlines"):
    schemathesis.openapi.media_type(kind, _as_json_lines)


_downloads = st.lists(
    st.builds(
        order,
        st.integers(1, 10**6).map("PO{}".format),
        benefit=st.sampled_from(["ESA", "ESA", "UC", "none"]),
        po_type=st.sampled_from(["Information Session", "Information Session", "Work Programme"]),
    ),
    max_size=5,
).map(lambda rows: zipped(*rows))
for kind in ZIPS:
    schemathesis.openapi.media_type(kind, st.one_of(_downloads, _downloads, _noise))


def _whole(value: Any) -> Any:
    """A value with no number that has decimals which are zero."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@schemathesis.hook
def before_load_schema(context: schemathesis.HookContext, raw_schema: dict[str, Any]) -> None:
    """schemathesis can't send the examples of a media type for which it has a strategy."""
    for content in raw_schema["paths"]["/v1/uploads"]["post"]["requestBody"]["content"].values():
        content.pop("examples", None)


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]
) -> None:
    """Nothing waits for longer than a second, and the clock doesn't leave the month.

    1812.0 is an integer to JSON Schema and none to the gateway; nothing in a schema could say so.
    """
    body: Any = _whole(case.body)
    case.body = body
    prefer = case.headers.get("Prefer")
    if isinstance(prefer, str) and (found := _WAIT.search(prefer)) and int(found[1][:6]) > 1:
        case.headers["Prefer"] = "wait=1"
    query: dict[str, Any] = case.query or {}
    provider = query.get("provider_id")
    if isinstance(provider, str) and 0 < len(provider) <= 100 and len(provider) % 8:
        query["provider_id"] = PROVIDER  # all others are refused before anything else is looked at
    wait = query.get("wait")
    if str(wait).isdecimal() and 1 < int(str(wait)) <= 60:
        query["wait"] = 1
    if case.path == "/sandbox/clock" and isinstance(body, dict) and str(body.get("at", "")) > _LATEST:
        body["at"] = _LATEST
    if case.path == "/sandbox/messages" and isinstance(body, dict) and isinstance(body.get("value"), dict):
        po = body["value"].get("po_number")
        if isinstance(po, str) and po:
            # One that is unknown would be held, and its outcome waited for.
            body["value"]["po_number"] = PURCHASE_ORDERS[
                sum(po.encode("utf-8", "replace")) % len(PURCHASE_ORDERS)
            ]
        if body["value"].keys() & LEAST.keys() and isinstance(body["value"].get("message_id"), str):
            # The rules refuse a number that is too small, but take the same message again as a duplicate.
            body["value"]["message_id"] = f"least-{next(_numbers)}"
    if "/delivery-plans/" in case.path and isinstance(body, dict) and isinstance(body.get("formats"), list):
        # That none stands there twice is said in words: not every generator reads uniqueItems.
        body["formats"] = [
            each for at, each in enumerate(body["formats"]) if each not in body["formats"][:at]
        ]


_OPERATIONS: dict[tuple[str, str], Operation] = {
    (each.method, each.path): each for each in operations(sandbox=True)
}


@schemathesis.check
def code_is_one_of_the_document(
    context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """A problem has a code that its operation lists for the status. The document's schema leaves it open."""
    media_type = response.headers.get("content-type", [""])[0].partition(";")[0]
    operation = _OPERATIONS.get((case.method, case.operation.path))
    if media_type == "application/problem+json" and operation is not None:
        code = json.loads(response.content)["code"]
        listed = operation.codes.get(response.status_code, ())
        assert code in listed or response.status_code == 405, f"{code} is not among {listed}"
