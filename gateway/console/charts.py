"""Charts as plain SVG, without scripts or styles of their own. Each stands beside a table of the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 160
_GAP: Final = 0.25
#: How wide a letter of a name is.
_LETTER: Final = 7


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar in the chart's units, with what it stands for."""

    label: str
    value: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars side by side. title: what the values are. lines: values marked across, with names."""

    title: str
    bars: Sequence[Bar]
    lines: Sequence[tuple[str, float]] = ()
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def is_named(self) -> bool:
        """Whether there is room for what each bar stands for."""
        longest = max(len(bar.label) for bar in self.bars)
        return longest * _LETTER <= self.width / len(self.bars)


def columns(
    values: Sequence[tuple[str, int]], title: str, lines: Sequence[tuple[str, int]] = ()
) -> Chart | None:
    """A chart of one bar for each value; None: there is nothing to show."""
    most = max([value for _, value in values] + [value for _, value in lines], default=0)
    if not values or not most:
        return None
    step = WIDTH / len(values)
    bars = [
        Bar(
            label,
            value,
            round(number * step + step * _GAP / 2, 1),
            round(HEIGHT * (1 - value / most), 1),
            round(step * (1 - _GAP), 1),
            round(HEIGHT * value / most, 1),
        )
        for number, (label, value) in enumerate(values)
    ]
    return Chart(title, bars, [(name, round(HEIGHT * (1 - value / most), 1)) for name, value in lines])
