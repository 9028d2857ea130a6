"""Which places know of a kind of message, and what a kind lacks there (docs/adding-a-message.md)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.rules.decide import ROWS
from gateway.rules.messages import INBOUND, PROVIDERS_TOPIC, RECORD_NAMED, TOPIC_OF
from tests.oracle import coverage
from tests.rules import test_citations
from tests.schemas import test_schemas
from tests.schemas.examples import EXAMPLES

ROOT: Final = Path(__file__).parents[2]
#: The topics with one record, whose name a line may leave out.
ALONE: Final = tuple(topic for topic, records in INBOUND.items() if len(records) == 1)


def lacking(name: str, root: Path = ROOT) -> list[str]:
    """What a kind of message lacks, a sentence each; none: it is complete."""
    return [f"{name} {what}" for what in _lacking(name, root)]


def _lacking(name: str, root: Path) -> Iterator[str]:
    record = RECORD_NAMED.get(name)
    # What the product takes everything else from.
    if not (root / "schemas" / f"{name}.avsc").exists():
        yield f"has no schema; add schemas/{name}.avsc"
    if record is None:
        yield "is on no topic's list; add its class to a union in gateway/rules/messages.py"
    elif record not in ROWS:
        yield "has no row; write one in gateway/rules/, and name it in ROWS of decide.py"
    if record is not None and not record.__doc__:
        yield "is not described; give its class a docstring, which docs/rules.md shows"
    # Worked examples, and what was written apart from the product on purpose.
    if name not in EXAMPLES:
        yield "has no example in tests/schemas/examples.py; add one with every field filled in"
    if name not in test_schemas.PUBLISHED:
        yield "has no fingerprint in PUBLISHED of tests/schemas/test_schemas.py; add it"
    if name not in test_citations.RECORDS:
        yield "has no citations in tests/rules/test_citations.py; add what each of its checks cites"
    if name not in coverage.RECORDS:
        yield "is not in RECORDS of tests/oracle/coverage.py; add it"
    for part in ("rulebook.py", "programmes.py"):
        if f'"{name}"' not in (root / "tests" / "oracle" / part).read_text("utf-8"):
            yield f"is unknown to tests/oracle/{part}; add it, from the rulebook alone"
    # Pages written by hand.
    topics = (root / "docs" / "topics.md").read_text("utf-8")
    topic = None if record is None else TOPIC_OF[record]
    names = ", ".join(each.__name__ for each in INBOUND.get(topic or "", ()))
    if topic is None or f"| `{topic}` | in | {names} |" not in topics:
        yield "is not in the table of docs/topics.md; add it to its topic"
    if f'"{name}"' not in topics and topic not in (None, *ALONE):
        yield "is not shown in docs/topics.md; add a line of it"
    uploads = (root / "docs" / "uploads.md").read_text("utf-8")
    if topic in (None, PROVIDERS_TOPIC) and f"\n| {name} | " not in uploads:
        yield "is not in the table of docs/uploads.md; add what it needs and may have"
    sample = (file.read_text("utf-8") for file in (root / "gateway" / "sample").glob("*.py"))
    if topic not in (None, *ALONE) and not any(f'"{name}"' in text for text in sample):
        yield "is not brought about by gateway/sample/; let a referral's life have it"
