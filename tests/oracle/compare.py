"""Two lists of replay's output lines, made comparable and compared, referral by referral."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

NOT_COMPARED = ("event_id", "rule", "detail")
REFERENCES = ("supersedes", "withdraws")
DEFAULTS: dict[str, Json] = {
    "Outcome": {"provider_id": None, "code": None, "advisories": []},
    "PrapAction": {"reason": None},
    "SessionEvent": {"because": None, "notified_at": None},
    "AttendanceEvent": {"supersedes": None},
    "SanctionNotification": {
        "withdraws": None,
        "reason_given": None,
        "mandation_basis": None,
        "mandation_purpose": None,
        "mandation_recorded_on": None,
    },
    "Instruction": {"session_id": None, "due_on": None, "participation": None},
    "Breach": {"session_id": None, "because": None},
}


def normalise(lines: Iterable[Json | str]) -> dict[str, list[Json]]:
    """Output lines (decoded, or still JSON text) by po_number, each list in order of decision.

    event_id, rule and detail are dropped, and fields with a default are filled in. `supersedes` and
    `withdraws` become `<topic at #n>`: the n-th record of that topic for that referral, from 1. What refers
    to no earlier record of the same referral becomes `<nothing known: id>`, which is never equal to a name.
    An event_id that was used before is marked in `twice`, so that it shows as a difference.
    """
    referrals: dict[str, list[Json]] = {}
    names: dict[tuple[str, str], str] = {}
    ids: dict[str, int] = {}
    counts: dict[tuple[str, str], int] = {}
    for line in lines:
        if isinstance(line, str) and not line.strip():
            continue
        record: Json = json.loads(line) if isinstance(line, str) else line
        key, topic = record["key"], record["topic"]
        value = {**DEFAULTS.get(record["type"], {}), **record["value"]}
        for field in REFERENCES:
            if value.get(field) is not None:
                value[field] = names.get((key, value[field]), f"<nothing known: {value[field]}>")
        counts[key, topic] = counts.get((key, topic), 0) + 1
        twice = {}
        if "event_id" in value:
            event_id = value["event_id"]
            names[key, event_id] = f"<{topic} {record['at']} #{counts[key, topic]}>"
            ids[event_id] = ids.get(event_id, 0) + 1
            if ids[event_id] > 1:
                twice = {"twice": event_id}
        for field in NOT_COMPARED:
            value.pop(field, None)
        referrals.setdefault(key, []).append({**record, "value": value, **twice})
    return referrals


def short(record: Json | None) -> str:
    """One record on one line, its fields in a fixed order."""
    if record is None:
        return "nothing more"
    return json.dumps(record, ensure_ascii=False, sort_keys=True)


def differing_fields(want: Json, got: Json) -> list[str]:
    """The names of the fields in which two records differ; those within the value after 'value.'."""
    missing = object()
    outer = [
        name
        for name in sorted({**want, **got})
        if name != "value" and want.get(name, missing) != got.get(name, missing)
    ]
    want_value, got_value = want.get("value", {}), got.get("value", {})
    inner = [
        f"value.{name}"
        for name in sorted({**want_value, **got_value})
        if want_value.get(name, missing) != got_value.get(name, missing)
    ]
    return outer + inner


def first_difference(want: Mapping[str, list[Json]], got: Mapping[str, list[Json]]) -> str | None:
    """The first difference of two normalised outputs in words, after what was the same; None where equal."""
    for po_number in sorted({**want, **got}):
        wanted, came = want.get(po_number, []), got.get(po_number, [])
        for place in range(max(len(wanted), len(came))):
            expected = wanted[place] if place < len(wanted) else None
            actual = came[place] if place < len(came) else None
            if expected == actual:
                continue
            fields = differing_fields(expected, actual) if expected and actual else ["(one has nothing more)"]
            before = [f"  same     {short(record)}" for record in wanted[max(0, place - 3) : place]]
            where = f"{po_number}: record {place + 1} of {len(wanted)} (got {len(came)})"
            return "\n".join(
                [
                    f"{where} differs in {', '.join(fields)}",
                    *before,
                    f"  expected {short(expected)}",
                    f"  got      {short(actual)}",
                ]
            )
    return None
