"""No input makes a parser raise what is no refusal, hang, or take memory out of proportion."""

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.forms import LONG
from tests.fuzzing.fuzz import fuzz
from tests.fuzzing.parsers import KEPT, kept, parsers
from tests.fuzzing.watching import Found, Parser, watch
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


def test_no_damaged_input_does_what_it_must_not(tmp_path: Path) -> None:
    """The same ones each time, so that what fails here fails again; `make fuzz-parsers` takes others."""
    form = ["--inputs", "400", "--rounds", "5"] if LONG else ["--inputs", "25", "--rounds", "1"]
    command = [sys.executable, "-m", "tests.fuzzing.fuzz", "--seed", "1", "--minutes", "60", *form]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S * 10, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_what_was_found_before_does_it_no_more(tmp_path: Path) -> None:
    by_name = {parser.name: parser for parser in parsers(tmp_path)}
    named = {folder.name for folder in KEPT.iterdir()}
    assert named <= by_name.keys() | {"http"}, "each folder is of a parser"
    for name in named & by_name.keys():
        for one in kept(name):
            watch(by_name[name], one)


def test_a_parser_reads_its_own_seeds(tmp_path: Path) -> None:
    """So that damage reaches more than the first check of a form."""
    for parser in parsers(tmp_path):
        for one in parser.seeds:
            watch(parser, one)


def raises(given: bytes) -> None:
    if b"\xff" in given:
        raise IndexError


def hangs(given: bytes) -> None:
    while b"\xff" in given:
        pass


def swallows_all(given: bytes) -> None:
    with suppress(Exception):
        hangs(given)


def hoards(given: bytes) -> None:
    if b"\xff" in given:
        bytearray(64 * 1024 * 1024)


@pytest.mark.parametrize(
    ("parse", "what"),
    [
        (raises, "raises IndexError"),
        (hangs, "takes more than"),
        (swallows_all, "takes more than"),
        (hoards, "bytes of memory"),
    ],
)
def test_a_parser_that_does_it_is_found(parse: object, what: str) -> None:
    """By damage alone, and with the input that does it."""
    parser = Parser("one", parse, [b"abc"])  # type: ignore[arg-type]
    if parse in {raises, hoards}:
        found = fuzz(parser, 1, 100)
        assert found is not None
        assert what in str(found)
        assert "\\xff" in found.__notes__[-1]
    with pytest.raises(Found, match=what):
        watch(parser, b"\xff", longest_s=0.2)
    watch(parser, b"abc")


def test_what_happens_only_once_is_found_too() -> None:
    left = [1]

    def raises_once(given: bytes) -> None:
        if left:
            left.pop()
            raise IndexError

    found = fuzz(Parser("one", raises_once, [b"abc"]), 1, 10)
    assert found is not None
    assert "one raises IndexError" in str(found)


def test_a_refusal_is_no_finding() -> None:
    watch(Parser("one", raises, [], (IndexError,)), b"\xff")
