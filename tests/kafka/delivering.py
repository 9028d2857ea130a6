"""What delivers to webhooks of a log on Kafka, in this process: with a copy of the log, as a gateway has."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, closing
from pathlib import Path

from gateway.api.posting import Posting
from gateway.api.webhooks.delivering import Deliveries
from gateway.api.webhooks.keys import Secrets
from gateway.api.webhooks.sending import Sender
from gateway.processes.logs import open_kafka
from gateway.reading.asking import Asking
from gateway.reading.copy_file import CopyFile
from gateway.reading.following import kept_filled
from gateway.settings.settings import Settings


@asynccontextmanager
async def delivering(
    bootstrap: str, prefix: str, copy: Path, partitions: Collection[int]
) -> AsyncIterator[Posting]:
    """Delivers what is on these partitions, also to this machine, for as long as the block lasts.

    Gives what puts records on the log.
    """
    log = open_kafka(Settings(log_url=f"kafka://{bootstrap}", topic_prefix=prefix))
    sender = Sender(Secrets(b"k" * 32), origin="gateway", local=True)
    try:
        async with kept_filled(log, CopyFile(copy), lambda: True) as model:
            with closing(Asking(model.source)) as asking:
                posting = Posting(log)
                putting = asyncio.create_task(posting.run())
                async with Deliveries(model, asking, posting, sender, lambda: partitions).at_work():
                    yield posting
                putting.cancel()
                await asyncio.gather(putting, return_exceptions=True)
    finally:
        await log.close()
