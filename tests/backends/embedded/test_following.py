"""Following topics of the embedded log."""

import asyncio
from pathlib import Path

import pytest

from gateway.engine.log import Draft, LogError
from tests.backends.embedded.opening import opened
from tests.engine.plain_wiring import DEAD_LETTERS
from tests.log.reading import OUT, WP11, followed, owned, step
from tests.patience import PATIENCE_S


async def test_inbound_and_outbound_topics_can_not_be_followed_together(path: Path) -> None:
    """They have no common order."""
    async with opened(path) as log:
        with pytest.raises(LogError, match="name one kind"):
            await followed(log, [WP11, OUT])


async def test_following_a_topic_where_little_happens_goes_past_what_other_topics_have(path: Path) -> None:
    """It does not read them again and again: each look begins where the last one ended."""
    async with opened(path) as log:
        claim, restored = await owned(log)
        await claim.commit(step(restored.positions, *[Draft(OUT, b"PO1", b"x")] * 2_500))
        looked: list[int] = []
        log.file.db.set_trace_callback(
            lambda sql: (
                looked.append(int(sql.split("offset > ")[1].split()[0])) if "offset > " in sql else None
            )
        )
        followed_topic = log.follow([DEAD_LETTERS], from_start=True, wait=True)
        waiting = asyncio.ensure_future(anext(followed_topic))
        async with asyncio.timeout(PATIENCE_S):
            while len(looked) < 4:  # noqa: ASYNC110 - the log tells of no look
                await asyncio.sleep(0)
        waiting.cancel()
    assert looked[0] == 0
    assert set(looked[1:]) == {2_500}
