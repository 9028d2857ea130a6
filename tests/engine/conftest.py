"""The tests of the engine log nothing."""

from collections.abc import Iterator

import pytest

from tests.engine.simulate import silence


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    with silence():
        yield
