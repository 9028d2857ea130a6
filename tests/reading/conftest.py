import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from gateway.system import telemetry
from tests.reading.asking import KINDS, Asked, asking


@pytest.fixture(autouse=True)
def logged() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines."""
    stream = io.StringIO()
    telemetry.configure("info", stream)
    yield stream
    structlog.reset_defaults()


@pytest.fixture(params=KINDS)
async def asked(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Asked]:
    """A log, empty at first, and each kind of read model of it."""
    async with asking(tmp_path, request.param) as made:
        yield made
