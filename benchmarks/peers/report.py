"""The section of docs/performance.md that `make bench-peers` writes."""

from collections.abc import Iterator
from statistics import median
from textwrap import fill
from typing import Final

from benchmarks.peers.contenders import BARE_LOOP, CONTENDERS, FASTSTREAM, GATEWAY_NAME, QUIX
from benchmarks.peers.measured import Measured
from benchmarks.peers.running import Run

BEGIN: Final = "<!-- Written by make bench-peers: begin -->"
END: Final = "<!-- Written by make bench-peers: end -->"

CAPTION: Final = "Messages a second, time to an outcome, and processor time as a programme grows"
BUSY: Final = " The machine had much else to do: trust processor time and memory, and no other figure."
_WIDTH: Final = 120


def put_between_markers(page: str, section: str) -> str:
    """The page with its section anew. Raises ValueError where it has no markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no markers; put {BEGIN} and {END} on lines of their own")
    return f"{before}{BEGIN}\n\n{section}\n{END}{after}"


def report(measured: Measured) -> str:
    """The section, in Markdown."""
    return "\n".join(_report(measured))


def _report(measured: Measured) -> Iterator[str]:
    size = measured.size
    messages = measured.runs[GATEWAY_NAME][0].messages
    yield _paragraph(
        f"{measured.began}; {measured.cores} cores of {measured.processor}, shared with the broker; load "
        f"{measured.load_before:.1f} before and {measured.load_after:.1f} after. {messages:,} messages on "
        f"{size.partitions} partitions; medians of {size.rounds} rounds by turns, from the start of the "
        "process to its end. Ratios are medians of those of the rounds."
        + (BUSY if max(measured.load_before, measured.load_after) > 2 * measured.cores else "")
    )
    yield ""
    yield from _comparison(measured)
    yield ""
    yield "| | leaves out |"
    yield "|---|---|"
    for who in CONTENDERS:
        yield f"| {who.name} | {who.leaves_out} |"
    yield f"\n![{CAPTION}](performance.svg)\n"
    yield from _aims(measured)
    yield "\n### From send to outcome\n"
    yield from _latency(measured)
    yield "\n### As a programme grows\n"
    yield from _growth(measured)
    yield "\n### Two processes\n"
    yield from _two(measured)


def _comparison(measured: Measured) -> Iterator[str]:
    yield (
        "| | messages a second | of the bare loop's | processor time a message | of the bare loop's "
        "| of the broker | memory |"
    )
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for who in CONTENDERS:
        runs = measured.runs[who.name]
        limited = f", the first {runs[0].messages:,} messages" if who.first_only else ""
        yield (
            f"| {who.name}{limited} | {_number(median(run.rate for run in runs))} "
            f"| {_times(_ratio(measured, who.name, BARE_LOOP))} "
            f"| {_number(median(run.processor_us for run in runs))} µs "
            f"| {_times(_cost_ratio(measured, who.name))} "
            f"| {_number(median(run.broker_us for run in runs))} µs "
            f"| {median(run.peak_mib for run in runs):.0f} MiB |"
        )


def _aims(measured: Measured) -> Iterator[str]:
    alone = _gain(measured, BARE_LOOP)
    yield "| the gateway | is | aim |"
    yield "|---|--:|--:|"
    for what, found, aim in (
        ("messages a second, of the bare loop's", _ratio(measured, GATEWAY_NAME, BARE_LOOP), "≥ 0.8"),
        ("processor time a message, of the bare loop's", _cost_ratio(measured, GATEWAY_NAME), "≤ 1.35"),
        (f"messages a second, of those of {QUIX}", _ratio(measured, GATEWAY_NAME, QUIX), "≥ 2"),
        (f"messages a second, of those of {FASTSTREAM}", _ratio(measured, GATEWAY_NAME, FASTSTREAM), "≥ 1.2"),
        ("two processes, of one's messages a second", _gain(measured, GATEWAY_NAME), "≥ 1.5"),
        (
            "that gain, of the bare loop's",
            _gain(measured, GATEWAY_NAME) / alone,
            "≥ 0.9",
        ),
    ):
        yield f"| {what} | {found:.2f} | {aim} |"


def _latency(measured: Measured) -> Iterator[str]:
    yield _paragraph(
        "One process by the wall clock. Messages come at a steady rate, and each is timed from when it is "
        "sent until a consumer that reads only what is committed has its outcome. Quix Streams commits every "
        "50 ms here, instead of every 5 s."
    )
    yield ""
    yield "| messages a second | | p50 | p99 | processor time a second | of the broker |"
    yield "|--:|---|--:|--:|--:|--:|"
    for each in measured.latency:
        if each.p50_ms is None or each.p99_ms is None:
            yield f"| {each.rate:,} | {each.who} | does not keep up | | | |"
        else:
            yield (
                f"| {each.rate:,} | {each.who} | {each.p50_ms:.0f} ms | {each.p99_ms:.0f} ms "
                f"| {each.processor_s:.2f} s | {each.broker_s:.2f} s |"
            )


def _growth(measured: Measured) -> Iterator[str]:
    yield "Processor time a message, without that of a start:\n"
    yield "| messages | " + " | ".join(measured.small) + " |"
    yield "|--:|" + "--:|" * len(measured.small)
    for messages, times in growth(measured):
        yield f"| {messages:,} | " + " | ".join(f"{_number(each)} µs" for each in times) + " |"


def growth(measured: Measured) -> list[tuple[int, list[float]]]:
    """Messages, and for each who was measured so the processor time of one in µs, without the start."""
    rows = []
    for runs in (
        {who: [run] for who, run in measured.small.items()},
        {who: measured.runs[who] for who in measured.small},
        {who: [run] for who, run in measured.large.items()},
    ):
        messages = next(iter(runs.values()))[0].messages
        rows.append(
            (
                messages,
                [
                    (median(run.processor_s for run in each) - measured.start_s(who)) / messages * 1_000_000
                    for who, each in runs.items()
                ],
            )
        )
    return rows


def _two(measured: Measured) -> Iterator[str]:
    messages = measured.large[GATEWAY_NAME].messages
    yield f"{messages:,} messages, one round; the gateway's processes are started by `--workers 2`:\n"
    yield "| | one process | two | gain | processor time a message, one | two | of the broker, one | two |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for who, one in measured.large.items():
        two = measured.large_of_two[who]
        yield (
            f"| {who} | {_number(one.rate)} a second | {_number(two.rate)} a second "
            f"| {two.rate / one.rate:.2f} | {_number(one.processor_us)} µs | {_number(two.processor_us)} µs "
            f"| {_number(one.broker_us)} µs | {_number(two.broker_us)} µs |"
        )
    yield "\nFrom start to end with next to nothing to decide:\n"
    yield "| | one process | two | processor time of one | of two |"
    yield "|---|--:|--:|--:|--:|"
    for who, ones in measured.starts.items():
        twos = measured.starts_of_two[who]
        yield (
            f"| {who} | {_seconds(ones):.2f} s | {_seconds(twos):.2f} s "
            f"| {measured.start_s(who):.2f} s | {median(run.processor_s for run in twos):.2f} s |"
        )
    yield ""


def _seconds(runs: list[Run]) -> float:
    return median(run.seconds for run in runs)


def _gain(measured: Measured, who: str) -> float:
    return measured.large_of_two[who].rate / measured.large[who].rate


def _ratio(measured: Measured, who: str, other: str) -> float:
    pairs = zip(measured.runs[who], measured.runs[other], strict=True)
    return median(one.rate / another.rate for one, another in pairs)


def _cost_ratio(measured: Measured, who: str) -> float:
    pairs = zip(measured.runs[who], measured.runs[BARE_LOOP], strict=True)
    return median(one.processor_us / another.processor_us for one, another in pairs)


def _paragraph(text: str) -> str:
    return fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2f}" if ratio >= 0.01 else f"{ratio:.3f}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
