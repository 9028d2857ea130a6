"""The logs on which the suite of the port is run. A further one is a line here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.log.arrangement import Arrangement, Simulated, Sqlite


@pytest.fixture(params=["sqlite", "simulated", "simulated, lagging"])
async def arrangement(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Arrangement]:
    """An empty log of two partitions, of each kind that there is."""
    made: Arrangement
    if request.param == "sqlite":
        made = Sqlite(2, tmp_path)
    else:
        made = Simulated(2, lagging="lagging" in request.param)
    yield made
    await made.close()
