"""What operators ask of a read model is right, and never reads a table from end to end."""

from collections.abc import Callable

import pytest

from gateway.reading import letters, operators
from gateway.reading.view import View
from gateway.rules.calendar import london_day
from schemas.json import parse_instant
from tests.cli.running import life
from tests.reading.asking import Asked

D = london_day(parse_instant("2016-03-14T09:00:00Z"))

QUESTIONS: dict[str, Callable[[View], object]] = {
    "told": lambda view: operators.told(view, "PO1"),
    "refusals": lambda view: operators.refusals(view, 0),
    "breaches": lambda view: operators.breaches(view, 0),
    "due by day": lambda view: operators.due_by_day(view, D, 42),
    "due on": lambda view: operators.due_on(view, D, 200),
    "sessions": lambda view: operators.sessions_on(view, D, 500),
    "nearest": lambda view: operators.nearest_session_day(view, D),
    "counts": lambda view: operators.counts(view, operators.Ages(D, D - 15, D - 21, D - 28)),
    "late": operators.late,
    "letters": letters.letters,
    "letter": lambda view: letters.letter(view, "prap.referrals-0-1"),
    "acts on a letter": lambda view: letters.acts_on(view, "prap.referrals-0-1"),
    "attendance": lambda view: operators.attendance(view, D),
}


@pytest.mark.parametrize("name", QUESTIONS)
async def test_no_question_reads_a_table_from_end_to_end(asked: Asked, name: str) -> None:
    """What is counted over all referrals is counted in an index that has nothing else in it."""
    await asked.decide(life())
    view = await asked.view()
    said: list[str] = []
    view.db.set_trace_callback(said.append)
    QUESTIONS[name](view)
    view.db.set_trace_callback(None)
    assert said
    for sql in said:
        for *_, step in view.db.execute(f"EXPLAIN QUERY PLAN {sql}"):
            assert not step.startswith("SCAN") or "COVERING INDEX" in step, (sql, step)


async def test_a_referral_is_told_with_its_messages_and_all_that_came_of_them(asked: Asked) -> None:
    lines = life()
    await asked.decide(lines)
    po_number = lines[0]["value"]["po_number"]
    found = operators.told(await asked.view(), po_number)
    assert found is not None
    assert found.left_out == 0
    assert found.story.undecided == []
    told = {happening.message_id for happening in found.story.happenings}
    assert told >= {line["value"]["message_id"] for line in lines}
    assert operators.told(await asked.view(), "NONE") is None


async def test_referrals_are_counted_by_area_and_provider_with_those_whose_time_is_over(asked: Asked) -> None:
    """PO1 was referred on that day, and neither rejected nor joined."""
    await asked.decide(life())
    (count,) = operators.counts(await asked.view(), operators.Ages(accept=D, session=D, wp11=D - 1, attach=D))
    assert (count.provider_id, count.referrals) == ("PRV01", 1)
    over = (count.acceptance, count.session, count.wp11, count.joined, count.attachment)
    assert over == (1, 1, 0, 0, 0)
