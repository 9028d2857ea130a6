"""The logs on which the suite of the port is run. A further one is a line here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conftest import delete_topics
from tests.log.arrangement import Arrangement, Kafka, SharedArrangement, Simulated, Sqlite

SHARED = ["simulated", "simulated, lagging", "kafka", "kafka, dated"]


@pytest.fixture(params=["sqlite", *SHARED])
async def arrangement(
    request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str
) -> AsyncIterator[Arrangement]:
    """An empty log of two partitions, of each kind that there is."""
    if request.param == "sqlite":
        made = Sqlite(2, tmp_path)
        yield made
        await made.close()
    else:
        async with _shared(request, topic_prefix) as shared:
            yield shared


@pytest.fixture(params=SHARED)
async def shared(request: pytest.FixtureRequest, topic_prefix: str) -> AsyncIterator[SharedArrangement]:
    """The same, of each kind that several processes work on."""
    async with _shared(request, topic_prefix) as made:
        yield made


@asynccontextmanager
async def _shared(request: pytest.FixtureRequest, topic_prefix: str) -> AsyncIterator[SharedArrangement]:
    if "simulated" in request.param:
        yield Simulated(2, lagging="lagging" in request.param)
        return
    bootstrap = request.getfixturevalue("bootstrap")
    kafka = Kafka(2, bootstrap, topic_prefix, dated="dated" in request.param)
    await kafka.make()
    yield kafka
    await kafka.close()
    delete_topics(bootstrap, topic_prefix)
