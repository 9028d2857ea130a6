"""deploy/kubernetes.yaml and deploy/gateway.service, as far as they can be held without a cluster."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from gateway.settings.settings import load, unknown
from tests.deploy.tools import ROOT, checked

MANIFEST: Final = ROOT / "deploy" / "kubernetes.yaml"
UNIT: Final = ROOT / "deploy" / "gateway.service"


def manifests() -> dict[str, dict[str, Any]]:
    """The objects by their kind."""
    return {each["kind"]: each for each in YAML(typ="safe").load_all(MANIFEST)}


def pods() -> list[dict[str, Any]]:
    found = manifests()
    return [found[kind]["spec"]["template"]["spec"] for kind in ("Job", "Deployment")]


def test_kubernetes_takes_the_manifest() -> None:
    program = Path(sys.executable).with_name("kubernetes-validate")
    done = subprocess.run([program, "--strict", MANIFEST], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_pod_has_no_rights_that_it_does_not_need_and_the_projects_version() -> None:
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert not pod["automountServiceAccountToken"]
        (container,) = pod["containers"]
        assert container["image"] == (f"information-session-gateway:{version('information-session-gateway')}")
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]


def test_no_service_of_the_cluster_becomes_a_setting() -> None:
    assert [pod["enableServiceLinks"] for pod in pods()] == [False, False]


def test_the_service_and_the_budget_find_the_gateway_and_not_the_job() -> None:
    found = manifests()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert found["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert found["Service"]["spec"]["selector"] == labels
    assert found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert labels != found["Job"]["spec"]["template"]["metadata"]["labels"]


def test_the_gateway_knows_all_settings_of_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        monkeypatch.delenv(name)
    for name, value in manifests()["ConfigMap"]["data"].items():
        monkeypatch.setenv(name, value)
    assert load().on_kafka
    assert not unknown()


def installed(folder: Path) -> Path:
    """The unit with a program that is there."""
    unit = folder / "gateway.service"
    program = str(Path(sys.executable).with_name("gateway"))
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/gateway/bin/gateway", program), "utf-8")
    return unit


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    checked("systemd-analyze", "verify", "--man=no", installed(tmp_path))


def test_the_unit_exposes_little(tmp_path: Path) -> None:
    # In tenths of systemd's measure, in which 0 is the least and 100 the most.
    checked("systemd-analyze", "security", "--offline=true", "--threshold=20", installed(tmp_path))
