"""What every test may ask for: a real broker, and topics of its own on it."""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import wait

import pytest
from confluent_kafka.admin import AdminClient
from hypothesis import HealthCheck, settings

from tests.broker.broker import Broker
from tests.broker.jars import missing
from tests.broker.registry import Registry
from tests.patience import PATIENCE_S

# How long an example takes says how busy the machine is, not whether the product is right.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def no_settings() -> Iterator[None]:
    """The settings that somebody has for a gateway of their own are not those of the gateways under test."""
    with pytest.MonkeyPatch.context() as patched:
        for name in list(os.environ):
            if name.startswith("GATEWAY_") and not name.startswith("GATEWAY_TEST_"):
                patched.delenv(name)
        yield


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


@pytest.fixture(scope="session")
def started_registry(java: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A schema registry of this process."""
    with Registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture
def registry(started_registry: Registry) -> Registry:
    """A schema registry that runs, and that a test may pause, or end and start anew."""
    started_registry.resume()
    started_registry.start()
    return started_registry


@pytest.fixture
def topic_prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """What no other test's topics and groups begin with. The topics are deleted afterwards."""
    prefix = f"t{uuid.uuid4().hex}."
    yield prefix
    if "bootstrap" in request.fixturenames:
        delete_topics(request.getfixturevalue("bootstrap"), prefix)


def delete_topics(bootstrap: str, prefix: str) -> None:
    """Delete what begins so: a client that starts gets all, and takes its time with thousands."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    if names := [name for name in admin.list_topics(timeout=PATIENCE_S).topics if name.startswith(prefix)]:
        wait([*admin.delete_topics(names).values()])  # one that is gone already is as good
