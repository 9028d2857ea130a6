"""Worked cases, in the form of replay's input and output: what a person would say should come of them."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from gateway.intake.lines import read_lines
from gateway.replay.decisions import replay
from gateway.replay.event_lines import to_line
from gateway.rules.policy import shipped
from tests.oracle.compare import first_difference, normalise
from tests.oracle.rulebook import decide_all

HERE = Path(__file__).parent / "scenarios"
SHOWS = {
    "the-dates-of-14-march": "session by 29 March, interview by 4 April, attached by 11 April; a day late",
    "a-reason-given-beforehand": "told and not told, before and after the session; withdrawn two ways",
    "the-referral-comes-last": "as if it had been on time; refused after 28 days; forgotten on the way",
    "groups-and-what-stands-against-them": "objection, restriction, a change that could not be told",
    "two-lives-and-many-refusals": "a special customer, what a revision can't change, and a second referral",
    "clock-changes-and-bank-holidays": "over both clock changes, Easter and the early May bank holiday",
}


def lines_in(name: str) -> list[dict[str, Any]]:
    """The lines of a file beside this one."""
    return [json.decode(line) for line in (HERE / name).read_bytes().splitlines()]


def test_every_scenario_is_told_of_here() -> None:
    """And every one that is told of is there."""
    names = {path.name.removesuffix(".expected.jsonl") for path in HERE.glob("*.expected.jsonl")}
    assert names == set(SHOWS)


@pytest.mark.parametrize("name", SHOWS)
def test_what_should_come_of_a_scenario_comes_of_it(name: str) -> None:
    """All records of each referral, in order; references by what they refer to."""
    expected = normalise(lines_in(f"{name}.expected.jsonl"))
    with (HERE / f"{name}.jsonl").open("rb") as lines:
        got = [json.decode(to_line(event)) for event in replay(read_lines(lines), shipped())]
    assert first_difference(expected, normalise(got)) is None


@pytest.mark.parametrize("name", SHOWS)
def test_the_oracle_says_the_same_of_a_scenario(name: str) -> None:
    """So that a scenario can't be wrong in the product's way."""
    expected = normalise(lines_in(f"{name}.expected.jsonl"))
    assert first_difference(expected, normalise(decide_all(lines_in(f"{name}.jsonl")))) is None
