"""What a log keeps of questions to forget a referral."""

import json

from gateway.engine.forgetting import Asked, pack_asked
from gateway.engine.log import AUDIT, CONTROL, Draft, Log
from tests.log.arrangement import Arrangement
from tests.log.reading import batches, followed, owned, step

FIRST = Asked("FORGET", "a", "PO-1", "a reason", "ops", "2016-03-14T09:00:00.000Z")
SECOND = Asked("FORGET", "b", "PO-1", "another", "ops", "2016-03-14T09:00:01.000Z", True)


async def ask(log: Log, asked: Asked) -> None:
    value = pack_asked(asked)
    await log.append([Draft(CONTROL, asked.key, value), Draft(AUDIT, b"FORGET", value)])


async def test_a_question_is_there_until_it_is_answered_for_all_who_look(arrangement: Arrangement) -> None:
    """Whoever owns a partition reads it, of whatever partition it is; the act stays."""
    log, another = await arrangement.open(), await arrangement.open()
    assert await log.asked() == []
    await ask(another, FIRST)
    await ask(another, SECOND)
    assert sorted(await log.asked(), key=lambda each: each.id) == [FIRST, SECOND]
    claim, restored = await owned(log, 0)
    async for batch in batches(claim):
        if batch.asked:
            break
    assert sorted(batch.asked, key=lambda each: each.id) == [FIRST, SECOND]
    await claim.commit(step(restored.positions, answered=[FIRST]))
    await claim.release()
    assert await log.asked() == [SECOND]
    assert await another.asked() == [SECOND]
    later, _ = await owned(another, 0)
    async for batch in batches(later):
        if batch.asked:
            break
    assert list(batch.asked) == [SECOND]
    await later.release()
    acts = await followed(log, [AUDIT])
    assert sorted(json.loads(record.value or b"")["reason"] for record in acts) == ["a reason", "another"]


async def test_a_question_that_comes_while_a_partition_is_owned_is_read_too(arrangement: Arrangement) -> None:
    log = await arrangement.open()
    claim, _ = await owned(log, 0)
    await claim.read({}, 0)
    await ask(await arrangement.open(), FIRST)
    async for batch in batches(claim):
        if batch.asked:
            break
    assert list(batch.asked) == [FIRST]
    await claim.release()
