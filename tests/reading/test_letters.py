"""Dead letters are asked for in the tables of the read side, alike on the log itself and in a copy of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from gateway.dead_letters.handling import DeadLetterFilter, dead_letters, discard, put_back
from gateway.engine.log import AUDIT, DEAD_LETTERS, INBOUND_TOPICS, Changes, Columns, Draft, Headers, Record
from gateway.engine.workers import Workers
from gateway.processes.wiring import WIRING
from gateway.reading.copy_file import CopyFile
from gateway.reading.filling import fill
from gateway.reading.letters import (
    DISCARDED,
    LARGEST_READ,
    REPLAYED,
    KnownLetter,
    acts_on,
    letter,
    letters,
)
from gateway.reading.view import View
from gateway.rules.policy import shipped
from producers import dead_letters as producing
from producers.dead_letters import REPLAYED_FROM
from schemas.codec import Unreadable
from tests.engine.letters import NINE
from tests.reading.asking import Asked

REFERRALS, WP11 = INBOUND_TOPICS[:2]


async def sent(
    asked: Asked, *values: bytes, topic: str = REFERRALS, at: int = NINE, headers: Headers = ()
) -> None:
    """Records arrive, and are decided."""
    await asked.log.append(Draft(topic, b"PO1", value, headers, at) for value in values)
    await decide(asked, at)


async def decide(asked: Asked, until: int = NINE) -> None:
    await Workers(asked.log, shipped(), WIRING, until=until).run(asyncio.Event())


async def known(asked: Asked) -> Sequence[tuple[str, KnownLetter | None]]:
    """All letters as the log gives them, each with what is known of it in the tables."""
    view = await asked.view()
    return [
        (each.dead.event_id, letter(view, each.dead.event_id))
        async for each in dead_letters(asked.log, DeadLetterFilter())
    ]


async def waiting(asked: Asked) -> list[str]:
    """The letters that are listed, the newest first."""
    return [each.event_id for each in letters(await asked.view()).newest]


async def test_nothing_is_listed_where_there_is_nothing(asked: Asked) -> None:
    found = letters(await asked.view())
    assert (found.codes, found.newest, found.handled) == ([], [], 0)
    assert letter(await asked.view(), "NONE") is None
    assert acts_on(await asked.view(), "NONE") == []


async def test_those_that_wait_are_counted_by_code_and_listed_newest_first(asked: Asked) -> None:
    await sent(asked, b"\x00")
    await sent(asked, b"x" * (LARGEST_READ + 1), topic=WP11, at=NINE + 1)
    await sent(asked, b"\xc3\x01" + b"\x00" * 8, at=NINE + 2)
    found = letters(await asked.view())
    assert [(each.code, each.count, each.since) for each in found.codes] == [
        ("UNDECODABLE", 2, NINE),
        ("UNKNOWN_SCHEMA", 1, NINE + 2),
    ]
    listed = [(each.event_id.rpartition("-")[0], each.code, each.at) for each in found.newest]
    partition = found.newest[0].event_id.split("-")[-2]
    assert listed == [
        (f"{REFERRALS}-{partition}", "UNKNOWN_SCHEMA", NINE + 2),
        (f"{WP11}-{partition}", "UNDECODABLE", NINE + 1),
        (f"{REFERRALS}-{partition}", "UNDECODABLE", NINE),
    ]
    first, large, last = (each.dead for each in found.newest)
    assert first is not None
    assert (first.code, first.source_topic) == ("UNKNOWN_SCHEMA", REFERRALS)
    assert large is None, "it is not read for a list"
    assert last is not None


async def test_those_that_were_handled_are_only_counted(asked: Asked) -> None:
    await sent(asked, b"\x00", b"\x01", b"\x02")
    one, two, three = [name for name, _ in await known(asked)]
    await put_back(asked.log, [one], anyway=True)
    await discard(asked.log, [two])
    assert await waiting(asked) == [three]
    assert letters(await asked.view()).handled == 2
    said = [each and each.handled and each.handled.done for _, each in await known(asked)]
    assert said == ["REPLAYED", "DISCARDED", None]


async def test_a_letter_that_failed_again_says_as_which_and_that_one_says_whence(asked: Asked) -> None:
    """As the log itself has it. Who sends the header of a letter that was not put back is not believed."""
    await sent(asked, b"\x00")
    await sent(asked, b"\x01", headers=((REPLAYED_FROM, b"nothing"),))
    for _ in range(2):
        for name in await waiting(asked):
            await put_back(asked.log, [name], anyway=True)
            await decide(asked)
    in_log = [
        (each.dead, each.handled, each.came_from and each.came_from[0], each.failed_again)
        async for each in dead_letters(asked.log, DeadLetterFilter())
    ]
    assert len(in_log) == 6
    for dead, handled, came_from, failed_again in in_log:
        assert letter(await asked.view(), dead.event_id) == KnownLetter(
            dead, handled, came_from, failed_again
        )


async def test_what_somebody_did_with_a_letter_is_told_of_that_letter(asked: Asked) -> None:
    def act(kind: str, about: str) -> Draft:
        value = b'{"act":"%s","letter":"%s","at":"2016-03-14T09:00:00Z","by":"s1"}'
        named = kind.encode(), value % (kind.encode(), about.encode())
        return Draft(AUDIT, *named, timestamp=NINE, columns=Columns(message_id=about))

    unreadable = Draft(AUDIT, REPLAYED.encode(), b"{", timestamp=NINE)
    other = Draft(AUDIT, b"PERSON_SEEN", b'{"act":"PERSON_SEEN","po_number":"a"}', timestamp=NINE)
    await asked.log.append([act(REPLAYED, "a"), other, unreadable, act(DISCARDED, "b")])
    view = await asked.view()
    assert [(each.act, each.by) for each in acts_on(view, "a")] == [(REPLAYED, "s1")]
    assert [each.act for each in acts_on(view, "b")] == [DISCARDED]


def test_what_brokers_have_deleted_for_its_age_is_in_a_copy_no_more(tmp_path: Path) -> None:
    """Of the partition that they say, below the offset that they say."""
    file = CopyFile(tmp_path / "copy")
    came = [Record(REFERRALS, 0, number, NINE, b"PO1", b"\x00") for number in range(4)]
    drafts = [producing.draft(each, Unreadable("UNDECODABLE", "It is not.")) for each in came]
    records = [
        Record(DEAD_LETTERS, number % 2, number // 2, NINE, draft.key, draft.value, draft.headers)
        for number, draft in enumerate(drafts)
    ]
    fill(file, Changes(records, {}, {}, 0), 2)
    view = View(file)
    assert len(letters(view).newest) == 4
    file.erased = False
    fill(file, Changes([], {}, {}, 0, begins={(DEAD_LETTERS, 0): 0, (DEAD_LETTERS, 1): 1}), 2)
    assert len(letters(view).newest) == 3
    assert letter(view, f"{REFERRALS}-0-1") is None
    assert letter(view, f"{REFERRALS}-0-3") is not None
    assert file.erased, "it leaves the disk, too"
    view.close()
    file.close()
