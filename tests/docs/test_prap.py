"""The page about downloads from PRaP names what is read, and only that."""

import re
from typing import get_args

from gateway.intake.prap import archive
from gateway.intake.prap.purchase_order import COLUMNS, REQUIRED
from gateway.rules.messages import ClaimantGroup
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "prap.md").read_text("utf-8")


def test_the_page_lists_every_column_and_whether_it_is_needed() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (yes|no) \|", PAGE, re.MULTILINE))
    assert listed == {column: "yes" if column in REQUIRED else "no" for column in COLUMNS}


def test_the_page_lists_the_groups_of_annex_a_in_its_order() -> None:
    assert tuple(re.findall(r"^\| `(ESA_\w+)` \|", PAGE, re.MULTILINE)) == get_args(ClaimantGroup)


def test_the_page_has_the_limits_that_hold() -> None:
    for limit in (
        f"{archive.LARGEST_ARCHIVE // archive.MIB} MiB at the most",
        f"1 to {archive.MOST_FILES}, `.csv`",
        f"{archive.LARGEST_TOTAL // archive.MIB} MiB in all",
        f"at most {archive.GREATEST_RATIO} times",
        f"{archive.MOST_LINES:,} in all",
        f"| a line, or a row of several lines | {archive.LONGEST_LINE // 1024} KiB |",
    ):
        assert limit in PAGE, limit
