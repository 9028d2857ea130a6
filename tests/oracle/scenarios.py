"""Holds the oracle against worked cases: `python -m tests.oracle.scenarios FOLDER`.

In the folder, `NAME.jsonl` is input for replay and `NAME.expected.jsonl` what comes of it, without event_id,
rule and detail; a record refers to another by `<topic at>` of that other one. The order between referrals is
free.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.oracle.compare import DEFAULTS, NOT_COMPARED, REFERENCES, first_difference
from tests.oracle.rulebook import decide_all

Json = dict[str, Any]


def lines_of(file: Path) -> list[Json]:
    """The lines of a file, blank ones left out."""
    return [json.loads(line) for line in file.read_text("utf-8").split("\n") if line.strip()]


def by_referral(lines: list[Json]) -> dict[str, list[Json]]:
    """Output lines by po_number, without what is not compared, with references as `<topic at>`."""
    referrals: dict[str, list[Json]] = defaultdict(list)
    names: dict[str, str] = {}
    for line in lines:
        value = {**DEFAULTS.get(line["type"], {}), **line["value"]}
        if "event_id" in value:
            names[value["event_id"]] = f"<{line['topic']} {line['at']}>"
        for field in NOT_COMPARED:
            value.pop(field, None)
        for field in REFERENCES:
            if field in value:
                value[field] = names.get(value[field], value[field])
        referrals[line["key"]].append({**line, "value": value})
    return referrals


def main(folder: Path) -> int:
    """Print the first difference of each referral that differs; exit 1 where one does."""
    differ = 0
    for expected in sorted(folder.glob("*.expected.jsonl")):
        name = expected.name.removesuffix(".expected.jsonl")
        want = by_referral(lines_of(expected))
        got = by_referral(decide_all(lines_of(folder / f"{name}.jsonl")))
        found = [
            first_difference({po: want.get(po, [])}, {po: got.get(po, [])}) for po in sorted({**want, **got})
        ]
        wrong = [difference for difference in found if difference is not None]
        differ += len(wrong)
        print(f"{name}: {len(want)} referrals, {len(wrong)} differ", *wrong, sep="\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
