"""The gateway is killed while records are posted: what was answered is decided, and nothing twice."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from gateway.rules.events import Outcome
from schemas.codec import decode
from tests.api.running import ACCEPTED, NOW, Client, Process, process, records_of, until_ready
from tests.patience import PATIENCE_S

KILLS = 4
CONNECTIONS = 8
REFERRALS = ["UC-MANDATORY", "UC-VOLUNTARY", "JSA-MANDATORY", "JSA-VOLUNTARY"]
OBJECTION = {"type": "GroupObjection", "raised_at": NOW}


async def post(provider: Client, keys: Iterator[int], unanswered: set[str], answered: dict[str, int]) -> None:
    """Post one record after another until the gateway is gone."""
    for number in keys:
        key = f"k-{number}"
        unanswered.add(key)
        try:
            answer = await post_one(provider, number, wait=5 if number % 2 else None)
        except (ClientError, OSError, TimeoutError):
            return
        assert answer in {200, 202, 422, 503}, answer
        if answer != 503:
            answered[key] = answer
            unanswered.discard(key)


async def post_one(provider: Client, number: int, wait: int | None) -> int:
    """Post the record of a number, always the same one."""
    value = ACCEPTED if number % 10 == 0 else OBJECTION
    answer = await provider.record(REFERRALS[number % 4], f"k-{number}", value, wait=wait)
    return answer.status


async def killed_at_random(
    gateway: Process, keys: Iterator[int], unanswered: set[str], answered: dict[str, int], draw: random.Random
) -> None:
    """Post over many connections, and kill the gateway when some number of records has been answered."""
    async with ClientSession(gateway.url, timeout=ClientTimeout(total=PATIENCE_S)) as session:
        await until_ready(session)
        provider = gateway.client(session)
        posting = [
            asyncio.create_task(post(provider, keys, unanswered, answered)) for _ in range(CONNECTIONS)
        ]
        enough = len(answered) + draw.randint(5, 60)
        while len(answered) < enough and not all(task.done() for task in posting):  # noqa: ASYNC110
            await asyncio.sleep(draw.random() * 0.01)  # at any moment
        gateway.kill()
        await asyncio.gather(*posting)


async def test_what_was_answered_is_decided_once_and_what_was_not_can_be_sent_again(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    draw = random.Random(seed)
    keys = iter(range(100_000))
    unanswered: set[str] = set()
    answered: dict[str, int] = {}
    with process(tmp_path) as gateway:
        for _ in range(KILLS):
            await killed_at_random(gateway, keys, unanswered, answered, draw)
            gateway.start()
        async with ClientSession(gateway.url) as session:
            await until_ready(session)
            provider = gateway.client(session)
            for key, status in answered.items():
                asked = await provider.get(f"/v1/messages/{key}")
                assert asked.status == 200, (key, status, asked.body)
            for key in unanswered:
                assert await post_one(provider, int(key[2:]), wait=20) in {200, 422}, key
            statuses = {key: (await provider.get(f"/v1/messages/{key}")).json["status"] for key in answered}
            assert set(statuses.values()) <= {"APPLIED", "REFUSED"}, statuses
        gateway.terminate()
        assert gateway.ended() == 0
    outcomes = Counter(
        event.message_id
        for record in await records_of(tmp_path / "gateway.db", "gateway.outcomes")
        if isinstance(event := decode(record.value, frozenset({"Outcome"})), Outcome)
    )
    wrong = {key: outcomes[key] for key in answered.keys() | unanswered if outcomes[key] != 1}
    assert not wrong
    assert len(answered) > KILLS * 5
