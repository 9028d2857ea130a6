"""The parts of docs/operations.md that are made from the code: `python -m tests.cli.operations` writes them."""

import re
from pathlib import Path
from typing import Final

from gateway import settings, telemetry

OPERATIONS: Final = Path(__file__).parents[2] / "docs" / "operations.md"


def settings_table() -> str:
    """The settings as a table."""
    rows = [f"| `{name}` | {description} |" for name, description in settings.described()]
    return "\n".join(("| setting | what |", "| --- | --- |", *rows))


def written(text: str) -> str:
    """The document with its made parts as they should be."""
    for name, part in (("settings", settings_table()), ("log events", telemetry.table())):
        marked = re.compile(f"(<!-- {name}: made from the code -->\n).*?(\n<!-- end -->)", re.DOTALL)
        text, count = marked.subn(lambda found, part=part: f"{found[1]}{part}{found[2]}", text)
        if count != 1:
            raise ValueError(f"docs/operations.md has {count} places for {name}; expected one")
    return text


if __name__ == "__main__":
    OPERATIONS.write_text(written(OPERATIONS.read_text("utf-8")), "utf-8")
