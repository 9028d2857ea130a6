"""What is kept of each release, in `kept/VERSION/`: what later versions must still read.

| file | what it has |
|---|---|
| `schemas/NAME.avsc` | the schema of each record |
| `values.json` | of each record, bytes that the release wrote, and what they say as JSON |
| `progress` | the progress record of a partition, as the release wrote it into gateway.state |
| `gateway.db.gz` | an embedded log in the middle of a programme: messages, events, states, the read side |
| `gateway.db.keys.gz`, `gateway.db.wrapping-key.gz` | the keys that it is sealed with |
| `events.txt` | the ids of the events in it, in order |
| `rest.jsonl` | the messages of the programme that are not in the log |
"""

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.backends.kafka.claim import Progress, pack_progress
from gateway.engine.log import INBOUND_TOPICS
from schemas.catalogue import SCHEMAS
from schemas.codec import encode
from schemas.json import render
from tests.schemas.examples import EXAMPLES

ROOT: Final = Path(__file__).parents[2]
KEPT: Final = Path(__file__).parent / "kept"

#: So many referrals come upon every state, and make a log of some 30 kB.
REFERRALS: Final = 12
_LOG: Final = ("gateway.db", "gateway.db.keys", "gateway.db.wrapping-key")


def releases(kept: Path = KEPT) -> list[Path]:
    """The folder of each release."""
    return sorted(each for each in kept.iterdir() if each.is_dir()) if kept.is_dir() else []


def keep(version: str, kept: Path = KEPT) -> Path:
    """Write what is kept of the gateway as it is now; returns the folder."""
    folder = kept / version
    (folder / "schemas").mkdir(parents=True)
    for name, schema in SCHEMAS.items():
        _write(folder / "schemas" / f"{name}.avsc", json.dumps(schema, indent=2) + "\n")
    values = {
        name: {"bytes": encode(record).hex(), "json": render(record)} for name, record in EXAMPLES.items()
    }
    _write(folder / "values.json", json.dumps(values, indent=1) + "\n")
    progress = Progress(2, 1_459_810_800_000, dict.fromkeys(INBOUND_TOPICS, 7), {})
    (folder / "progress").write_bytes(pack_progress(progress))
    with tempfile.TemporaryDirectory() as made:
        _keep_log(folder, Path(made))
    return folder


def _keep_log(folder: Path, work: Path) -> None:
    """The first half of a programme, decided, and the second half as lines."""
    lines = gateway(work, "sample", "--referrals", str(REFERRALS), "--seed", "1").splitlines(keepends=True)
    middle = len(lines) // 2
    (work / "first.jsonl").write_bytes(b"".join(lines[:middle]))
    (folder / "rest.jsonl").write_bytes(b"".join(lines[middle:]))
    gateway(work, "feed", "--keep-time", "first.jsonl")
    gateway(work, "run", "--clock", "log", "--until", json.loads(lines[middle - 1])["at"])
    gateway(work, "backup", "kept.db")
    (work / "kept.db").replace(work / "gateway.db")
    for name in _LOG:
        (folder / f"{name}.gz").write_bytes(gzip.compress((work / name).read_bytes(), mtime=0))
    _write(folder / "events.txt", "".join(f"{each}\n" for each in event_ids(work)))


def unpacked(folder: Path, work: Path) -> None:
    """Put the log of a release at `work` as gateway.db, where the command uses it, and its keys."""
    for name in _LOG:
        (work / name).write_bytes(gzip.decompress((folder / f"{name}.gz").read_bytes()))
        (work / name).chmod(0o600)


def event_ids(work: Path) -> Iterator[str]:
    """The ids of the events in the log there, in order."""
    for line in gateway(work, "tail", "--from-start", "--no-follow").splitlines():
        yield json.loads(line)["value"]["event_id"]


def gateway(work: Path, *arguments: str) -> bytes:
    """What the command of this checkout prints, run there without settings. Raises CalledProcessError."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        cwd=work,
        env=others | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    ).stdout


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
