"""How often each thing that the rulebook knows comes of N programmes: `python -m tests.oracle.coverage N`.

Every other programme is decided under policies of its own.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from tests.oracle.programmes import programme, random_policies
from tests.oracle.rulebook import (
    CAN_BE_MANDATED,
    DEFAULT_POLICIES,
    Gateway,
    Outcome,
    closed_at_or_before,
    f2_is_to_come,
    is_mandatory,
    is_of,
    is_on_hold,
    is_open,
    is_owed,
    limit,
    passes_at,
    run,
    session_end,
    was_told,
)

Json = dict[str, Any]

MS = timedelta(milliseconds=1)

RECORDS = """
Referral Wp11 AlternativeSessionRequested SupportGroupAppealChanged GroupSessionRestrictionChanged
ReferralAccepted ReferralRejected SessionBooked SessionChanged SessionCancelled
AlternativeSessionNotPossible NotificationConfirmed CannotAttend GroupObjection AttendanceRecorded
AttendanceCorrected AttachmentRegistered ExpenseReimbursed
""".split()
OF_PROVIDERS = RECORDS[5:]
OF_SESSIONS = """
SessionChanged SessionCancelled NotificationConfirmed CannotAttend AttendanceRecorded AttendanceCorrected
ExpenseReimbursed
""".split()
NEVER_ON_CLOSED = """
Referral AlternativeSessionRequested SupportGroupAppealChanged GroupSessionRestrictionChanged
ReferralAccepted ReferralRejected AlternativeSessionNotPossible GroupObjection
""".split()
"""Records that are refused once the referral is closed, however."""

CLOSED = ("ATTACHED", "CANCELLED", "REJECTED")
STATUSES = ("OPEN", "JOINING", *CLOSED)
OUTCOMES = ("ATTENDED", "DID_NOT_ATTEND", "DID_NOT_PARTICIPATE")
REQUIREMENTS = ("MANDATORY", "VOLUNTARY")
FAILURE_TYPES = (
    "FAILURE_TO_UNDERTAKE_WORK_RELATED_ACTIVITY",
    "FAILURE_TO_PARTICIPATE_OR_COMPLY",
    "FAILURE_TO_CARRY_OUT_JOBSEEKERS_DIRECTION",
)
DEADLINES = ("G2", "F2", "T1", "T2", "T3", "T4", "T5", "T6")

# Each refusal: of which record, and by which status of the referral where that matters. W3 never finds an
# OPEN referral: when an interview after the limit can be told of, T3 has fallen due.
REFUSALS = [
    *[f"UNKNOWN_REFERRAL/{record}" for record in RECORDS[1:]],
    *[f"NOT_YOUR_REFERRAL/{record}" for record in OF_PROVIDERS],
    *[f"DATED_IN_FUTURE/{record}" for record in RECORDS],
    *[f"REFERRAL_CLOSED/{record}/{status}" for record in NEVER_ON_CLOSED for status in CLOSED],
    *[f"UNKNOWN_SESSION/{record}" for record in OF_SESSIONS],
    *"""
SPECIAL_CUSTOMER_RECORD/Referral STALE_REVISION/Referral NOT_AN_INFORMATION_SESSION/Referral
PROGRAMME_ENDED/Referral INVALID_NINO/Referral CLAIMANT_GROUP_MISSING/Referral
GROUP_CANNOT_BE_MANDATED/Referral MANDATION_DOES_NOT_FIT/Referral UC_MANDATION_NOT_JUSTIFIED/Referral
NO_JOBSEEKERS_DIRECTION/Referral MANDATION_NEEDS_NEW_REFERRAL/Referral IMMUTABLE_FIELD_CHANGED/Referral
DOES_NOT_WANT_TO_JOIN/Wp11 INTERVIEW_BEFORE_REFERRAL/Wp11 ISSUED_BEFORE_INTERVIEW/Wp11
INTERVIEW_AFTER_21_DAYS/Wp11/JOINING INTERVIEW_AFTER_21_DAYS/Wp11/ATTACHED
INTERVIEW_AFTER_21_DAYS/Wp11/CANCELLED INTERVIEW_AFTER_21_DAYS/Wp11/REJECTED
WP11_ALREADY_RECEIVED/Wp11/JOINING WP11_ALREADY_RECEIVED/Wp11/ATTACHED REFERRAL_CANCELLED/Wp11/CANCELLED
REFERRAL_CLOSED/Wp11/REJECTED SUPPORT_GROUP_APPEAL_PENDING/Wp11/OPEN
ALREADY_ACCEPTED/ReferralAccepted WP11_ALREADY_RECEIVED/ReferralRejected/JOINING
ALREADY_ACCEPTED/ReferralRejected
REFERRAL_CLOSED/SessionBooked/ATTACHED REFERRAL_CLOSED/SessionBooked/REJECTED
REFERRAL_NOT_ACCEPTED/SessionBooked/OPEN REFERRAL_NOT_ACCEPTED/SessionBooked/JOINING
REFERRAL_NOT_ACCEPTED/SessionBooked/CANCELLED SESSION_ALREADY_BOOKED/SessionBooked
ANOTHER_SESSION_BOOKED/SessionBooked SESSION_BEFORE_REFERRAL/SessionBooked INVALID_DURATION/SessionBooked
GROUP_SESSION_UNSUITABLE/SessionBooked
REFERRAL_CLOSED/SessionChanged/ATTACHED REFERRAL_CLOSED/SessionChanged/REJECTED
SESSION_NOT_OPEN/SessionChanged SESSION_ALREADY_STARTED/SessionChanged ANOTHER_SESSION_BOOKED/SessionChanged
SESSION_BEFORE_REFERRAL/SessionChanged INVALID_DURATION/SessionChanged
SESSION_NOT_OPEN/SessionCancelled SESSION_ALREADY_STARTED/SessionCancelled
SESSION_CANCELLED/NotificationConfirmed NOTIFIED_TOO_LATE/NotificationConfirmed
NOTIFIED_BEFORE_REFERRAL/NotificationConfirmed
SESSION_NOT_OPEN/CannotAttend SESSION_ALREADY_STARTED/CannotAttend
SESSION_CANCELLED/AttendanceRecorded OUTCOME_ALREADY_RECORDED/AttendanceRecorded
SESSION_NOT_STARTED/AttendanceRecorded REFERRAL_CLOSED/AttendanceRecorded/ATTACHED
OUTCOME_NOT_RECORDED/AttendanceCorrected NOTHING_TO_CORRECT/AttendanceCorrected
ATTACHED_TO_INFORMATION_SESSION/AttachmentRegistered ALREADY_ATTACHED/AttachmentRegistered
NO_WP11/AttachmentRegistered/OPEN NO_WP11/AttachmentRegistered/CANCELLED
NO_WP11/AttachmentRegistered/REJECTED ATTACHED_BEFORE_WP11/AttachmentRegistered
INVALID_AMOUNT/ExpenseReimbursed NO_ATTENDANCE_TO_REIMBURSE/ExpenseReimbursed
NO_ALTERNATIVE_REQUESTED/AlternativeSessionNotPossible
""".split(),
]

ADVISORIES = """
WP11_WITHOUT_ATTENDANCE/Wp11 REFERRAL_CANCELLED/SessionBooked ALREADY_ATTENDED/SessionBooked
SESSION_AFTER_15_DAYS/SessionBooked SESSION_AFTER_21_DAYS/SessionBooked LONGER_THAN_AN_HOUR/SessionBooked
PARTICIPANT_NOT_NOTIFIED/SessionBooked CHECK_FACILITIES/SessionBooked
SESSION_CANCELLED_UNCONTACTABLE/SessionChanged CANNOT_ATTEND_DROPPED/SessionChanged
REFERRAL_CANCELLED/SessionChanged SESSION_AFTER_15_DAYS/SessionChanged SESSION_AFTER_21_DAYS/SessionChanged
LONGER_THAN_AN_HOUR/SessionChanged PARTICIPANT_NOT_NOTIFIED/SessionChanged CHECK_FACILITIES/SessionChanged
NO_REASON_RECORDED/SessionCancelled ATTACHED_WHILE_ON_HOLD/AttachmentRegistered
ATTENDANCE_NOT_RECORDED/ExpenseReimbursed
""".split()

INSTRUCTIONS = """
ACCEPT_REFERRAL/Referral REFERRAL_UPDATED/Referral HANDLE_CLERICALLY/Referral REFERRAL_CANCELLED/T3
ARRANGE_ALTERNATIVE_SESSION/AlternativeSessionRequested ARRANGE_ALTERNATIVE_SESSION/SessionChanged
ARRANGE_ALTERNATIVE_SESSION/CannotAttend ARRANGE_ALTERNATIVE_SESSION/AttendanceRecorded
ARRANGE_ALTERNATIVE_SESSION/AttendanceCorrected
OFFER_ONE_TO_ONE/SessionBooked OFFER_ONE_TO_ONE/GroupObjection OFFER_ONE_TO_ONE/Referral
OFFER_ONE_TO_ONE/GroupSessionRestrictionChanged
CONFIRM_NOTIFICATION/AttendanceRecorded CONFIRM_NOTIFICATION/AttendanceCorrected CONFIRM_NOTIFICATION/F2
CONFIRM_NOTIFICATION/T6 RECORD_OUTCOME/T6
HOLD_ATTACHMENT/SupportGroupAppealChanged HOLD_ATTACHMENT/Referral
BACK_OUT_ATTACHMENT/AttachmentRegistered MANDATE_ENDED/Referral
""".split()

SESSION_EVENTS = """
BOOKED/None CHANGED/None CANNOT_ATTEND/None CANCELLED/PROVIDER CANCELLED/PARTICIPANT CANCELLED/UNCONTACTABLE
CANCELLED/GROUP_UNSUITABLE
""".split()

EXPECTED = [
    *[f"refused {refusal}" for refusal in REFUSALS],
    *[f"{status} {record}" for record in RECORDS for status in ("applied", "duplicate")],
    *[f"held, then {status} {record}" for record in RECORDS[1:] for status in ("applied", "refused")],
    *[f"duplicate {how}" for how in ("of what is held", "by its revision", "of another type")],
    *[f"applied {record} CANCELLED" for record in ("SessionBooked", *OF_SESSIONS)],
    *[f"applied {record} ATTACHED" for record in OF_SESSIONS[1:]],
    *[f"advisory {advisory}" for advisory in ADVISORIES],
    *[f"instruction {kind}" for kind in INSTRUCTIONS],
    *[
        f"UNDERTAKE_ATTACHMENT/{cause} {participation}"
        for cause in ("Wp11", "SupportGroupAppealChanged", "Referral")
        for participation in ("MANDATORY", "VOLUNTARY")
    ],
    "UNDERTAKE_ATTACHMENT/Wp11 None",
    "UNDERTAKE_ATTACHMENT/Referral None",
    "UNDERTAKE_ATTACHMENT due later",
    "UNDERTAKE_ATTACHMENT voluntary because R5 refused",
    *[f"session {event} {need}" for event in SESSION_EVENTS for need in REQUIREMENTS],
    *[f"session CHANGED by {cause}" for cause in ("SessionChanged", "NotificationConfirmed", "Referral")],
    *[f"notice NEW_REFERRAL_NEEDED/Wp11 {status}" for status in ("CANCELLED", "REJECTED")],
    "notice NEW_REFERRAL_NEEDED not twice",
    "notice ATTACHED/AttachmentRegistered JOINING",
    *[f"notice INCORRECT_ATTACHMENT/AttachmentRegistered {status}" for status in STATUSES],
    "B1 not twice",
    *[f"notice ALTERNATIVE_NOT_POSSIBLE/AlternativeSessionNotPossible {s}" for s in ("OPEN", "JOINING")],
    *[f"prap {action}" for action in ("ACKNOWLEDGE", "ACCEPT", "REJECT", "CANCEL", "BACK_OUT_ATTACHMENT")],
    *[f"breach {kind} RAISED" for kind in ("ACCEPTANCE_LATE", "ATTACHMENT_LATE", "OUTCOME_LATE")],
    *[f"breach SESSION_LATE {why}" for why in ("NOT_BOOKED", "CANCELLED", "NOT_RECORDED", "NOT_ATTENDED")],
    *[
        f"breach {kind} CLEARED by {cause}"
        for kind, cause in [
            ("ACCEPTANCE_LATE", "ReferralAccepted"),
            ("SESSION_LATE", "AttendanceRecorded"),
            ("SESSION_LATE", "AttendanceCorrected"),
            ("ATTACHMENT_LATE", "AttachmentRegistered"),
            ("OUTCOME_LATE", "AttendanceRecorded"),
            ("OUTCOME_LATE", "SessionCancelled"),
        ]
    ],
    *[
        f"breach OUTCOME_LATE CLEARED for a session {how}"
        for how in ("cancelled by PROVIDER", "cancelled by PARTICIPANT", "owed, cancelled", "owed, attended")
    ],
    *[f"breach {kind} not cleared" for kind in ("ACCEPTANCE_LATE", "ATTACHMENT_LATE", "OUTCOME_LATE")],
    *[f"notification {status} {kind}" for status in ("RAISED", "WITHDRAWN") for kind in FAILURE_TYPES],
    *[f"notification of {failure}" for failure in (*OUTCOMES[1:], "CANNOT_ATTEND")],
    *[f"notification on {ground}" for ground in ("no mandation", "a mandation", "a mandation of no purpose")],
    "notification on the ground of an earlier benefit",
    *[
        f"notification RAISED by {cause}"
        for cause in ("AttendanceRecorded", "AttendanceCorrected", "NotificationConfirmed", "F2")
    ],
    *[
        f"notification WITHDRAWN by {cause}"
        for cause in ("AttendanceRecorded", "AttendanceCorrected", "SessionCancelled")
    ],
    *[
        f"reason {whose}"
        for whose in ("of the outcome", "of CannotAttend", "that is empty", "of an earlier outcome dropped")
    ],
    *[
        f"attendance {outcome} {need} {which}"
        for outcome in OUTCOMES
        for need in REQUIREMENTS
        for which in ("supersedes", "first")
        if not (outcome != "ATTENDED" and need == "VOLUNTARY" and which == "first")
    ],
    "attempt 2 or later",
    *[f"cancellation attended={attended}" for attended in (True, False)],
    "decided later than due",
    "of several sessions the one booked last",
    *[f"M1 by {code}" for code in ("R13", "R5", "R16", "R6", "R7")],
    *[
        f"M1 {how}"
        for how in (
            "tells a session again",
            "at the start of a session",
            "after the start of an open session",
        )
    ],
    "no M1 where another field differs",
    *[f"R1 of a referral {status}" for status in ("unknown", "special", *STATUSES)],
    *[
        f"special, {how}"
        for how in ("a waiting failure dropped", "F1", "F2", "T6", "withdrawn", "applied", "forgotten")
    ],
    *[
        f"booked again after {why}"
        for why in ("PROVIDER", "PARTICIPANT", "UNCONTACTABLE", "GROUP_UNSUITABLE")
    ],
    *[
        f"owed by {what}, {record} {status}"
        for what in ("F2 to come", "a waiting failure", "a notification")
        for record, status in [
            ("SessionBooked", "refused"),
            ("SessionCancelled", "applied"),
            ("SessionCancelled", "refused"),
            ("NotificationConfirmed", "applied"),
            ("AttendanceRecorded", "applied"),
            ("AttendanceRecorded", "refused"),
            ("CannotAttend", "refused"),
        ]
    ],
    *[f"F2 {how}" for how in ("raises", "waits", "of an owed one", "finds an outcome", "finds it cancelled")],
    *[f"F2 finds it voluntary by {how}" for how in ("the end of the mandate", "the closing")],
    *[f"F1 {how}" for how in ("finds an active one", "waits already", "raises again after a withdrawal")],
    "F1 not told because it was before the referral",
    "P6 of a waiting failure, no longer mandatory",
    *[
        f"T6 {how}"
        for how in (
            "RECORD_OUTCOME",
            "RECORD_OUTCOME, CONFIRM_NOTIFICATION",
            "CONFIRM_NOTIFICATION, with an outcome",
            "CONFIRM_NOTIFICATION, owed",
            "finds an active one",
            "finds it voluntary",
            "of a booking after the end",
            "on a closed referral",
        )
    ],
    *[f"T4 {how}" for how in ("on hold", "of a later date", "raised, then held", "cleared by a later date")],
    *[f"T5 forgets {status}" for status in STATUSES[1:]],
    "held, then forgotten by T5",
    "a second life after T5",
    *[f"restricted by {cause}" for cause in ("Referral", "GroupSessionRestrictionChanged", "GroupObjection")],
    "objection instead of ADDITIONAL_NEEDS",
    *[f"a message {when} {name}" for name in DEADLINES for when in ("at", "a ms before", "a ms after")],
    *[f"annotation {how}" for how in ("typed otherwise", "with a dash", "with white space")],
]


class Watched(Gateway):
    """A gateway that counts what comes to pass in it."""

    def __init__(self, policies: list[Json], seen: Counter[str]) -> None:
        """Count in `seen`."""
        super().__init__(policies)
        self.seen = seen
        self.cause = ""
        self.before: str | None = None
        self.kinds: dict[tuple[str, str], str] = {}
        self.fell_due: dict[str, tuple[datetime, list[str]]] = {}
        self.known_before: set[str] = set()

    # What goes out.

    def event(self, kind: str, now: datetime, po_number: str, fields: Json, place: int = 0) -> Json:
        """See each event, and what it came of."""
        of_kind = {
            "SessionEvent": self.see_session_event,
            "AttendanceEvent": self.see_attendance,
            "SanctionNotification": self.see_notification,
            "Instruction": self.see_instruction,
            "Breach": self.see_breach,
        }
        if kind in of_kind:
            of_kind[kind](po_number, fields)
        elif kind == "PrapAction":
            self.seen[f"prap {fields['action']}"] += 1
        elif kind == "CancellationEvent":
            self.seen[f"cancellation attended={fields['attended']}"] += 1
        elif kind == "Notice":
            self.seen[f"notice {fields['notice']}/{self.cause} {self.before}"] += 1
        return super().event(kind, now, po_number, fields, place)

    def see_session_event(self, _po_number: str, fields: Json) -> None:
        """A session event."""
        self.seen[f"session {fields['change']}/{fields['because']} {fields['requirement']}"] += 1
        if fields["change"] == "CHANGED":
            self.seen[f"session CHANGED by {self.cause}"] += 1

    def see_attendance(self, _po_number: str, fields: Json) -> None:
        """An attendance event."""
        supersedes = "supersedes" if fields["supersedes"] else "first"
        self.seen[f"attendance {fields['outcome']} {fields['requirement']} {supersedes}"] += 1
        if fields["attempt"] > 1:
            self.seen["attempt 2 or later"] += 1

    def see_notification(self, po_number: str, fields: Json) -> None:
        """A notification."""
        status = fields["status"]
        self.seen[f"notification {status} {fields['failure_type']}"] += 1
        self.seen[f"notification {status} by {self.cause}"] += 1
        if status == "WITHDRAWN":
            return
        self.seen[f"notification of {fields['failure']}"] += 1
        ground = "no mandation" if fields["mandation_basis"] is None else "a mandation"
        self.seen[f"notification on {ground}"] += 1
        if ground == "a mandation" and fields["mandation_purpose"] is None:
            self.seen["notification on a mandation of no purpose"] += 1
        referral = self.referrals[po_number]
        if referral["benefit"] != referral["last_mandatory_revision"]["benefit"]:
            self.seen["notification on the ground of an earlier benefit"] += 1
        session = referral["sessions"][fields["session_id"]]
        if session["outcome_reason"] is not None:
            self.seen["reason of the outcome"] += 1
        elif fields["reason_given"] is not None:
            self.seen["reason of CannotAttend"] += 1
        if fields["reason_given"] == "":
            self.seen["reason that is empty"] += 1
        if session.get("earlier_reason") is not None and session["outcome_reason"] is None:
            self.seen["reason of an earlier outcome dropped"] += 1

    def see_instruction(self, po_number: str, fields: Json) -> None:
        """An instruction."""
        if fields["instruction"] != "UNDERTAKE_ATTACHMENT":
            self.seen[f"instruction {fields['instruction']}/{self.cause}"] += 1
            return
        referral = self.referrals[po_number]
        self.seen[f"UNDERTAKE_ATTACHMENT/{self.cause} {fields['participation']}"] += 1
        if fields["due_on"] > limit(referral, "attach_within_days"):
            self.seen["UNDERTAKE_ATTACHMENT due later"] += 1
        if fields["participation"] == "VOLUNTARY" and referral["claimant_group"] in CAN_BE_MANDATED:
            self.seen["UNDERTAKE_ATTACHMENT voluntary because R5 refused"] += 1

    def see_breach(self, po_number: str, fields: Json) -> None:
        """A breach."""
        name = f"breach {fields['breach']}"
        if fields["because"] is not None:
            self.seen[f"{name} {fields['because']}"] += 1
        if fields["status"] == "CLEARED":
            self.seen[f"{name} CLEARED by {self.cause}"] += 1
        else:
            self.seen[f"{name} RAISED"] += 1
        referral = self.referrals[po_number]
        later = referral["attachment_due_on"] > limit(referral, "attach_within_days")
        if fields["breach"] == "ATTACHMENT_LATE" and later:
            raised_later = fields["due_on"] == referral["attachment_due_on"]
            if fields["status"] == "RAISED":
                self.seen["T4 of a later date"] += 1
            elif not raised_later:
                self.seen["T4 cleared by a later date"] += 1

    def go_out(self) -> None:
        """See what is decided later than it was due."""
        if self.cause == "T3" and any(effect["kind"] == "CancellationEvent" for effect in self.effects):
            due_at = self.referrals[self.effects[0]["po_number"]]["closed_at"]
            if self.effects[0]["now"] != due_at:
                self.seen["decided later than due"] += 1
        super().go_out()

    # What comes in.

    def arrive(self, message: Json) -> None:
        """See which messages arrive at a deadline's very instant, or a millisecond from it."""
        at, po = message["at"], message["value"]["po_number"]
        for due in self.due_list(po):
            if due[0] - at == MS:
                self.seen[f"a message a ms before {due[4]}"] += 1
            elif due[0] == at:
                self.seen[f"a message at {due[4]}"] += 1
        instant, names = self.fell_due.get(po, (None, []))
        if instant is not None and at - instant == MS:
            for name in names:
                self.seen[f"a message a ms after {name}"] += 1
        if po in self.held and po not in self.referrals and self.is_held(po, message["value"]["message_id"]):
            self.seen["duplicate of what is held"] += 1
        super().arrive(message)

    def note_due(self, po: str, name: str, instant: datetime) -> None:
        """Remember what fell due last of a referral."""
        when, names = self.fell_due.get(po, (None, []))
        self.fell_due[po] = (instant, [*(names if when == instant else []), name])

    def outcome_event(self, message: Json, outcome: Outcome, now: datetime) -> None:
        """See the outcome of each message."""
        status, code, advisories = outcome
        value, kind = message["value"], message["type"]
        po, message_id = value["po_number"], value["message_id"]
        if status == "HELD":
            self.before = None
        elif message.get("expires_at") is not None and status != "DUPLICATE":
            self.seen[f"held, then {status.lower()} {kind}"] += 1
            if code == "UNKNOWN_REFERRAL" and po in self.known_before:
                self.seen["held, then forgotten by T5"] += 1
        if code == "UNKNOWN_REFERRAL" and message["expires_at"] == now:
            self.note_due(po, "G2", now)
        if status == "REFUSED":
            self.seen[f"refused {code}/{kind}"] += 1
            self.seen[f"refused {code}/{kind}/{self.before}"] += 1
        else:
            self.seen[f"{status.lower()} {kind}"] += 1
            self.seen[f"{status.lower()} {kind} {self.before}"] += 1
        if status == "DUPLICATE" and self.kinds.get((po, message_id), kind) != kind:
            self.seen["duplicate of another type"] += 1
        self.kinds.setdefault((po, message_id), kind)
        for advisory in advisories:
            self.seen[f"advisory {advisory}/{kind}"] += 1
        super().outcome_event(message, outcome, now)

    def judge(self, referral: Json, message: Json, now: datetime) -> None:
        """Know what is being judged, and see what becomes of an owed session."""
        kind, value = message["type"], message["value"]
        self.cause, self.before = kind, referral["status"]
        special = referral["special"]
        session = referral["sessions"].get(value.get("session_id"))
        owed = session is not None and is_owed(referral, session)
        cancelled = session["cancelled"] if session is not None else None
        what = self.why_owed(referral, session) if session is not None and owed else ""
        breaches = {name: breach["status"] for name, breach in referral["breaches"].items()}
        of_session = dict(session["breaches"].get("OUTCOME_LATE", {})) if session is not None else {}
        reason = session["outcome_reason"] if session is not None else None
        if session is not None and kind in ("AttendanceRecorded", "AttendanceCorrected"):
            session["earlier_reason"] = reason if reason is not None else session.get("earlier_reason")
        withdrawn = self.seen[f"notification WITHDRAWN by {kind}"]
        applied = self.seen[f"applied {kind}"]
        super().judge(referral, message, now)
        was_applied = self.seen[f"applied {kind}"] > applied
        if owed:
            self.seen[f"owed by {what}, {kind} {'applied' if was_applied else 'refused'}"] += 1
        if not was_applied:
            return
        if special:
            self.seen["special, applied"] += 1
            if self.seen[f"notification WITHDRAWN by {kind}"] > withdrawn:
                self.seen["special, withdrawn"] += 1
        if kind == "SessionBooked" and cancelled is not None:
            self.seen[f"booked again after {cancelled}"] += 1
        clearing = {"ReferralAccepted": "ACCEPTANCE_LATE", "AttachmentRegistered": "ATTACHMENT_LATE"}.get(
            kind
        )
        if clearing and breaches.get(clearing) == "RAISED" == referral["breaches"][clearing]["status"]:
            self.seen[f"breach {clearing} not cleared"] += 1
        if session is not None and of_session.get("status") == "RAISED" and kind != "SessionBooked":
            after = session["breaches"]["OUTCOME_LATE"]["status"]
            if after == "RAISED" and kind in ("AttendanceRecorded", "SessionCancelled"):
                self.seen["breach OUTCOME_LATE not cleared"] += 1
            elif after == "CLEARED":
                name = "breach OUTCOME_LATE CLEARED for a session"
                how = "attended" if kind == "AttendanceRecorded" else "cancelled"
                self.seen[f"{name} owed, {how}" if owed else f"{name} {how} by {session['cancelled']}"] += 1

    def why_owed(self, referral: Json, session: Json) -> str:
        """What makes a session owed."""
        if session["active"] is not None:
            return "a notification"
        return "a waiting failure" if session["waiting"] else "F2 to come"

    # The rows of a Referral.

    def referral_arrives(self, message: Json) -> None:
        """Know that a Referral is being judged."""
        value = message["value"]
        known = self.referrals.get(value["po_number"])
        self.cause, self.before = "Referral", known["status"] if known else None
        if known is None and value["po_number"] in self.known_before:
            self.seen["a second life after T5"] += 1
        if value["special_customer_record"] and known is None:
            self.seen["R1 of a referral unknown"] += 1
        elif known is not None and known["special"]:
            self.seen["R1 of a referral special"] += 1
        super().referral_arrives(message)

    def r1(self, referral: Json, at: datetime) -> None:
        """See what becomes special."""
        self.seen[f"R1 of a referral {referral['status']}"] += 1
        if any(session["waiting"] for session in referral["sessions"].values()):
            self.seen["special, a waiting failure dropped"] += 1
        super().r1(referral, at)

    def referral_rows(self, known: Json | None, value: Json, at: datetime) -> Outcome:
        """See duplicates by their revision, and annotations as people type them."""
        if known and value["po_revision"] == known["po_revision"]:
            self.seen["duplicate by its revision"] += 1
        outcome = super().referral_rows(known, value, at)
        text = value["action_plan_annotation"]
        if outcome[0] == "APPLIED" and text != text.swapcase().swapcase().title():
            self.seen["annotation typed otherwise"] += 1
        if outcome[0] == "APPLIED" and "-" not in text:
            self.seen["annotation with a dash"] += 1
        if outcome[0] == "APPLIED" and text.count(" ") != 3:
            self.seen["annotation with white space"] += 1
        return outcome

    def wrongly_mandated(self, known: Json | None, value: Json, at: datetime, code: str) -> Outcome:
        """See which row ends a mandate."""
        self.row = {
            "GROUP_CANNOT_BE_MANDATED": "R5",
            "MANDATION_DOES_NOT_FIT": "R16",
            "UC_MANDATION_NOT_JUSTIFIED": "R6",
            "NO_JOBSEEKERS_DIRECTION": "R7",
        }[code]
        if known and known["mandatory_at_first"] and not is_of(known, value):
            self.seen["no M1 where another field differs"] += 1
        return super().wrongly_mandated(known, value, at, code)

    def r13(self, referral: Json, value: Json, at: datetime) -> Outcome:
        """Know that a revision is being applied."""
        self.row = "R13"
        return super().r13(referral, value, at)

    def m1(self, referral: Json, at: datetime) -> None:
        """See what ends a mandate, and when."""
        self.seen[f"M1 by {self.row}"] += 1
        for session in referral["sessions"].values():
            if is_open(session) and session["starts_at"] > at:
                self.seen["M1 tells a session again"] += 1
            elif session["starts_at"] == at:
                self.seen["M1 at the start of a session"] += 1
            elif is_open(session):
                self.seen["M1 after the start of an open session"] += 1
        super().m1(referral, at)

    # Sessions and failures.

    def n1(self, referral: Json, value: Json, now: datetime) -> None:
        """See where no second notice is sent."""
        if referral["new_referral_noticed"]:
            self.seen["notice NEW_REFERRAL_NEEDED not twice"] += 1
        super().n1(referral, value, now)

    def b1(self, referral: Json, value: Json, now: datetime) -> None:
        """See where no second notice is sent."""
        if [value["attached_on"], value["attached_to"]] in referral["backed_out"]:
            self.seen["B1 not twice"] += 1
        super().b1(referral, value, now)

    def hold_or_lift(self, referral: Json, was_on_hold: bool, at: datetime, now: datetime) -> None:
        """See which referrals are held after their breach."""
        if is_on_hold(referral) and not was_on_hold and "ATTACHMENT_LATE" in referral["breaches"]:
            self.seen["T4 raised, then held"] += 1
        super().hold_or_lift(referral, was_on_hold, at, now)

    def restrict(self, referral: Json, restriction: str | None, at: datetime, now: datetime) -> None:
        """See whence a restriction comes."""
        if restriction is not None:
            self.seen[f"restricted by {self.cause}"] += 1
        super().restrict(referral, restriction, at, now)

    def p9(self, referral: Json, at: datetime, now: datetime) -> Outcome:
        """See whether an objection is the restriction."""
        before = referral["restriction"]
        outcome = super().p9(referral, at, now)
        if before != referral["restriction"]:
            self.seen["restricted by GroupObjection"] += 1
            if before is not None:
                self.seen["objection instead of ADDITIONAL_NEEDS"] += 1
        return outcome

    def cancel_group_sessions(self, referral: Json, at: datetime, now: datetime) -> list[Json]:
        """See where several are cancelled at once."""
        cancelled = super().cancel_group_sessions(referral, at, now)
        if len(cancelled) > 1:
            self.seen["of several sessions the one booked last"] += 1
        return cancelled

    def p6(self, referral: Json, value: Json, now: datetime) -> Outcome:
        """See a failure that waited too long."""
        outcome = super().p6(referral, value, now)
        session = referral["sessions"].get(value["session_id"])
        if outcome[0] == "APPLIED" and session and session["waiting"]:
            self.seen["P6 of a waiting failure, no longer mandatory"] += 1
        return outcome

    def f2(self, referral: Json, session: Json, now: datetime) -> None:
        """See what F2 finds."""
        self.note_due(referral["po_number"], "F2", session_end(session))
        self.cause = "F2"
        if referral["special"]:
            self.seen["special, F2"] += 1
        elif f2_is_to_come(referral, session):
            self.seen["F2 raises" if was_told(referral, session) else "F2 waits"] += 1
            if session["cancelled"] == "PARTICIPANT":
                self.seen["F2 of an owed one"] += 1
        elif session["outcome"] is not None:
            self.seen["F2 finds an outcome"] += 1
        elif session["cancelled"] is not None:
            self.seen["F2 finds it cancelled"] += 1
        elif referral["mandatory_at_first"]:
            closed = closed_at_or_before(referral, session["starts_at"])
            self.seen[
                f"F2 finds it voluntary by {'the closing' if closed else 'the end of the mandate'}"
            ] += 1
        super().f2(referral, session, now)

    def f1(self, referral: Json, session: Json, now: datetime) -> None:
        """See what F1 finds."""
        told = was_told(referral, session)
        notified_at = session["notified_at"]
        if referral["special"]:
            self.seen["special, F1"] += 1
        elif session["active"] is not None:
            self.seen["F1 finds an active one"] += 1
        elif session["waiting"] and not told:
            self.seen["F1 waits already"] += 1
        elif session.get("withdrawn") and told:
            self.seen["F1 raises again after a withdrawal"] += 1
        elif not told and notified_at is not None and notified_at < session["starts_at"]:
            self.seen["F1 not told because it was before the referral"] += 1
        super().f1(referral, session, now)

    def withdraw(self, referral: Json, session: Json, now: datetime) -> None:
        """Remember what is withdrawn."""
        if session["active"] is not None:
            session["withdrawn"] = True
        super().withdraw(referral, session, now)

    # Deadlines.

    def deadline(self, referral: Json, name: str, instant: datetime, now: datetime) -> None:
        """See what T4 and T5 find."""
        self.note_due(referral["po_number"], name, instant)
        self.cause = name
        if name == "T4" and is_on_hold(referral):
            self.seen["T4 on hold"] += 1
        if name == "T5":
            self.known_before.add(referral["po_number"])
            self.seen[f"T5 forgets {referral['status']}"] += 1
            if referral["special"]:
                self.seen["special, forgotten"] += 1
        super().deadline(referral, name, instant, now)

    def t6(self, referral: Json, session: Json, now: datetime) -> None:
        """See what T6 finds."""
        self.note_due(referral["po_number"], "T6", passes_at(session["outcome_due_on"]))
        self.cause = "T6"
        mandatory = is_mandatory(referral, session)
        asks = [kind for kind, yes in (
            ("RECORD_OUTCOME", is_open(session)),
            ("CONFIRM_NOTIFICATION", session["waiting"]),
        ) if yes]  # fmt: skip
        if referral["special"]:
            self.seen["special, T6"] += 1
        elif not mandatory:
            self.seen["T6 finds it voluntary"] += 1
        elif session["active"] is not None:
            self.seen["T6 finds an active one"] += 1
        elif asks == ["CONFIRM_NOTIFICATION"]:
            how = "owed" if session["cancelled"] else "with an outcome"
            self.seen[f"T6 CONFIRM_NOTIFICATION, {how}"] += 1
        elif asks:
            self.seen[f"T6 {', '.join(asks)}"] += 1
            if referral["status"] in CLOSED:
                self.seen["T6 on a closed referral"] += 1
            if session["outcome_due_on"] > self.outcome_due_on(referral, session, session_end(session)):
                self.seen["T6 of a booking after the end"] += 1
        super().t6(referral, session, now)


def measure(programmes: int, first: int = 0, referrals: int = 8) -> tuple[Counter[str], int, int]:
    """Counts over so many programmes, with the number of input lines and of output lines."""
    seen: Counter[str] = Counter()
    lines_in = lines_out = 0
    for seed in range(first, first + programmes):
        chosen = random_policies(seed) if seed % 2 else None
        lines = programme(seed, referrals, chosen)
        out = run(Watched(chosen or DEFAULT_POLICIES, seen), lines)
        lines_in, lines_out = lines_in + len(lines), lines_out + len(out)
    return seen, lines_in, lines_out


def main() -> int:
    """Print the table; exit 1 where something that the rulebook knows did not occur."""
    programmes = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    seen, lines_in, lines_out = measure(programmes)
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
