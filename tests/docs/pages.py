"""The pages of the documentation, taken apart."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\((?P<target>[^)\s]+)\)")


def page_id(page: Path) -> str:
    """A page's path from the root of the project, which names its tests."""
    return page.relative_to(ROOT).as_posix()


class Block(NamedTuple):
    """A fenced block. line: of its fence, from 1. info: what stands behind the fence."""

    page: Path
    line: int
    info: str
    body: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(page, line, found["info"].strip(), found["body"])


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links and pictures, outside of fenced blocks."""
    for found in _LINK.finditer(_FENCE.sub("", page.read_text("utf-8"))):
        yield found["target"]


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make, as code hosts form them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
