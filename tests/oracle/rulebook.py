"""The rulebook (edition 2), row by row, over plain dicts.

Written from the documents alone, to be a test oracle: nothing here is shared with the product, nothing is
fast, and each check stands where its row stands. The input is taken to be valid (decoded lines as for
replay).

A word on the two times that go through all of it: `at` is the moment a message arrived, which the rows look
at; `now` is `decided_at`. They differ only for what was held, which is judged by its own `at` when the
referral comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays

Json = dict[str, Any]
Outcome = tuple[str, str | None, list[str]]
"""Status, code, advisories."""

LONDON = ZoneInfo("Europe/London")

# --------------------------------------------------------------------------------------- tables

DEFAULT_POLICIES: list[Json] = [
    {
        "from": "2011-06-01",
        "session_within_days": 15,
        "wp11_within_days": 21,
        "attach_within_days": 28,
        "accept_within_working_days": 2,
        "outcome_within_working_days": 2,
        "hold_unmatched_days": 28,
        "forget_after_days": 400,
        "session_minutes": 60,
        "group_optimum": 10,
        "group_invitations": 20,
        "clock_skew_s": 300,
    }
]

ONLY_RECORD_OF_TOPIC = {"prap.referrals": "Referral", "jobcentre.wp11": "Wp11"}

FIELD_DEFAULTS: dict[str, Json] = {
    "Referral": {
        "claimant_group": None,
        "mandation": None,
        "special_customer_record": False,
        "support_group_appeal_pending": False,
        "group_session_restriction": None,
    },
    "SessionBooked": {"notified_at": None},
    "SessionChanged": {"notified_at": None},
    "SessionCancelled": {"cause": "PROVIDER"},
    "AttendanceRecorded": {"reason_given": None},
    "AttendanceCorrected": {"reason_given": None},
}
MANDATION_DEFAULTS: Json = {"purpose": None, "tangible_outcome": False}
PARTICIPANT_DEFAULTS: Json = {"nino": None, "interpreter_needed": False}

MANDATORY = "Work Programme Information Session-Mandatory"
VOLUNTARY = "Work Programme Information Session-Voluntary"
DASHES = "\u002d\u2010\u2011\u2012\u2013\u2014\u2015"

CAN_BE_MANDATED = ["ESA_IR_WRAG_OVER_12_MONTHS", "ESA_C_WRAG", "ESA_IR_LONE_PARENT_CHILD_3_OR_4"]
WRAG_GROUPS = [
    "ESA_IR_WRAG_OVER_12_MONTHS",
    "ESA_C_WRAG",
    "ESA_IR_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_IR_EX_IB_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_C_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_IR_LONE_PARENT_CHILD_3_OR_4",
]
UNSUITABLE = ["SAFETY_MEASURES", "MAPPA", "OBJECTION"]
UC_PURPOSES = ["CHECK_COMPLIANCE", "ASSIST_COMPLIANCE", "IMPOSE_REQUIREMENT"]
JSA_PURPOSES = ["ASSIST_TO_FIND_EMPLOYMENT", "IMPROVE_PROSPECTS"]

FAILURE_TYPES = {
    "ESA": "FAILURE_TO_UNDERTAKE_WORK_RELATED_ACTIVITY",
    "UC": "FAILURE_TO_PARTICIPATE_OR_COMPLY",
    "JSA": "FAILURE_TO_CARRY_OUT_JOBSEEKERS_DIRECTION",
}

TOPIC_OF_EVENT = {
    "SessionEvent": "jobcentre.sessions",
    "Notice": "jobcentre.notices",
    "AttendanceEvent": "jobcentre.attendance",
    "CancellationEvent": "jobcentre.cancellations",
    "SanctionNotification": "jobcentre.sanction-notifications",
    "PrapAction": "prap.actions",
    "Instruction": "provider.instructions",
    "Breach": "gateway.breaches",
    "Outcome": "gateway.outcomes",
}

ORDER_OF_EFFECTS = [
    ["SessionEvent"],
    ["AttendanceEvent", "CancellationEvent"],
    ["SanctionNotification"],
    ["Notice"],
    ["PrapAction"],
    ["Instruction"],
    ["Breach"],
    ["Outcome"],
]
ORDER_OF_DEADLINES = ["G2, F2", "T1", "T2", "T3", "T4", "T6", "T5"]
ORDER_OF_BREACHES = ["ACCEPTANCE_LATE", "SESSION_LATE", "ATTACHMENT_LATE", "OUTCOME_LATE"]

CLOSED = ["ATTACHED", "CANCELLED", "REJECTED"]

APPLIED: Outcome = ("APPLIED", None, [])
DUPLICATE: Outcome = ("DUPLICATE", None, [])
HELD: Outcome = ("HELD", None, [])


def refused(code: str) -> Outcome:
    """A refusal by this code."""
    return ("REFUSED", code, [])


def applied(advisories: list[str]) -> Outcome:
    """Applied, with these advisories."""
    return ("APPLIED", None, advisories)


# ------------------------------------------------------------------------------ days and instants


def london_date(instant: datetime) -> date:
    """The Europe/London date of an instant."""
    return instant.astimezone(LONDON).date()


@cache
def midnight(day: date) -> datetime:
    """00:00 Europe/London of a day, as an instant in UTC."""
    return datetime.combine(day, time(0, 0), LONDON).astimezone(UTC)


def days_after(day: date, days: int) -> date:
    """The date so many days after."""
    return day + timedelta(days=days)


def passes_at(limit: date) -> datetime:
    """The instant at which a limit that includes this day has passed."""
    return midnight(days_after(limit, 1))


@cache
def bank_holidays(year: int) -> list[date]:
    """The bank holidays of England and Wales in a year."""
    return sorted(holidays.country_holidays("GB", subdiv="ENG", years=year))


def is_working_day(day: date) -> bool:
    """Monday to Friday, and no bank holiday."""
    return day.weekday() <= 4 and day not in bank_holidays(day.year)


def working_days_after(day: date, count: int) -> date:
    """The date of the working day so many working days after this day."""
    while count > 0:
        day = days_after(day, 1)
        if is_working_day(day):
            count -= 1
    return day


def parse_instant(text: str) -> datetime:
    """An RFC 3339 timestamp of any offset; what is finer than a millisecond is cut off."""
    instant = datetime.fromisoformat(text.upper())
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000).astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """RFC 3339 UTC, milliseconds only where they are not zero."""
    plain = instant.astimezone(UTC).replace(tzinfo=None)
    return plain.isoformat(timespec="milliseconds" if plain.microsecond else "seconds") + "Z"


def to_json(value: Any) -> Any:
    """Dates and instants as the contracts write them."""
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {name: to_json(item) for name, item in value.items()}
    return value


def from_json(name: str, value: Any) -> Any:
    """A field of an inbound record: timestamps end in _at, dates in _on, but for date_of_birth."""
    if isinstance(value, dict):
        return {inner: from_json(inner, item) for inner, item in value.items()}
    if isinstance(value, str) and name.endswith("_at"):
        return parse_instant(value)
    if isinstance(value, str) and (name.endswith("_on") or name == "date_of_birth"):
        return date.fromisoformat(value)
    return value


def decode(line: Json) -> Json:
    """A replay line as a message: at, topic, type, and value with all its fields."""
    kind = line.get("type") or ONLY_RECORD_OF_TOPIC[line["topic"]]
    value = {
        **FIELD_DEFAULTS.get(kind, {}),
        **{name: from_json(name, v) for name, v in line["value"].items()},
    }
    if kind == "Referral":
        if value["mandation"] is not None:
            value["mandation"] = {**MANDATION_DEFAULTS, **value["mandation"]}
        value["participant"] = {**PARTICIPANT_DEFAULTS, **value["participant"]}
    return {"at": parse_instant(line["at"]), "topic": line["topic"], "type": kind, "value": value}


def a_date(value: Any) -> date:
    """A day of the policy file, as TOML has it or as text."""
    return value if isinstance(value, date) else date.fromisoformat(value)


def policy_on(policies: list[Json], day: date) -> Json:
    """The policy in force on a day; before the first one, the first."""

    in_order = sorted(policies, key=lambda policy: a_date(policy["from"]))
    chosen = in_order[0]
    for policy in in_order:
        if a_date(policy["from"]) <= day:
            chosen = policy
    return chosen


# -------------------------------------------------------------------------------------- the words


def is_closed(referral: Json) -> bool:
    """ATTACHED, CANCELLED or REJECTED."""
    return referral["status"] in CLOSED


def closed_at_or_before(referral: Json, instant: datetime) -> bool:
    """Whether the referral was closed at this instant already."""
    return is_closed(referral) and referral["closed_at"] <= instant


def is_open(session: Json) -> bool:
    """Booked, with no outcome, not cancelled."""
    return session["outcome"] is None and session["cancelled"] is None


def is_expected(session: Json) -> bool:
    """Open, and its participant has not said that they cannot attend."""
    return is_open(session) and session["cannot_attend"] is None


def some_session_expected(referral: Json) -> bool:
    """Some session is open, and its participant has not said that they cannot attend."""
    return any(is_expected(session) for session in referral["sessions"].values())


def was_told(referral: Json, session: Json) -> bool:
    """`notified_at` is set, its London date is not before D, and it is before `starts_at`."""
    notified_at = session["notified_at"]
    return (
        notified_at is not None
        and london_date(notified_at) >= referral["referred_on"]
        and notified_at < session["starts_at"]
    )


def session_date(session: Json) -> date:
    """The London date on which a session starts."""
    return london_date(session["starts_at"])


def session_end(session: Json) -> datetime:
    """`starts_at` + duration."""
    end: datetime = session["starts_at"] + timedelta(minutes=session["duration_minutes"])
    return end


def mandate_in_force(referral: Json) -> bool:
    """From a first Referral annotated mandatory until it ends (M1)."""
    return referral["mandatory_at_first"] and referral["mandate_ended_at"] is None


def would_be_mandatory(referral: Json, starts_at: datetime, in_force_when_booked: bool) -> bool:
    """Whether a session that starts then is mandatory, by what is known of the referral now."""
    ended_at = referral["mandate_ended_at"]
    return (
        referral["mandatory_at_first"]
        and in_force_when_booked
        and not (ended_at is not None and ended_at <= starts_at)
        and not closed_at_or_before(referral, starts_at)
    )


def is_mandatory(referral: Json, session: Json) -> bool:
    """Whether a session is mandatory."""
    return would_be_mandatory(referral, session["starts_at"], session["in_force_when_booked"])


def requirement(referral: Json, session: Json) -> str:
    """The `requirement` of an event about a session."""
    return "MANDATORY" if is_mandatory(referral, session) else "VOLUNTARY"


def f2_is_to_come(referral: Json, session: Json) -> bool:
    """F2 of this booked time still has to fall due."""
    return (
        (is_open(session) or session["cancelled"] == "PARTICIPANT")
        and session["cannot_attend"] is not None
        and not referral["special"]
        and is_mandatory(referral, session)
        and not session["f2_done"]
    )


def is_owed(referral: Json, session: Json) -> bool:
    """Cancelled for the PARTICIPANT, and F2 is still to come, or a failure waits, or one is notified."""
    return session["cancelled"] == "PARTICIPANT" and (
        f2_is_to_come(referral, session) or session["waiting"] or session["active"] is not None
    )


def some_session_attended(referral: Json) -> bool:
    """The outcome of some session, of whatever date, is now ATTENDED."""
    return any(session["outcome"] == "ATTENDED" for session in referral["sessions"].values())


def in_wrag_group(referral: Json) -> bool:
    """An ESA referral of the WRAG groups."""
    return referral["benefit"] == "ESA" and referral["claimant_group"] in WRAG_GROUPS


def is_on_hold(referral: Json) -> bool:
    """JOINING, an appeal pending, and a WRAG group."""
    return referral["status"] == "JOINING" and referral["appeal_pending"] and in_wrag_group(referral)


def is_of(referral: Json, value: Json) -> bool:
    """Whether a revision has the known `referred_on` and `provider_id`."""
    return bool(
        value["referred_on"] == referral["referred_on"] and value["provider_id"] == referral["provider_id"]
    )


def annotation_of(text: str) -> str | None:
    """MANDATORY or VOLUNTARY, as people type them (R2), or neither."""
    for dash in DASHES:
        text = text.replace(dash, "-")
    text = "-".join(" ".join(part.split()) for part in text.split("-")).casefold()
    for annotation in (MANDATORY, VOLUNTARY):
        if text == annotation.casefold():
            return annotation
    return None


def limit(referral: Json, which: str) -> date:
    """D plus the days that the referral's policy gives."""
    return days_after(referral["referred_on"], referral["policy"][which])


def is_nino(text: str) -> bool:
    """Nine characters: two letters, six digits, A to D or a space."""
    letters, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
    if len(text) != 9:
        return False
    first, second, number, suffix = text[0], text[1], text[2:8], text[8]
    return (
        first in letters
        and first not in "DFIQUV"
        and second in letters
        and second not in "DFIOQUV"
        and first + second not in ["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"]
        and all(character in digits for character in number)
        and suffix in "ABCD "
    )


def dated_in_future(kind: str, value: Json, at: datetime, clock_skew_s: int) -> bool:
    """G4: a fact in it is dated after it arrived. All dated fields but `starts_at` and `date_of_birth`."""
    for name, fact in value.items():
        if name in ("starts_at", "date_of_birth"):
            continue
        if isinstance(fact, dict) and dated_in_future(kind, fact, at, clock_skew_s):
            return True
        if isinstance(fact, datetime):
            if fact > at + timedelta(seconds=clock_skew_s):
                return True
        elif isinstance(fact, date) and fact > london_date(at):
            return True
    return False


# ------------------------------------------------------------------------------------- the gateway


class Gateway:
    """All that is known: referrals, what is held, and what went out."""

    def __init__(self, policies: list[Json]) -> None:
        """Nothing is known yet."""
        self.policies = policies
        self.referrals: dict[str, Json] = {}
        self.held: dict[str, list[Json]] = {}
        self.out: list[Json] = []
        self.effects: list[Json] = []
        self.events = 0

    # ---------------------------------------------------------------------------------- going out

    def event(self, kind: str, now: datetime, po_number: str, fields: Json, place: int = 0) -> Json:
        """Add one event to what goes out together; it gets its id here. `place` among those of its kind."""
        self.events += 1
        value = {"event_id": f"event-{self.events}", "po_number": po_number, **fields, "decided_at": now}
        self.effects.append(
            {"kind": kind, "place": place, "now": now, "po_number": po_number, "value": value}
        )
        return value

    def go_out(self) -> None:
        """What comes of one message, or of one deadline, goes out together in the order of effects."""

        def order(effect: Json) -> tuple[int, int]:
            [rank] = [n for n, kinds in enumerate(ORDER_OF_EFFECTS) if effect["kind"] in kinds]
            return rank, effect["place"]

        self.effects.sort(key=order)
        for effect in self.effects:
            line = {
                "at": effect["now"],
                "topic": TOPIC_OF_EVENT[effect["kind"]],
                "type": effect["kind"],
                "key": effect["po_number"],
                "value": effect["value"],
            }
            written: Json = to_json(line)
            self.out.append(written)
        self.effects = []

    def outcome_event(self, message: Json, outcome: Outcome, now: datetime) -> None:
        """The outcome of a message. Its provider_id is the message's own, else null."""
        status, code, advisories = outcome
        value = message["value"]
        fields = {
            "message_id": value["message_id"],
            "provider_id": value.get("provider_id"),
            "topic": message["topic"],
            "status": status,
            "code": code,
            "advisories": advisories,
        }
        self.event("Outcome", now, value["po_number"], fields)

    def prap(self, referral: Json, now: datetime, action: str, reason: str | None = None) -> None:
        """An action to be entered on PRaP."""
        fields = {"provider_id": referral["provider_id"], "action": action, "reason": reason}
        self.event("PrapAction", now, referral["po_number"], fields)

    def instruct(
        self,
        referral: Json,
        now: datetime,
        instruction: str,
        session_id: str | None = None,
        due_on: date | None = None,
        participation: str | None = None,
    ) -> None:
        """An instruction to the provider. By each ARRANGE_ALTERNATIVE_SESSION one is asked for."""
        fields = {
            "provider_id": referral["provider_id"],
            "instruction": instruction,
            "session_id": session_id,
            "due_on": due_on,
            "participation": participation,
        }
        self.event("Instruction", now, referral["po_number"], fields)
        if instruction == "ARRANGE_ALTERNATIVE_SESSION":
            referral["alternative_asked_for"] = True

    def breach(
        self,
        referral: Json,
        now: datetime,
        kind: str,
        due_on: date,
        because: str | None = None,
        session: Json | None = None,
    ) -> None:
        """A breach RAISED, of the referral or of one of its sessions; at most once."""
        breaches = (referral if session is None else session)["breaches"]
        if kind in breaches:
            return
        breaches[kind] = {"status": "RAISED", "due_on": due_on}
        self.breach_event(referral, now, kind, "RAISED", due_on, because, session)

    def clear(
        self, referral: Json, now: datetime, kind: str, met: date, limit_on: date, session: Json | None = None
    ) -> None:
        """A breach is CLEARED where it was raised and what was done on `met` shows that the limit was met."""
        raised = (referral if session is None else session)["breaches"].get(kind)
        if raised is not None and raised["status"] == "RAISED" and met <= limit_on:
            raised["status"] = "CLEARED"
            self.breach_event(referral, now, kind, "CLEARED", raised["due_on"], None, session)

    def breach_event(
        self,
        referral: Json,
        now: datetime,
        kind: str,
        status: str,
        due_on: date,
        because: str | None,
        session: Json | None,
    ) -> None:
        """A breach, raised or cleared."""
        fields = {
            "provider_id": referral["provider_id"],
            "breach": kind,
            "status": status,
            "session_id": None if session is None else session["session_id"],
            "because": because,
            "due_on": due_on,
        }
        self.event("Breach", now, referral["po_number"], fields, ORDER_OF_BREACHES.index(kind))

    def notice(self, referral: Json, now: datetime, kind: str, message_id: str, on: date) -> None:
        """A notice to the Jobcentre."""
        fields = {
            "provider_id": referral["provider_id"],
            "jobcentre_id": referral["jobcentre_id"],
            "notice": kind,
            "message_id": message_id,
            "on": on,
        }
        self.event("Notice", now, referral["po_number"], fields)

    def session_event(
        self, referral: Json, session: Json, now: datetime, change: str, because: str | None = None
    ) -> None:
        """What became of a session, with the session as it is at this moment."""
        fields = {
            "provider_id": referral["provider_id"],
            "jobcentre_id": referral["jobcentre_id"],
            "session_id": session["session_id"],
            "change": change,
            "because": because,
            "session_name": session["session_name"],
            "starts_at": session["starts_at"],
            "duration_minutes": session["duration_minutes"],
            "location": session["location"],
            "format": session["format"],
            "requirement": requirement(referral, session),
            "notified_at": session["notified_at"],
        }
        self.event("SessionEvent", now, referral["po_number"], fields, session["place"])

    def tell_attendance(self, referral: Json, session: Json, now: datetime, supersedes: str | None) -> None:
        """An attendance event."""
        fields = {
            "provider_id": referral["provider_id"],
            "jobcentre_id": referral["jobcentre_id"],
            "session_id": session["session_id"],
            "session_starts_at": session["starts_at"],
            "attempt": session["attempt"],
            "outcome": session["outcome"],
            "requirement": requirement(referral, session),
            "supersedes": supersedes,
        }
        session["last_told"] = self.event("AttendanceEvent", now, referral["po_number"], fields)

    # ------------------------------------------------------------------------------------ failures

    def f1(self, referral: Json, session: Json, now: datetime) -> None:
        """F1: a mandatory participant did not attend or participate. No longer of a special record (R1)."""
        if referral["special"]:
            return
        if session["active"] is not None:
            return
        if was_told(referral, session):
            self.raise_notification(referral, session, now)
        elif not session["waiting"]:
            self.instruct(referral, now, "CONFIRM_NOTIFICATION", session["session_id"])
            session["waiting"] = True

    def raise_notification(self, referral: Json, session: Json, now: datetime) -> None:
        """A notification RAISED, with the reason of the last outcome alone, else of the last CannotAttend."""
        reason = session["outcome_reason"]
        if reason is None and session["cannot_attend"] is not None:
            reason = session["cannot_attend"]["reason"]
        ground = referral["last_mandatory_revision"]
        mandation = ground["mandation"] or {}
        fields = {
            "provider_id": referral["provider_id"],
            "jobcentre_id": referral["jobcentre_id"],
            "status": "RAISED",
            "withdraws": None,
            "failure_type": FAILURE_TYPES[ground["benefit"]],
            "failure": session["outcome"] or "CANNOT_ATTEND",
            "mandation_basis": mandation.get("basis"),
            "mandation_purpose": mandation.get("purpose"),
            "mandation_recorded_on": mandation.get("recorded_on"),
            "session_id": session["session_id"],
            "session_name": session["session_name"],
            "session_starts_at": session["starts_at"],
            "location": session["location"],
            "requirement_notified_at": session["notified_at"],
            "reason_given": reason,
        }
        session["active"] = self.event("SanctionNotification", now, referral["po_number"], fields)
        session["waiting"] = False

    def withdraw(self, referral: Json, session: Json, now: datetime) -> None:
        """An active notification is WITHDRAWN, a copy of the raised one; a waiting failure is dropped."""
        session["waiting"] = False
        raised = session["active"]
        if raised is None:
            return
        fields = {
            name: v for name, v in raised.items() if name not in ("event_id", "po_number", "decided_at")
        }
        fields["status"] = "WITHDRAWN"
        fields["withdraws"] = raised["event_id"]
        self.event("SanctionNotification", now, referral["po_number"], fields)
        session["active"] = None

    def f2(self, referral: Json, session: Json, now: datetime) -> None:
        """F2 at the end of a session, once per booked time: still open, or owed, and mandatory."""
        still_stands = f2_is_to_come(referral, session)
        session["f2_done"] = True
        if still_stands:
            self.f1(referral, session, now)
        self.go_out()

    # ------------------------------------------------------------------------------------ deadlines

    def due_list(self, po_number: str | None = None) -> list[tuple[datetime, int, str, int, str]]:
        """Everything that will fall due: instant, class at one instant, po_number, place, name. In order."""
        due: list[tuple[datetime, int, str, int, str]] = []
        for po, messages in self.held.items():
            if po_number in (None, po):
                for place, message in enumerate(messages):
                    due.append((message["expires_at"], 0, po, place, "G2"))
        for po, referral in self.referrals.items():
            if po_number in (None, po):
                for place, session in enumerate(referral["sessions"].values()):
                    if session["cannot_attend"] is not None and not session["f2_done"]:
                        due.append((session_end(session), 0, po, place, "F2"))
                    if not session["t6_done"]:
                        at_one_instant = ORDER_OF_DEADLINES.index("T6")
                        due.append((passes_at(session["outcome_due_on"]), at_one_instant, po, place, "T6"))
                for name, instant in referral["deadlines"].items():
                    due.append((instant, ORDER_OF_DEADLINES.index(name), po, 0, name))
        return sorted(due)

    def fall_due(self, until: datetime, po_number: str | None = None, now: datetime | None = None) -> None:
        """Let all that is due by an instant fall due, in order. `now` where it was made due later."""
        while True:
            due = self.due_list(po_number)
            if not due or due[0][0] > until:
                return
            instant, _, po, place, name = due[0]
            decided_at = instant if now is None else now
            if name == "G2":
                # The first of those held that expire at this instant; the others follow in the next rounds.
                message = self.held[po].pop(place)
                if not self.held[po]:
                    del self.held[po]
                self.outcome_event(message, refused("UNKNOWN_REFERRAL"), decided_at)
                self.go_out()
            elif name in ("F2", "T6"):
                referral = self.referrals[po]
                session = list(referral["sessions"].values())[place]
                if name == "F2":
                    self.f2(referral, session, decided_at)
                else:
                    self.t6(referral, session, decided_at)
            else:
                self.deadline(self.referrals[po], name, instant, decided_at)

    def deadline(self, referral: Json, name: str, instant: datetime, now: datetime) -> None:
        """T1 to T5."""
        del referral["deadlines"][name]
        if name == "T1" and referral["status"] == "OPEN" and not referral["accepted"]:
            self.breach(referral, now, "ACCEPTANCE_LATE", referral["acceptance_due_on"])
        if name == "T2":
            by = limit(referral, "session_within_days")
            of_such_a_date = [s for s in referral["sessions"].values() if session_date(s) <= by]
            if referral["status"] == "OPEN" and not any(s["outcome"] == "ATTENDED" for s in of_such_a_date):
                if not of_such_a_date:
                    because = "NOT_BOOKED"
                elif all(s["cancelled"] is not None for s in of_such_a_date):
                    because = "CANCELLED"
                elif any(s["outcome"] is not None for s in of_such_a_date):
                    because = "NOT_ATTENDED"
                else:
                    because = "NOT_RECORDED"
                self.breach(referral, now, "SESSION_LATE", by, because)
        if name == "T3" and referral["status"] == "OPEN":
            referral["status"] = "CANCELLED"
            referral["closed_at"] = instant
            fields = {
                "provider_id": referral["provider_id"],
                "jobcentre_id": referral["jobcentre_id"],
                "reason": "Did Not Start",
                "referred_on": referral["referred_on"],
                "effective_on": days_after(limit(referral, "wp11_within_days"), 1),
                "attended": some_session_attended(referral),
            }
            self.event("CancellationEvent", now, referral["po_number"], fields)
            self.prap(referral, now, "CANCEL", "Did Not Start")
            self.instruct(referral, now, "REFERRAL_CANCELLED")
        if name == "T4" and referral["status"] == "JOINING" and not is_on_hold(referral):
            self.breach(referral, now, "ATTACHMENT_LATE", referral["attachment_due_on"])
        if name == "T5":
            del self.referrals[referral["po_number"]]
        self.go_out()

    def t6(self, referral: Json, session: Json, now: datetime) -> None:
        """T6, once a booked time: an outcome is owed, and proof of what waits for it."""
        session["t6_done"] = True
        if is_mandatory(referral, session) and not referral["special"] and session["active"] is None:
            outcome_missing = is_open(session)
            if outcome_missing:
                self.instruct(referral, now, "RECORD_OUTCOME", session["session_id"])
            if session["waiting"]:
                self.instruct(referral, now, "CONFIRM_NOTIFICATION", session["session_id"])
            if outcome_missing:
                self.breach(referral, now, "OUTCOME_LATE", session["outcome_due_on"], session=session)
        self.go_out()

    # ---------------------------------------------------------------------------------- every message

    def arrive(self, message: Json) -> None:
        """A message arrives, after all that was due by then."""
        at, kind, value = message["at"], message["type"], message["value"]
        po = value["po_number"]
        self.fall_due(at)
        if kind == "Referral":
            self.referral_arrives(message)
            return
        # G1 and G2, where there is no referral: only what is held is remembered.
        if po not in self.referrals:
            if self.is_held(po, value["message_id"]):
                self.outcome_event(message, DUPLICATE, at)
            else:
                days = policy_on(self.policies, london_date(at))["hold_unmatched_days"]
                message["expires_at"] = passes_at(days_after(london_date(at), days))
                self.held.setdefault(po, []).append(message)
                self.outcome_event(message, HELD, at)
            self.go_out()
            return
        referral = self.referrals[po]
        # G1
        if value["message_id"] in referral["seen"]:
            self.outcome_event(message, DUPLICATE, at)
            self.go_out()
            return
        self.judge(referral, message, at)

    def is_held(self, po_number: str, message_id: str) -> bool:
        """Whether a message of this id is held for this number."""
        return any(held["value"]["message_id"] == message_id for held in self.held.get(po_number, []))

    def judge(self, referral: Json, message: Json, now: datetime) -> None:
        """G3, G4 and the row of the message, for a message new to a referral that is known."""
        at, kind, value = message["at"], message["type"], message["value"]
        referral["seen"].append(value["message_id"])
        outcome: Outcome
        if "provider_id" in value and value["provider_id"] != referral["provider_id"]:
            outcome = refused("NOT_YOUR_REFERRAL")  # G3
        elif dated_in_future(kind, value, at, referral["policy"]["clock_skew_s"]):
            outcome = refused("DATED_IN_FUTURE")  # G4
        elif kind == "Wp11":
            outcome = self.wp11(referral, value, now)
        elif kind == "AlternativeSessionRequested":
            outcome = self.u2(referral, now)
        elif kind == "SupportGroupAppealChanged":
            outcome = self.u3(referral, value, at, now)
        elif kind == "GroupSessionRestrictionChanged":
            outcome = self.u4(referral, value, at, now)
        elif kind == "ReferralAccepted":
            outcome = self.p1(referral, value, now)
        elif kind == "ReferralRejected":
            outcome = self.p2(referral, value, at, now)
        elif kind == "SessionBooked":
            outcome = self.p3(referral, value, at, now)
        elif kind == "SessionChanged":
            outcome = self.p4(referral, value, at, now)
        elif kind == "SessionCancelled":
            outcome = self.p5(referral, value, at, now)
        elif kind == "NotificationConfirmed":
            outcome = self.p6(referral, value, now)
        elif kind == "CannotAttend":
            outcome = self.p7(referral, value, now)
        elif kind == "AttendanceRecorded":
            outcome = self.p8(referral, value, at, now)
        elif kind == "GroupObjection":
            outcome = self.p9(referral, at, now)
        elif kind == "AttendanceCorrected":
            outcome = self.p10(referral, value, now)
        elif kind == "AttachmentRegistered":
            outcome = self.p11(referral, value, at, now)
        elif kind == "ExpenseReimbursed":
            outcome = self.p12(referral, value)
        elif kind == "AlternativeSessionNotPossible":
            outcome = self.p13(referral, value, now)
        else:
            raise ValueError(f"no row for {kind}")
        self.outcome_event(message, outcome, now)
        self.go_out()
        # P7: F2 right after this outcome, where the end is not after `at`.
        if kind == "CannotAttend" and outcome[0] == "APPLIED":
            session = referral["sessions"][value["session_id"]]
            if not session["f2_done"] and session_end(session) <= at:
                self.f2(referral, session, now)

    # -------------------------------------------------------------------------------- Referral (PRaP)

    def referral_arrives(self, message: Json) -> None:
        """G1, then R1, R8, R9, R2, R15, G4, R3 to R5, R16, R6, R7, R10 to R14; then the release."""
        at, value = message["at"], message["value"]
        po = value["po_number"]
        known = self.referrals.get(po)
        seen = value["message_id"] in known["seen"] if known else self.is_held(po, value["message_id"])
        if seen:  # G1
            outcome = DUPLICATE
        elif value["special_customer_record"] or (known is not None and known["special"]):  # R1
            outcome = refused("SPECIAL_CUSTOMER_RECORD")
            if known is not None and not known["special"]:
                self.r1(known, at)
        else:
            if known:
                known["seen"].append(value["message_id"])
            outcome = self.referral_rows(known, value, at)
        self.outcome_event(message, outcome, at)
        self.go_out()
        if known is None and outcome[0] == "APPLIED":
            self.release(po, at)

    def r1(self, referral: Json, at: datetime) -> None:
        """R1: a known referral is special from now on."""
        referral["special"] = True
        referral["participant"] = {**PARTICIPANT_DEFAULTS}
        for session in referral["sessions"].values():
            session["waiting"] = False
        if not is_closed(referral):
            self.instruct(referral, at, "HANDLE_CLERICALLY")

    def referral_rows(self, known: Json | None, value: Json, at: datetime) -> Outcome:
        """The rows after R1."""
        benefit, group, mandation = value["benefit"], value["claimant_group"], value["mandation"]
        annotation = annotation_of(value["action_plan_annotation"])
        mandatory = annotation == MANDATORY
        nino = value["participant"]["nino"]
        if known and value["po_revision"] == known["po_revision"]:  # R8
            return DUPLICATE
        if known and value["po_revision"] < known["po_revision"]:  # R9
            return refused("STALE_REVISION")
        if annotation is None:  # R2
            return refused("NOT_AN_INFORMATION_SESSION")
        if known is None:  # R15
            last = policy_on(self.policies, value["referred_on"]).get("referrals_until")
            if last is not None and value["referred_on"] > a_date(last):
                return refused("PROGRAMME_ENDED")
        skew_policy = known["policy"] if known else policy_on(self.policies, london_date(at))
        if dated_in_future("Referral", value, at, skew_policy["clock_skew_s"]):  # G4
            return refused("DATED_IN_FUTURE")
        if nino is not None and not is_nino(nino):  # R3
            return refused("INVALID_NINO")
        if benefit == "ESA" and group is None:  # R4
            return refused("CLAIMANT_GROUP_MISSING")
        if mandatory and benefit == "ESA" and group not in CAN_BE_MANDATED:  # R5
            if known and is_of(known, value):
                known["r5_refused"] = True
            return self.wrongly_mandated(known, value, at, "GROUP_CANNOT_BE_MANDATED")
        basis = mandation["basis"] if mandation is not None else None
        if mandatory and benefit == "ESA" and basis not in (None, "WORK_RELATED_ACTIVITY"):  # R16
            return self.wrongly_mandated(known, value, at, "MANDATION_DOES_NOT_FIT")
        if mandatory and benefit == "UC":  # R6
            justified = (
                mandation is not None
                and mandation["basis"] == "UC_WORKPLAN"
                and mandation["purpose"] in UC_PURPOSES
                and mandation["tangible_outcome"]
            )
            if not justified:
                return self.wrongly_mandated(known, value, at, "UC_MANDATION_NOT_JUSTIFIED")
        if mandatory and benefit == "JSA":  # R7
            directed = (
                mandation is not None
                and mandation["basis"] == "JOBSEEKERS_DIRECTION"
                and mandation["purpose"] in JSA_PURPOSES
            )
            if not directed:
                return self.wrongly_mandated(known, value, at, "NO_JOBSEEKERS_DIRECTION")
        if known is None:
            return self.r14(value, at)
        if is_closed(known):  # R10
            return refused("REFERRAL_CLOSED")
        if mandatory and not mandate_in_force(known):  # R11
            return refused("MANDATION_NEEDS_NEW_REFERRAL")
        if not is_of(known, value):  # R12
            return refused("IMMUTABLE_FIELD_CHANGED")
        return self.r13(known, value, at)

    def wrongly_mandated(self, known: Json | None, value: Json, at: datetime, code: str) -> Outcome:
        """R5, R16, R6 or R7 refuses; M1 where a mandate is in force of a referral that is not closed."""
        if known and is_of(known, value) and not is_closed(known) and mandate_in_force(known):
            self.m1(known, at)
        return refused(code)

    def m1(self, referral: Json, at: datetime) -> None:
        """M1: the mandate ends; each open session that starts then or later is told again as voluntary."""
        referral["mandate_ended_at"] = at
        for session in referral["sessions"].values():
            if is_open(session) and session["starts_at"] >= at:
                self.session_event(referral, session, at, "CHANGED")
        self.instruct(referral, at, "MANDATE_ENDED")

    def r13(self, referral: Json, value: Json, at: datetime) -> Outcome:
        """R13: a higher revision updates the rest."""
        was_on_hold = is_on_hold(referral)
        last = referral["last_revision"]
        referral["last_revision"] = value
        referral["r5_refused"] = False
        referral["po_revision"] = value["po_revision"]
        referral["jobcentre_id"] = value["jobcentre_id"]
        referral["benefit"] = value["benefit"]
        referral["claimant_group"] = value["claimant_group"]
        referral["participant"] = value["participant"]
        if value["support_group_appeal_pending"] != last["support_group_appeal_pending"]:
            referral["appeal_pending"] = value["support_group_appeal_pending"]
        self.instruct(referral, at, "REFERRAL_UPDATED")
        if annotation_of(value["action_plan_annotation"]) == MANDATORY:
            referral["last_mandatory_revision"] = value
        elif mandate_in_force(referral):
            self.m1(referral, at)
        self.hold_or_lift(referral, was_on_hold, at, at)
        if value["group_session_restriction"] != last["group_session_restriction"]:
            self.restrict(referral, value["group_session_restriction"], at, at)
        return APPLIED

    def r14(self, value: Json, at: datetime) -> Outcome:
        """R14: a first referral."""
        po, referred_on = value["po_number"], value["referred_on"]
        policy = policy_on(self.policies, referred_on)
        due_on = working_days_after(london_date(at), policy["accept_within_working_days"])
        mandatory = annotation_of(value["action_plan_annotation"]) == MANDATORY
        referral: Json = {
            "po_number": po,
            "po_revision": value["po_revision"],
            "provider_id": value["provider_id"],
            "jobcentre_id": value["jobcentre_id"],
            "participant": value["participant"],
            "mandatory_at_first": mandatory,
            "mandate_ended_at": None,
            "last_mandatory_revision": value if mandatory else None,
            "r5_refused": False,
            "special": False,
            "referred_on": referred_on,
            "benefit": value["benefit"],
            "claimant_group": value["claimant_group"],
            "appeal_pending": value["support_group_appeal_pending"],
            "restriction": value["group_session_restriction"],
            "last_revision": value,
            "policy": policy,
            "status": "OPEN",
            "accepted": False,
            "closed_at": None,
            "wp11_issued_on": None,
            "acceptance_due_on": due_on,
            "sessions": {},
            "sessions_booked": 0,
            "outcomes_recorded": 0,
            "alternative_asked_for": False,
            "new_referral_noticed": False,
            "backed_out": [],
            "breaches": {},
            "expenses": [],
            "seen": [value["message_id"]],
        }
        referral["attachment_due_on"] = limit(referral, "attach_within_days")
        referral["deadlines"] = {
            "T1": passes_at(due_on),
            "T2": passes_at(limit(referral, "session_within_days")),
            "T3": passes_at(limit(referral, "wp11_within_days")),
            "T4": passes_at(referral["attachment_due_on"]),
            "T5": passes_at(limit(referral, "forget_after_days")),
        }
        self.referrals[po] = referral
        self.prap(referral, at, "ACKNOWLEDGE")
        self.instruct(referral, at, "ACCEPT_REFERRAL", due_on=due_on)
        return APPLIED

    def release(self, po: str, now: datetime) -> None:
        """What was held, each by its own `at`, after what was due by then; then all else due by now."""
        waiting = self.held.pop(po, [])
        if po in self.referrals:
            # They were all seen before: each one's id is known on this referral from the start.
            self.referrals[po]["seen"] += [message["value"]["message_id"] for message in waiting]
        for message in waiting:
            self.fall_due(message["at"], po, now)
            if po in self.referrals:
                self.judge(self.referrals[po], message, now)
            else:
                self.outcome_event(message, refused("UNKNOWN_REFERRAL"), now)
                self.go_out()
        self.fall_due(now, po, now)

    # ------------------------------------------------------------------------------------- on hold

    def hold_or_lift(self, referral: Json, was_on_hold: bool, at: datetime, now: datetime) -> None:
        """What a message that puts a referral on hold brings, and one that ends that while JOINING."""
        if is_on_hold(referral) and not was_on_hold:
            self.instruct(referral, now, "HOLD_ATTACHMENT")
        if was_on_hold and not is_on_hold(referral) and referral["status"] == "JOINING":
            days = referral["policy"]["accept_within_working_days"]
            due_on = max(limit(referral, "attach_within_days"), working_days_after(london_date(at), days))
            self.undertake_attachment(referral, due_on, now)

    def undertake_attachment(self, referral: Json, due_on: date, now: datetime) -> None:
        """Instruction UNDERTAKE_ATTACHMENT; T4 and P11 go by its date."""
        if due_on != referral["attachment_due_on"]:
            referral["attachment_due_on"] = due_on
            referral["deadlines"]["T4"] = passes_at(due_on)
        participation = None
        if referral["benefit"] == "ESA":
            mandated = referral["claimant_group"] in CAN_BE_MANDATED and not referral["r5_refused"]
            participation = "MANDATORY" if mandated else "VOLUNTARY"
        self.instruct(referral, now, "UNDERTAKE_ATTACHMENT", due_on=due_on, participation=participation)

    # ------------------------------------------------------------------------------------------ WP11

    def wp11(self, referral: Json, value: Json, now: datetime) -> Outcome:
        """W1, W2, W9, W3, W5, W6, W7, W4, W8."""
        if not value["wants_to_join"]:  # W1
            return refused("DOES_NOT_WANT_TO_JOIN")
        if value["interview_on"] < referral["referred_on"]:  # W2
            return refused("INTERVIEW_BEFORE_REFERRAL")
        if value["issued_on"] < value["interview_on"]:  # W9
            return refused("ISSUED_BEFORE_INTERVIEW")
        if value["interview_on"] > limit(referral, "wp11_within_days"):  # W3
            if referral["status"] not in ("JOINING", "ATTACHED"):
                self.n1(referral, value, now)
            return refused("INTERVIEW_AFTER_21_DAYS")
        if referral["status"] in ("JOINING", "ATTACHED"):  # W5
            return refused("WP11_ALREADY_RECEIVED")
        if referral["status"] == "CANCELLED":  # W6
            self.n1(referral, value, now)
            return refused("REFERRAL_CANCELLED")
        if referral["status"] == "REJECTED":  # W7
            return refused("REFERRAL_CLOSED")
        if referral["appeal_pending"] and in_wrag_group(referral):  # W4
            return refused("SUPPORT_GROUP_APPEAL_PENDING")
        referral["status"] = "JOINING"  # W8
        referral["wp11_issued_on"] = value["issued_on"]
        self.undertake_attachment(referral, limit(referral, "attach_within_days"), now)
        return applied([] if some_session_attended(referral) else ["WP11_WITHOUT_ATTENDANCE"])

    def n1(self, referral: Json, value: Json, now: datetime) -> None:
        """N1: a new Work Programme referral is needed; once in the life of a referral."""
        if not referral["new_referral_noticed"]:
            referral["new_referral_noticed"] = True
            self.notice(referral, now, "NEW_REFERRAL_NEEDED", value["message_id"], value["interview_on"])

    # ----------------------------------------------------------------------------- Jobcentre updates

    def u2(self, referral: Json, now: datetime) -> Outcome:
        """U2 AlternativeSessionRequested."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        self.instruct(referral, now, "ARRANGE_ALTERNATIVE_SESSION")
        return APPLIED

    def u3(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """U3 SupportGroupAppealChanged."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        was_on_hold = is_on_hold(referral)
        referral["appeal_pending"] = value["pending"]
        self.hold_or_lift(referral, was_on_hold, at, now)
        return APPLIED

    def u4(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """U4 GroupSessionRestrictionChanged."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        self.restrict(referral, value["restriction"], at, now)
        return APPLIED

    def restrict(self, referral: Json, restriction: str | None, at: datetime, now: datetime) -> None:
        """The effect of U4: the restriction, and what one that makes unsuitable does."""
        referral["restriction"] = restriction
        if restriction in UNSUITABLE:
            cancelled = self.cancel_group_sessions(referral, at, now)
            if cancelled:
                self.instruct(referral, now, "OFFER_ONE_TO_ONE", cancelled[-1]["session_id"])

    def cancel_group_sessions(self, referral: Json, at: datetime, now: datetime) -> list[Json]:
        """Cancel every GROUP session that is open and not started at `at`; those, in order of booking."""
        cancelled = [
            session
            for session in referral["sessions"].values()
            if session["format"] == "GROUP" and is_open(session) and at < session["starts_at"]
        ]
        for session in cancelled:
            self.session_event(referral, session, now, "CANCELLED", "GROUP_UNSUITABLE")
            session["cancelled"] = "GROUP_UNSUITABLE"
        return cancelled

    # ------------------------------------------------------------------------------ provider records

    def p1(self, referral: Json, value: Json, now: datetime) -> Outcome:
        """P1 ReferralAccepted."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        if referral["accepted"]:
            return refused("ALREADY_ACCEPTED")
        referral["accepted"] = True
        self.prap(referral, now, "ACCEPT")
        accepted_on = london_date(value["accepted_at"])
        self.clear(referral, now, "ACCEPTANCE_LATE", accepted_on, referral["acceptance_due_on"])
        return APPLIED

    def p2(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """P2 ReferralRejected."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        if referral["status"] == "JOINING":
            return refused("WP11_ALREADY_RECEIVED")
        if referral["accepted"]:
            return refused("ALREADY_ACCEPTED")
        referral["status"] = "REJECTED"
        referral["closed_at"] = at
        self.prap(referral, now, "REJECT", value["reason"])
        return APPLIED

    def advisories_of(self, referral: Json, session: Json, booking: bool) -> list[str]:
        """The advisories of P3, in the order listed; those of P4, which are not of a booking."""
        day = session_date(session)
        advisories = []
        if referral["status"] == "CANCELLED":
            advisories.append("REFERRAL_CANCELLED")
        if booking and some_session_attended(referral):
            advisories.append("ALREADY_ATTENDED")
        if day > limit(referral, "session_within_days"):
            advisories.append("SESSION_AFTER_15_DAYS")
        if day > limit(referral, "wp11_within_days"):
            advisories.append("SESSION_AFTER_21_DAYS")
        too_long = session["duration_minutes"] > referral["policy"]["session_minutes"]
        if too_long and not referral["participant"]["interpreter_needed"]:
            advisories.append("LONGER_THAN_AN_HOUR")
        if is_mandatory(referral, session) and not was_told(referral, session):
            advisories.append("PARTICIPANT_NOT_NOTIFIED")
        if session["format"] == "GROUP" and referral["restriction"] == "ADDITIONAL_NEEDS":
            advisories.append("CHECK_FACILITIES")
        return advisories

    def outcome_due_on(self, referral: Json, session: Json, at: datetime) -> date:
        """The limit of T6, from the end of a session, or from its booking or change where that is later."""
        days = referral["policy"]["outcome_within_working_days"]
        return working_days_after(max(london_date(session_end(session)), london_date(at)), days)

    def p3(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """P3 SessionBooked."""
        if referral["status"] in ("ATTACHED", "REJECTED"):
            return refused("REFERRAL_CLOSED")
        if not referral["accepted"]:
            return refused("REFERRAL_NOT_ACCEPTED")
        before = referral["sessions"].get(value["session_id"])
        if before is not None and (before["cancelled"] is None or is_owed(referral, before)):
            return refused("SESSION_ALREADY_BOOKED")
        if some_session_expected(referral):
            return refused("ANOTHER_SESSION_BOOKED")
        if london_date(value["starts_at"]) < referral["referred_on"]:
            return refused("SESSION_BEFORE_REFERRAL")
        if value["duration_minutes"] < 1:
            return refused("INVALID_DURATION")
        if value["format"] == "GROUP" and referral["restriction"] in UNSUITABLE:
            self.instruct(referral, now, "OFFER_ONE_TO_ONE", value["session_id"])
            return refused("GROUP_SESSION_UNSUITABLE")
        referral["sessions_booked"] += 1
        session = {
            "session_id": value["session_id"],
            "place": referral["sessions_booked"],
            "session_name": value["session_name"],
            "starts_at": value["starts_at"],
            "duration_minutes": value["duration_minutes"],
            "location": value["location"],
            "format": value["format"],
            "notified_at": value["notified_at"],
            "in_force_when_booked": mandate_in_force(referral),
            "cancelled": None,
            "cannot_attend": None,
            "f2_done": False,
            "t6_done": False,
            "outcome": None,
            "outcome_reason": None,
            "attempt": None,
            "last_told": None,
            "active": None,
            "waiting": False,
            "breaches": {},
        }
        session["outcome_due_on"] = self.outcome_due_on(referral, session, at)
        if before is not None:
            del referral["sessions"][value["session_id"]]
        referral["sessions"][value["session_id"]] = session
        referral["alternative_asked_for"] = False
        self.session_event(referral, session, now, "BOOKED")
        return applied(self.advisories_of(referral, session, booking=True))

    def p4(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """P4 SessionChanged."""
        if referral["status"] in ("ATTACHED", "REJECTED"):
            return refused("REFERRAL_CLOSED")
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        if not is_open(session):
            return refused("SESSION_NOT_OPEN")
        if not at < session["starts_at"]:
            return refused("SESSION_ALREADY_STARTED")
        if any(is_expected(s) for s in referral["sessions"].values() if s is not session):
            return refused("ANOTHER_SESSION_BOOKED")
        if london_date(value["starts_at"]) < referral["referred_on"]:
            return refused("SESSION_BEFORE_REFERRAL")
        if value["duration_minutes"] < 1:
            return refused("INVALID_DURATION")
        in_force = mandate_in_force(referral)
        if would_be_mandatory(referral, value["starts_at"], in_force) and value["notified_at"] is None:
            self.session_event(referral, session, now, "CANCELLED", "UNCONTACTABLE")
            session["cancelled"] = "UNCONTACTABLE"
            self.instruct(referral, now, "ARRANGE_ALTERNATIVE_SESSION", session["session_id"])
            return applied(["SESSION_CANCELLED_UNCONTACTABLE"])
        dropped = ["CANNOT_ATTEND_DROPPED"] if session["cannot_attend"] is not None else []
        session["starts_at"] = value["starts_at"]
        session["duration_minutes"] = value["duration_minutes"]
        session["location"] = value["location"]
        session["notified_at"] = value["notified_at"]
        session["in_force_when_booked"] = in_force
        session["cannot_attend"] = None
        session["f2_done"] = False
        session["t6_done"] = False
        session["breaches"] = {}
        session["outcome_due_on"] = self.outcome_due_on(referral, session, at)
        self.session_event(referral, session, now, "CHANGED")
        return applied([*dropped, *self.advisories_of(referral, session, booking=False)])

    def p5(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """P5 SessionCancelled."""
        session = referral["sessions"].get(value["session_id"])
        cause = value["cause"]
        if session is None:
            return refused("UNKNOWN_SESSION")
        if not is_open(session) and not (is_owed(referral, session) and cause == "PROVIDER"):
            return refused("SESSION_NOT_OPEN")
        said = session["cannot_attend"] is not None
        if cause == "PARTICIPANT" and not said and not at < session["starts_at"]:
            return refused("SESSION_ALREADY_STARTED")
        self.session_event(referral, session, now, "CANCELLED", cause)
        session["cancelled"] = cause
        advisories = []
        if cause == "PROVIDER":
            self.withdraw(referral, session, now)
        elif is_mandatory(referral, session) and not said:
            advisories.append("NO_REASON_RECORDED")
        self.clear_outcome_late(referral, session, value["cancelled_at"], now)
        return applied(advisories)

    def p6(self, referral: Json, value: Json, now: datetime) -> Outcome:
        """P6 NotificationConfirmed."""
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        if session["cancelled"] is not None and not is_owed(referral, session):
            return refused("SESSION_CANCELLED")
        if not value["notified_at"] < session["starts_at"]:
            return refused("NOTIFIED_TOO_LATE")
        if london_date(value["notified_at"]) < referral["referred_on"]:
            return refused("NOTIFIED_BEFORE_REFERRAL")
        session["notified_at"] = value["notified_at"]
        if is_open(session):
            self.session_event(referral, session, now, "CHANGED")
        if session["waiting"] and is_mandatory(referral, session):
            self.f1(referral, session, now)
        return APPLIED

    def p7(self, referral: Json, value: Json, now: datetime) -> Outcome:
        """P7 CannotAttend. F2 comes at the end of the session, as a deadline does."""
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        if not is_open(session):
            return refused("SESSION_NOT_OPEN")
        if not value["given_at"] < session["starts_at"]:
            return refused("SESSION_ALREADY_STARTED")
        first = session["cannot_attend"] is None
        session["cannot_attend"] = {"reason": value["reason"]}
        self.session_event(referral, session, now, "CANNOT_ATTEND")
        if referral["status"] == "OPEN" and first and not some_session_expected(referral):
            self.instruct(referral, now, "ARRANGE_ALTERNATIVE_SESSION", session["session_id"])
        return APPLIED

    def p8(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """P8 AttendanceRecorded."""
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        came_after_all = value["outcome"] == "ATTENDED" and is_owed(referral, session)
        if session["cancelled"] is not None and not came_after_all:
            return refused("SESSION_CANCELLED")
        if session["outcome"] is not None:
            return refused("OUTCOME_ALREADY_RECORDED")
        if value["recorded_at"] < session["starts_at"] or at < session["starts_at"]:
            return refused("SESSION_NOT_STARTED")
        if referral["status"] == "ATTACHED" and closed_at_or_before(referral, session["starts_at"]):
            return refused("REFERRAL_CLOSED")
        session["cancelled"] = None
        referral["outcomes_recorded"] += 1
        session["attempt"] = referral["outcomes_recorded"]
        session["outcome"] = value["outcome"]
        session["outcome_reason"] = value["reason_given"]
        if value["outcome"] == "ATTENDED":
            self.tell_attendance(referral, session, now, None)
            self.attended(referral, session, now)
        elif is_mandatory(referral, session):
            self.tell_attendance(referral, session, now, None)
            self.f1(referral, session, now)
        self.arrange_alternative(referral, session, now)
        self.clear_outcome_late(referral, session, value["recorded_at"], now)
        return APPLIED

    def attended(self, referral: Json, session: Json, now: datetime) -> None:
        """ATTENDED (P8 or P10): what failed is withdrawn, and no alternative is asked for."""
        self.withdraw(referral, session, now)
        referral["alternative_asked_for"] = False
        self.clear(
            referral, now, "SESSION_LATE", session_date(session), limit(referral, "session_within_days")
        )

    def arrange_alternative(self, referral: Json, session: Json, now: datetime) -> None:
        """DID_NOT_ATTEND (P8 or P10), OPEN, no session expected, and nothing was said beforehand."""
        if (
            session["outcome"] == "DID_NOT_ATTEND"
            and referral["status"] == "OPEN"
            and not some_session_expected(referral)
            and session["cannot_attend"] is None
        ):
            self.instruct(referral, now, "ARRANGE_ALTERNATIVE_SESSION", session["session_id"])

    def clear_outcome_late(self, referral: Json, session: Json, recorded_at: datetime, now: datetime) -> None:
        """A record (P8 or P5) of a date not after the due date clears OUTCOME_LATE."""
        due_on = session["outcome_due_on"]
        self.clear(referral, now, "OUTCOME_LATE", london_date(recorded_at), due_on, session)

    def p9(self, referral: Json, at: datetime, now: datetime) -> Outcome:
        """P9 GroupObjection."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        if referral["restriction"] in (None, "ADDITIONAL_NEEDS"):
            referral["restriction"] = "OBJECTION"
        cancelled = self.cancel_group_sessions(referral, at, now)
        self.instruct(referral, now, "OFFER_ONE_TO_ONE", cancelled[-1]["session_id"] if cancelled else None)
        return APPLIED

    def p10(self, referral: Json, value: Json, now: datetime) -> Outcome:
        """P10 AttendanceCorrected."""
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        if session["outcome"] is None:
            return refused("OUTCOME_NOT_RECORDED")
        if session["outcome"] == value["outcome"]:
            return refused("NOTHING_TO_CORRECT")
        session["outcome"] = value["outcome"]
        session["outcome_reason"] = value["reason_given"]
        last_told = session["last_told"]
        supersedes = last_told["event_id"] if last_told else None
        if value["outcome"] == "ATTENDED":
            self.tell_attendance(referral, session, now, supersedes)
            self.attended(referral, session, now)
        elif is_mandatory(referral, session):
            self.tell_attendance(referral, session, now, supersedes)
            self.f1(referral, session, now)
        elif last_told and last_told["outcome"] == "ATTENDED":
            self.tell_attendance(referral, session, now, supersedes)
        self.arrange_alternative(referral, session, now)
        return APPLIED

    def p11(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """P11 AttachmentRegistered."""
        if value["attached_to"] == "INFORMATION_SESSION_REFERRAL":
            self.b1(referral, value, now)
            return refused("ATTACHED_TO_INFORMATION_SESSION")
        if referral["status"] == "ATTACHED":
            return refused("ALREADY_ATTACHED")
        if referral["status"] == "OPEN":
            self.b1(referral, value, now)
            return refused("NO_WP11")
        if referral["status"] in ("CANCELLED", "REJECTED"):
            return refused("NO_WP11")
        if value["attached_on"] < referral["wp11_issued_on"]:
            return refused("ATTACHED_BEFORE_WP11")
        advisories = ["ATTACHED_WHILE_ON_HOLD"] if is_on_hold(referral) else []
        referral["status"] = "ATTACHED"
        referral["closed_at"] = at
        self.notice(referral, now, "ATTACHED", value["message_id"], value["attached_on"])
        self.clear(referral, now, "ATTACHMENT_LATE", value["attached_on"], referral["attachment_due_on"])
        return applied(advisories)

    def b1(self, referral: Json, value: Json, now: datetime) -> None:
        """B1, an attachment that must not be, once for each `attached_on` and `attached_to`."""
        attachment = [value["attached_on"], value["attached_to"]]
        if attachment not in referral["backed_out"]:
            referral["backed_out"].append(attachment)
            self.notice(referral, now, "INCORRECT_ATTACHMENT", value["message_id"], value["attached_on"])
            self.prap(referral, now, "BACK_OUT_ATTACHMENT", "PRaP16")
            self.instruct(referral, now, "BACK_OUT_ATTACHMENT")

    def p12(self, referral: Json, value: Json) -> Outcome:
        """P12 ExpenseReimbursed."""
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        if value["amount_pence"] < 1:
            return refused("INVALID_AMOUNT")
        if session["outcome"] == "DID_NOT_ATTEND":
            return refused("NO_ATTENDANCE_TO_REIMBURSE")
        referral["expenses"].append(value)
        return applied(["ATTENDANCE_NOT_RECORDED"] if session["outcome"] is None else [])

    def p13(self, referral: Json, value: Json, now: datetime) -> Outcome:
        """P13 AlternativeSessionNotPossible."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        if not referral["alternative_asked_for"]:
            return refused("NO_ALTERNATIVE_REQUESTED")
        referral["alternative_asked_for"] = False
        told_on = london_date(value["told_at"])
        self.notice(referral, now, "ALTERNATIVE_NOT_POSSIBLE", value["message_id"], told_on)
        return APPLIED


def decide_all(
    lines: Iterable[Json], until: datetime | None = None, policies: list[Json] | None = None
) -> list[Json]:
    """What comes of these lines, in order of decision.

    `lines` are decoded lines of replay's input (messages and ticks), taken to be valid; `until` ticks once at
    the end; `policies` are as in the policy file. The result has replay's output form without `rule` and
    `detail`; each `event_id` is a counter's.
    """
    return run(Gateway(policies or DEFAULT_POLICIES), lines, until)


def run(gateway: Gateway, lines: Iterable[Json], until: datetime | None = None) -> list[Json]:
    """As `decide_all`, in a gateway of the caller's."""
    for line in lines:
        if line.get("tick"):
            gateway.fall_due(parse_instant(line["at"]))
        else:
            gateway.arrive(decode(line))
    if until is not None:
        gateway.fall_due(until.astimezone(UTC))
    return gateway.out
