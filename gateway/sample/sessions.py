"""Sessions: each provider's weekly timetable of group sessions, shared by those who are invited."""

from typing import Final

from msgspec import Struct

from gateway.sample.clock import (
    DAY,
    HOUR,
    MINUTE,
    by_the_clock,
    in_office_hours,
    is_working,
    iso,
    weekday,
    working_after,
)
from gateway.sample.places import Contract
from gateway.sample.shares import Draw, Shares, one_of

#: GSG ¶32: at most 20 invitations, of whom about half come.
INVITATIONS: Final = 20
_AIMED_AT: Final = 13
_TIMES: Final = (10 * HOUR, 14 * HOUR, 11 * HOUR + 30 * MINUTE, 9 * HOUR + 30 * MINUTE, 15 * HOUR)
#: JSAGIS ¶18: no more than an hour; one in twenty is.
_DURATIONS: Final = Shares({60: 75.0, 45: 12.0, 50: 8.0, 90: 5.0})
_NAMES: Final = (
    "Work Programme information session",
    "Find out about the Work Programme",
    "What the Work Programme can offer you",
)
_VENUES: Final = (
    "Example House, 12 Sample Street",
    "Community Hall, Specimen Road",
    "Library meeting room, Model Terrace",
)
_SHARE_CANCELLED: Final = 0.015
_SHARE_MOVED: Final = 0.025


class PlannedSession(Struct):
    """A session. All instants are UTC ms; `cancelled_at` and `moved_at` are 0 where that never happens.

    `moved_to` is when it really starts, `recorded_from` when the register is typed in.
    """

    session_id: str
    name: str
    starts_at: int
    duration_minutes: int
    location: str
    format: str
    moved_to: int
    invited: int = 0
    cancelled_at: int = 0
    moved_at: int = 0
    recorded_from: int = 0

    def starts_as_known(self, at: int) -> int:
        """When it starts, as far as anybody knows at that instant."""
        return self.moved_to if self.moved_at and self.moved_at <= at else self.starts_at

    def register(self, draw: Draw) -> int:
        """The instant at which the next line of the register is typed in; one after another."""
        if not self.recorded_from:
            ends_at = self.moved_to + self.duration_minutes * MINUTE
            # One in five facilitators leaves it for the next morning.
            wait = 20 * HOUR if draw() < 0.2 else int((5 + draw() * 85) * MINUTE)
            self.recorded_from = in_office_hours(ends_at + wait)
        self.recorded_from += int(4_000 + draw() * 9_000)
        return self.recorded_from


class Timetable:
    """The group sessions of one provider.

    `weekly` is how many referrals the provider gets in a week: it has as many sessions as they need.
    """

    __slots__ = ("_contract", "_days", "_draw", "_slots")

    def __init__(self, contract: Contract, weekly: float, draw: Draw) -> None:
        self._contract = contract
        self._draw = draw
        self._days: dict[int, list[PlannedSession]] = {}
        first = int(draw() * 5)
        count = max(1, round(weekly / _AIMED_AT))
        self._slots: tuple[list[int], ...] = ([], [], [], [], [])
        for slot in range(count):
            self._slots[(first + 2 * slot) % 5].append(slot)

    def forget(self, day: int) -> None:
        """Drops what was held on a day."""
        self._days.pop(day, None)

    def invite(self, at: int, earliest: int, latest_on: int, known: set[str]) -> PlannedSession | None:
        """Takes a place on the first session from `earliest` to the end of `latest_on`, as it stands `at`.

        `known` are the ids of those to which the participant has been invited before.
        """
        for day in range(earliest // DAY, latest_on + 1):
            if not is_working(day):
                continue
            for session in self._on(day):
                if (
                    session.invited < INVITATIONS
                    and session.session_id not in known
                    and session.starts_as_known(at) >= earliest
                    and not (session.cancelled_at and session.cancelled_at <= at)
                ):
                    session.invited += 1
                    return session
        return None

    def _on(self, day: int) -> list[PlannedSession]:
        sessions = self._days.get(day)
        if sessions is None:
            sessions = self._days[day] = [self._plan(day, slot) for slot in self._slots[weekday(day)]]
        return sessions

    def _plan(self, day: int, slot: int) -> PlannedSession:
        draw, contract = self._draw, self._contract
        starts_at = by_the_clock(day) + _TIMES[slot // 5 % 5]
        session = PlannedSession(
            f"{contract.provider_id}-{iso(day).replace('-', '')}-{slot + 1:02}",
            _NAMES[slot % 3],
            starts_at,
            _DURATIONS.pick(draw),
            f"{_VENUES[slot % 3]}, {contract.towns[slot % 5]}",
            "GROUP",
            starts_at,
        )
        fate = draw()
        # Both are made known in the three days before it.
        known_at = in_office_hours(starts_at - int((3 + draw() * 69) * HOUR))
        if known_at >= starts_at - HOUR:
            return session
        if fate < _SHARE_CANCELLED:
            session.cancelled_at = known_at
        elif fate < _SHARE_CANCELLED + _SHARE_MOVED:
            session.moved_at = known_at
            to_next = by_the_clock(working_after(day)) + 10 * HOUR
            session.moved_to = one_of((starts_at + HOUR, starts_at + 90 * MINUTE, to_next), draw)
        return session


def one_to_one(contract: Contract, session_id: str, starts_at: int, draw: Draw) -> PlannedSession:
    """A session for one participant alone."""
    location = f"{one_of(_VENUES, draw)}, {one_of(contract.towns, draw)}"
    name = "Work Programme information interview"
    minutes = one_of((30, 45, 60), draw)
    return PlannedSession(session_id, name, starts_at, minutes, location, "ONE_TO_ONE", starts_at)
