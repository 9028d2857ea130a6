"""Records with timestamps of their own, in a log whose time does not go back."""

from pathlib import Path

import pytest

from gateway.engine.log import LogError
from tests.backends.embedded.opening import opened
from tests.engine.letters import NINE
from tests.log.reading import WP11, draft, followed, values


async def test_a_record_dated_before_the_newest_is_refused_and_none_of_those_with_it_is_put(
    path: Path,
) -> None:
    """Time does not go back, also where the senders date the records."""
    async with opened(path) as log:
        await log.append([draft(WP11, b"a", timestamp=NINE)])
        with pytest.raises(LogError, match="use a new log"):
            await log.append([draft(WP11, b"b", timestamp=NINE + 5), draft(WP11, b"c", timestamp=NINE - 1)])
        await log.append([draft(WP11, b"d", timestamp=NINE)])
        assert values(await followed(log, [WP11])) == [b"a", b"d"]


async def test_it_is_remembered_that_records_came_with_their_own_time(path: Path) -> None:
    """Such a log is run by its own clock only."""
    async with opened(path) as log:
        await log.append([draft(WP11, b"a")])
        assert not await log.keeps_time()
        await log.append([draft(WP11, b"a", timestamp=NINE * 2)])
    async with opened(path) as log:
        assert await log.keeps_time()


async def test_what_is_put_back_in_a_log_with_its_own_time_is_dated_by_its_newest_record(path: Path) -> None:
    """By the wall clock, all that is due until today would fall due."""
    async with opened(path) as log:
        await log.append([draft(WP11, b"a", timestamp=NINE)])
        await log.handle({"1": draft(WP11, b"back")})
        assert [record.timestamp for record in await followed(log, [WP11])] == [NINE, NINE]
        assert (await log.handled())["1"].at > NINE
