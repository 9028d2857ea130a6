"""Dead letters as operators ask for them: how many wait and why, what became of one, and who did that.

In `outbound` a letter has its event_id for a message_id. Its status is its code while it waits, and then what
was done with it.
"""

from collections.abc import Sequence
from typing import Final, cast, get_args

import msgspec
from msgspec import Struct

from gateway.engine.log import AUDIT, DEAD_LETTERS, Handled, Record
from gateway.reading.view import View
from gateway.rules.events import DeadLetter
from producers.dead_letters import came_from
from producers.read_back import read_event
from schemas.codec import UnreadableCode

#: So many are listed, the newest.
MOST_LISTED: Final = 200
#: Of a larger one it is not read why it is one, before somebody looks at it.
LARGEST_READ: Final = 64 * 1024
#: So many letters that came later are looked through for the one that a letter became.
MOST_SEARCHED: Final = 10_000
#: What is done with letters by hand, as acts are called.
REPLAYED: Final = "DEAD_LETTER_REPLAYED"
DISCARDED: Final = "DEAD_LETTER_DISCARDED"

_CODES: Final[Sequence[str]] = get_args(UnreadableCode)
_DONE: Final[Sequence[str]] = ("REPLAYED", "DISCARDED")
#: NULL: it was forgotten.
_OPENED: Final = "opened('dead letter', '', value)"
_LETTERS: Final = f"FROM outbound WHERE topic = '{DEAD_LETTERS}'"


class WaitingLetter(Struct, frozen=True):
    """A letter in a list. at: when it came, UTC milliseconds. dead: None: it is too large to be listed."""

    event_id: str
    code: str
    at: int
    dead: DeadLetter | None


class WaitingCode(Struct, frozen=True):
    """How many letters wait with a code, and since when: UTC milliseconds."""

    code: str
    count: int
    since: int


class Letters(Struct, frozen=True):
    """How many wait by code, most first; the newest of them; and how many were handled."""

    codes: list[WaitingCode]
    newest: list[WaitingLetter]
    handled: int


class KnownLetter(Struct, frozen=True):
    """A letter, and what became of it.

    handled: what was done with it; None: it waits. came_from: the letter that was put back and became this
    one. failed_again: the letter that this one became when it had been put back.
    """

    dead: DeadLetter
    handled: Handled | None
    came_from: str | None
    failed_again: str | None


class Act(Struct, frozen=True):
    """What somebody has done with a letter."""

    act: str
    at: str
    letter: str = ""
    reason: str = ""
    by: str = ""
    name: str = ""


_act: Final = msgspec.json.Decoder(Act).decode


def letters(view: View) -> Letters:
    """The dead letters that there are. Those that were handled, however many, cost only their count."""
    codes, newest = [], list[tuple[int, str, str, bytes | None]]()
    for code in _CODES:
        since, count = view.db.execute(
            f"SELECT min(timestamp), count(*) {_LETTERS} AND status = ?", (code,)
        ).fetchone()
        if count:
            codes.append(WaitingCode(code, count, since))
            newest += view.db.execute(
                f"SELECT timestamp, message_id, status, iif(length(value) <= {LARGEST_READ}, {_OPENED}, NULL)"
                f" {_LETTERS} AND status = ? ORDER BY timestamp DESC LIMIT {MOST_LISTED}",
                (code,),
            )
    handled = sum(
        view.db.execute(f"SELECT count(*) {_LETTERS} AND status = ?", (done,)).fetchone()[0] for done in _DONE
    )
    newest.sort(key=lambda row: row[:2], reverse=True)
    return Letters(
        sorted(codes, key=lambda each: -each.count),
        [
            WaitingLetter(event_id, code, at, None if value is None else _dead(value))
            for at, event_id, code, value in newest[:MOST_LISTED]
        ],
        handled,
    )


def letter(view: View, event_id: str) -> KnownLetter | None:
    """One of them; None: there is none, or it is no longer kept."""
    row = view.db.execute(
        f"SELECT timestamp, {_OPENED} {_LETTERS} AND message_id = ?", (event_id,)
    ).fetchone()
    if row is None or row[1] is None:
        return None
    dead, handled = _dead(row[1]), _handled(view, event_id)
    named = came_from(dead)
    # Anybody may send such a header; it counts where that letter was put back.
    origin = None if named is None else _handled(view, named)
    return KnownLetter(
        dead,
        handled,
        named if origin is not None and origin.done == "REPLAYED" else None,
        _failed_again(view, event_id, row[0]) if handled and handled.done == "REPLAYED" else None,
    )


def acts_on(view: View, event_id: str) -> list[Act]:
    """What was done with a letter by hand, and by whom, in order."""
    rows = view.db.execute(
        f"SELECT value FROM outbound WHERE topic = '{AUDIT}' AND message_id = ? ORDER BY timestamp",
        (event_id,),
    )
    return [_act(value) for (value,) in rows]


def letter_of_act(record: Record) -> str | None:
    """The letter that a record of gateway.audit is about; None: it is about something else."""
    if record.key is None or record.key.decode(errors="replace") not in {REPLAYED, DISCARDED}:
        return None
    try:
        return _act(record.value or b"").letter or None
    except msgspec.DecodeError:
        return None  # a later version wrote it


def _handled(view: View, event_id: str) -> Handled | None:
    row = view.db.execute("SELECT done, at FROM handled WHERE letter = ?", (event_id,)).fetchone()
    return None if row is None else Handled(*row)


def _failed_again(view: View, event_id: str, at: int) -> str | None:
    """The letter that a letter became: what was put back has arrived later."""
    any_status = (*_CODES, *_DONE)
    rows = view.db.execute(
        f"SELECT {_OPENED} {_LETTERS} AND status IN ({', '.join('?' * len(any_status))}) AND timestamp >= ?"
        " ORDER BY timestamp LIMIT ?",
        (*any_status, at, MOST_SEARCHED),
    )
    later = (_dead(value) for (value,) in rows if value is not None)
    return next((dead.event_id for dead in later if came_from(dead) == event_id), None)


def _dead(value: bytes) -> DeadLetter:
    return cast(DeadLetter, read_event(Record(DEAD_LETTERS, 0, 0, 0, None, value)))
