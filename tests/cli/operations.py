"""What docs/operations.md has from the code: `python -m tests.cli.operations` writes it there."""

import re
from pathlib import Path
from typing import Final

from gateway.api import metrics
from gateway.settings import settings
from gateway.system import telemetry

OPERATIONS: Final = Path(__file__).parents[2] / "docs" / "operations.md"


def settings_table() -> str:
    """The settings as a table."""
    rows = [f"| `{name}` | {description} |" for name, description in settings.described()]
    return "\n".join(("| setting | what |", "| --- | --- |", *rows))


def written(text: str) -> str:
    """The document with its made parts as they should be."""
    for name, part in (
        ("settings", settings_table()),
        ("metrics", metrics.table()),
        ("log events", telemetry.table()),
    ):
        marked = re.compile(f"(<!-- {name}: made from the code -->\n)(.*?)(<!-- end -->)", re.DOTALL)
        found = marked.findall(text)
        if len(found) != 1:
            raise ValueError(f"docs/operations.md has {len(found)} places for {name}; expected one")
        before, old, after = found[0]
        text = text.replace(f"{before}{old}{after}", f"{before}{part}\n{after}")
    return text


if __name__ == "__main__":
    OPERATIONS.write_text(written(OPERATIONS.read_text("utf-8")), "utf-8")
