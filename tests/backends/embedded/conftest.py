"""The tests of the embedded log, each in a folder of its own; they log nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.simulate import silence


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    with silence():
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log is to be."""
    return tmp_path / "gateway.db"
