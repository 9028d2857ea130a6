"""The picture in the README: a part of what the demo prints, as an SVG that loads nothing."""

from collections.abc import Sequence
from io import StringIO
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from gateway.demo import showing
from gateway.demo.counting import Numbers
from gateway.demo.stories import Story

_COLUMNS: Final = 80
#: The story that the picture shows, counted from 0.
_SHOWN: Final = 1

_THEME: Final = TerminalTheme(
    (255, 255, 255),
    (29, 31, 33),
    [(0, 0, 0), (176, 32, 32), (0, 112, 60), (120, 90, 0), (29, 80, 160), (110, 50, 130), (0, 100, 120),
     (110, 110, 110)],
)  # fmt: skip

#: rich's own, without the fonts that it would fetch.
_FORMAT: Final = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" \
xmlns="http://www.w3.org/2000/svg" role="img" aria-label="What the demo prints">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: Arial, sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" \
height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def svg(numbers: Numbers, chosen: Sequence[Story]) -> str:
    """What a run amounts to, and one referral of it."""
    console = Console(
        record=True,
        width=_COLUMNS,
        file=StringIO(),
        highlight=False,
        force_terminal=True,
        color_system="standard",
    )
    showing.section(console, "What it amounts to", showing.amounts(numbers))
    for story in chosen[_SHOWN : _SHOWN + 1]:
        showing.section(console, story.title, showing.timeline(story))
    text = console.export_svg(title="make demo", theme=_THEME, code_format=_FORMAT, unique_id="demo")
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
