"""The afternoon of docs/integrate.md, and the shorter ways of other pages, go as the pages say.

Blocks fenced as `sh sandbox` are those of one terminal, run in order beside a new sandbox. What each prints
is compared with the block below it, fenced as `text sandbox`. There a line with `…` alone stands for any
lines that are left out, and a line that ends so for one that goes on.
"""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest

from gateway.api import answering, event_stream, exports, referrals, requests
from gateway.api.limits import DEFAULT
from gateway.api.rendering import MOST_SHOWN
from gateway.intake.uploads.upload import LARGEST_UPLOAD, MIB, MOST_RECORDS
from gateway.rules.duties import DutyKind
from gateway.rules.events import InstructionKind
from gateway.rules.messages import INBOUND, PROVIDERS_TOPIC
from gateway.rules.policy import shipped
from gateway.settings.api import ApiSettings
from producers.delivery_plans import MOST_EARLIER
from schemas.limits import LONGEST_ID, PRAP_ID
from tests.docs.pages import PAGES, ROOT, blocks
from tests.docs.test_blocks import environment
from tests.patience import PATIENCE_S
from tests.sandbox_process import sandbox

INTEGRATE = ROOT / "docs" / "integrate.md"
REFERENCE = ROOT / "docs" / "reference.md"
#: So many words take an afternoon.
MOST_WORDS = 3_000
#: What follows each block's output.
END = "--- that was it ---"


def shown_in(shown: Sequence[str], printed: Sequence[str]) -> bool:
    """Whether lines were printed as they are shown: run by run, each run behind the one before it."""
    runs: list[list[str]] = [[]]
    for line in shown:
        if line.strip() == "…":
            runs.append([])
        else:
            runs[-1].append(line)
    *others, last = runs
    if not others:
        return len(last) == len(printed) and begins_with(printed, last)
    if not begins_with(printed, others[0]):
        return False
    at = len(others[0])
    for run in others[1:]:
        while not begins_with(printed[at:], run):
            if at == len(printed):
                return False
            at += 1
        at += len(run)
    end = len(printed) - len(last)
    return at <= end and begins_with(printed[end:], last)


def begins_with(printed: Sequence[str], run: Sequence[str]) -> bool:
    """Whether these are the first lines."""
    return len(printed) >= len(run) and all(map(is_line, run, printed))


def is_line(shown: str, printed: str) -> bool:
    """Whether a line is shown as it is, or up to some place."""
    return shown == printed or (shown.endswith("…") and printed.startswith(shown.removesuffix("…")))


@pytest.mark.parametrize(
    "page",
    [
        INTEGRATE,
        ROOT / "README.md",
        ROOT / "docs" / "jobcentres.md",
        ROOT / "docs" / "subscribe.md",
        ROOT / "docs" / "webhooks.md",
    ],
    ids=lambda page: page.name,
)
def test_all_that_is_typed_beside_a_sandbox_prints_what_the_page_says(page: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    folder = tmp_path / "sandbox"
    folder.mkdir()
    commands = [block for block in blocks(page) if block.info == "sh sandbox"]
    with sandbox(folder) as begun:
        begun.get("/sandbox")  # whoever types takes longer than that
        script = "\n".join(f"{block.body}\nprintf '%s\\n' '{END}'" for block in commands)
        done = subprocess.run(
            ["sh", "-e", "-c", script.replace("localhost:8080", f"localhost:{begun.port}")],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_S,
            check=False,
        )
    *printed, rest = done.stdout.split(f"{END}\n")
    assert done.returncode == 0, f"{commands[len(printed)].where}: {rest}{done.stderr}"
    by_line = dict(zip([block.line for block in commands], printed, strict=True))
    above = 0
    for block in blocks(page):
        if block.info == "sh sandbox":
            above = block.line
        if block.info == "text sandbox":
            said = by_line[above]
            assert shown_in(block.body.splitlines(), said.splitlines()), f"{block.where}: it prints\n{said}"


def test_the_page_says_what_to_do_about_every_instruction() -> None:
    assert sorted(explained_in("instruction")) == sorted(set(get_args(InstructionKind)) - {"OTHER"})


def test_the_page_says_what_to_do_about_every_duty() -> None:
    assert sorted(explained_in("duty")) == sorted(get_args(DutyKind))


def explained_in(column: str) -> list[str]:
    """The values in a table of the page. column: what stands above them."""
    page = REFERENCE.read_text("utf-8")
    (rows,) = re.findall(rf"^\| `?{column}`? \|.*\n\|[-| :]+\n((?:\|.*\n)+)", page, re.MULTILINE)
    return re.findall(r"^\| `([A-Z_]+)`", rows, re.MULTILINE)


def test_the_walk_can_be_read_in_an_afternoon() -> None:
    assert len(INTEGRATE.read_text("utf-8").split()) < MOST_WORDS


def test_an_address_means_the_same_on_all_pages() -> None:
    given = {
        line for page in PAGES for line in page.read_text("utf-8").splitlines() if line.startswith("API=")
    }
    assert given == {"API=http://localhost:8080"}


def test_the_page_has_the_limits_that_hold() -> None:
    page = INTEGRATE.read_text("utf-8") + REFERENCE.read_text("utf-8")
    body, upload = (
        f"{requests.LARGEST_BODY // 1024} KiB",
        f"{LARGEST_UPLOAD // MIB} MiB and {MOST_RECORDS:,} records",
    )
    default = {name: field.default for name, field in ApiSettings.model_fields.items()}
    for limit in (
        f"| a body | {body}; an upload {upload} |",
        f"| {DEFAULT.body_s:.0f} s; an upload {DEFAULT.upload_s:.0f} s |",
        f"not beginning with `{PRAP_ID}`",
        f"| {referrals.LARGEST_PAGE} referrals, {event_stream.LARGEST_PAGE} instructions or outcomes;",
        f"{MOST_SHOWN} of a",
        f"by default {default['connections_per_address']} |",
        f"one for each of {DEFAULT.plans_of_provider} areas; the keys of an area's last {MOST_EARLIER} plans",
        f"| exports under way at once | {exports.MOST_OPEN} a caller |",
        f"| uploads under way at once | {DEFAULT.uploads_of_caller} a caller |",
        f"{DEFAULT.headers_s:.0f} s for them to arrive |",
        f"| {answering.LONGEST_WAIT_S} s; longer is taken for that |",
        f"| `wait` of a long poll | {event_stream.LONGEST_WAIT_S} s |",
        f"| {event_stream.MOST_OPEN} a caller |",
        f"| 1 to {LONGEST_ID} visible ASCII characters",
        f"| records of one referral | {DEFAULT.records_of_referral:,} |",
        f"by default {default['rate_per_s']:,} a second and {default['rate_burst']:,} at once",
        f"more than {shipped().on(0).clock_skew_s // 60} minutes ahead",
    ):
        assert limit in page, limit


def test_what_is_shown_is_told_from_what_was_printed() -> None:
    assert shown_in(["a", "…", "d"], ["a", "b", "c", "d"])
    assert shown_in(["a", "…", "b"], ["a", "b"])
    assert not shown_in(["a", "…", "d"], ["a", "d", "e"])
    assert not shown_in(["a"], [])
    assert shown_in(["…", "b", "…", "b", "…"], ["a", "b", "c", "b", "d"])
    assert not shown_in(["…", "b", "…", "b", "…"], ["a", "b", "c"])
    assert not shown_in(["a", "…", "a"], ["a"])
    assert shown_in(["a…"], ["abc"])
    assert not shown_in(["b…"], ["abc"])


def test_the_walk_sends_a_record_of_each_type() -> None:
    walk = "".join(block.body for block in blocks(INTEGRATE) if block.info.startswith("sh"))
    types = {record.__name__ for record in INBOUND[PROVIDERS_TOPIC]}
    assert types <= set(re.findall(r'"type": "(\w+)"', walk))
