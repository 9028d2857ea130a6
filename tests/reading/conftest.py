import io
from collections.abc import Iterator

import pytest
import structlog

from gateway.system import telemetry


@pytest.fixture(autouse=True)
def told() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines."""
    stream = io.StringIO()
    telemetry.configure("info", stream)
    yield stream
    structlog.reset_defaults()
