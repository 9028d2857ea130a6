"""A file to begin with: all columns, and a row of each record. Read back, it has no mistakes."""

from typing import Final

from gateway.intake.uploads.columns import COLUMNS
from gateway.intake.uploads.export import csv_bytes

_SESSION: Final = {"po_number": "PO1001", "session_id": "S-7"}
_ROWS: Final[tuple[dict[str, str], ...]] = (
    {"type": "Referral accepted", "po_number": "PO1001", "accepted_at": "15/03/2016 09:55"},
    {
        "type": "Referral rejected",
        "po_number": "PO1002",
        "reason": "Referred twice",
        "rejected_at": "15/03/2016 10:00",
    },
    _SESSION
    | {
        "type": "Session booked",
        "session_name": "Information session",
        "starts_at": "22/03/2016 10:00",
        "duration_minutes": "60",
        "location": "Leeds",
        "format": "One to one",
        "notified_at": "15/03/2016 09:58",
    },
    _SESSION
    | {
        "type": "Session changed",
        "starts_at": "23/03/2016 10:00",
        "duration_minutes": "60",
        "location": "Leeds",
        "notified_at": "16/03/2016 09:30",
    },
    {
        "type": "Session cancelled",
        "po_number": "PO1003",
        "session_id": "S-8",
        "reason": "The trainer is ill",
        "cancelled_at": "17/03/2016 10:00",
    },
    _SESSION | {"type": "Notification confirmed", "notified_at": "16/03/2016 10:04"},
    _SESSION | {"type": "Cannot attend", "reason": "A hospital appointment", "given_at": "17/03/2016 09:30"},
    {"type": "Group objection", "po_number": "PO1003", "raised_at": "17/03/2016 10:05"},
    _SESSION
    | {
        "type": "Attendance recorded",
        "outcome": "Did not attend",
        "reason_given": "The bus did not come",
        "recorded_at": "23/03/2016 11:10",
    },
    _SESSION
    | {
        "type": "Attendance corrected",
        "outcome": "Attended",
        "explanation": "The wrong line of the register",
        "recorded_at": "24/03/2016 11:00",
    },
    {
        "type": "Attachment registered",
        "po_number": "PO1001",
        "attached_on": "29/03/2016",
        "attached_to": "Work Programme referral",
    },
    _SESSION
    | {"type": "Expense reimbursed", "kind": "Travel", "amount_pence": "£4.50", "paid_on": "29/03/2016"},
)


def template_csv() -> bytes:
    """CSV as `csv_bytes` writes it; the rows are examples, to be replaced."""
    rows = [{"message_id": f"example-{number}"} | row for number, row in enumerate(_ROWS, 1)]
    return csv_bytes(COLUMNS, ([row.get(column, "") for column in COLUMNS] for row in rows))
