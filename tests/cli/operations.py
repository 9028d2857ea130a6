"""The tables that the pages in docs/operations/ take from the code.

`python -m tests.cli.operations` writes them there.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.api import metrics
from gateway.settings import settings
from gateway.system import telemetry

OPERATIONS: Final = Path(__file__).parents[2] / "docs" / "operations"


def settings_table() -> str:
    """The settings as a table."""
    rows = [f"| `{name}` | {description} |" for name, description in settings.described()]
    return "\n".join(("| setting | what |", "| --- | --- |", *rows))


#: Each page with a table from the code: the name in the table's mark, and what makes the table.
TABLES: Final[dict[str, tuple[str, Callable[[], str]]]] = {
    "settings.md": ("settings", settings_table),
    "metrics.md": ("metrics", metrics.table),
    "log-events.md": ("log events", telemetry.table),
}


def current(page: str) -> str:
    """The text of a page with its table as the code has it."""
    text = (OPERATIONS / page).read_text("utf-8")
    name, table = TABLES[page]
    marked = re.compile(f"(<!-- {name}: made from the code -->\n)(.*?)(<!-- end -->)", re.DOTALL)
    found = marked.findall(text)
    if len(found) != 1:
        raise ValueError(f"docs/operations/{page} has {len(found)} places for {name}; expected one")
    before, old, after = found[0]
    return text.replace(f"{before}{old}{after}", f"{before}{table()}\n{after}")


if __name__ == "__main__":
    for page in TABLES:
        (OPERATIONS / page).write_text(current(page), "utf-8")
