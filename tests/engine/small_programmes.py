"""A few referrals' messages, as the script of a simulated log, and what the rules say comes of them."""

import random
from collections.abc import Iterable
from typing import Any

from msgspec import json
from msgspec.structs import replace as with_changes

from gateway.engine.log import Draft
from gateway.intake.lines import Line, read_lines
from gateway.replay.decisions import replay
from gateway.rules.events import Event
from gateway.rules.messages import Message
from gateway.rules.policy import Policies, shipped
from tests.engine.plain_wiring import RAISES, UNDECODABLE, as_draft
from tests.oracle.programmes import programme

POLICIES: Policies = shipped()
MOST_MESSAGES = 24
DAY_MS = 86_400_000

Arrival = tuple[int, Message]


class SmallProgramme:
    """What arrives in one schedule.

    arrivals: the messages, in order of time, no two of one referral at the same instant. script: the same as
        records, a few of them marked to fail. until: when it is over.
    events: what `gateway replay` says comes of it. instants: when something falls due.
    """

    def __init__(self, seed: int) -> None:
        """The same seed gives the same programme."""
        rng = random.Random(f"small programme {seed}")
        lines = programme(seed, rng.choice((1, 1, 1, 2, 2, 3)))
        self.arrivals = arrivals = _apart(_few(rng, _messages(lines)))
        self.until = arrivals[-1][0] + rng.choice((0, 1, DAY_MS, 30 * DAY_MS, 30 * DAY_MS, 430 * DAY_MS))
        self.partitions = rng.choice((1, 1, 1, 2))
        self.script: list[tuple[int, Draft]] = []
        good: list[Line] = []
        for place, (at, message) in enumerate(arrivals):
            chance = rng.random()
            draft = as_draft(message, f"trace-{place}" if rng.random() < 0.5 else None, at)
            if chance < 0.01:
                draft = with_changes(draft, value=UNDECODABLE)
            elif chance < 0.02:
                broken = with_changes(message, message_id=f"{RAISES}-{place}")
                draft = as_draft(broken, None, at)
            else:
                good.append(Line(place, at, message))
            self.script.append((at, draft))
        self.events: list[Event] = list(replay(good, POLICIES, self.until))
        decided = {event.decided_at for event in self.events}
        self.instants = sorted(decided.difference(at for at, _ in self.script))


def _messages(lines: Iterable[dict[str, Any]]) -> list[Arrival]:
    read = read_lines(json.encode(line) for line in lines)
    return [(line.at, line.message) for line in read if line.message is not None]


def _few(rng: random.Random, arrivals: list[Arrival]) -> list[Arrival]:
    """So many at the most, in order; the first stays, which is mostly a Referral."""
    while len(arrivals) > MOST_MESSAGES:
        del arrivals[rng.randrange(1, len(arrivals))]
    return arrivals


def _apart(arrivals: list[Arrival]) -> list[Arrival]:
    """The same, with no two messages of one referral at the same instant."""
    latest: dict[str, int] = {}
    moved = []
    for at, message in arrivals:
        at = max(at, latest.get(message.po_number, at - 1) + 1)  # noqa: PLW2901
        latest[message.po_number] = at
        moved.append((at, message))
    return sorted(moved, key=lambda arrival: arrival[0])
