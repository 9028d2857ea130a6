"""What a broker that is away leaves behind in the process: nothing."""

import asyncio
import gc
from contextlib import suppress
from pathlib import Path

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaError

from gateway.engine.log import Claim, Log, LogBusy, Restored
from tests.broker.broker import Broker
from tests.faults.scene import Scene
from tests.log.reading import draft, owned, step
from tests.patience import PATIENCE_S, in_the_end

pytestmark = pytest.mark.slow


def left() -> tuple[list[str], list[str]]:
    """Tasks that go on, and connections that are open."""
    tasks = [str(task.get_coro()) for task in asyncio.all_tasks() - {asyncio.current_task()}]
    connections = [one for one in gc.get_objects() if isinstance(one, AIOKafkaConnection)]
    return tasks, [str(one) for one in connections if one.connected()]


async def _claimed_and_restored(log: Log) -> tuple[Claim, Restored]:
    """As soon as the broker lets it."""
    while True:
        try:
            claim = await log.claim(0)
        except LogBusy:
            await asyncio.sleep(0.1)
            continue
        try:
            return claim, await claim.restore()
        except (LogBusy, KafkaError, TimeoutError):
            await claim.release()


@pytest.mark.parametrize("how", ["paused", "killed"])
async def test_a_broker_that_was_away_leaves_no_task_and_no_connection(
    tmp_path: Path, topic_prefix: str, java: None, how: str
) -> None:
    """A commit and claims after it fail; when it is back, all is let go."""
    with Broker(tmp_path / "broker") as broker:
        await asyncio.to_thread(broker.start)
        async with Scene(broker.bootstrap, topic_prefix, partitions=1) as scene:
            first = scene.log()
            claim, restored = await owned(first)
            await claim.commit(step(restored.positions, draft("gateway.outcomes", b"1")))
            await first.close()
            log = scene.log(start_s=2.0, commit_s=2.0)
            async with asyncio.timeout(PATIENCE_S):
                claim, restored = await _claimed_and_restored(log)
            broker.pause()  # also before it is killed, or it might be done by then
            committing = asyncio.create_task(
                claim.commit(step(restored.positions, draft("gateway.outcomes", b"2")))
            )
            if how == "killed":
                await asyncio.to_thread(broker.kill)
            with pytest.raises(LogBusy):
                await committing
            await claim.release()
            for _ in range(3):
                with pytest.raises(LogBusy):
                    await log.claim(0)
            broker.resume()
            await asyncio.to_thread(broker.start)
            async with asyncio.timeout(PATIENCE_S):
                claim, _ = await _claimed_and_restored(log)
            await claim.release()
            await log.close()
            with suppress(TimeoutError):
                await in_the_end(lambda: left() == ([], []))
            assert left() == ([], [])
