"""The figures of record: `python -m benchmarks.figures RESULTS.json` writes benchmarks/figures.md."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final, get_args

from msgspec import convert, json

from benchmarks.measuring import Figure, Section

OF_RECORD: Final = Path(__file__).with_name("figures.md")

_EXPLANATION: Final = """\
How fast is the gateway, and how much memory does it need? `make bench` writes this page. A figure is the
median of its rounds, with the least and the greatest. “Calibration” is the median time of a fixed piece of
work before and after each round. “In calibrations” is the figure with that as the unit of time: compare
other or busy machines by it. It is empty where nothing is timed. Aims are for two cores, otherwise idle.
"""


def main(results: Path) -> int:
    """Print the figures of a run; keep them as those of record where the run was whole and in full size."""
    run: dict[str, Any] = json.decode(results.read_bytes())
    sections: dict[str, list[Figure]] = {section: [] for section in get_args(Section)}
    for benchmark in run["benchmarks"]:
        kept = benchmark["extra_info"]
        sections[kept["section"]] += convert(kept["figures"], list[Figure])
    report = "\n".join(_report(run, sections))
    print(report)
    missing = [section for section, figures in sections.items() if not figures]
    if run["machine_info"]["gateway"]["scale"] != 1:
        print(f"{OF_RECORD.name} is left as it is: this run had BENCH_SCALE.")
    elif missing:
        print(f"{OF_RECORD.name} is left as it is: this run left out {', '.join(missing)}.")
    else:
        OF_RECORD.write_text(report, "utf-8")
    return 0


def _report(run: dict[str, Any], sections: dict[str, list[Figure]]) -> Iterator[str]:
    machine, code = run["machine_info"], run["commit_info"]
    ours = machine["gateway"]
    changed = " with changes" if code["dirty"] else ""
    yield "# Figures\n"
    yield _EXPLANATION
    yield f"- Ended: {run['datetime'][:16].replace('T', ' ')} UTC, commit {code['id'][:10]}{changed}"
    yield f"- Processor: {machine['cpu'].get('brand_raw', 'unknown')}, {ours['cores']} cores"
    yield f"- Load when it began: {ours['load']}"
    yield f"- System: {machine['system']} {machine['release']}"
    yield (
        f"- Python {machine['python_version']} ({machine['python_implementation']}), SQLite {ours['sqlite']}"
    )
    yield f"- To make one appended page durable (fsync): {ours['sync_ms']:.2f} ms"
    if ours["scale"] != 1:
        yield f"- BENCH_SCALE {ours['scale']}: to try it out, not to be compared"
    for section, figures in sections.items():
        if figures:
            yield f"\n## {section}\n"
            yield from _table(figures)
    yield ""


def _table(figures: Iterable[Figure]) -> Iterator[str]:
    yield "| what | figure | least – greatest | aim | calibration | in calibrations |"
    yield "|---|--:|--:|--:|--:|--:|"
    for figure in figures:
        values = figure.values
        spread = f"{_number(min(values))} – {_number(max(values))}" if len(values) > 1 else ""
        unit = f" {figure.unit}" if figure.unit else ""
        beside, relative = _calibrated(figure)
        yield (
            f"| {figure.what} | {_number(median(values))}{unit} | {spread} | {figure.aim} "
            f"| {beside} | {relative} |"
        )


def _calibrated(figure: Figure) -> tuple[str, str]:
    """The median calibration, and the figure in calibrations; empty where nothing is timed."""
    seconds = figure.calibrations_s
    pairs = list(zip(figure.values, seconds, strict=True))
    if figure.kind == "rate":
        relative = median(value * calibration_s for value, calibration_s in pairs)
    elif figure.kind == "time":
        relative = median(value / calibration_s for value, calibration_s in pairs)
    else:
        return "", ""
    of_it = " millionths" if figure.unit == "µs" else ""
    return f"{median(seconds) * 1_000:.0f} ms", f"{_number(relative)}{of_it}"


def _number(value: float) -> str:
    """As many digits as mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
