"""What the log keeps of one purchase order, whichever log it is."""

from contextlib import closing

from gateway.backends.embedded.log import EmbeddedLog
from gateway.engine.log import Log
from gateway.explain.subject_access import own_state, shared_state
from gateway.rules.referral import PurchaseOrder


async def state_of(log: Log, po_number: str) -> PurchaseOrder | None:
    """It; None: nothing is kept. Raises LogError."""
    from gateway.backends.kafka.log import KafkaLog

    if isinstance(log, EmbeddedLog):
        with closing(log.file.view()) as view:
            return await own_state(log, view, po_number)
    if not isinstance(log, KafkaLog):
        raise TypeError("no other log has states")
    return await shared_state(log, po_number)
