"""PRaP's actions are found alike in the embedded log and in a copy, whatever comes first, action or mark."""

import random
from itertools import permutations
from pathlib import Path
from typing import Final, cast

import pytest

from gateway.engine.log import Changes, Draft, Record
from gateway.reading.copy_file import CopyFile
from gateway.reading.cursor import beginning, parse_cursor
from gateway.reading.filling import fill
from gateway.reading.tables import PRAP_ACTIONS
from gateway.reading.view import ActionsWanted, View
from gateway.rules.events import PrapAction
from producers import draft
from producers.control import Mark, mark
from producers.read_back import read_event
from tests.oracle.programmes import programme
from tests.reading.asking import BEGINNING, PARTITIONS, Asked
from tests.reading.filling import in_parts

ACTION: Final = PrapAction(
    event_id="PO1-7-1", po_number="PO1", provider_id="PRV01", action="ACCEPT", decided_at=7, rule="WP19 ¶3"
)
MARK: Final = Mark("clerk", 9)
_BOTH: Final[tuple[ActionsWanted, ...]] = ("true", "false")


@pytest.mark.parametrize("seed", [4, 7])
async def test_every_action_comes_once_by_pages_of_any_size_while_referrals_are_forgotten(
    asked: Asked, seed: int
) -> None:
    draw, cursor = random.Random(seed), BEGINNING
    read: list[PrapAction] = []
    view = await asked.view()
    for part in [*in_parts(programme(seed, 6), draw), []]:
        if part:
            await asked.decide(part)
        view = await asked.view()
        while found := view.prap_actions("false", 0, cursor, draw.choice((1, 3, 50))):
            assert view.is_at(PRAP_ACTIONS, cursor)
            read += (each.event for each in found)
            cursor = parse_cursor(str(found[-1].cursor), PARTITIONS)
    records = [record async for record in asked.log.follow((PRAP_ACTIONS,), from_start=True, wait=False)]
    on_the_log = [cast(PrapAction, read_event(record)) for record in records]
    assert read
    assert sorted(each.event_id for each in read) == sorted(each.event_id for each in on_the_log)
    assert view.open_actions(0)[0] == len(read)
    for each in read:
        assert view.prap_action(each.event_id) == (each, None)


def record(made: Draft, offset: int) -> Record:
    return Record(made.topic, 0, offset, made.timestamp or 0, made.key, made.value, made.headers)


@pytest.mark.parametrize("order", [*permutations((0, 1, 2))], ids=str)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_a_mark_counts_whatever_comes_first(tmp_path: Path, order: tuple[int, ...], at_once: bool) -> None:
    """And so does that it was taken away: of marks the last one counts."""
    came = [
        record(draft(ACTION, None), 0),
        record(mark(ACTION.event_id, MARK), 0),
        record(mark(ACTION.event_id, None), 1),
    ]
    records = [came[number] for number in order]
    stands = None if order.index(1) < order.index(2) else MARK
    file = CopyFile(tmp_path / "copy")
    file.empty("a log")
    for some in [records] if at_once else [[each] for each in records]:
        fill(file, Changes(some, {}, {}, 0), 1)
    view = View(file)
    try:
        assert view.prap_action(ACTION.event_id) == (ACTION, stands)
        marked, unmarked = (view.prap_actions(each, 0, beginning(1), 10) for each in _BOTH)
        assert [each.mark for each in marked] == ([stands] if stands else [])
        assert len(unmarked) == (0 if stands else 1)
        assert view.open_actions(8) == ((0, 0) if stands else (1, 1))
        assert view.open_actions(7) == ((0, 0) if stands else (1, 0))
    finally:
        view.close()
        file.close()
