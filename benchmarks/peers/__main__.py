"""Measure the gateway and its peers: `make bench-peers`, or `make bench-peers ARGS=--smoke` to try it out.

It starts a broker of its own, and writes docs/performance.md (between its markers) and docs/performance.svg.
"""

import sys
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec import json

from benchmarks.peers.chart import chart
from benchmarks.peers.measured import FULL, QUICK, SMOKE, Measured, measure
from benchmarks.peers.report import put_between_markers, report
from benchmarks.peers.running import Runs
from tests.broker.broker import Broker

_REPOSITORY: Final = Path(__file__).parents[2]
#: On the disk that has the code: /tmp may be in memory, where to be durable costs nothing.
_DISK: Final = _REPOSITORY / ".benchmarks"
#: The results of the last run.
_KEPT: Final = _DISK / "peers.json"


def main() -> int:
    """Measure, and write what came of it."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument(
        "--smoke", action="store_true", help="measure next to nothing, and write only into --docs"
    )
    parser.add_argument("--quick", action="store_true", help="measure smaller programmes, in a few minutes")
    parser.add_argument("--docs", type=Path, help="the folder with performance.md; default: docs")
    parser.add_argument("--again", action="store_true", help="write the results of the last run again")
    given = parser.parse_args()
    docs: Path | None = given.docs or (None if given.smoke else _REPOSITORY / "docs")
    _DISK.mkdir(exist_ok=True)
    if given.again:
        measured = json.decode(_KEPT.read_bytes(), type=Measured)
    else:
        with TemporaryDirectory(dir=_DISK, prefix="work-") as name, Broker(Path(name) / "broker") as broker:
            broker.start()
            size = SMOKE if given.smoke else QUICK if given.quick else FULL
            runs = Runs(Path(name), broker, size.partitions)
            measured = measure(runs, size, Path(name), lambda line: print(line, flush=True))
        _KEPT.write_bytes(json.encode(measured))
    said = report(measured)
    print(said)
    if docs is not None:
        page = docs / "performance.md"
        page.write_text(put_between_markers(page.read_text("utf-8"), said), "utf-8")
        (docs / "performance.svg").write_text(chart(measured), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
