"""How often each thing that the rulebook knows comes of N programmes: `python -m tests.oracle.coverage N`."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from typing import Any

from tests.oracle.programmes import programme, random_policies
from tests.oracle.rulebook import (
    DEFAULT_POLICIES,
    Gateway,
    closed_at_or_before,
    is_open,
    run,
    was_told,
)

Json = dict[str, Any]

REFUSALS = """
UNKNOWN_REFERRAL NOT_YOUR_REFERRAL DATED_IN_FUTURE SPECIAL_CUSTOMER_RECORD STALE_REVISION
NOT_AN_INFORMATION_SESSION INVALID_NINO CLAIMANT_GROUP_MISSING GROUP_CANNOT_BE_MANDATED
UC_MANDATION_NOT_JUSTIFIED NO_JOBSEEKERS_DIRECTION REFERRAL_CLOSED MANDATION_NEEDS_NEW_REFERRAL
IMMUTABLE_FIELD_CHANGED DOES_NOT_WANT_TO_JOIN INTERVIEW_BEFORE_REFERRAL INTERVIEW_AFTER_21_DAYS
SUPPORT_GROUP_APPEAL_PENDING WP11_ALREADY_RECEIVED REFERRAL_CANCELLED ALREADY_ACCEPTED REFERRAL_NOT_ACCEPTED
SESSION_ALREADY_BOOKED ANOTHER_SESSION_BOOKED SESSION_BEFORE_REFERRAL INVALID_DURATION
GROUP_SESSION_UNSUITABLE UNKNOWN_SESSION SESSION_NOT_OPEN SESSION_ALREADY_STARTED SESSION_CANCELLED
NOTIFIED_TOO_LATE OUTCOME_ALREADY_RECORDED SESSION_NOT_STARTED OUTCOME_NOT_RECORDED NOTHING_TO_CORRECT
ATTACHED_TO_INFORMATION_SESSION ALREADY_ATTACHED NO_WP11 ATTACHED_BEFORE_WP11 INVALID_AMOUNT
NO_ATTENDANCE_TO_REIMBURSE
""".split()

# Which record each code can refuse: a code of several rows has to be seen in each of them.
REFUSED_BY_TYPE = """
UNKNOWN_REFERRAL/Wp11 UNKNOWN_REFERRAL/SessionBooked DATED_IN_FUTURE/Referral DATED_IN_FUTURE/Wp11
DATED_IN_FUTURE/AlternativeSessionRequested DATED_IN_FUTURE/SupportGroupAppealChanged
DATED_IN_FUTURE/GroupSessionRestrictionChanged DATED_IN_FUTURE/ReferralAccepted
DATED_IN_FUTURE/ReferralRejected DATED_IN_FUTURE/SessionBooked DATED_IN_FUTURE/SessionChanged
DATED_IN_FUTURE/SessionCancelled DATED_IN_FUTURE/NotificationConfirmed DATED_IN_FUTURE/CannotAttend
DATED_IN_FUTURE/GroupObjection DATED_IN_FUTURE/AttendanceRecorded DATED_IN_FUTURE/AttendanceCorrected
DATED_IN_FUTURE/AttachmentRegistered DATED_IN_FUTURE/ExpenseReimbursed REFERRAL_CLOSED/Referral
REFERRAL_CLOSED/Wp11 REFERRAL_CLOSED/AlternativeSessionRequested REFERRAL_CLOSED/SupportGroupAppealChanged
REFERRAL_CLOSED/GroupSessionRestrictionChanged REFERRAL_CLOSED/ReferralAccepted
REFERRAL_CLOSED/ReferralRejected REFERRAL_CLOSED/SessionBooked REFERRAL_CLOSED/SessionChanged
REFERRAL_CLOSED/AttendanceRecorded REFERRAL_CLOSED/GroupObjection WP11_ALREADY_RECEIVED/Wp11
WP11_ALREADY_RECEIVED/ReferralRejected ALREADY_ACCEPTED/ReferralAccepted ALREADY_ACCEPTED/ReferralRejected
SESSION_BEFORE_REFERRAL/SessionBooked SESSION_BEFORE_REFERRAL/SessionChanged INVALID_DURATION/SessionBooked
INVALID_DURATION/SessionChanged UNKNOWN_SESSION/SessionChanged UNKNOWN_SESSION/SessionCancelled
UNKNOWN_SESSION/NotificationConfirmed UNKNOWN_SESSION/CannotAttend UNKNOWN_SESSION/AttendanceRecorded
UNKNOWN_SESSION/AttendanceCorrected UNKNOWN_SESSION/ExpenseReimbursed SESSION_NOT_OPEN/SessionChanged
SESSION_NOT_OPEN/SessionCancelled SESSION_NOT_OPEN/CannotAttend SESSION_ALREADY_STARTED/SessionChanged
SESSION_ALREADY_STARTED/CannotAttend SESSION_CANCELLED/NotificationConfirmed
SESSION_CANCELLED/AttendanceRecorded
""".split()

RECORDS = """
Referral Wp11 AlternativeSessionRequested SupportGroupAppealChanged GroupSessionRestrictionChanged
ReferralAccepted ReferralRejected SessionBooked SessionChanged SessionCancelled NotificationConfirmed
CannotAttend GroupObjection AttendanceRecorded AttendanceCorrected AttachmentRegistered ExpenseReimbursed
""".split()

ADVISORIES = """
SESSION_AFTER_15_DAYS SESSION_AFTER_21_DAYS LONGER_THAN_AN_HOUR PARTICIPANT_NOT_NOTIFIED
SESSION_CANCELLED_UNCONTACTABLE WP11_WITHOUT_ATTENDANCE
""".split()

INSTRUCTIONS = """
ACCEPT_REFERRAL ARRANGE_ALTERNATIVE_SESSION OFFER_ONE_TO_ONE CONFIRM_NOTIFICATION UNDERTAKE_ATTACHMENT
BACK_OUT_ATTACHMENT REFERRAL_UPDATED REFERRAL_CANCELLED
""".split()

EXPECTED = [
    *[f"refused {code}" for code in REFUSALS],
    *[f"refused {pair}" for pair in REFUSED_BY_TYPE],
    *[f"{status} {record}" for record in RECORDS for status in ("applied", "duplicate")],
    *[f"held {record}" for record in RECORDS if record != "Referral"],
    *[f"held, then applied {record}" for record in RECORDS if record != "Referral"],
    *[f"advisory {advisory}" for advisory in ADVISORIES],
    *[f"instruction {kind}" for kind in INSTRUCTIONS],
    *[f"prap {action}" for action in ("ACKNOWLEDGE", "ACCEPT", "REJECT", "CANCEL", "BACK_OUT_ATTACHMENT")],
    *[
        f"breach {kind} {status}"
        for kind in ("ACCEPTANCE_LATE", "SESSION_LATE", "ATTACHMENT_LATE")
        for status in ("RAISED", "CLEARED")
    ],
    *[
        f"notification {status} {benefit}"
        for status in ("RAISED", "WITHDRAWN")
        for benefit in (
            "FAILURE_TO_UNDERTAKE_WORK_RELATED_ACTIVITY",
            "FAILURE_TO_PARTICIPATE_OR_COMPLY",
            "FAILURE_TO_CARRY_OUT_JOBSEEKERS_DIRECTION",
        )
    ],
    *[
        f"attendance {outcome} {requirement} {supersedes}"
        for outcome in ("ATTENDED", "DID_NOT_ATTEND", "DID_NOT_PARTICIPATE")
        for requirement in ("MANDATORY", "VOLUNTARY")
        for supersedes in ("supersedes", "first")
        if not (outcome != "ATTENDED" and requirement == "VOLUNTARY" and supersedes == "first")
    ],
    *[f"cancellation attended={attended}" for attended in (True, False)],
    *[f"notification by {cause}" for cause in ("outcome", "correction", "confirmation")],
    *[f"withdrawn by {cause}" for cause in ("outcome", "correction", "cancellation")],
    "a second life after T5",
    "held, then forgotten by T5",
    "decided later than due",
    "attempt 2 or later",
    "of several sessions the one booked last",
    *[f"F2 {how}" for how in ("raises", "waits", "finds no open session", "finds a closed referral")],
    *[f"F1 {how}" for how in ("finds an active one", "waits already", "raises again after a withdrawal")],
    *[f"waiting failure {how}" for how in ("raised", "dropped")],
    *[f"T5 forgets {status}" for status in ("JOINING", "ATTACHED", "CANCELLED", "REJECTED")],
    *[f"restricted by {cause}" for cause in ("revision", "update", "objection")],
    "message at the instant of a deadline",
    "personal data erased",
]


class Watched(Gateway):
    """A gateway that counts what its output does not show."""

    def __init__(self, policies: list[Json], seen: Counter[str]) -> None:
        """Count in `seen`."""
        super().__init__(policies)
        self.seen = seen
        self.in_revision = False

    def arrive(self, message: Json) -> None:
        """See which messages arrive at the very instant at which a deadline falls due."""
        if any(due[0] == message["at"] for due in self.due_list()):
            self.seen["message at the instant of a deadline"] += 1
        known = self.referrals.get(message["value"]["po_number"])
        before = known["participant"] if known else None
        super().arrive(message)
        if known and before is not None and known["participant"] is None:
            self.seen["personal data erased"] += 1

    def f2(self, referral: Json, session: Json, now: datetime) -> None:
        """See what F2 finds."""
        if not is_open(session):
            self.seen["F2 finds no open session"] += 1
        elif closed_at_or_before(referral, session["starts_at"]):
            self.seen["F2 finds a closed referral"] += 1
        else:
            self.seen["F2 raises" if was_told(session) else "F2 waits"] += 1
        super().f2(referral, session, now)

    def f1(self, referral: Json, session: Json, now: datetime) -> None:
        """See what F1 finds."""
        if session["active"] is not None:
            self.seen["F1 finds an active one"] += 1
        elif session["waiting"]:
            self.seen["waiting failure raised" if was_told(session) else "F1 waits already"] += 1
        elif session.get("withdrawn") and was_told(session):
            self.seen["F1 raises again after a withdrawal"] += 1
        super().f1(referral, session, now)

    def withdraw(self, referral: Json, session: Json, now: datetime) -> None:
        """See what is dropped."""
        if session["waiting"]:
            self.seen["waiting failure dropped"] += 1
        if session["active"] is not None:
            session["withdrawn"] = True
        super().withdraw(referral, session, now)

    def deadline(self, referral: Json, name: str, instant: datetime, now: datetime) -> None:
        """See what T5 forgets."""
        if name == "T5":
            self.seen[f"T5 forgets {referral['status']}"] += 1
        super().deadline(referral, name, instant, now)

    def restrict(self, referral: Json, restriction: str | None, at: datetime, now: datetime) -> None:
        """See whence a restriction comes."""
        if restriction is not None:
            self.seen[f"restricted by {'revision' if self.in_revision else 'update'}"] += 1
        super().restrict(referral, restriction, at, now)

    def r13(self, referral: Json, value: Json, at: datetime) -> tuple[str, str | None, list[str]]:
        """Know that a revision is being applied."""
        self.in_revision = True
        try:
            return super().r13(referral, value, at)
        finally:
            self.in_revision = False

    def p9(self, referral: Json, at: datetime, now: datetime) -> tuple[str, str | None, list[str]]:
        """See whether an objection is the restriction."""
        before = referral["restriction"]
        outcome = super().p9(referral, at, now)
        if before is None and referral["restriction"] is not None:
            self.seen["restricted by objection"] += 1
        return outcome

    def cancel_group_sessions(self, referral: Json, at: datetime) -> list[Json]:
        """See where several are cancelled at once."""
        cancelled = super().cancel_group_sessions(referral, at)
        if len(cancelled) > 1:
            self.seen["of several sessions the one booked last"] += 1
        return cancelled


def count(lines: list[Json], out: list[Json], seen: Counter[str]) -> None:
    """Count what came of one programme."""
    kinds: dict[tuple[str, str, str, str], str] = {}
    for line in lines:
        if not line.get("tick"):
            value = line["value"]
            kind = line.get("type") or ("Referral" if line["topic"] == "prap.referrals" else "Wp11")
            kinds.setdefault((value["po_number"], value["message_id"], line["at"], line["topic"]), kind)
    held: dict[tuple[str, str], str] = {}
    acknowledged: dict[str, int] = {}
    group: list[Json] = []
    for record in out:
        value, po_number = record["value"], record["key"]
        group.append(record)
        if record["type"] == "Breach":
            seen[f"breach {value['breach']} {value['status']}"] += 1
        if record["type"] == "Instruction":
            seen[f"instruction {value['instruction']}"] += 1
        if record["type"] == "PrapAction":
            seen[f"prap {value['action']}"] += 1
            if value["action"] == "ACKNOWLEDGE":
                acknowledged[po_number] = acknowledged.get(po_number, 0) + 1
                if acknowledged[po_number] == 2:
                    seen["a second life after T5"] += 1
        if record["type"] == "SanctionNotification":
            seen[f"notification {value['status']} {value['failure_type']}"] += 1
        if record["type"] == "AttendanceEvent":
            supersedes = "supersedes" if value["supersedes"] else "first"
            seen[f"attendance {value['outcome']} {value['requirement']} {supersedes}"] += 1
            if value["attempt"] > 1:
                seen["attempt 2 or later"] += 1
        if record["type"] == "CancellationEvent":
            seen[f"cancellation attended={value['attended']}"] += 1
            if not record["at"].endswith(("T00:00:00Z", "T23:00:00Z")):
                seen["decided later than due"] += 1
        if record["type"] != "Outcome":
            continue
        name = (po_number, value["message_id"])
        was_held = held.get(name)
        kind = kinds.get((*name, record["at"], value["topic"]), was_held or "?")
        status = value["status"]
        if status == "HELD":
            held[name] = kind
        elif status != "DUPLICATE" and was_held:
            kind = was_held
            del held[name]
            seen[f"held, then {status.lower()} {kind}"] += 1
            if value["code"] == "UNKNOWN_REFERRAL" and not record["at"].endswith(
                ("T00:00:00Z", "T23:00:00Z")
            ):
                seen["held, then forgotten by T5"] += 1
        if status == "REFUSED":
            seen[f"refused {value['code']}"] += 1
            seen[f"refused {value['code']}/{kind}"] += 1
        else:
            seen[f"{status.lower()} {kind}"] += 1
        for advisory in value["advisories"]:
            seen[f"advisory {advisory}"] += 1
        here = [r for r in group if r["at"] == record["at"] and r["key"] == po_number]
        causes = {
            "AttendanceRecorded": "outcome",
            "AttendanceCorrected": "correction",
            "NotificationConfirmed": "confirmation",
            "SessionCancelled": "cancellation",
        }
        own = [r["value"]["status"] for r in here if r["type"] == "SanctionNotification"]
        for note in own if status == "APPLIED" and kind in causes else []:
            if note == "RAISED" and kind == "SessionCancelled":
                continue  # F2 at the same instant
            seen[f"{'notification' if note == 'RAISED' else 'withdrawn'} by {causes[kind]}"] += 1
        group = []


def measure(programmes: int, policies: bool = False) -> tuple[Counter[str], int, int]:
    """Counts over so many programmes, with the number of input lines and of output lines."""
    seen: Counter[str] = Counter()
    lines_in = lines_out = 0
    for seed in range(programmes):
        chosen = random_policies(seed) if policies else None
        lines = programme(seed, policies=chosen)
        out = run(Watched(chosen or DEFAULT_POLICIES, seen), lines)
        lines_in, lines_out = lines_in + len(lines), lines_out + len(out)
        count(lines, out, seen)
    return seen, lines_in, lines_out


def main() -> int:
    """Print the table; exit 1 where something that the rulebook knows did not occur."""
    programmes = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seen, lines_in, lines_out = measure(programmes, policies="--policies" in sys.argv)
    for name in sorted({*EXPECTED, *seen}, key=lambda name: (name.split()[0], -seen[name], name)):
        mark = " <-- NEVER" if not seen[name] else " <-- rare" if seen[name] * 100 < programmes else ""
        print(f"{seen[name]:8} {name}{mark if name in EXPECTED else ''}")
    never = [name for name in EXPECTED if not seen[name]]
    print(
        f"{programmes} programmes, {lines_in} lines in, {lines_out} out; "
        f"{len(never)} never: {', '.join(never)}"
    )
    return 1 if never else 0


if __name__ == "__main__":
    sys.exit(main())
