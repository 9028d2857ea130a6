"""The logs on which the suite of the port is run. A further one is a line here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import delete_topics
from tests.log.arrangement import Arrangement, Kafka, Simulated, Sqlite


@pytest.fixture(
    params=["sqlite", "sqlite, apart", "simulated", "simulated, lagging", "kafka", "kafka, dated"]
)
async def arrangement(
    request: pytest.FixtureRequest, tmp_path: Path, topic_prefix: str
) -> AsyncIterator[Arrangement]:
    """An empty log of two partitions, of each kind that there is."""
    made: Arrangement
    if "sqlite" in request.param:
        made = Sqlite(2, tmp_path, apart="apart" in request.param)
    elif "kafka" in request.param:
        kafka = Kafka(2, request.getfixturevalue("bootstrap"), topic_prefix, dated="dated" in request.param)
        await kafka.make()
        made = kafka
    else:
        made = Simulated(2, lagging="lagging" in request.param)
    yield made
    await made.close()
    if "kafka" in request.param:
        delete_topics(request.getfixturevalue("bootstrap"), topic_prefix)
