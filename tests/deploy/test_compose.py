"""compose.yaml and the Dockerfile, as far as they can be held without Docker."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gateway.settings.settings import load, unknown
from tests.broker.jars import jars
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose.yaml"
DOCKERFILE = ROOT / "Dockerfile"


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(path)
    return found


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = read(COMPOSE)["services"][name]
    return found


def checked(command: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name(command), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_takes_the_file() -> None:
    checked("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


def test_every_service_is_pinned_and_has_no_rights_that_it_does_not_need() -> None:
    checked("check-jsonschema", "--schemafile", Path(__file__).with_name("hardened.schema.json"), COMPOSE)


def test_the_linter_finds_nothing_in_the_dockerfile() -> None:
    checked("hadolint", DOCKERFILE)


def test_the_image_runs_as_a_user_without_rights() -> None:
    last_stage = DOCKERFILE.read_text().rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.+)$", last_stage, re.MULTILINE) == ["10001:10001"]


def test_prometheus_asks_every_worker_of_the_gateway() -> None:
    command = service("gateway")["command"]
    workers = int(command[command.index("--workers") + 1])
    served = [f"gateway:{8080 + number}" for number in range(workers)]
    (job,) = read(ROOT / "deploy" / "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": served}]
    published = [port.rpartition(":")[2] for port in service("gateway")["ports"]]
    assert published == [name.rpartition(":")[2] for name in served]


def test_the_image_has_the_version_of_the_project() -> None:
    assert (
        service("gateway")["image"] == f"information-session-gateway:{version('information-session-gateway')}"
    )


def test_a_service_waits_for_what_exists() -> None:
    services = read(COMPOSE)["services"]
    for name, of_it in services.items():
        assert of_it.get("depends_on", {}).keys() <= services.keys() - {name}


def environment_of_the_gateway() -> dict[str, str]:
    """What the image and compose.yaml say, in this order."""
    in_image = re.findall(r"(GATEWAY_\w+)=(\S+)", DOCKERFILE.read_text())
    return {**dict(in_image), **service("gateway")["environment"]}


def test_the_gateway_knows_all_settings_that_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    for name, value in environment_of_the_gateway().items():
        monkeypatch.setenv(name, value)
    assert load().on_kafka
    assert load().http_host == "0.0.0.0"
    assert not unknown()


def test_the_file_that_answers_come_from_is_on_a_volume_that_the_gateways_user_may_write_to() -> None:
    """A new volume belongs to whom the folder of the image belongs to that it is mounted on."""
    (volume,) = service("gateway")["volumes"]
    folder = volume.rpartition(":")[2]
    assert Path(environment_of_the_gateway()["GATEWAY_PROJECTION"]).parent == Path(folder)
    assert f"useradd --uid 10001 --gid gateway --home-dir {folder} --create-home" in DOCKERFILE.read_text()


def test_the_topics_are_made_by_the_command_that_the_gateway_waits_for(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    given = {
        **environment_of_the_gateway(),
        "GATEWAY_LOG_URL": f"kafka://{bootstrap}",
        "GATEWAY_TOPIC_PREFIX": topic_prefix,
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("gateway"), *service("topics")["command"]],
        cwd=tmp_path,
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{topic_prefix}gateway.state with 12 partitions" in done.stdout


@pytest.mark.usefixtures("java")
def test_the_image_of_kafka_takes_the_settings_of_its_service(tmp_path: Path) -> None:
    """By the program with which the image makes its configuration of the environment and formats storage."""
    given = service("kafka")["environment"]
    data, configuration = tmp_path / "data", tmp_path / "config"
    configuration.mkdir()
    done = subprocess.run(
        [
            *("java", "-Dorg.slf4j.simpleLogger.logFile=System.err", "-XX:TieredStopAtLevel=1"),
            *("-cp", f"{jars()}/*", "kafka.docker.KafkaDockerWrapper", "setup"),
            *("--default-configs-dir", tmp_path, "--mounted-configs-dir", tmp_path),
            *("--final-configs-dir", configuration),
        ],
        env={**os.environ, **given, "KAFKA_LOG_DIRS": str(data)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"cluster.id={given['CLUSTER_ID']}" in (data / "meta.properties").read_text()
    made = (configuration / "server.properties").read_text().splitlines()
    assert f"listeners={given['KAFKA_LISTENERS']}" in made
    assert not [line for line in made if line.startswith(("heap.", "gc."))]
