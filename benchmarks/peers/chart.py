"""The chart of docs/performance.md: an SVG that loads nothing."""

from collections.abc import Iterator
from html import escape
from math import log10
from typing import Final

from msgspec import Struct

from benchmarks.peers.contenders import CONTENDERS
from benchmarks.peers.measured import Measured
from benchmarks.peers.report import growth

_WIDTH: Final = 820
_LEFT: Final = 270
_LONGEST: Final = _WIDTH - _LEFT - 120
_LINE: Final = 20
_TITLE: Final = 34
_GAP: Final = 16
#: Distinguishable also by those who see fewer colours; the bars are labelled as well.
_COLOURS: Final = ("#1d70b8", "#d4351c", "#00703c", "#f47738", "#4c2c92")


class _Bar(Struct, frozen=True):
    """label: to its left. colour: of its contender. value: None where there is none. said: to its right."""

    label: str
    colour: str
    value: float | None
    said: str


class _Part(Struct, frozen=True):
    title: str
    bars: list[_Bar]
    logarithmic: bool = False


def chart(measured: Measured) -> str:
    """Throughput, latency and growth, one below the other, as labelled bars on white."""
    body: list[str] = []
    height = 0
    for part in _parts(measured):
        height += _TITLE
        body.append(f'<text x="0" y="{height - 12}" class="title">{escape(part.title)}</text>')
        for bar in part.bars:
            body += _drawn(bar, part, height)
            height += _LINE
        height += _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'aria-label="The gateway and its peers: throughput, latency and growth">\n'
        "<style>text { font: 13px Arial, sans-serif; fill: #0b0c0c; } .title { font-weight: bold; }</style>\n"
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _parts(measured: Measured) -> Iterator[_Part]:
    colours = {who.name: colour for who, colour in zip(CONTENDERS, _COLOURS, strict=True)}
    rates = {name: measured.middle(name, lambda run: run.rate) for name in colours}
    yield _Part(
        "Messages a second",
        [_Bar(name, colours[name], rate, f"{rate:,.0f}") for name, rate in rates.items()],
    )
    for rate in measured.size.rates:
        timed = [each for each in measured.latency if each.rate == rate]
        yield _Part(
            f"Milliseconds from send to outcome, 99 % of {rate:,} messages a second (logarithmic)",
            [
                _Bar(
                    each.who,
                    colours[each.who],
                    each.p99_ms,
                    "does not keep up" if each.p99_ms is None else f"{each.p99_ms:,.0f}",
                )
                for each in timed
            ],
            logarithmic=True,
        )
    yield _Part(
        "Processor time a message without the start, µs, as a programme grows",
        [
            _Bar(f"{name}, {messages:,} messages", colours[name], times[place], f"{times[place]:,.0f}")
            for place, name in enumerate(measured.small)
            for messages, times in growth(measured)
        ],
    )


def _drawn(bar: _Bar, part: _Part, top: int) -> Iterator[str]:
    values = [each.value for each in part.bars if each.value is not None]
    length = 0.0
    if bar.value is not None:
        share = bar.value / max(values)
        if part.logarithmic:
            share = log10(max(bar.value, 1) + 1) / log10(max(*values, 1) + 1)
        length = max(1.0, _LONGEST * share)
    middle = top + _LINE - 6
    yield f'<text x="{_LEFT - 8}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>'
    yield (f'<rect x="{_LEFT}" y="{top + 3}" width="{length:.1f}" height="{_LINE - 5}" fill="{bar.colour}"/>')
    yield f'<text x="{_LEFT + length + 6:.1f}" y="{middle}">{escape(bar.said)}</text>'


__all__ = ["chart"]
