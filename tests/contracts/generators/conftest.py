from collections.abc import Iterator

import pytest

from tests.sandbox_process import Sandbox, sandbox


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox for all tests of a file."""
    with sandbox(tmp_path_factory.mktemp("sandbox")) as begun:
        begun.until_ready()
        yield begun
