"""The rulebook, row by row, over plain dicts.

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
    "AttendanceRecorded": {"reason_given": None},
    "AttendanceCorrected": {"reason_given": None},
}
MANDATION_DEFAULTS: Json = {"purpose": None, "tangible_outcome": False}
PARTICIPANT_DEFAULTS: Json = {"nino": None}

MANDATORY = "Work Programme Information Session-Mandatory"
VOLUNTARY = "Work Programme Information Session-Voluntary"

CAN_BE_MANDATED = ["ESA_IR_WRAG_OVER_12_MONTHS", "ESA_C_WRAG", "ESA_IR_LONE_PARENT_CHILD_3_OR_4"]
WRAG_GROUPS = [
    "ESA_IR_WRAG_OVER_12_MONTHS",
    "ESA_C_WRAG",
    "ESA_IR_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_IR_EX_IB_WRAG_CHILD_UNDER_3_OR_CARER",
    "ESA_C_WRAG_CHILD_UNDER_3_OR_CARER",
]
UC_PURPOSES = ["CHECK_COMPLIANCE", "ASSIST_COMPLIANCE", "IMPOSE_REQUIREMENT"]
JSA_PURPOSES = ["ASSIST_TO_FIND_EMPLOYMENT", "IMPROVE_PROSPECTS"]

FAILURE_TYPES = {
    "ESA": "FAILURE_TO_UNDERTAKE_WORK_RELATED_ACTIVITY",
    "UC": "FAILURE_TO_PARTICIPATE_OR_COMPLY",
    "JSA": "FAILURE_TO_CARRY_OUT_JOBSEEKERS_DIRECTION",
}

TOPIC_OF_EVENT = {
    "AttendanceEvent": "jobcentre.attendance",
    "CancellationEvent": "jobcentre.cancellations",
    "SanctionNotification": "jobcentre.sanction-notifications",
    "PrapAction": "prap.actions",
    "Instruction": "provider.instructions",
    "Breach": "gateway.breaches",
    "Outcome": "gateway.outcomes",
}

ORDER_OF_EFFECTS = {
    "AttendanceEvent": 0,
    "CancellationEvent": 0,
    "SanctionNotification": 1,
    "PrapAction": 2,
    "Instruction": 3,
    "Breach": 4,
    "Outcome": 5,
}

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
    """An RFC 3339 UTC timestamp."""
    return datetime.fromisoformat(text).astimezone(UTC)


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


def policy_on(policies: list[Json], day: date) -> Json:
    """The policy in force on a day; before the first one, the first."""

    def begins(policy: Json) -> date:
        start = policy["from"]
        return start if isinstance(start, date) else date.fromisoformat(start)

    in_order = sorted(policies, key=begins)
    chosen = in_order[0]
    for policy in in_order:
        if begins(policy) <= day:
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
    return session["outcome"] is None and not session["cancelled"]


def stands_in_the_way(session: Json) -> bool:
    """Open, and its participant has not said that they cannot attend."""
    return is_open(session) and session["cannot_attend"] is None


def was_told(session: Json) -> bool:
    """`notified_at` is set and is before `starts_at`."""
    return session["notified_at"] is not None and session["notified_at"] < session["starts_at"]


def session_date(session: Json) -> date:
    """The London date on which a session starts."""
    return london_date(session["starts_at"])


def session_end(session: Json) -> datetime:
    """`starts_at` + duration. An end that no calendar reaches never comes."""
    try:
        end: datetime = session["starts_at"] + timedelta(minutes=session["duration_minutes"])
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
    return end


def some_session_attended(referral: Json) -> bool:
    """The outcome of some session, of whatever date, is now ATTENDED."""
    return any(session["outcome"] == "ATTENDED" for session in referral["sessions"].values())


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

    def event(self, kind: str, now: datetime, po_number: str, fields: Json) -> Json:
        """Add one event to what goes out together; it gets its id here."""
        self.events += 1
        value = {"event_id": f"event-{self.events}", "po_number": po_number, **fields, "decided_at": now}
        self.effects.append({"kind": kind, "now": now, "po_number": po_number, "value": value})
        return value

    def go_out(self) -> None:
        """What comes of one message, or of one deadline, goes out together in the order of effects."""
        self.effects.sort(key=lambda effect: ORDER_OF_EFFECTS[effect["kind"]])
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
    ) -> None:
        """An instruction to the provider."""
        fields = {
            "provider_id": referral["provider_id"],
            "instruction": instruction,
            "session_id": session_id,
            "due_on": due_on,
        }
        self.event("Instruction", now, referral["po_number"], fields)

    def breach(self, referral: Json, now: datetime, kind: str, status: str, due_on: date) -> None:
        """A breach, raised or cleared."""
        referral["breaches"][kind] = status
        fields = {"provider_id": referral["provider_id"], "breach": kind, "status": status, "due_on": due_on}
        self.event("Breach", now, referral["po_number"], fields)

    def tell_attendance(self, referral: Json, session: Json, now: datetime, supersedes: str | None) -> None:
        """An attendance event."""
        fields = {
            "provider_id": referral["provider_id"],
            "jobcentre_id": referral["jobcentre_id"],
            "session_id": session["session_id"],
            "session_starts_at": session["starts_at"],
            "attempt": session["attempt"],
            "outcome": session["outcome"],
            "requirement": "MANDATORY" if referral["mandatory"] else "VOLUNTARY",
            "supersedes": supersedes,
        }
        session["last_told"] = self.event("AttendanceEvent", now, referral["po_number"], fields)

    # ------------------------------------------------------------------------------------ failures

    def f1(self, referral: Json, session: Json, now: datetime) -> None:
        """F1: a mandatory participant did not attend or participate."""
        if session["active"] is not None:
            return
        if was_told(session):
            self.raise_notification(referral, session, now)
        elif not session["waiting"]:
            self.instruct(referral, now, "CONFIRM_NOTIFICATION", session["session_id"])
            session["waiting"] = True

    def raise_notification(self, referral: Json, session: Json, now: datetime) -> None:
        """A notification RAISED, with the reason of the last outcome, else of the newest CannotAttend."""
        reason = session["outcome_reason"]
        if reason is None and session["cannot_attend"] is not None:
            reason = session["cannot_attend"]["reason"]
        fields = {
            "provider_id": referral["provider_id"],
            "jobcentre_id": referral["jobcentre_id"],
            "status": "RAISED",
            "withdraws": None,
            "failure_type": FAILURE_TYPES[referral["benefit"]],
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

    def f2_is_to_come(self, referral: Json, session: Json) -> bool:
        """F2 still has to fall due for this booked time."""
        return referral["mandatory"] and session["cannot_attend"] is not None and not session["f2_done"]

    def f2(self, referral: Json, session: Json, now: datetime) -> None:
        """F2 at the end of a session, once per booked time."""
        session["f2_done"] = True
        if is_open(session) and not closed_at_or_before(referral, session["starts_at"]):
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
                    if self.f2_is_to_come(referral, session):
                        due.append((session_end(session), 0, po, place, "F2"))
                for name, instant in referral["deadlines"].items():
                    due.append((instant, int(name[1]), po, 0, name))
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
            elif name == "F2":
                referral = self.referrals[po]
                self.f2(referral, list(referral["sessions"].values())[place], decided_at)
            else:
                self.deadline(self.referrals[po], name, instant, decided_at)

    def deadline(self, referral: Json, name: str, instant: datetime, now: datetime) -> None:
        """T1 to T5."""
        del referral["deadlines"][name]
        if name == "T1" and referral["status"] == "OPEN" and not referral["accepted"]:
            self.breach(referral, now, "ACCEPTANCE_LATE", "RAISED", referral["acceptance_due_on"])
        if name == "T2":
            by = limit(referral, "session_within_days")
            in_time = any(
                session["outcome"] == "ATTENDED" and session_date(session) <= by
                for session in referral["sessions"].values()
            )
            if referral["status"] == "OPEN" and not in_time:
                self.breach(referral, now, "SESSION_LATE", "RAISED", by)
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
        if name == "T4" and referral["status"] == "JOINING":
            self.breach(referral, now, "ATTACHMENT_LATE", "RAISED", limit(referral, "attach_within_days"))
        if name == "T5":
            del self.referrals[referral["po_number"]]
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
            outcome = self.u3(referral, value)
        elif kind == "GroupSessionRestrictionChanged":
            outcome = self.u4(referral, value, at, now)
        elif kind == "ReferralAccepted":
            outcome = self.p1(referral, value, now)
        elif kind == "ReferralRejected":
            outcome = self.p2(referral, value, at, now)
        elif kind == "SessionBooked":
            outcome = self.p3(referral, value, now)
        elif kind == "SessionChanged":
            outcome = self.p4(referral, value, at, now)
        elif kind == "SessionCancelled":
            outcome = self.p5(referral, value, now)
        elif kind == "NotificationConfirmed":
            outcome = self.p6(referral, value, now)
        elif kind == "CannotAttend":
            outcome = self.p7(referral, value)
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
        else:
            raise ValueError(f"no row for {kind}")
        self.outcome_event(message, outcome, now)
        self.go_out()
        # P7, last words: F2 right after this outcome, where the end is not after `at`.
        if kind == "CannotAttend" and outcome[0] == "APPLIED":
            session = referral["sessions"][value["session_id"]]
            if self.f2_is_to_come(referral, session) and session_end(session) <= at:
                self.f2(referral, session, now)

    # -------------------------------------------------------------------------------- Referral (PRaP)

    def referral_arrives(self, message: Json) -> None:
        """G1, R1, R8, R9, R2, G4, R3 to R7, R10 to R14, in this order; then the release."""
        at, value = message["at"], message["value"]
        po = value["po_number"]
        known = self.referrals.get(po)
        seen = value["message_id"] in known["seen"] if known else self.is_held(po, value["message_id"])
        if seen:  # G1
            outcome = DUPLICATE
        elif value["special_customer_record"]:  # R1
            outcome = refused("SPECIAL_CUSTOMER_RECORD")
            if known:
                known["participant"] = None
        else:
            if known:
                known["seen"].append(value["message_id"])
            outcome = self.referral_rows(known, value, at)
        self.outcome_event(message, outcome, at)
        self.go_out()
        if known is None and outcome[0] == "APPLIED":
            self.release(po, at)

    def referral_rows(self, known: Json | None, value: Json, at: datetime) -> Outcome:
        """The rows after R1."""
        annotation, benefit, group = (
            value["action_plan_annotation"],
            value["benefit"],
            value["claimant_group"],
        )
        mandatory, mandation = annotation == MANDATORY, value["mandation"]
        nino = value["participant"]["nino"]
        if known and value["po_revision"] == known["po_revision"]:  # R8
            return DUPLICATE
        if known and value["po_revision"] < known["po_revision"]:  # R9
            return refused("STALE_REVISION")
        if annotation not in (MANDATORY, VOLUNTARY):  # R2
            return refused("NOT_AN_INFORMATION_SESSION")
        skew_policy = known["policy"] if known else policy_on(self.policies, london_date(at))
        if dated_in_future("Referral", value, at, skew_policy["clock_skew_s"]):  # G4
            return refused("DATED_IN_FUTURE")
        if nino is not None and not is_nino(nino):  # R3
            return refused("INVALID_NINO")
        if benefit == "ESA" and group is None:  # R4
            return refused("CLAIMANT_GROUP_MISSING")
        if mandatory and benefit == "ESA" and group not in CAN_BE_MANDATED:  # R5
            return refused("GROUP_CANNOT_BE_MANDATED")
        if mandatory and benefit == "UC":  # R6
            justified = (
                mandation is not None
                and mandation["basis"] == "UC_WORKPLAN"
                and mandation["purpose"] in UC_PURPOSES
                and mandation["tangible_outcome"]
            )
            if not justified:
                return refused("UC_MANDATION_NOT_JUSTIFIED")
        if mandatory and benefit == "JSA":  # R7
            directed = (
                mandation is not None
                and mandation["basis"] == "JOBSEEKERS_DIRECTION"
                and mandation["purpose"] in JSA_PURPOSES
            )
            if not directed:
                return refused("NO_JOBSEEKERS_DIRECTION")
        if known is None:
            return self.r14(value, at)
        if is_closed(known):  # R10
            return refused("REFERRAL_CLOSED")
        if mandatory and not known["mandatory"]:  # R11
            return refused("MANDATION_NEEDS_NEW_REFERRAL")
        if (
            mandatory != known["mandatory"]
            or value["referred_on"] != known["referred_on"]
            or value["provider_id"] != known["provider_id"]
            or benefit != known["benefit"]
        ):  # R12
            return refused("IMMUTABLE_FIELD_CHANGED")
        return self.r13(known, value, at)

    def r13(self, referral: Json, value: Json, at: datetime) -> Outcome:
        """R13: a higher revision updates the rest."""
        last = referral["last_revision"]
        referral["last_revision"] = {
            "support_group_appeal_pending": value["support_group_appeal_pending"],
            "group_session_restriction": value["group_session_restriction"],
        }
        referral["po_revision"] = value["po_revision"]
        referral["jobcentre_id"] = value["jobcentre_id"]
        referral["claimant_group"] = value["claimant_group"]
        referral["participant"] = value["participant"]
        if value["support_group_appeal_pending"] != last["support_group_appeal_pending"]:
            referral["appeal_pending"] = value["support_group_appeal_pending"]
        self.instruct(referral, at, "REFERRAL_UPDATED")
        if value["group_session_restriction"] != last["group_session_restriction"]:
            self.restrict(referral, value["group_session_restriction"], at, at)
        return APPLIED

    def r14(self, value: Json, at: datetime) -> Outcome:
        """R14: a first referral."""
        po, referred_on = value["po_number"], value["referred_on"]
        policy = policy_on(self.policies, referred_on)
        due_on = working_days_after(london_date(at), policy["accept_within_working_days"])
        referral: Json = {
            "po_number": po,
            "po_revision": value["po_revision"],
            "provider_id": value["provider_id"],
            "jobcentre_id": value["jobcentre_id"],
            "participant": value["participant"],
            "mandatory": value["action_plan_annotation"] == MANDATORY,
            "referred_on": referred_on,
            "benefit": value["benefit"],
            "claimant_group": value["claimant_group"],
            "appeal_pending": value["support_group_appeal_pending"],
            "restriction": value["group_session_restriction"],
            "last_revision": {
                "support_group_appeal_pending": value["support_group_appeal_pending"],
                "group_session_restriction": value["group_session_restriction"],
            },
            "policy": policy,
            "status": "OPEN",
            "accepted": False,
            "closed_at": None,
            "wp11_issued_on": None,
            "acceptance_due_on": due_on,
            "sessions": {},
            "outcomes_recorded": 0,
            "breaches": {},
            "expenses": [],
            "seen": [value["message_id"]],
        }
        referral["deadlines"] = {
            "T1": passes_at(due_on),
            "T2": passes_at(limit(referral, "session_within_days")),
            "T3": passes_at(limit(referral, "wp11_within_days")),
            "T4": passes_at(limit(referral, "attach_within_days")),
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

    # ------------------------------------------------------------------------------------------ WP11

    def wp11(self, referral: Json, value: Json, now: datetime) -> Outcome:
        """W1 to W8."""
        if not value["wants_to_join"]:  # W1
            return refused("DOES_NOT_WANT_TO_JOIN")
        if value["interview_on"] < referral["referred_on"]:  # W2
            return refused("INTERVIEW_BEFORE_REFERRAL")
        if value["interview_on"] > limit(referral, "wp11_within_days"):  # W3
            return refused("INTERVIEW_AFTER_21_DAYS")
        if referral["appeal_pending"] and referral["claimant_group"] in WRAG_GROUPS:  # W4
            return refused("SUPPORT_GROUP_APPEAL_PENDING")
        if referral["status"] in ("JOINING", "ATTACHED"):  # W5
            return refused("WP11_ALREADY_RECEIVED")
        if referral["status"] == "CANCELLED":  # W6
            return refused("REFERRAL_CANCELLED")
        if referral["status"] == "REJECTED":  # W7
            return refused("REFERRAL_CLOSED")
        referral["status"] = "JOINING"  # W8
        referral["wp11_issued_on"] = value["issued_on"]
        self.instruct(referral, now, "UNDERTAKE_ATTACHMENT", due_on=limit(referral, "attach_within_days"))
        return applied([] if some_session_attended(referral) else ["WP11_WITHOUT_ATTENDANCE"])

    # ----------------------------------------------------------------------------- Jobcentre updates

    def u2(self, referral: Json, now: datetime) -> Outcome:
        """U2 AlternativeSessionRequested."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        self.instruct(referral, now, "ARRANGE_ALTERNATIVE_SESSION")
        return APPLIED

    def u3(self, referral: Json, value: Json) -> Outcome:
        """U3 SupportGroupAppealChanged."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        referral["appeal_pending"] = value["pending"]
        return APPLIED

    def u4(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """U4 GroupSessionRestrictionChanged."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        self.restrict(referral, value["restriction"], at, now)
        return APPLIED

    def restrict(self, referral: Json, restriction: str | None, at: datetime, now: datetime) -> None:
        """The effect of U4: the restriction, and what a non-null one does."""
        referral["restriction"] = restriction
        if restriction is not None:
            cancelled = self.cancel_group_sessions(referral, at)
            if cancelled:
                self.instruct(referral, now, "OFFER_ONE_TO_ONE", cancelled[-1]["session_id"])

    def cancel_group_sessions(self, referral: Json, at: datetime) -> list[Json]:
        """Cancel every GROUP session that is open and not started at `at`; those, in order of booking."""
        cancelled = [
            session
            for session in referral["sessions"].values()
            if session["format"] == "GROUP" and is_open(session) and at < session["starts_at"]
        ]
        for session in cancelled:
            session["cancelled"] = True
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
        in_time = london_date(value["accepted_at"]) <= referral["acceptance_due_on"]
        if referral["breaches"].get("ACCEPTANCE_LATE") == "RAISED" and in_time:
            self.breach(referral, now, "ACCEPTANCE_LATE", "CLEARED", referral["acceptance_due_on"])
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

    def session_advisories(self, referral: Json, value: Json) -> list[str]:
        """The advisories of P3 and P4, in the order listed."""
        day = london_date(value["starts_at"])
        advisories = []
        if day > limit(referral, "session_within_days"):
            advisories.append("SESSION_AFTER_15_DAYS")
        if day > limit(referral, "wp11_within_days"):
            advisories.append("SESSION_AFTER_21_DAYS")
        if value["duration_minutes"] > referral["policy"]["session_minutes"]:
            advisories.append("LONGER_THAN_AN_HOUR")
        if referral["mandatory"] and value["notified_at"] is None:
            advisories.append("PARTICIPANT_NOT_NOTIFIED")
        return advisories

    def p3(self, referral: Json, value: Json, now: datetime) -> Outcome:
        """P3 SessionBooked."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        if not referral["accepted"]:
            return refused("REFERRAL_NOT_ACCEPTED")
        if value["session_id"] in referral["sessions"]:
            return refused("SESSION_ALREADY_BOOKED")
        if any(stands_in_the_way(session) for session in referral["sessions"].values()):
            return refused("ANOTHER_SESSION_BOOKED")
        if london_date(value["starts_at"]) < referral["referred_on"]:
            return refused("SESSION_BEFORE_REFERRAL")
        if value["duration_minutes"] < 1:
            return refused("INVALID_DURATION")
        if value["format"] == "GROUP" and referral["restriction"] is not None:
            self.instruct(referral, now, "OFFER_ONE_TO_ONE", value["session_id"])
            return refused("GROUP_SESSION_UNSUITABLE")
        referral["sessions"][value["session_id"]] = {
            "session_id": value["session_id"],
            "session_name": value["session_name"],
            "starts_at": value["starts_at"],
            "duration_minutes": value["duration_minutes"],
            "location": value["location"],
            "format": value["format"],
            "notified_at": value["notified_at"],
            "cancelled": False,
            "cannot_attend": None,
            "f2_done": False,
            "outcome": None,
            "outcome_reason": None,
            "attempt": None,
            "last_told": None,
            "active": None,
            "waiting": False,
        }
        return applied(self.session_advisories(referral, value))

    def p4(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """P4 SessionChanged."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        if not is_open(session):
            return refused("SESSION_NOT_OPEN")
        if not at < session["starts_at"]:
            return refused("SESSION_ALREADY_STARTED")
        if london_date(value["starts_at"]) < referral["referred_on"]:
            return refused("SESSION_BEFORE_REFERRAL")
        if value["duration_minutes"] < 1:
            return refused("INVALID_DURATION")
        if referral["mandatory"] and value["notified_at"] is None:
            session["cancelled"] = True
            self.instruct(referral, now, "ARRANGE_ALTERNATIVE_SESSION", session["session_id"])
            return applied(["SESSION_CANCELLED_UNCONTACTABLE"])
        session["starts_at"] = value["starts_at"]
        session["duration_minutes"] = value["duration_minutes"]
        session["location"] = value["location"]
        session["notified_at"] = value["notified_at"]
        session["cannot_attend"] = None
        session["f2_done"] = False
        return applied(self.session_advisories(referral, value))

    def p5(self, referral: Json, value: Json, now: datetime) -> Outcome:
        """P5 SessionCancelled."""
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        if not is_open(session):
            return refused("SESSION_NOT_OPEN")
        session["cancelled"] = True
        self.withdraw(referral, session, now)
        return APPLIED

    def p6(self, referral: Json, value: Json, now: datetime) -> Outcome:
        """P6 NotificationConfirmed."""
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        if session["cancelled"]:
            return refused("SESSION_CANCELLED")
        if not value["notified_at"] < session["starts_at"]:
            return refused("NOTIFIED_TOO_LATE")
        session["notified_at"] = value["notified_at"]
        if session["waiting"]:
            self.f1(referral, session, now)
        return APPLIED

    def p7(self, referral: Json, value: Json) -> Outcome:
        """P7 CannotAttend. F2 comes at the end of the session, as a deadline does."""
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        if not is_open(session):
            return refused("SESSION_NOT_OPEN")
        if not value["given_at"] < session["starts_at"]:
            return refused("SESSION_ALREADY_STARTED")
        session["cannot_attend"] = {"reason": value["reason"]}
        return APPLIED

    def p8(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """P8 AttendanceRecorded."""
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        if session["cancelled"]:
            return refused("SESSION_CANCELLED")
        if session["outcome"] is not None:
            return refused("OUTCOME_ALREADY_RECORDED")
        if value["recorded_at"] < session["starts_at"] or at < session["starts_at"]:
            return refused("SESSION_NOT_STARTED")
        if closed_at_or_before(referral, session["starts_at"]):
            return refused("REFERRAL_CLOSED")
        referral["outcomes_recorded"] += 1
        session["attempt"] = referral["outcomes_recorded"]
        session["outcome"] = value["outcome"]
        session["outcome_reason"] = value["reason_given"]
        if value["outcome"] == "ATTENDED":
            self.tell_attendance(referral, session, now, None)
            self.withdraw(referral, session, now)
            self.clear_session_late(referral, session, now)
        elif referral["mandatory"]:
            self.tell_attendance(referral, session, now, None)
            self.f1(referral, session, now)
        return APPLIED

    def clear_session_late(self, referral: Json, session: Json, now: datetime) -> None:
        """An ATTENDED session of a date within the limit clears SESSION_LATE."""
        by = limit(referral, "session_within_days")
        if referral["breaches"].get("SESSION_LATE") == "RAISED" and session_date(session) <= by:
            self.breach(referral, now, "SESSION_LATE", "CLEARED", by)

    def p9(self, referral: Json, at: datetime, now: datetime) -> Outcome:
        """P9 GroupObjection."""
        if is_closed(referral):
            return refused("REFERRAL_CLOSED")
        if referral["restriction"] is None:
            referral["restriction"] = "OBJECTION"
        cancelled = self.cancel_group_sessions(referral, at)
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
            self.withdraw(referral, session, now)
            self.clear_session_late(referral, session, now)
        elif referral["mandatory"]:
            self.tell_attendance(referral, session, now, supersedes)
            self.f1(referral, session, now)
        elif last_told and last_told["outcome"] == "ATTENDED":
            self.tell_attendance(referral, session, now, supersedes)
        return APPLIED

    def p11(self, referral: Json, value: Json, at: datetime, now: datetime) -> Outcome:
        """P11 AttachmentRegistered."""
        if value["attached_to"] == "INFORMATION_SESSION_REFERRAL":
            self.prap(referral, now, "BACK_OUT_ATTACHMENT", "PRaP16")
            self.instruct(referral, now, "BACK_OUT_ATTACHMENT")
            return refused("ATTACHED_TO_INFORMATION_SESSION")
        if referral["status"] == "ATTACHED":
            return refused("ALREADY_ATTACHED")
        if referral["status"] in ("OPEN", "CANCELLED", "REJECTED"):
            return refused("NO_WP11")
        if value["attached_on"] < referral["wp11_issued_on"]:
            return refused("ATTACHED_BEFORE_WP11")
        referral["status"] = "ATTACHED"
        referral["closed_at"] = at
        by = limit(referral, "attach_within_days")
        if referral["breaches"].get("ATTACHMENT_LATE") == "RAISED" and value["attached_on"] <= by:
            self.breach(referral, now, "ATTACHMENT_LATE", "CLEARED", by)
        return APPLIED

    def p12(self, referral: Json, value: Json) -> Outcome:
        """P12 ExpenseReimbursed."""
        session = referral["sessions"].get(value["session_id"])
        if session is None:
            return refused("UNKNOWN_SESSION")
        if value["amount_pence"] < 1:
            return refused("INVALID_AMOUNT")
        if session["outcome"] not in ("ATTENDED", "DID_NOT_PARTICIPATE"):
            return refused("NO_ATTENDANCE_TO_REIMBURSE")
        referral["expenses"].append(value)
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
