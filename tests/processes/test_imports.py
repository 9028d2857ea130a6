"""A start waits for what is imported: each way to run imports what it needs, and not much else."""

import os
import re
import subprocess
import sys
from pathlib import Path

#: What no run needs that serves nothing over HTTP, and that takes long to import.
_NEVER = {
    "aiohttp",
    "jinja2",
    "rich.console",
    "pygments",
    "opentelemetry",
    "gateway.cli.others",
    "gateway.sandbox",
}


def imported(folder: Path, *options: str, status: int = 0, **settings: str) -> set[str]:
    """The modules that a run imports, which ends by itself with that status."""
    environment = os.environ | {f"GATEWAY_{name.upper()}": value for name, value in settings.items()}
    command = [sys.executable, "-X", "importtime", "-m", "gateway", "run", "--clock", "log", *options]
    done = subprocess.run(
        [*command, "--until", "2016-04-05T00:00:00Z"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr[-2_000:]
    return set(re.findall(r"^import time: +\d+ \| +\d+ \| *(\S+)$", done.stderr, re.MULTILINE))


def within(modules: set[str], *packages: str) -> set[str]:
    """Those of the modules that are one of these packages, or are in one."""
    return {module for module in modules if f"{module}.".startswith(tuple(f"{name}." for name in packages))}


def test_a_run_on_kafka_imports_neither_the_other_log_nor_what_serves_http(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    at = {"gateway_log_url": f"kafka://{bootstrap}", "gateway_topic_prefix": topic_prefix}
    environment = os.environ | {name.upper(): value for name, value in at.items()}
    create = [sys.executable, "-m", "gateway", "topics", "create", "--timestamps", "create"]
    subprocess.run(create, cwd=tmp_path, env=environment, check=True, capture_output=True)
    modules = imported(tmp_path, log_url=f"kafka://{bootstrap}", topic_prefix=topic_prefix)
    assert "gateway.backends.kafka.log" in modules
    assert not within(modules, *_NEVER, "gateway.backends.embedded")
    assert len(modules) <= 670


def test_a_run_on_the_embedded_log_imports_nothing_of_kafka(tmp_path: Path) -> None:
    modules = imported(tmp_path)
    assert "gateway.backends.embedded.log" in modules
    assert not within(modules, *_NEVER, "gateway.backends.kafka", "aiokafka")
    assert len(modules) <= 580


def test_a_supervisor_imports_neither_the_engine_nor_what_reads_and_writes_records(tmp_path: Path) -> None:
    # It starts no worker: the port of the second one is too high.
    modules = imported(tmp_path, "--workers", "2", status=2, log_url="kafka://127.0.0.1:9", http_port="65535")
    assert "gateway.processes.supervisor" in modules
    assert not within(
        modules, *_NEVER, "gateway.engine.step", "schemas.codec", "consumers", "gateway.backends.kafka.log"
    )
    assert len(modules) <= 530
