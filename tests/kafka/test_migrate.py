"""An embedded log moved to Kafka: what is decided afterwards is what would have been decided on one log."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.processes.migrate import Migrated, migrate
from gateway.sample import programme
from gateway.settings.settings import Settings
from tests.cli.running import Ended, spawn
from tests.kafka.deciding import make as make_topics
from tests.kafka.feeding import make, put
from tests.kafka.gateways import several
from tests.kafka.plain_consumer import read
from tests.kafka.test_programme import END, OUTBOUND, came_out, expected

PARTITIONS = 3


class Killed(Exception):
    """Stands for a signal."""


def at(line: bytes) -> str:
    found: str = json.loads(line)["at"]
    return found


def fed_and_decided(folder: Path, lines: list[bytes]) -> Path:
    """An embedded log with these lines, decided up to the last one."""
    assert spawn("feed", "--keep-time", "-", cwd=folder, stdin=b"".join(lines)).status == 0
    assert spawn("run", "--clock", "log", "--until", at(lines[-1]), cwd=folder).status == 0
    return folder / "gateway.db"


def settings(bootstrap: str, prefix: str) -> Settings:
    return Settings(log_url=f"kafka://{bootstrap}", topic_prefix=prefix)


def test_half_a_programme_goes_on_on_kafka_as_if_it_had_been_one_log(
    bootstrap: str, topic_prefix: str, tmp_path: Path
) -> None:
    """Half is decided on the file, a quarter waits there undecided, and a quarter comes on Kafka.

    The migration ends after two of three partitions, and is started again.
    """
    lines = list(programme(40, seed=8))
    half, most = len(lines) // 2, 3 * len(lines) // 4
    path = fed_and_decided(tmp_path, lines[:half])
    assert spawn("feed", "--keep-time", "-", cwd=tmp_path, stdin=b"".join(lines[half:most])).status == 0
    make(bootstrap, topic_prefix, PARTITIONS)

    def killed(done: int, _: int) -> None:
        if done == 2:
            raise Killed

    to = settings(bootstrap, topic_prefix)
    with pytest.raises(Killed):
        asyncio.run(migrate(path, to, "create", killed))
    migrated = asyncio.run(migrate(path, to, "create"))
    assert migrated.whole, migrated
    put(bootstrap, topic_prefix, lines[most:])
    with several(2, tmp_path, bootstrap, topic_prefix, "--clock", "log", "--until", END) as gateways:
        assert [gateway.ended() for gateway in gateways] == [0, 0]
    assert came_out(read(bootstrap, topic_prefix, OUTBOUND)) == expected(lines)
