"""Dead letters as JSON lines, as a table, and one by one; what they hold only where it is asked for."""

import sys
from base64 import b64encode
from collections import deque
from typing import Any, Final

from msgspec import json
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.dead_letters.handling import DeadLetterEntry, DeadLetterFilter, dead_letters, fails_again
from gateway.engine.log import Log
from gateway.rules.calendar import instant_text
from gateway.system.terminal import printable, write_lines
from schemas.catalogue import RECORDS
from schemas.codec import Unreadable, decode
from schemas.json import format_instant, render

#: A table shows the last so many.
MOST_ROWS: Final = 500
_DONE: Final = {"REPLAYED": "replayed", "DISCARDED": "discarded"}


def line(letter: DeadLetterEntry) -> dict[str, Any]:
    """What is known of a letter, without what it holds, as it is printed for programs."""
    dead, handled = letter.dead, letter.handled
    return {
        "id": dead.event_id,
        "topic": dead.source_topic,
        "partition": dead.source_partition,
        "offset": dead.source_offset,
        "code": dead.code,
        "detail": dead.detail,
        "at": format_instant(dead.decided_at),
        "key_bytes": None if dead.key is None else len(dead.key),
        "value_bytes": None if dead.value is None else len(dead.value),
        "header_count": len(dead.headers),
        "came_from": letter.came_from[0] if letter.came_from else None,
        "handled": handled.done if handled else None,
        "handled_at": format_instant(handled.at) if handled else None,
        "failed_again_as": letter.failed_again,
    }


def shown(letter: DeadLetterEntry, *, value: bool) -> dict[str, Any]:
    """A letter by itself: its line, why it would fail again, and with `value` what it holds."""
    facts = line(letter) | {"would_fail_again": fails_again(letter.dead, letter.value)}
    if value:
        held = render(letter.dead)
        facts |= {name: held[name] for name in ("key", "value", "headers")}
        facts["record"] = _record(letter)
    return facts


async def print_dead_letters(
    log: Log, which: DeadLetterFilter, *, everything: bool, as_json: bool, most_rows: int = MOST_ROWS
) -> None:
    """The matching letters that wait, or with `everything` those that were handled as well.

    A table of the last `most_rows` on a terminal, JSON lines elsewhere and with `as_json`. Raises LogError.
    """
    found = (one async for one in dead_letters(log, which) if everything or not one.handled)
    if not sys.stdout.isatty() or as_json:
        async for one in found:
            write_lines(json.encode(line(one)) + b"\n")
        sys.stdout.buffer.flush()
        return
    rows: deque[DeadLetterEntry] = deque(maxlen=most_rows)
    count = 0
    async for one in found:
        rows.append(one)
        count += 1
    console = Console(highlight=False)
    if not count:
        console.print("No dead letter waits." if not everything else "There is no dead letter.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("letter", "came (London)", "code", "what became of it"):
        table.add_column(column, overflow="fold")
    for one in rows:
        came = instant_text(one.dead.decided_at)
        table.add_row(Text(printable(one.dead.event_id)), came, one.dead.code, Text(became(one)))
    console.print(table)
    if count > len(rows):
        console.print(f"These are the last {len(rows):,} of {count:,}; --json prints all.")


def print_dead_letter(letter: DeadLetterEntry, *, value: bool, as_json: bool) -> None:
    """One letter: for people on a terminal, a JSON line elsewhere and with `as_json`.

    value: with what it holds, which may be about a person.
    """
    if not sys.stdout.isatty() or as_json:
        write_lines(json.encode(shown(letter, value=value)) + b"\n")
        return
    dead = letter.dead
    why = fails_again(dead, letter.value)
    facts = {
        "letter": dead.event_id,
        "came": f"{instant_text(dead.decided_at)} (London)",
        "from": f"{dead.source_topic}, partition {dead.source_partition}, offset {dead.source_offset}",
        "code": f"{dead.code}: {dead.detail}",
        "now": "this version can read it" if why is None else f"would fail again: {why}",
        "became": became(letter),
        "holds": f"key {_size(dead.key)}, value {_size(dead.value)}, headers: {len(dead.headers)}",
    }
    if value:
        facts["key"] = _base64(dead.key)
        facts |= {f"header {name}": _base64(header) for name, header in dead.headers.items()}
        facts["value"] = _base64(dead.value)
        record = _record(letter)
        facts["record"] = "can't be decoded" if record is None else json.encode(record).decode()
    width = max(len(printable(name)) for name in facts) + 2
    console = Console(highlight=False)
    for name, fact in facts.items():
        head = Text.assemble((printable(name).ljust(width), "bold"), printable(fact))
        console.print(head, soft_wrap=True)


def became(letter: DeadLetterEntry) -> str:
    """Where a letter comes from, where it was put back before, and what was done with it."""
    said = []
    if letter.came_from:
        origin, then = letter.came_from
        said.append(f"failed again: came from {printable(origin)}, replayed {instant_text(then.at)}")
    if letter.handled:
        said.append(f"{_DONE[letter.handled.done]} {instant_text(letter.handled.at)}")
    else:
        said.append("waits")
    if letter.failed_again:
        said.append(f"failed again as {printable(letter.failed_again)}")
    return "; ".join(said)


def _record(letter: DeadLetterEntry) -> dict[str, Any] | None:
    """The record that a letter holds, where it holds one, whether it belongs on its topic or not."""
    record = decode(letter.value, RECORDS, largest=None)
    if isinstance(record, Unreadable):
        return None
    return {"type": type(record).__name__, "value": render(record)}


def _size(part: bytes | None) -> str:
    return "none" if part is None else f"{len(part):,} bytes"


def _base64(part: bytes | None) -> str:
    return "none" if part is None else b64encode(part).decode()
