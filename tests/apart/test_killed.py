"""One of the two processes is killed while records are posted: what was answered is decided once."""

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.apart.running import deciders, gateway, known, outcomes, post, refer, until_it_says
from tests.api.running import Client, Process
from tests.patience import PATIENCE_S

KILLS = 4
CONNECTIONS = 8


async def keep_posting(
    provider: Client, numbers: Iterator[int], unanswered: set[int], answered: set[int]
) -> None:
    """Post one record after another until the gateway is gone."""
    for number in numbers:
        unanswered.add(number)
        try:
            answer = await post(provider, number, wait=5 if number % 2 else None)
        except (ClientError, OSError, TimeoutError):
            return
        assert answer.status in {200, 202, 503}, answer.body
        if answer.status != 503:
            answered.add(number)
            unanswered.discard(number)


async def killed_at_random(
    made: Process, numbers: Iterator[int], unanswered: set[int], answered: set[int], draw: random.Random
) -> None:
    """Post over many connections, and kill one process or the other when some have been answered."""
    async with ClientSession(made.url, timeout=ClientTimeout(total=PATIENCE_S)) as session:
        provider = await known(made, session)
        posting = [
            asyncio.create_task(keep_posting(provider, numbers, unanswered, answered))
            for _ in range(CONNECTIONS)
        ]
        enough = len(answered) + draw.randint(5, 60)
        while len(answered) < enough and not all(task.done() for task in posting):  # noqa: ASYNC110
            await asyncio.sleep(draw.random() * 0.01)  # at any moment
        if draw.random() < 0.5:
            made.kill()
        else:
            os.kill(deciders(made), signal.SIGKILL)
            assert await asyncio.to_thread(made.ended) == 1
        await asyncio.gather(*posting)


async def test_what_was_answered_is_decided_once_and_what_was_not_can_be_sent_again(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    draw = random.Random(seed)
    numbers = iter(range(100_000))
    unanswered: set[int] = set()
    answered: set[int] = set()
    await refer(tmp_path / "gateway.db")
    with gateway(tmp_path) as made:
        for _ in range(KILLS):
            await killed_at_random(made, numbers, unanswered, answered, draw)
            made.start()
        async with ClientSession(made.url) as session, asyncio.timeout(PATIENCE_S):
            provider = await known(made, session)
            for number in sorted(unanswered):
                assert (await post(provider, number, wait=20)).status == 200, number
            keys = [f"k-{number}" for number in answered | unanswered]

            async def are_decided() -> bool:
                asked = [await provider.get(f"/v1/messages/{key}") for key in keys]
                assert {answer.status for answer in asked} == {200}
                return "PENDING" not in {answer.json["status"] for answer in asked}

            await until_it_says(are_decided)
        made.tell_to_stop()
        assert made.ended() == 0
    found = await outcomes(tmp_path / "gateway.db")
    assert {key: found[key] for key in keys if found[key] != 1} == {}
    assert len(answered) > KILLS * 5
