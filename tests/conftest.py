"""What every test may ask for: a real broker, and topics of its own on it."""

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.broker.broker import Broker
from tests.broker.jars import missing


@pytest.fixture(scope="session")
def java() -> None:
    """Leaves a test out where Java or Maven is missing. With CI set it fails: all tests must run there."""
    if lacks := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(lacks)


@pytest.fixture(scope="session")
def bootstrap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a broker: GATEWAY_TEST_BOOTSTRAP, or one that all processes of this run share."""
    if given := os.environ.get("GATEWAY_TEST_BOOTSTRAP"):
        yield given
        return
    request.getfixturevalue("java")
    run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent
    with Broker(run / "broker") as broker:
        broker.start()
        yield broker.bootstrap


@pytest.fixture
def topic_prefix() -> str:
    """What no other test's topics and groups begin with."""
    return f"t{uuid.uuid4().hex}."
