"""A Prometheus with the rules of deploy/, that asks gateways every half second."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from ruamel.yaml import YAML

from tests.deploy.tools import ROOT, missing
from tests.patience import PATIENCE_S, eventually
from tests.ports import free_port


class Prometheus:
    """What it knows."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its API."""
        with urlopen(f"{self._url}{path}?{urlencode(parameters)}", timeout=PATIENCE_S) as answer:
            said = json.load(answer)
        assert said["status"] == "success"
        return said["data"]

    def values(self, expression: str) -> list[Any]:
        """What an expression comes to now."""
        found: list[Any] = self.ask("/api/v1/query", query=expression)["result"]
        return found

    def rules(self) -> dict[str, dict[str, Any]]:
        """The alerts by name, each with its state, and what went wrong with its expression."""
        (group,) = self.ask("/api/v1/rules")["groups"]
        return {rule["name"]: rule for rule in group["rules"]}

    def holds(self, alert: str) -> bool:
        """Whether what an alert is for is so: it fires, or will where it stays so."""
        return bool(self.rules()[alert]["state"] in {"pending", "firing"})

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            with urlopen(f"{self._url}/-/ready", timeout=PATIENCE_S) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def prometheus(folder: Path, ports: Sequence[int]) -> Iterator[Prometheus]:
    """One that asks the gateways on these ports, for as long as the block lasts."""
    program = shutil.which("prometheus")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing("promtool"))
    configuration = YAML(typ="safe").load(ROOT / "deploy" / "prometheus.yml")
    configuration["global"] = {
        "scrape_interval": "500ms",
        "scrape_timeout": "500ms",
        "evaluation_interval": "500ms",
    }
    configuration["rule_files"] = [str(ROOT / "deploy" / "alerts.yml")]
    (scraped,) = configuration["scrape_configs"]
    scraped["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
    file, port = folder / "prometheus.yml", free_port()
    file.write_text(json.dumps(configuration))
    process = subprocess.Popen(
        [
            program,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        found = Prometheus(port)
        eventually(found.is_up)
        yield found
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
