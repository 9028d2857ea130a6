"""Thousands of random programmes, decided by the product and by an independent reading of the rulebook.

The oracle (`tests/oracle`) was written from the rulebook alone. Compared are all records of each referral, in
order, but for `event_id`, `rule` and `detail`.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from gateway.intake.lines import read_lines
from gateway.replay.decisions import replay
from gateway.replay.event_lines import to_line
from gateway.rules.policy import parse, shipped
from tests.oracle.compare import first_difference, normalise
from tests.oracle.programmes import policy_file, programme, random_policies
from tests.oracle.rulebook import decide_all

Json = dict[str, Any]

#: Programmes a chunk; a chunk is a test, so that several processes share them.
CHUNK = 100
#: The first of the seeds that only the slow tests use.
MORE = 100_000


def difference(seed: int, referrals: int, *, own_policies: bool) -> str | None:
    """How product and oracle differ on the programme of a seed."""
    policies = random_policies(seed) if own_policies else None
    lines = programme(seed, referrals, policies)
    written = [json.encode(line) for line in lines]
    events = replay(read_lines(written), parse(policy_file(policies)) if policies else shipped())
    got = [json.decode(to_line(event)) for event in events]
    return first_difference(normalise(decide_all(lines, None, policies)), normalise(got))


def none_differs(seeds: range, referrals: int, *, own_policies: bool) -> None:
    """Fail with the first difference."""
    for seed in seeds:
        found = difference(seed, referrals, own_policies=own_policies)
        assert found is None, f"seed {seed}, {referrals} referrals, own policies: {own_policies}\n{found}"


@pytest.mark.parametrize("first", range(0, 1_200, CHUNK))
def test_small_programmes_are_decided_as_the_oracle_decides_them(first: int) -> None:
    """1,200 programmes of three referrals under the shipped policy."""
    none_differs(range(first, first + CHUNK), 3, own_policies=False)


@pytest.mark.parametrize("first", range(2_000, 2_800, CHUNK))
def test_small_programmes_under_other_policies_are_decided_as_the_oracle_decides_them(first: int) -> None:
    """800 programmes of three referrals, each under one to three policies of its own."""
    none_differs(range(first, first + CHUNK), 3, own_policies=True)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(MORE, MORE + 4_000, 2 * CHUNK))
def test_many_programmes_are_decided_as_the_oracle_decides_them(first: int) -> None:
    """4,000 programmes of eight referrals, half of them under policies of their own."""
    none_differs(range(first, first + CHUNK), 8, own_policies=False)
    none_differs(range(first + CHUNK, first + 2 * CHUNK), 8, own_policies=True)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_programme_of_hundreds_of_referrals_is_decided_as_the_oracle_decides_it(seed: int) -> None:
    """500 referrals at once: many things fall due at one instant."""
    found = difference(MORE + seed, 500, own_policies=seed % 2 == 1)
    assert found is None, found


def test_a_difference_would_be_found() -> None:
    """The comparison is not blind: a record left out, a code changed and a record moved all show."""
    lines = programme(1, 3)
    right = decide_all(lines)
    assert first_difference(normalise(right), normalise(right)) is None
    changed = [{**line, "value": {**line["value"], "status": "HELD"}} for line in right]
    same_key = next(n for n in range(len(right) - 1) if right[n]["key"] == right[n + 1]["key"])
    moved = [*right[:same_key], right[same_key + 1], right[same_key], *right[same_key + 2 :]]
    for wrong in (right[:-1], changed, moved, [*right, right[-1]]):
        assert first_difference(normalise(right), normalise(wrong)) is not None


ENVIRONMENTS: list[dict[str, str]] = [
    {"PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "1", "TZ": "Pacific/Auckland", "LC_ALL": "C.UTF-8"},
    {"PYTHONHASHSEED": "4242", "TZ": "America/Los_Angeles", "LC_ALL": "tr_TR.UTF-8"},
    {"PYTHONHASHSEED": "random", "TZ": "Europe/London", "LC_ALL": "POSIX", "PYTHONUTF8": "0"},
]


def test_the_same_input_gives_the_same_bytes_whatever_the_environment(tmp_path: Path) -> None:
    """Hash seed, time zone and locale do not matter to `gateway replay`, nor does a second run."""
    lines = programme(7, 12)
    file = tmp_path / "programme.jsonl"
    file.write_bytes(b"".join(json.encode(line) + b"\n" for line in lines))
    gateway = Path(sysconfig.get_path("scripts")) / "gateway"
    outputs = set()
    for environment in ENVIRONMENTS:
        run = subprocess.run(
            [sys.executable, gateway, "replay", file],
            env={**os.environ, **environment},
            capture_output=True,
            check=True,
        )
        assert run.stderr == b""
        outputs.add(run.stdout)
    assert len(outputs) == 1
    with file.open("rb") as opened:
        assert outputs == {b"".join(to_line(event) for event in replay(read_lines(opened), shipped()))}
