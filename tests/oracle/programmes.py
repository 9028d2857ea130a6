"""Random programmes: valid replay input that aims at the rulebook's edges.

Everything comes from one `random.Random(seed)` and from lists, never from a set, so that a seed gives the
same programme on every machine. A story is one referral's life as it would naturally be told; what makes it
an edge (a deadline's instant, a duplicate, another provider, a referral that comes after all its records) is
laid over it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from tests.oracle.draws import (
    BAD_ANNOTATIONS,
    BAD_DURATIONS,
    BAD_NINOS,
    DAY,
    DURATIONS,
    GOOD_NINOS,
    HOUR,
    JOBCENTRES,
    MINUTE,
    MS,
    OTHER_GROUPS,
    OUTCOMES,
    PROVIDERS,
    REASONS,
    RESTRICTIONS,
    around,
    bad_mandations,
    base_day,
    end_of,
    fit_to_be_mandatory,
    london,
    near,
    somewhen,
    somewhen_within,
    spelt,
    typed,
    written,
)
from tests.oracle.rulebook import (
    CAN_BE_MANDATED,
    DEFAULT_POLICIES,
    FAILURE_TYPES,
    MANDATORY,
    VOLUNTARY,
    WRAG_GROUPS,
    format_instant,
    london_date,
    midnight,
    parse_instant,
    passes_at,
    policy_on,
    working_days_after,
)

Json = dict[str, Any]

TOPICS = {
    "Referral": "prap.referrals",
    "Wp11": "jobcentre.wp11",
    "AlternativeSessionRequested": "jobcentre.updates",
    "SupportGroupAppealChanged": "jobcentre.updates",
    "GroupSessionRestrictionChanged": "jobcentre.updates",
}
"""All other records come on provider.session-records."""


# --------------------------------------------------------------------------------------------- one story


class Story:
    """One referral's life."""

    def __init__(self, rng: random.Random, po_number: str, referred_on: date, limits: Json) -> None:
        """Choose who it is about; nothing is told yet."""
        self.rng = rng
        self.po = po_number
        self.day0 = referred_on
        self.limits = limits
        self.lines: list[tuple[datetime, Json]] = []
        self.messages = 0
        self.revision = rng.choice([1, 1, 1, 0, 3])
        self.provider = rng.choice(PROVIDERS)
        self.benefit = rng.choice(["ESA", "ESA", "UC", "JSA"])
        self.mandatory = rng.random() < 0.65
        self.said: Json = {}
        self.held_in_full = False
        self.mandate_ended = False
        self.wrag = rng.random() < 0.5
        self.sessions: list[tuple[str, datetime, datetime]] = []
        self.ends: list[datetime] = []
        self.owed: list[datetime] = []
        self.restricted = False
        self.revisions: list[tuple[datetime, Json, int]] = []
        self.said_at_the_end: list[Json] = []

    # ------------------------------------------------------------------------------- saying things

    def chance(self, probability: float) -> bool:
        """Whether it happens."""
        return self.rng.random() < probability

    def new_id(self) -> str:
        """A message id new to this story; the same ids occur in other stories too, now and then."""
        self.messages += 1
        return f"m{self.messages}" if self.chance(0.05) else f"{self.po}-m{self.messages}"

    def outcome_owed(self, booked_at: datetime, end: datetime) -> datetime:
        """The instant of T6 of a session."""
        last = max(london_date(booked_at), london_date(end))
        return passes_at(working_days_after(last, self.limits["outcome_within_working_days"]))

    def deadline(self, which: str) -> datetime:
        """The instant of T2 to T5."""
        return passes_at(self.day0 + timedelta(days=self.limits[which]))

    def send(self, at: datetime, kind: str, fields: Json, message_id: str | None = None) -> Json:
        """A message of this kind arrives; facts given as dates and instants become text."""
        value: Json = {"message_id": message_id or self.new_id(), "po_number": self.po}
        topic = TOPICS.get(kind, "provider.session-records")
        if topic == "provider.session-records":
            value["provider_id"] = self.rng.choice(PROVIDERS) if self.chance(0.01) else self.provider
        value.update(fields)
        line: Json = {"at": at, "topic": topic, "type": kind, "value": written(value)}
        self.lines.append((at, line))
        return line

    def fact(self, at: datetime, aim: datetime | None = None) -> datetime:
        """When something happened told at `at`: mostly a little before; sometimes on the edge of G4."""
        skew = timedelta(seconds=self.limits["clock_skew_s"])
        choice = self.rng.random()
        if choice < 0.015:
            return at + skew + MS
        if choice < 0.06:
            return at + skew
        if choice < 0.09:
            return at + somewhen_within(self.rng, skew)
        if choice < 0.3 and aim is not None:
            return min(near(self.rng, aim), at)
        if choice < 0.6:
            return at
        return at - self.rng.choice([MS, MINUTE, 7 * MINUTE, HOUR, DAY])

    def fact_day(self, at: datetime) -> date:
        """The date of something that is told at `at`: mostly that day; rarely the day after (G4)."""
        today = london_date(at)
        choice = self.rng.random()
        if choice < 0.04:
            return today + timedelta(days=1)
        if choice < 0.8:
            return today
        return today - timedelta(days=self.rng.randint(1, 4))

    # ------------------------------------------------------------------------------ the referral

    def referral(self, at: datetime) -> Json:
        """The value of a good Referral, with fields that have a default left out now and then."""
        rng = self.rng
        mandatory = self.mandatory and not (self.mandate_ended and self.chance(0.7))
        value: Json = {
            "po_revision": self.revision,
            "action_plan_annotation": typed(rng, MANDATORY if mandatory else VOLUNTARY),
            "referred_on": self.day0,
            "provider_id": self.provider,
            "contract_package_area": "CPA07",
            "jobcentre_id": rng.choice(JOBCENTRES),
            "benefit": self.benefit,
            "participant": {},
        }
        if self.benefit == "ESA":
            groups = CAN_BE_MANDATED if mandatory else CAN_BE_MANDATED + OTHER_GROUPS
            if self.wrag:
                groups = [group for group in groups if group in WRAG_GROUPS]
            value["claimant_group"] = rng.choice(groups)
        elif self.chance(0.15):
            value["claimant_group"] = rng.choice([None, "ESA_C_WRAG"])
        if mandatory and self.benefit != "ESA":
            fit_to_be_mandatory(rng, value, self.day0)
        if self.benefit == "ESA" and self.chance(0.4):
            value["mandation"] = self.wra_mandation()
        if self.chance(0.5):
            value["participant"] = {"nino": rng.choice(GOOD_NINOS), "forename": "Sam", "surname": "Example"}
        if self.chance(0.15):
            value["participant"] = {
                "nino": None,
                "date_of_birth": rng.choice([date(1970, 1, 1), date(2999, 1, 1), date(1969, 12, 31)]),
                "address": ["12 Example Street", "Leeds"],
                "interpreter_needed": self.chance(0.8),
            }
        if self.chance(0.1):
            value["group_session_restriction"] = rng.choice([None, *RESTRICTIONS])
            self.restricted = self.restricted or value["group_session_restriction"] is not None
        if self.chance(0.1):
            value["support_group_appeal_pending"] = self.chance(0.7)
        if self.chance(0.1):
            value["special_customer_record"] = False
        return value

    def wra_mandation(self) -> Json | None:
        """What may stand beside an ESA referral annotated mandatory, which needs none."""
        mandation: Json = {
            "basis": "WORK_RELATED_ACTIVITY",
            "recorded_on": self.day0 - timedelta(days=self.rng.randint(0, 3)),
        }
        if self.chance(0.3):
            mandation["purpose"] = self.rng.choice([None, "CHECK_COMPLIANCE", "IMPROVE_PROSPECTS"])
        return None if self.chance(0.15) else mandation

    def wrongly_mandated(self) -> Json:
        """What makes a Referral one that R5, R16, R6 or R7 refuses."""
        rng = self.rng
        changes: list[Json] = [
            {"benefit": "ESA", "claimant_group": rng.choice(OTHER_GROUPS)},
            {
                "benefit": "ESA",
                "claimant_group": rng.choice(CAN_BE_MANDATED),
                "mandation": {
                    "basis": rng.choice(["UC_WORKPLAN", "JOBSEEKERS_DIRECTION"]),
                    "recorded_on": self.day0,
                },
            },
            {"benefit": "UC", "mandation": rng.choice(bad_mandations(self.day0))},
            {"benefit": "JSA", "mandation": rng.choice(bad_mandations(self.day0))},
        ]
        return {"action_plan_annotation": typed(rng, MANDATORY), **rng.choice(changes)}

    def spoil(self, value: Json, at: datetime) -> Json:
        """A Referral that one of R2 to R7, R16, G4 refuses (often; some of these changes do no harm)."""
        rng = self.rng
        changes: list[Json] = [
            {"action_plan_annotation": rng.choice(BAD_ANNOTATIONS)},
            {"action_plan_annotation": rng.choice(BAD_ANNOTATIONS)},
            *[{"participant": {"nino": nino}} for nino in rng.sample(BAD_NINOS, 6)],
            {"referred_on": london_date(at) + timedelta(days=1)},
            {"mandation": {"basis": "UC_WORKPLAN", "recorded_on": london_date(at) + timedelta(days=1)}},
            {"benefit": "ESA", "claimant_group": None},
            *[self.wrongly_mandated() for _ in range(4)],
        ]
        value = {**value, **rng.choice(changes)}
        if self.chance(0.2):
            value = {**value, **rng.choice(changes)}
        return value

    def first_referral(self, at: datetime, message_id: str | None = None) -> None:
        """The Referral arrives, in some stories after one that is refused."""
        message_id = message_id or self.new_id()
        good = self.referral(at)
        if self.chance(0.16):
            before = at - self.rng.choice([MS, HOUR, DAY, 3 * DAY])
            bad = self.spoil(self.referral(before), before)
            if self.chance(0.25):
                bad["special_customer_record"] = True
            self.send(before, "Referral", bad, message_id if self.chance(0.6) else None)
        if self.chance(0.03):
            good = self.spoil(good, at)
        self.said = good
        self.send(at, "Referral", good, message_id)

    def revise(self, at: datetime) -> None:
        """A stale, equal or higher revision, changed in one thing or another."""
        rng = self.rng
        value = self.referral(at)
        first = [line["value"] for _, line in self.lines if line["type"] == "Referral"]
        if first and self.chance(0.6):
            value["jobcentre_id"] = first[-1]["jobcentre_id"]
            value["claimant_group"] = first[-1].get("claimant_group")
            value["group_session_restriction"] = first[-1].get("group_session_restriction")
            value["support_group_appeal_pending"] = first[-1].get("support_group_appeal_pending", False)
        step = rng.choice([1, 1, 1, 1, 1, 1, 2, 0, -1])
        choice = rng.random()
        if choice < 0.16:
            value["group_session_restriction"] = rng.choice([None, *RESTRICTIONS])
        elif choice < 0.28:
            value["support_group_appeal_pending"] = self.chance(0.6)
        elif choice < 0.40:
            value["action_plan_annotation"] = typed(rng, VOLUNTARY if self.mandatory else MANDATORY)
            self.mandate_ended = True
            if not self.mandatory:
                fit_to_be_mandatory(rng, value, self.day0)
        elif choice < 0.46:
            value["referred_on"] = self.day0 + timedelta(days=rng.choice([-1, 1, -7]))
        elif choice < 0.52:
            value["provider_id"] = rng.choice(PROVIDERS)
        elif choice < 0.62:
            value["benefit"] = rng.choice(["ESA", "UC", "JSA"])
            value["claimant_group"] = "ESA_C_WRAG"
            value.pop("mandation", None)
            fit_to_be_mandatory(rng, value, self.day0)
        elif choice < 0.70:
            value = {**value, **self.wrongly_mandated()}
        elif choice < 0.76:
            value = self.spoil(value, at)
        elif choice < 0.83:
            value["special_customer_record"] = True
        line = self.send(at, "Referral", value)
        self.revisions.append((at, line["value"], step))
        if step == 0 and self.chance(0.5):
            self.revisions.append(
                (at + MS, self.send(at + MS, "Referral", value, line["value"]["message_id"])["value"], 1)
            )
        if value.get("special_customer_record") and self.chance(0.6):
            again = {**value, "special_customer_record": False}
            later = at + rng.choice([MS, HOUR, DAY])
            second = self.send(later, "Referral", again, line["value"]["message_id"])
            self.revisions.append((later, second["value"], rng.choice([0, 1])))

    def end_mandate(self, at: datetime) -> None:
        """A revision after which nobody is mandated any more: voluntary, or refused for its annotation."""
        rng = self.rng
        self.mandate_ended = True
        right = self.chance(0.5)
        if right:
            changes: Json = {"action_plan_annotation": typed(rng, VOLUNTARY)}
            if self.chance(0.4):
                changes |= {"benefit": rng.choice(["UC", "JSA"])}
            elif self.chance(0.4):
                changes |= {"benefit": "ESA", "claimant_group": rng.choice(CAN_BE_MANDATED + OTHER_GROUPS)}
        else:
            changes = self.wrongly_mandated()
            if self.chance(0.15):
                changes |= rng.choice([{"provider_id": "PRV03"}, {"referred_on": self.day0 - DAY}])
        self.same_again(at, changes, remember=right)
        if self.sessions and self.chance(0.2):
            # Moved to a time at which the mandate was still in force.
            moved = {
                "session_id": self.sessions[-1][0],
                "starts_at": at - rng.choice([MS, HOUR, timedelta(0)]),
                "duration_minutes": 60,
                "location": "Room 4",
                "notified_at": at - DAY,
            }
            self.send(at + rng.choice([MS, HOUR]), "SessionChanged", moved)
        if self.chance(0.3):
            later = at + rng.choice([MS, HOUR, DAY])
            self.same_again(later, {"action_plan_annotation": MANDATORY}, remember=False)

    def special(self, at: datetime) -> None:
        """A revision that makes it a special customer's record; more may be said of it later."""
        self.same_again(at, {"special_customer_record": True}, remember=False)
        if self.chance(0.4):
            later = at + self.rng.choice([MS, HOUR, DAY])
            self.same_again(later, {"special_customer_record": self.chance(0.3)}, remember=False)

    def number_revisions(self) -> None:
        """Give the revisions their numbers in the order in which they arrive."""
        revision = self.revision
        for _, value, step in sorted(self.revisions, key=lambda item: item[0]):
            value["po_revision"] = revision + step
            revision = max(revision, revision + step)
        self.revision = revision

    def same_again(self, at: datetime, changes: Json | None = None, *, remember: bool = True) -> None:
        """A higher revision that says what the last one said, but for these changes.

        `remember`: the next one says what this one says.
        """
        value = {**(self.said or self.referral(at)), **(changes or {})}
        line = self.send(at, "Referral", value)
        self.revisions.append((at, line["value"], 1))
        if remember:
            self.said = value

    def another_revision(self, at: datetime) -> None:
        """A higher revision that only changes the restriction."""
        value = {**self.referral(at), "group_session_restriction": self.rng.choice([None, *RESTRICTIONS])}
        line = self.send(at, "Referral", value)
        self.revisions.append((at, line["value"], 1))

    # ------------------------------------------------------------------------------- its sessions

    def start_of_session(self, earliest: datetime) -> datetime:
        """When a session starts: on a working hour of some day, or on an edge."""
        rng, limits = self.rng, self.limits
        edge_days = [
            0,
            limits["session_within_days"],
            limits["session_within_days"] + 1,
            limits["wp11_within_days"],
            limits["wp11_within_days"] + 1,
        ]
        choice = rng.random()
        if choice < 0.05:
            return near(rng, midnight(self.day0 + timedelta(days=rng.choice([0, 0, *edge_days]))))
        if choice < 0.17:
            return near(rng, self.deadline(rng.choice(["session_within_days", "wp11_within_days"])))
        if choice < 0.32:
            return london(self.day0 + timedelta(days=rng.choice(edge_days)), rng.choice([0, 9, 14, 23]))
        if choice < 0.33:
            return parse_instant(rng.choice(["2999-12-31T22:30:00Z", "2099-06-01T10:00:00Z"]))
        days = max(0, (london_date(earliest) - self.day0).days)
        last = max(days + 1, limits["session_within_days"])
        return london(
            self.day0 + timedelta(days=rng.randint(days, last)), rng.randint(8, 17), rng.choice([0, 30])
        )

    def book(
        self,
        at: datetime,
        starts_at: datetime,
        session_format: str | None = None,
        session_id: str | None = None,
        told: bool | None = None,
    ) -> tuple[str, datetime, datetime]:
        """SessionBooked. Gives the session's id, start and end."""
        rng = self.rng
        if session_id is None:
            session_id = f"S{len(self.sessions) + 1}"
            if self.sessions and self.chance(0.06):
                session_id = rng.choice(self.sessions)[0]
        minutes = rng.choice(DURATIONS)
        if self.chance(0.005):
            minutes = 2147483647
        value: Json = {
            "session_id": session_id,
            "session_name": "Work Programme information morning",
            "starts_at": starts_at,
            "duration_minutes": minutes,
            "location": rng.choice(["12 Example Street, Leeds", "Room 2", ""]),
            "format": "GROUP" if self.chance(0.2 if self.restricted else 0.65) else "ONE_TO_ONE",
        }
        if session_format is not None:
            value["format"] = session_format
        if told or (told is None and self.chance(0.75)):
            value["notified_at"] = self.fact(at, starts_at)
            if self.chance(0.06):
                value["notified_at"] = min(at, near(rng, midnight(self.day0)))
        elif self.chance(0.5):
            value["notified_at"] = None
        if self.chance(0.08):
            bad: list[Json] = [
                {"duration_minutes": rng.choice(BAD_DURATIONS)},
                {"starts_at": midnight(self.day0) - rng.choice([MS, HOUR])},
                {"notified_at": at + timedelta(seconds=self.limits["clock_skew_s"]) + MS},
                {"starts_at": midnight(self.day0) - DAY, "duration_minutes": 0, "format": "GROUP"},
            ]
            self.send(
                at - rng.choice([timedelta(0), MS, MINUTE]), "SessionBooked", {**value, **rng.choice(bad)}
            )
        self.send(at, "SessionBooked", value)
        session = (session_id, starts_at, end_of(starts_at, minutes))
        self.sessions.append(session)
        self.ends.append(session[2])
        if session[2].year < 2050:
            self.owed.append(self.outcome_owed(at, session[2]))
        return session

    def cannot_attend(self, session: tuple[str, datetime, datetime], earliest: datetime) -> datetime:
        """CannotAttend: before the start, on its edge, or told late. Gives when."""
        rng = self.rng
        session_id, starts_at, end = session
        at = rng.choice(
            [
                starts_at - 2 * HOUR,
                starts_at - 2 * DAY,
                somewhen(rng, starts_at - 2 * DAY, starts_at),
                near(rng, starts_at),
                near(rng, end),
                end,
                end + HOUR,
            ]
        )
        at = max(at, earliest)
        aim = starts_at - rng.choice([MS, MS, HOUR, timedelta(0)])
        given_at = min(at, aim) if self.chance(0.85) else self.fact(at, starts_at)
        value = {"session_id": session_id, "reason": rng.choice(REASONS), "given_at": given_at}
        line = self.send(at, "CannotAttend", value)
        if at == end:
            self.said_at_the_end.append(line["value"])
        return at

    def change(self, session: tuple[str, datetime, datetime], at: datetime) -> tuple[str, datetime, datetime]:
        """SessionChanged; gives the session as it stands then."""
        rng = self.rng
        session_id, starts_at, _ = session
        new_start = starts_at + rng.choice([HOUR, DAY, -HOUR, 7 * DAY, timedelta(0)])
        if self.chance(0.3):
            new_start = self.start_of_session(at)
        if self.chance(0.08):
            new_start = midnight(self.day0) + rng.choice([timedelta(0), -MS, -MS, -HOUR, -DAY])
        if self.chance(0.06):
            new_start = at - rng.choice([MS, HOUR])
        minutes = rng.choice(BAD_DURATIONS) if self.chance(0.05) else rng.choice(DURATIONS)
        value: Json = {
            "session_id": session_id,
            "starts_at": new_start,
            "duration_minutes": minutes,
            "location": rng.choice(["Room 3", "Room 2"]),
        }
        if self.chance(0.75):
            value["notified_at"] = self.fact(at, new_start)
        elif self.chance(0.5):
            value["notified_at"] = None
        if self.chance(0.08):
            self.alternative(at - MS)
            self.send(at + MS, "AlternativeSessionNotPossible", {"reason": "", "told_at": at})
        self.send(at, "SessionChanged", value)
        changed = (session_id, new_start, end_of(new_start, minutes))
        self.ends.append(changed[2])
        if changed[2].year < 2050:
            self.owed.append(self.outcome_owed(at, changed[2]))
        return changed

    def confirm(self, session: tuple[str, datetime, datetime], at: datetime) -> None:
        """NotificationConfirmed, mostly of a time before the start."""
        session_id, starts_at, _ = session
        told = min(at, starts_at - self.rng.choice([MS, HOUR, 2 * DAY]))
        if self.chance(0.15):
            told = self.fact(at, starts_at)
        if self.chance(0.08):
            told = min(at, near(self.rng, midnight(self.day0)))
        self.send(at, "NotificationConfirmed", {"session_id": session_id, "notified_at": told})

    def cancel_session(
        self,
        session: tuple[str, datetime, datetime],
        at: datetime,
        cause: str | None = None,
        done_at: datetime | None = None,
    ) -> None:
        """SessionCancelled; `cause` left out now and then."""
        rng = self.rng
        cause = cause or rng.choice(["PROVIDER", "PARTICIPANT"])
        value = {
            "session_id": session[0],
            "reason": rng.choice(REASONS),
            "cancelled_at": done_at or self.fact(at),
        }
        if cause == "PARTICIPANT" or self.chance(0.5):
            value["cause"] = cause
        self.send(at, "SessionCancelled", value)

    def outcome(
        self,
        session: tuple[str, datetime, datetime],
        at: datetime,
        kind: str,
        outcome: str | None = None,
        recorded_at: datetime | None = None,
    ) -> None:
        """AttendanceRecorded or AttendanceCorrected."""
        rng = self.rng
        value: Json = {
            "session_id": session[0],
            "outcome": outcome or rng.choice([*OUTCOMES, "ATTENDED", "DID_NOT_ATTEND"]),
            "recorded_at": self.fact(at),
        }
        if kind == "AttendanceRecorded":
            if self.chance(0.85):
                value["recorded_at"] = max(min(at, session[1]), value["recorded_at"])
            else:
                value["recorded_at"] = min(at, near(rng, session[1]))
        else:
            value["explanation"] = "entered against the wrong person"
        if recorded_at is not None:
            value["recorded_at"] = recorded_at
        if self.chance(0.5):
            value["reason_given"] = rng.choice([None, *REASONS])
        self.send(at, kind, value)

    def expense(self, session: tuple[str, datetime, datetime], at: datetime) -> None:
        """ExpenseReimbursed."""
        value = {
            "session_id": session[0],
            "kind": self.rng.choice(["TRAVEL", "CHILDCARE", "REPLACEMENT_CARE", "ADDITIONAL_SUPPORT"]),
            "amount_pence": self.rng.choice([450, 1, 1250, 1250, 0, -1, 2147483647]),
            "paid_on": self.fact_day(at),
        }
        self.send(at, "ExpenseReimbursed", value)

    def session(self, earliest: datetime) -> datetime:
        """One session from booking to the last correction. Gives a time at which the next may be booked."""
        rng = self.rng
        starts_at = self.start_of_session(earliest)
        booked_at = somewhen(rng, earliest, max(earliest, min(starts_at - HOUR, earliest + 4 * DAY)))
        far = starts_at.year > 2050
        if self.chance(0.04) and not far:
            booked_at = near(rng, starts_at)
        choice = rng.random()
        told = False if choice < 0.36 and self.chance(0.5) else None
        session = self.book(booked_at, starts_at, told=told)
        if far:
            return booked_at + HOUR
        if choice < 0.05:
            return self.another_beside(session, booked_at)
        if choice < 0.12:
            return self.told_afterwards(session, booked_at)
        if choice < 0.24:
            return self.called_off_by_the_participant(session, booked_at)
        if choice < 0.32:
            return self.outcome_missing(session, booked_at)
        if choice < 0.36:
            return self.mandate_ends_at_its_start(session, booked_at)
        if self.chance(0.12):
            at = near(rng, starts_at) if self.chance(0.25) else somewhen(rng, booked_at, starts_at)
            if self.chance(0.3):
                self.cannot_attend(session, booked_at)
            session = self.change(session, at)
            if session[1].year > 2050:
                return at + HOUR
            if self.chance(0.25):
                session = self.book_again(session, at + MS)
                if session[1].year > 2050:
                    return at + HOUR
        starts_at, end = session[1], session[2]
        if self.chance(0.28):
            said_at = self.cannot_attend(session, booked_at)
            if self.chance(0.25):
                self.cannot_attend(session, booked_at)
            if self.chance(0.2):
                self.cancel_session(session, max(said_at, near(rng, end)))
        if self.chance(0.12):
            self.confirm(session, somewhen(rng, booked_at, starts_at))
        if self.chance(0.12):
            cancelled_at = around(rng, booked_at, starts_at, end)
            self.cancel_session(session, cancelled_at)
            if self.chance(0.5):
                session = self.book_again(session, cancelled_at + rng.choice([MS, HOUR]))
                starts_at, end = session[1], session[2]
                if end.year > 2050:
                    return cancelled_at + DAY
        if self.mandatory and self.chance(0.08):
            self.end_mandate(rng.choice([around(rng, booked_at, starts_at, end), end - MS]))
        if self.chance(0.03):
            self.special(around(rng, booked_at, starts_at, end))
        if self.chance(0.04):
            self.restriction(around(rng, booked_at, starts_at, end))
        if self.chance(0.04):
            self.objection(around(rng, booked_at, starts_at, end))
        owed_at = self.outcome_owed(booked_at, end)
        told_at = rng.choice([near(rng, starts_at), near(rng, end), end, end + HOUR, end + HOUR, end + DAY])
        if self.chance(0.1):
            told_at = near(rng, owed_at)
        if end > starts_at + 30 * DAY:
            told_at = starts_at + HOUR
        if self.chance(0.9):
            told_at = max(told_at, booked_at + MS)
        last = max(told_at, booked_at)
        none_told = self.chance(0.1)
        if self.mandatory and self.chance(0.06):
            benefit = rng.choice([benefit for benefit in FAILURE_TYPES if benefit != self.benefit])
            changes = {
                "benefit": benefit,
                "action_plan_annotation": VOLUNTARY,
                "claimant_group": "ESA_C_WRAG",
            }
            self.same_again(max(told_at - MS, booked_at), changes)
        if not none_told:
            self.outcome(session, told_at, "AttendanceRecorded")
            if told_at < starts_at and self.chance(0.7):
                last = told_at = starts_at + rng.choice([timedelta(0), MS, HOUR])
                self.outcome(session, told_at, "AttendanceRecorded")
            for _ in range(rng.choice([0, 0, 0, 0, 1, 1, 2, 3])):
                last += rng.choice([MS, HOUR, DAY, DAY, 4 * DAY])
                if self.chance(0.1):
                    last = max(last, near(rng, self.deadline("session_within_days")))
                if self.chance(0.06):
                    self.special(last - MS)
                if self.chance(0.12):
                    self.same_again(last - MS, {"jobcentre_id": rng.choice(JOBCENTRES)})
                self.outcome(session, last, "AttendanceCorrected")
        if self.chance(0.22):
            self.confirm(session, somewhen(rng, told_at, last + 2 * DAY))
        if self.chance(0.2):
            self.expense(session, somewhen(rng, told_at - HOUR, last + 2 * DAY))
        if self.chance(0.05):
            self.cancel_session(session, somewhen(rng, told_at, last + DAY))
        if none_told and self.chance(0.5):
            self.cancel_session(session, last)
        if self.chance(0.15):
            self.not_possible(somewhen(rng, told_at, last + DAY))
        return somewhen(rng, told_at, last) if self.chance(0.92) else booked_at + MINUTE

    def book_again(
        self, session: tuple[str, datetime, datetime], at: datetime
    ) -> tuple[str, datetime, datetime]:
        """The id of a session, which may be cancelled, is booked again; at the same time, or another."""
        starts_at = max(session[1], at) + self.rng.choice([timedelta(0), HOUR, DAY])
        if self.chance(0.2):
            starts_at = session[1]
        return self.book(at, starts_at, session_id=session[0])

    def says_so(self, session: tuple[str, datetime, datetime], at: datetime) -> None:
        """CannotAttend, said before the start, whenever it arrives."""
        given_at = min(at, session[1] - MS)
        value = {"session_id": session[0], "reason": self.rng.choice(REASONS), "given_at": given_at}
        self.send(at, "CannotAttend", value)

    def came_after_all(self, session: tuple[str, datetime, datetime], at: datetime) -> None:
        """AttendanceRecorded: attended, though it may have been called off."""
        self.outcome(session, at, "AttendanceRecorded", "ATTENDED")

    def called_off_by_the_participant(
        self, session: tuple[str, datetime, datetime], booked_at: datetime
    ) -> datetime:
        """What was said beforehand stands, or nothing was said; then all that may come of it."""
        rng = self.rng
        _, starts_at, end = session
        if end > starts_at + 30 * DAY:
            return starts_at + HOUR
        said_at = max(booked_at, starts_at - rng.choice([MS, HOUR, DAY, 2 * DAY]))
        if self.chance(0.85):
            self.says_so(session, said_at)
        owed_at = self.outcome_owed(booked_at, end)
        late = [near(rng, starts_at), near(rng, end), end + HOUR]
        at = said_at if self.chance(0.4) else rng.choice([somewhen(rng, said_at, starts_at), *late])
        at = max(at, said_at)
        if self.chance(0.1):
            # What was owed is so no more, once the record is special.
            self.cancel_session(session, at, "PARTICIPANT")
            special_at = max(at, near(rng, end)) + HOUR
            self.special(special_at)
            acts_after = [self.book_again, self.confirm, self.cancel_session, self.came_after_all]
            rng.choice(acts_after)(session, special_at + HOUR)
            return special_at + 2 * HOUR
        self.cancel_session(session, at, "PARTICIPANT" if self.chance(0.9) else "PROVIDER")
        if self.chance(0.3):
            self.book(at + MS, max(at, starts_at) + rng.choice([HOUR, DAY]))
        acts: list[Callable[[datetime], Any]] = [
            lambda when: self.confirm(session, when),
            lambda when: self.confirm(session, when),
            lambda when: self.came_after_all(session, when),
            lambda when: self.came_after_all(session, when),
            lambda when: self.outcome(session, when, "AttendanceRecorded"),
            lambda when: self.outcome(session, when, "AttendanceCorrected"),
            lambda when: self.cancel_session(session, when, "PROVIDER"),
            lambda when: self.cancel_session(session, when, "PROVIDER", min(when, near(rng, owed_at))),
            lambda when: self.cancel_session(session, when, "PARTICIPANT"),
            lambda when: self.book_again(session, when),
            lambda when: self.book_again(session, when),
            lambda when: self.expense(session, when),
            lambda when: self.says_so(session, when),
            self.end_mandate,
            self.special,
        ]
        times = [at, *[somewhen(rng, at, end) for _ in range(4)], near(rng, starts_at), near(rng, end)]
        times += [near(rng, owed_at), owed_at + DAY, end + HOUR]
        chosen = sorted(max(at + MS, rng.choice(times)) for _ in range(rng.randint(1, 5)))
        for when in chosen:
            rng.choice(acts)(when)
        return chosen[-1]

    def outcome_missing(self, session: tuple[str, datetime, datetime], booked_at: datetime) -> datetime:
        """Nobody says what came of a session until the limit is on the point of passing, or has passed."""
        rng = self.rng
        end = session[2]
        if end > session[1] + 30 * DAY:
            return session[1] + HOUR
        owed_at = self.outcome_owed(booked_at, end)
        if self.chance(0.3):
            self.cannot_attend(session, booked_at)
        if self.chance(0.3):
            self.outcome(session, end + HOUR, "AttendanceRecorded", rng.choice(OUTCOMES[1:]))
        if self.chance(0.1):
            self.special(near(rng, owed_at) - rng.choice([timedelta(0), HOUR]))
        at = near(rng, owed_at) if self.chance(0.4) else owed_at + rng.choice([MS, HOUR, DAY, 3 * DAY])
        done_at = min(at, near(rng, owed_at) - rng.choice([timedelta(0), HOUR, DAY]))
        if self.chance(0.3):
            # Not told, called off late, and then set right in time by what the record says.
            self.says_so(session, session[1] - HOUR)
            at, in_time = max(at, owed_at), max(owed_at - rng.choice([MS, HOUR, DAY]), session[1])
            self.cancel_session(session, at, "PARTICIPANT", rng.choice([at, at, in_time]))
            at += rng.choice([MS, HOUR])
            if self.chance(0.5):
                self.cancel_session(session, at, "PROVIDER", in_time)
            else:
                self.outcome(session, at, "AttendanceRecorded", "ATTENDED", in_time)
        elif self.chance(0.55):
            recorded_at = at if self.chance(0.3) else max(done_at, session[1])
            self.outcome(session, at, "AttendanceRecorded", None, recorded_at)
        else:
            self.cancel_session(session, at, None, done_at)
            if self.chance(0.5):
                self.book_again(session, at + MS)
        at += rng.choice([MS, HOUR, DAY])
        if self.chance(0.3):
            in_time = max(owed_at - rng.choice([MS, HOUR, DAY]), session[1])
            self.outcome(session, max(at, in_time), "AttendanceCorrected", None, in_time)
        rng.choice([self.confirm, self.cancel_session, self.expense])(session, at)
        return at

    def mandate_ends_at_its_start(
        self, session: tuple[str, datetime, datetime], booked_at: datetime
    ) -> datetime:
        """The mandate ends, or the referral becomes special, at the start of a session, or hard by it."""
        rng = self.rng
        starts_at = max(session[1], booked_at)
        if self.chance(0.3):
            self.cannot_attend(session, booked_at)
        if self.chance(0.6):
            self.outcome(session, starts_at, "AttendanceRecorded", "DID_NOT_ATTEND", starts_at)
        ends_at = starts_at if self.chance(0.6) else near(rng, starts_at)
        rng.choice([self.end_mandate, self.end_mandate, self.special])(ends_at)
        at = starts_at + rng.choice([MS, HOUR, DAY])
        rng.choice([self.confirm, self.confirm, self.cancel_session, self.expense])(session, at)
        self.outcome(session, at + HOUR, rng.choice(["AttendanceRecorded", "AttendanceCorrected"]))
        return at + 2 * HOUR

    def two_groups(self, earliest: datetime) -> datetime:
        """Two group sessions are to come, one of them booked again; then something that cancels both."""
        rng = self.rng
        start = london(london_date(earliest) + timedelta(days=rng.randint(2, 4)), 10)
        at = earliest
        for place, session_id in enumerate("ABA" if self.chance(0.7) else "AB"):
            session = self.book(at, start + rng.choice([timedelta(0), HOUR]), "GROUP", session_id)
            if place == 0:
                self.cancel_session(session, at + MS, "PROVIDER")
            elif self.chance(0.85):
                self.says_so(session, at + MS)
            at += HOUR
        session = self.book(at, start, "GROUP", "C")
        at += HOUR
        self.restricted = True
        if self.chance(0.6):
            changes: Json = {"group_session_restriction": rng.choice(["MAPPA", "SAFETY_MEASURES"])}
            if self.chance(0.7):
                changes |= {"action_plan_annotation": typed(rng, VOLUNTARY)}
            self.same_again(at, changes)
        else:
            self.objection(at)
        return at + HOUR

    def forgotten_with_an_outcome_owed(self) -> None:
        """A session that was over is booked so late that its outcome is owed when all is forgotten."""
        rng = self.rng
        forgotten_at = self.deadline("forget_after_days")
        day = london_date(forgotten_at)
        while self.outcome_owed(midnight(day), midnight(day)) > forgotten_at:
            day -= DAY
        at = near(rng, london(day, 9))
        start = self.deadline("wp11_within_days") - rng.choice([MS, HOUR, timedelta(0)])
        self.book(min(at, forgotten_at - MS), start, told=False)
        self.owed.append(forgotten_at)

    def told_afterwards(self, session: tuple[str, datetime, datetime], booked_at: datetime) -> datetime:
        """The participant cannot come and does not; when they were told comes out later, or never."""
        rng = self.rng
        _, starts_at, end = session
        said_at = max(booked_at, starts_at - rng.choice([MS, HOUR, DAY]))
        self.says_so(session, said_at)
        if end > starts_at + 30 * DAY:
            return starts_at + HOUR
        at = max(end, said_at) + rng.choice([timedelta(0), MS, HOUR, DAY])
        acts: list[Callable[[datetime], None]] = [
            lambda when: self.confirm(session, when),
            lambda when: self.confirm(session, when),
            lambda when: self.outcome(session, when, "AttendanceRecorded"),
            lambda when: self.outcome(session, when, "AttendanceRecorded"),
            lambda when: self.outcome(session, when, "AttendanceCorrected"),
            lambda when: self.cancel_session(session, when),
        ]
        for _ in range(rng.randint(1, 5)):
            rng.choice(acts)(at)
            at += rng.choice([MS, HOUR, DAY])
        return at

    def another_beside(self, session: tuple[str, datetime, datetime], booked_at: datetime) -> datetime:
        """The participant cannot come, so another is booked; both are to come when something happens."""
        rng = self.rng
        starts_at = session[1]
        said_at = somewhen(rng, booked_at, starts_at)
        self.says_so(session, said_at)
        second = self.book(said_at + MS, starts_at + rng.choice([timedelta(0), HOUR, DAY, -HOUR]))
        at = near(rng, min(starts_at, second[1])) - rng.choice([timedelta(0), MINUTE, 2 * HOUR])
        at = max(at, said_at + 2 * MS)
        rng.choice([self.objection, self.objection, self.restriction, self.revise, self.another_revision])(at)
        if self.chance(0.3):
            self.change(session, at)
        self.outcome(rng.choice([session, second]), second[2] + HOUR, "AttendanceRecorded")
        return second[2] + 2 * HOUR

    def straddle(self, instant: datetime) -> None:
        """A session booked before an instant that closes the referral, which starts about then or after."""
        rng = self.rng
        starts_at = near(rng, instant) + rng.choice([timedelta(0), timedelta(0), HOUR, DAY])
        booked_at = min(starts_at, instant) - rng.choice([MINUTE, HOUR, DAY])
        session = self.book(booked_at, starts_at)
        if self.chance(0.4):
            self.cannot_attend(session, booked_at)
        if self.chance(0.7):
            self.outcome(
                session, session[1] + rng.choice([timedelta(0), MS, HOUR, DAY]), "AttendanceRecorded"
            )

    def dispute(self, at: datetime) -> None:
        """The Jobcentre or the participant says one thing, the next revision says what it said before."""
        rng = self.rng
        choice = rng.random()
        if choice < 0.4:
            if self.chance(0.3):
                self.same_again(at - HOUR, {"support_group_appeal_pending": True})
            self.send(
                at, "SupportGroupAppealChanged", {"pending": self.chance(0.6), "changed_on": london_date(at)}
            )
            self.same_again(at + HOUR)
            self.wp11(at + 2 * HOUR)
        elif choice < 0.6:
            groups = CAN_BE_MANDATED if self.mandatory else CAN_BE_MANDATED + OTHER_GROUPS
            self.same_again(at, {"claimant_group": rng.choice(groups), "support_group_appeal_pending": True})
            if self.chance(0.5):
                self.same_again(at + HOUR, {"claimant_group": rng.choice(groups)})
            self.wp11(at + 2 * HOUR)
        else:
            if self.chance(0.5):
                self.same_again(at - HOUR, {"group_session_restriction": rng.choice(RESTRICTIONS)})
            if self.chance(0.3):
                self.objection(at)
            else:
                restriction = rng.choice([None, None, "MAPPA"])
                value = {"restriction": restriction, "changed_on": london_date(at)}
                self.send(at, "GroupSessionRestrictionChanged", value)
            if self.chance(0.8):
                self.same_again(at + HOUR)
            session = self.book(at + 2 * HOUR, at + 2 * DAY, "GROUP")
            if self.chance(0.5):
                self.same_again(at + 3 * HOUR)
            self.outcome(session, session[2], "AttendanceRecorded")

    # ------------------------------------------------------------------------------- the other acts

    def restriction(self, at: datetime) -> None:
        """GroupSessionRestrictionChanged."""
        value = {"restriction": self.rng.choice([None, None, *RESTRICTIONS]), "changed_on": self.fact_day(at)}
        self.restricted = value["restriction"] is not None
        self.send(at, "GroupSessionRestrictionChanged", value)

    def appeal(self, at: datetime) -> None:
        """SupportGroupAppealChanged."""
        self.send(
            at, "SupportGroupAppealChanged", {"pending": self.chance(0.5), "changed_on": self.fact_day(at)}
        )

    def objection(self, at: datetime) -> None:
        """GroupObjection."""
        self.restricted = True
        self.send(at, "GroupObjection", {"raised_at": self.fact(at)})

    def alternative(self, at: datetime) -> None:
        """AlternativeSessionRequested."""
        value = {"jobcentre_id": self.rng.choice(JOBCENTRES), "requested_at": self.fact(at)}
        self.send(at, "AlternativeSessionRequested", value)

    def not_possible(self, at: datetime) -> None:
        """AlternativeSessionNotPossible, after it was asked for or not."""
        if self.chance(0.5):
            self.alternative(at - self.rng.choice([timedelta(0), MS, HOUR]))
        value = {"reason": self.rng.choice(REASONS), "told_at": self.fact(at, midnight(london_date(at)))}
        self.send(at, "AlternativeSessionNotPossible", value)
        if self.chance(0.2):
            self.send(at + HOUR, "AlternativeSessionNotPossible", value | {"told_at": at})

    def hold(self, at: datetime) -> None:
        """An appeal holds the attachment, and is decided: early, on the last days, or late; then attached."""
        rng = self.rng
        limit = self.deadline("attach_within_days")
        for _ in range(rng.choice([1, 1, 1, 2])):
            at = max(at, rng.choice([at, at, near(rng, limit), limit + HOUR]))
            by_revision = not self.held_in_full and self.chance(0.4)
            if by_revision:
                changes: list[Json] = [
                    {"support_group_appeal_pending": True},
                    {"support_group_appeal_pending": True},
                    {"benefit": "ESA", "claimant_group": rng.choice(WRAG_GROUPS)},
                ]
                self.same_again(at, rng.choice(changes))
            else:
                changed_on = london_date(at)
                self.send(at, "SupportGroupAppealChanged", {"pending": True, "changed_on": changed_on})
            at += rng.choice([MS, HOUR, DAY])
            if self.chance(0.2):
                self.attach(at)
            if self.chance(0.15):
                self.special(at)
            if self.chance(0.15):
                return
            last_days = limit - rng.choice([timedelta(0), HOUR, DAY, 2 * DAY, 3 * DAY])
            at = max(
                at,
                rng.choice([somewhen(rng, at, limit), near(rng, last_days), near(rng, limit), limit + DAY]),
            )
            if not self.held_in_full and self.chance(0.35):
                if self.chance(0.6):
                    if not by_revision:
                        self.same_again(at, {"support_group_appeal_pending": True})
                    self.same_again(at, {"support_group_appeal_pending": False})
                else:
                    other: list[Json] = [
                        {"benefit": rng.choice(["UC", "JSA"])},
                        {"benefit": "ESA", "claimant_group": "ESA_C_SUPPORT_GROUP"},
                    ]
                    self.same_again(at, {"action_plan_annotation": VOLUNTARY, **rng.choice(other)})
            else:
                changed_on = london_date(at)
                self.send(at, "SupportGroupAppealChanged", {"pending": False, "changed_on": changed_on})
            days = self.limits["accept_within_working_days"]
            limit = max(limit, passes_at(working_days_after(london_date(at), days)))
            self.owed.append(limit)
        if self.chance(0.7):
            at = max(at, rng.choice([near(rng, limit), limit + HOUR, limit + 2 * DAY]))
            last = london_date(limit - DAY)
            value = {
                "attached_on": min(london_date(at), rng.choice([last, last + DAY, last - DAY])),
                "attached_to": "WORK_PROGRAMME_REFERRAL",
            }
            self.send(at, "AttachmentRegistered", value)

    def after_all(self, instant: datetime) -> None:
        """After the referral was cancelled (at `instant`) somebody still comes; perhaps a WP11 does, too."""
        rng = self.rng
        at = instant + rng.choice([timedelta(0), MS, HOUR, DAY, 3 * DAY])
        start = rng.choice(
            [instant - HOUR, instant - MS, instant, at + HOUR, at + DAY, self.start_of_session(at)]
        )
        session = self.book(at, start)
        if session[2].year > 2050:
            return
        if self.chance(0.3):
            self.cannot_attend(session, at)
        if self.chance(0.25):
            changed = self.change(session, at + MS)
            session = changed if changed[2].year < 2050 else session
        if self.chance(0.4):
            back = {
                "session_id": session[0],
                "starts_at": instant - rng.choice([MS, timedelta(0), HOUR]),
                "duration_minutes": 60,
                "location": "Room 3",
            }
            if self.chance(0.4):
                back["notified_at"] = instant - DAY
            self.send(at + 2 * MS, "SessionChanged", back)
        if self.chance(0.2):
            self.cancel_session(session, max(at + HOUR, near(rng, session[1])))
        told_at = max(at + HOUR, session[2])
        if self.chance(0.8):
            self.outcome(session, told_at, "AttendanceRecorded")
        if self.chance(0.3):
            self.outcome(session, told_at + HOUR, "AttendanceCorrected")
        if self.chance(0.4):
            self.expense(session, told_at + HOUR)
        if self.chance(0.3):
            self.book(told_at + DAY, told_at + 2 * DAY)
        if self.chance(0.5):
            self.late_wp11(at)

    def late_wp11(self, at: datetime) -> None:
        """A WP11 of an interview after the limit, or one that comes after the cancellation; mostly twice."""
        rng = self.rng
        last = self.day0 + timedelta(days=self.limits["wp11_within_days"])
        for _ in range(rng.choice([1, 2, 2, 3])):
            interview = min(london_date(at), rng.choice([last, last, last + DAY, last + 3 * DAY]))
            value = {
                "jobcentre_id": rng.choice(JOBCENTRES),
                "interview_on": interview,
                "wants_to_join": self.chance(0.95),
                "issued_on": interview,
            }
            self.send(at, "Wp11", value)
            at += rng.choice([MS, HOUR, DAY])

    def accept(self, at: datetime, by: date | None = None) -> None:
        """ReferralAccepted; `by` the due date where its edge is aimed at."""
        accepted_at = self.fact(at)
        if by is not None:
            accepted_at = min(at, near(self.rng, passes_at(by)))
        self.send(at, "ReferralAccepted", {"accepted_at": accepted_at})

    def reject(self, at: datetime) -> None:
        """ReferralRejected."""
        self.send(at, "ReferralRejected", {"reason": self.rng.choice(REASONS), "rejected_at": self.fact(at)})

    def wp11(self, at: datetime) -> Json:
        """Wp11, mostly of an interview on that day, or on an edge of the limit."""
        rng = self.rng
        last = self.day0 + timedelta(days=self.limits["wp11_within_days"])
        today = london_date(at)
        interview = min(today, last) if self.chance(0.8) else self.fact_day(at)
        if self.chance(0.15):
            edges = [self.day0 - DAY, self.day0, last, last + DAY]
            interview = min(today, rng.choice(edges)) if self.chance(0.7) else rng.choice(edges)
        issued_on = today if self.chance(0.6) else interview
        if self.chance(0.05):
            issued_on = interview - DAY
        value = {
            "jobcentre_id": rng.choice(JOBCENTRES),
            "interview_on": interview,
            "wants_to_join": self.chance(0.94),
            "issued_on": issued_on,
        }
        return self.send(at, "Wp11", value)

    def attach(self, at: datetime) -> None:
        """AttachmentRegistered, now and then to the wrong referral, too early, or told late."""
        rng = self.rng
        last = self.day0 + timedelta(days=self.limits["attach_within_days"])
        today = london_date(at)
        attached = today
        if self.chance(0.4):
            attached = min(today, rng.choice([last, last, last + DAY, today - DAY, self.day0]))
        value = {
            "attached_on": attached if self.chance(0.97) else today + DAY,
            "attached_to": "INFORMATION_SESSION_REFERRAL" if self.chance(0.12) else "WORK_PROGRAMME_REFERRAL",
        }
        self.send(at, "AttachmentRegistered", value)
        while self.chance(0.2):
            at += rng.choice([timedelta(0), MS, HOUR])
            value = {
                **value,
                "attached_to": rng.choice(["INFORMATION_SESSION_REFERRAL", value["attached_to"]]),
            }
            self.send(at, "AttachmentRegistered", value)

    def about_a_session(self, at: datetime) -> None:
        """Any record about one of the sessions booked, or about one that nobody knows."""
        rng = self.rng
        sessions = [session for session in self.sessions if session[1].year < 2050]
        if not sessions or self.chance(0.12):
            start = at - rng.choice([HOUR, -HOUR])
            sessions = [(rng.choice(["S9", "S1", "S2"]), start, start + HOUR)]
        session = rng.choice(sessions)
        acts: list[Callable[[], Any]] = [
            lambda: self.cancel_session(session, at),
            lambda: self.cancel_session(session, at),
            lambda: self.confirm(session, at),
            lambda: self.book_again(session, at),
            lambda: self.outcome(session, at, "AttendanceRecorded"),
            lambda: self.outcome(session, at, "AttendanceCorrected"),
            lambda: self.expense(session, at),
        ]
        choice = rng.random()
        if choice < 0.15:
            self.change(session, at)
        elif choice < 0.3:
            self.cannot_attend(session, session[1] - 2 * DAY)
        else:
            rng.choice(acts)()

    def again(self, at: datetime) -> None:
        """A message once more: as it was, or the same id with other content or another type."""
        rng = self.rng
        earlier = [line for when, line in self.lines if when <= at]
        if not earlier:
            return
        line = rng.choice(earlier)
        choice = rng.random()
        if choice < 0.6:
            self.lines.append((at, {**line, "at": at, "value": dict(line["value"])}))
            return
        message_id = line["value"]["message_id"]
        if choice < 0.75:
            value = {"accepted_at": self.fact(at)}
            self.send(at, "ReferralAccepted", value, message_id)
        elif choice < 0.9:
            self.send(at, "Referral", {**self.referral(at), "po_revision": self.revision + 1}, message_id)
        else:
            self.send(
                at, "AlternativeSessionRequested", {"jobcentre_id": "J", "requested_at": at}, message_id
            )

    def another_provider(self, at: datetime) -> None:
        """A record that was sent already comes from somebody else."""
        theirs = [line for _, line in self.lines if line["topic"] == "provider.session-records"]
        if theirs:
            line = self.rng.choice(theirs)
            other = self.rng.choice([provider for provider in PROVIDERS if provider != self.provider])
            value = {**line["value"], "provider_id": other, "message_id": self.new_id()}
            self.lines.append((at, {**line, "at": at, "value": value}))

    def something(self, at: datetime) -> None:
        """Any one thing happens."""
        acts: list[tuple[float, Callable[[datetime], Any]]] = [
            (1.5, self.again),
            (0.7, self.another_provider),
            (1.6, self.revise),
            (0.45, self.restriction),
            (0.3, self.objection),
            (0.7, self.appeal),
            (0.6, self.alternative),
            (0.5, self.not_possible),
            (0.25, self.end_mandate),
            (0.12, self.special),
            (0.4, self.accept),
            (0.35, self.reject),
            (0.5, self.wp11),
            (0.7, self.attach),
            (2.2, self.about_a_session),
        ]
        act = self.rng.choices([act for _, act in acts], [weight for weight, _ in acts])[0]
        act(at)

    # ----------------------------------------------------------------------------- the whole life

    def some_edge(self) -> datetime:
        """An instant at which something may turn: a deadline, or the end or start of a session."""
        limits = ["session_within_days", "wp11_within_days", "attach_within_days", "wp11_within_days"]
        edges = [self.deadline(which) for which in limits]
        for _, starts_at, end in self.sessions:
            if end.year < 2050:
                edges += [starts_at, end]
        return self.rng.choice(edges + self.owed)

    def tell(self) -> None:
        """The life of this referral, from its first record to its last."""
        rng, day0, limits = self.rng, self.day0, self.limits
        on_time = somewhen(rng, london(day0, 7), london(day0, 20))
        if self.chance(0.1):
            on_time = near(rng, midnight(day0 + timedelta(days=rng.choice([0, 1]))))
        if self.chance(0.15):
            on_time += rng.randint(1, 3) * DAY
        arrives_at, late = self.lateness(on_time)
        own_ids = len(self.lines)
        if not self.chance(0.025):
            self.first_referral(arrives_at)
        of_referral = self.lines[own_ids:]
        due_on = working_days_after(london_date(arrives_at), limits["accept_within_working_days"])

        # Accepted, or not.
        choice = rng.random()
        now = on_time + rng.choice([MS, MINUTE, HOUR, 5 * HOUR, DAY])
        sessions = rng.choice([0, 1, 1, 1, 1, 2, 2, 3, 4])
        if choice < 0.05:
            self.reject(now)
            sessions = min(sessions, 1)
        elif choice < 0.07:
            sessions = min(sessions, 1)
        elif choice < 0.2 and not late:
            at = near(rng, passes_at(due_on))
            self.accept(at, due_on if self.chance(0.5) else None)
            now = max(now, at)
        elif choice < 0.32 and not late:
            now = passes_at(due_on) + rng.choice([MS, HOUR, 2 * DAY])
            self.accept(now, due_on)
        else:
            self.accept(now)
            if self.chance(0.05):
                self.accept(now + HOUR)

        # Sessions.
        after = now
        for _ in range(sessions):
            if after >= self.deadline("wp11_within_days") and self.chance(0.8):
                break
            after = self.session(after + rng.choice([MS, MINUTE, HOUR]))

        if self.chance(0.04):
            self.two_groups(somewhen(rng, now, now + 3 * DAY))
        if self.chance(0.03):
            self.forgotten_with_an_outcome_owed()
        if self.chance(0.1):
            self.dispute(somewhen(rng, now, self.deadline("wp11_within_days") - HOUR))
        if self.chance(0.08):
            self.straddle(self.deadline("wp11_within_days"))

        # WP11 and attachment; or none in time, and what comes after the cancellation.
        if self.held_in_full:
            window_end = self.deadline("wp11_within_days")
            self.wp11(window_end - rng.choice([HOUR, DAY]))
            self.hold(window_end + rng.choice([-HOUR, HOUR, DAY]))
        elif self.chance(0.28):
            if self.chance(0.5):
                self.late_wp11(
                    self.deadline("wp11_within_days") + rng.choice([-HOUR, timedelta(0), DAY, 9 * DAY])
                )
            if self.chance(0.7):
                self.after_all(self.deadline("wp11_within_days"))
        elif self.chance(0.95):
            window_end = self.deadline("wp11_within_days")
            from_then = after if after < window_end and self.chance(0.75) else now
            at = near(rng, window_end) if self.chance(0.2) else somewhen(rng, from_then, window_end)
            if self.benefit == "ESA" and self.chance(0.15):
                group = {"benefit": "ESA", "claimant_group": rng.choice(OTHER_GROUPS)}
                changes = {"action_plan_annotation": MANDATORY, **group}
                self.same_again(at - HOUR, changes, remember=False)
            wp11 = self.wp11(at)
            if self.chance(0.1):
                self.wp11(at + rng.choice([MS, DAY]))
            if self.chance(0.45 if self.benefit == "ESA" and self.wrag else 0.1):
                self.hold(at + rng.choice([MS, HOUR, DAY, 3 * DAY]))
            elif self.chance(0.85):
                limit = self.deadline("attach_within_days")
                later = rng.choice(
                    [near(rng, limit), limit + DAY, somewhen(rng, at, limit), somewhen(rng, at, limit)]
                )
                later = max(later, at + MS)
                if self.chance(0.15):
                    issued_on = date.fromisoformat(wp11["value"]["issued_on"])
                    value = {"attached_on": issued_on - DAY, "attached_to": "WORK_PROGRAMME_REFERRAL"}
                    self.send(later - MS, "AttachmentRegistered", value)
                self.attach(later)
                if self.chance(0.08):
                    self.straddle(later)
                if self.chance(0.3):
                    self.attach(later + rng.choice([HOUR, DAY]))

        # What goes on beside.
        first, last = on_time - DAY, self.deadline("attach_within_days") + 3 * DAY
        for _ in range(rng.choice([0, 1, 2, 3, 4, 6, 9])):
            at = near(rng, self.some_edge()) if self.chance(0.3) else somewhen(rng, first, last)
            self.something(at)
        if late:
            # Held shortly before a very late referral, around the instant at which it is forgotten too.
            for _ in range(rng.choice([1, 3, 5])):
                at = somewhen(rng, arrives_at - 29 * DAY, arrives_at)
                if self.chance(0.3):
                    at = min(arrives_at, near(rng, self.deadline("forget_after_days")))
                self.something(at)
                if self.chance(0.4):
                    self.again(at + HOUR)

        # A referral may bear the id of something that is held; then it never comes.
        held_ids = [line["value"]["message_id"] for at, line in self.lines if at < arrives_at]
        if held_ids and of_referral and self.chance(0.01):
            of_referral[-1][1]["value"]["message_id"] = rng.choice(held_ids)
        if self.chance(0.1):
            self.again(arrives_at + rng.choice([timedelta(0), MS, DAY]))
        self.number_revisions()

    def lateness(self, on_time: datetime) -> tuple[datetime, bool]:
        """When the referral arrives, and whether that is late."""
        rng = self.rng
        choice = rng.random()
        hold = self.limits["hold_unmatched_days"]
        if choice < 0.74:
            return on_time, False
        if choice < 0.88:
            return on_time + rng.randint(1, max(1, hold)) * DAY, True
        if choice < 0.92:
            return near(rng, passes_at(london_date(on_time) + timedelta(days=hold))), True
        if choice < 0.95:
            which = rng.choice(["session_within_days", "wp11_within_days", "attach_within_days"])
            return max(on_time, near(rng, self.deadline(which))), True
        if choice < 0.97:
            return max(on_time, near(rng, self.deadline("forget_after_days"))), True
        if choice < 0.975:
            return max(on_time, self.deadline("forget_after_days") + rng.randint(1, 40) * DAY), True
        if choice < 0.99:
            self.held_in_full = self.wrag = True
            self.benefit = "ESA"
            return self.deadline("attach_within_days") + rng.randint(0, 6) * DAY, True
        return on_time + rng.randint(hold, 500) * DAY, True


# ------------------------------------------------------------------------------------- the programme


def po_numbers(rng: random.Random, seed: int, count: int) -> list[str]:
    """Numbers whose order by code point is neither that of arrival nor that of the alphabet."""
    shapes = ["PO-{s}-{n:03}", "PO-{s}-{n:03}", "PO-{s}-{n:03}", "po-{s}-{n}", "PO{s}.{n}", "PÖ-{s}-{n}"]
    return [rng.choice(shapes).format(s=seed, n=number) for number in range(count, 0, -1)]


def programme(seed: int, referrals: int = 8, policies: Sequence[Json] | None = None) -> list[Json]:
    """Replay input for this many referrals: JSON-ready lines in order of `at`, valid as the contracts say.

    With `policies` (as in the policy file) the edges aimed at are those of the policies' limits; the default
    is the shipped policy's.
    """
    rng = random.Random(f"programme {seed} {referrals}")
    in_force = list(policies or DEFAULT_POLICIES)
    base = base_day(seed)
    told: list[tuple[datetime, Json]] = []
    edges: list[datetime] = []
    at_the_end: list[Json] = []
    for po_number in po_numbers(rng, seed, referrals):
        day0 = base + timedelta(days=rng.choice([0, 0, 0, 1, 2, 3, rng.randint(-5, 12)]))
        if rng.random() < 0.004:
            day0 = date.fromisoformat(rng.choice(["1969-12-31", "1900-02-28", "1999-12-31"]))
        story = Story(rng, po_number, day0, policy_on(in_force, day0))
        story.tell()
        if rng.random() < 0.07:
            day1 = another_life(rng, story, in_force)
            edges.append(midnight(day1))
        told += story.lines
        at_the_end += story.said_at_the_end
        edges += [story.deadline("session_within_days"), story.deadline("wp11_within_days")]
        edges += [story.deadline("attach_within_days"), story.deadline("forget_after_days")]
        edges += [*[end for end in story.ends if end.year < 2050], *story.owed]
    order = rng.random()
    keyed = [(at, rng.random() if order < 0.3 else 0.0, place, line) for place, (at, line) in enumerate(told)]
    keyed.sort(key=lambda item: item[:3])
    lines = [(at, {**line, "value": line["value"]}) for at, _, _, line in keyed]
    lines = brought_together(rng, lines)
    if lines and rng.random() < 0.12:
        # The input ends in the middle; where it can, right after a CannotAttend.
        places = [
            n for n, (_, line) in enumerate(lines) if any(line["value"] is value for value in at_the_end)
        ]
        if not places:
            places = [n for n, (_, line) in enumerate(lines) if line["type"] == "CannotAttend"]
        lines = lines[: rng.choice(places or range(len(lines))) + 1]
        return [as_line(rng, at, line) for at, line in lines]
    ticks: list[tuple[datetime, Json]] = []
    for _ in range(rng.choice([0, 2, 5, 9])):
        at = near(rng, rng.choice(edges))
        ticks.append((at, {"tick": True}))
    if lines and rng.random() < 0.75:
        ticks.append((lines[-1][0] + rng.choice([timedelta(0), DAY, 30 * DAY, 430 * DAY]), {"tick": True}))
    both = sorted([*ticks, *lines] if rng.random() < 0.5 else [*lines, *ticks], key=lambda item: item[0])
    return [as_line(rng, at, line) for at, line in both]


def another_life(rng: random.Random, story: Story, policies: list[Json]) -> date:
    """A second referral by the same number, around the instant that forgets the first. Gives its D."""
    forgotten_at = story.deadline("forget_after_days")
    at = near(rng, forgotten_at) if rng.random() < 0.6 else forgotten_at + rng.randint(1, 20) * DAY
    second = Story(rng, story.po, london_date(at), policy_on(policies, london_date(at)))
    second.messages = story.messages if rng.random() < 0.3 else 0
    if rng.random() < 0.6:
        second.provider, second.benefit, second.mandatory = story.provider, story.benefit, story.mandatory
    second.revision = story.revision + rng.choice([0, 1, 1])
    second.tell()
    for _ in range(3):
        story.something(near(rng, forgotten_at))
    story.lines += second.lines
    story.ends += second.ends
    return second.day0


def brought_together(rng: random.Random, lines: list[tuple[datetime, Json]]) -> list[tuple[datetime, Json]]:
    """Some messages arrive at the very instant of the one before them, of the same referral or of another."""
    moved: list[tuple[datetime, Json]] = []
    for at, line in lines:
        together = moved and at - moved[-1][0] < 2 * DAY and rng.random() < 0.05
        moved.append((moved[-1][0] if together else at, line))
    return sorted(moved, key=lambda item: item[0])


def as_line(rng: random.Random, at: datetime, line: Json) -> Json:
    """A line of replay's input; `type` is left out now and then where the topic has one record."""
    if line.get("tick"):
        return {"at": format_instant(at), "tick": True}
    value = spelt(rng, "", line["value"])
    out = {"at": format_instant(at), "topic": line["topic"], "type": line["type"], "value": value}
    if line["type"] in ("Referral", "Wp11") and rng.random() < 0.3:
        del out["type"]
    return out


# -------------------------------------------------------------------------------------------- policies


def random_policies(seed: int) -> list[Json]:
    """One to three policies with small limits, in force from days around those of `programme(seed)`.

    Keys as in the policy file, `from` as text. The limits are in their natural order (session, WP11,
    attachment, forgetting), equal ones included.
    """
    rng = random.Random(f"policies {seed}")
    base = base_day(seed)
    starts = sorted(
        {base + timedelta(days=days) for days in rng.sample(range(-6, 12), rng.choice([1, 2, 3]))}
    )
    if rng.random() < 0.5 and date(2011, 6, 1) not in starts[1:]:
        starts[0] = date(2011, 6, 1)
    policies = []
    for start in starts:
        session = rng.randint(1, 12)
        wp11 = session + rng.choice([0, 1, 2, 6])
        attach = wp11 + rng.choice([0, 1, 3, 7])
        policies.append(
            {
                "from": start.isoformat(),
                "session_within_days": session,
                "wp11_within_days": wp11,
                "attach_within_days": attach,
                "accept_within_working_days": rng.randint(1, 5),
                "outcome_within_working_days": rng.choice([1, 1, 2, 3, 5, 8]),
                "hold_unmatched_days": rng.choice([1, 2, 7, 20, 40]),
                "forget_after_days": attach + rng.choice([0, 1, 10, 40]),
                "session_minutes": rng.choice([30, 45, 59, 60, 90]),
                "group_optimum": rng.randint(2, 12),
                "group_invitations": rng.randint(12, 25),
                "clock_skew_s": rng.choice([1, 60, 300, 600]),
            }
        )
        if rng.random() < 0.3:
            last = base + timedelta(days=rng.choice([-1, 0, 1, 2, 3, 6, 12]))
            policies[-1]["referrals_until"] = last.isoformat()
    return policies


def policy_file(policies: Sequence[Json]) -> str:
    """Policies as the text of a policy file (TOML)."""
    blocks = []
    for policy in policies:
        fields = [f"{name} = {value}" for name, value in policy.items()]
        blocks.append("\n".join(["[[policy]]", *fields]))
    return "\n\n".join(blocks) + "\n"
