"""Opening the embedded log, and hearing why it can't be opened."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.embedded.log import EmbeddedLog, open_embedded
from gateway.engine.log import LogError


@asynccontextmanager
async def opened(path: Path, **how: Any) -> AsyncIterator[EmbeddedLog]:
    """The log in that file, closed at the end."""
    log = await open_embedded(path, **how)
    try:
        yield log
    finally:
        await log.close()


async def refused(path: Path, **how: Any) -> str:
    """What is said when the file can't be opened as a log."""
    with pytest.raises(LogError) as caught:
        await open_embedded(path, **how)
    return str(caught.value)
