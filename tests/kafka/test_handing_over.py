"""Partitions change hands: a process ends in good order, and a new owner restores a large state."""

import asyncio
from pathlib import Path

from gateway.backends.kafka.claim import RESTORE_AT_ONCE, RESTORE_FETCH
from gateway.backends.kafka.connection import BrokerConnection
from gateway.backends.kafka.log import KafkaLog
from gateway.engine.log import INBOUND_TOPICS, Commit
from tests.kafka.feeding import make
from tests.kafka.gateways import several, share
from tests.patience import PATIENCE_S, eventually


def test_who_is_told_to_stop_leaves_the_partitions_to_the_others_at_once(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Nobody waits for the session timeout, which is longer than anything waits here."""
    make(bootstrap, topic_prefix, 6)
    timeout_s = str(int(10 * PATIENCE_S))
    arguments = tmp_path, bootstrap, topic_prefix, "--clock", "log"
    with several(2, *arguments, session_timeout_s=timeout_s) as both:
        eventually(lambda: share(both, 6))
        one, other = both
        one.terminate()
        eventually(lambda: share([other], 6))
        assert one.ended() == 0


def test_a_state_of_many_fetches_is_restored_whole_and_what_was_forgotten_stays_so(
    bootstrap: str, topic_prefix: str
) -> None:
    count, forgotten = 3 * RESTORE_AT_ONCE, {f"PO{number}" for number in range(0, 3 * RESTORE_AT_ONCE, 7)}
    states = {f"PO{number}": f"{number:06}".encode() * 250 for number in range(count)}
    assert sum(map(len, states.values())) > 3 * RESTORE_FETCH
    positions = dict.fromkeys(INBOUND_TOPICS, 0)
    make(bootstrap, topic_prefix, 2)

    async def commit_and_claim_again() -> dict[str, bytes]:
        log = KafkaLog(BrokerConnection((bootstrap,)), prefix=topic_prefix)
        try:
            claim = await log.claim(1)
            await claim.restore()
            items = [*states.items()]
            for first in range(0, count, RESTORE_AT_ONCE):
                some = dict(items[first : first + RESTORE_AT_ONCE])
                await claim.commit(Commit([], some, positions, first))
            await claim.commit(Commit([], dict.fromkeys(forgotten), positions, count))
            restored = await (await log.claim(1)).restore()
            assert restored.decided_to == count
            return restored.states
        finally:
            await log.close()

    restored = asyncio.run(commit_and_claim_again())
    assert restored == {po_number: state for po_number, state in states.items() if po_number not in forgotten}
